import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import * as fc from 'fast-check'
import { bytes, DiskMap, json, native, primitive, str, structured } from '../index.js'
import { freshPath } from './helpers/dir.js'
import { fails } from './helpers/errors.js'
import { resizable } from './helpers/memory.js'
import { freshMap } from './helpers/open.js'
import { inThread } from './helpers/threads.js'

test('getMany gives the values in the order of the keys, with undefined for a miss', (t) => {
  const map = freshMap(t, { key: str, value: native.u32 }).set('a', 1).set('bb', 2)
  t.deepEqual(map.getMany(['bb', 'c', 'a', 'bb']), [2, undefined, 1, 2])
  t.deepEqual(map.getMany(['a', 'c']), [1, undefined])
  t.deepEqual(map.getMany([]), [])
  t.deepEqual(map.getMany(new Set(['a', 'x'])), [1, undefined])
  t.deepEqual(map.getMany(map.keys()).toSorted(), [1, 2])
})

const integers = [
  ['u8', Uint8Array],
  ['u16', Uint16Array],
  ['u32', Uint32Array],
  ['u64', BigUint64Array],
  ['i8', Int8Array],
  ['i16', Int16Array],
  ['i32', Int32Array],
  ['i64', BigInt64Array],
] as const

test('getManyInto puts integers into a typed array, leaves the places of misses, and counts the others', (t) => {
  for (const [type, Numbers] of integers) {
    const map = freshMap(t, { key: native.u32, value: native[type] as typeof native.i32 })
    const number = (n: number): number =>
      ((Numbers as unknown) === BigUint64Array || (Numbers as unknown) === BigInt64Array
        ? BigInt(n)
        : n) as number
    // More than one page of keys, and of values.
    const count = 70_000
    map.setMany(Array.from({ length: count / 2 }, (_, i) => [i * 2, number(i % 100)]))
    const into = new (Numbers as typeof Int32Array)(count + 5).fill(number(111))
    for (const keys of [Uint32Array.from({ length: count }, (_, i) => i), Array(count).keys()]) {
      t.is(map.getManyInto(keys, into.fill(number(111))), count / 2)
      const expected = (i: number): number => number(i % 2 === 0 && i < count ? (i / 2) % 100 : 111)
      t.true(into.every((found, i) => found === expected(i)))
    }
    t.is(map.getManyInto([], new (Numbers as typeof Int32Array)(0)), 0)
  }
})

test('getManyInto may put the values where the keys stand, and into memory that is shared', (t) => {
  const map = freshMap(t, { key: native.u64, value: native.u64 })
  map.setMany(Array.from({ length: 1000 }, (_, i) => [BigInt(i), BigInt(i) * 7n]))
  const both = BigUint64Array.from({ length: 1000 }, (_, i) => BigInt(i))
  t.is(map.getManyInto(both, both), 1000)
  t.deepEqual(
    both,
    BigUint64Array.from({ length: 1000 }, (_, i) => BigInt(i) * 7n),
  )
  const shared = new BigUint64Array(new SharedArrayBuffer(16))
  t.is(map.getManyInto([5n, 2000n], shared), 1)
  t.deepEqual(Array.from(shared), [35n, 0n])
})

test('getManyInto refuses what is not the array of its codec, or is too short, before it reads', (t) => {
  const map = freshMap(t, { key: str, value: native.u32 }).set('a', 1)
  const short = new Uint32Array(1)
  const wrong = [[], new Int32Array(2), new Float64Array(2), new ArrayBuffer(8), undefined, short]
  for (const into of wrong) {
    fails(t, 'ERR_INVALID_ARGUMENT', () => map.getManyInto(['a', 'b'], into as never))
  }
  t.deepEqual(Array.from(short), [0])
  const detached = new Uint32Array(2)
  structuredClone(detached.buffer, { transfer: [detached.buffer] })
  fails(t, 'ERR_INVALID_ARGUMENT', () => map.getManyInto(['a'], detached))
  fails(t, 'ERR_INVALID_ARGUMENT', () => map.getManyInto(5 as never, new Uint32Array(2)))
  const texts = freshMap(t, { key: str, value: str }).set('a', 'b')
  fails(t, 'ERR_INVALID_ARGUMENT', () => texts.getManyInto(['a'], new Uint8Array(1) as never))
  const floats = freshMap(t, { key: str, value: native.f64 }).set('a', 1)
  fails(t, 'ERR_INVALID_ARGUMENT', () => floats.getManyInto(['a'], new Float64Array(1) as never))
})

test('hasMany says of each key whether it is there, in order', (t) => {
  const map = freshMap(t, { key: str, value: native.u32 }).set('a', 1).set('bb', 2)
  t.deepEqual(map.hasMany(['bb', 'c', 'a', 'a']), [true, false, true, true])
  t.deepEqual(map.hasMany([]), [])
})

test('setMany takes pairs, a Map or a DiskMap, and returns the map; the last of equal keys stays', (t) => {
  const map = freshMap(t, { key: str, value: native.u32 })
  t.is(
    map.setMany([
      ['a', 1],
      ['b', 2],
      ['a', 3],
    ]),
    map,
  )
  t.is(map.get('a'), 3)
  map.setMany(new Map([['c', 4]])).setMany([])
  const other = freshMap(t, { key: str, value: native.u32 }).setMany(map)
  t.is(other.size, 3)
  t.deepEqual(other.getMany(['a', 'b', 'c']), [3, 2, 4])
  other.setMany(other)
  t.is(other.size, 3)
  other.setMany([{ 0: 'd', 1: 5 } as never])
  t.is(other.get('d'), 5)
})

test('deleteMany removes keys and counts those that were there', (t) => {
  const map = freshMap(t, { key: str, value: str }).setMany([
    ['a', ''],
    ['b', ''],
    ['c', ''],
  ])
  t.is(map.deleteMany(['a', 'x', 'a', 'c']), 2)
  t.deepEqual([...map.keys()], ['b'])
  t.is(map.deleteMany([]), 0)
  t.is(map.deleteMany(map.keys()), 1)
  t.is(map.size, 0)
})

const models = {
  'str to str': {
    options: { key: str, value: str },
    key: fc.oneof(
      fc.string({ maxLength: 2 }),
      fc.string({ unit: 'grapheme', maxLength: 2 }),
      fc.string({ minLength: 60, maxLength: 70 }),
    ),
    value: fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ minLength: 30, maxLength: 300 })),
  },
  'native.u64 to native.u64': {
    options: { key: native.u64, value: native.u64 },
    key: fc.oneof(fc.bigInt(0n, 20n), fc.bigInt(0n, 2n ** 64n - 1n)),
    value: fc.bigInt(0n, 2n ** 64n - 1n),
  },
  'native.f64 to native.f32': {
    options: { key: native.f64, value: native.f32 },
    key: fc.oneof(fc.double(), fc.constantFrom(0, -0, NaN)),
    value: fc.oneof(fc.float(), fc.constantFrom(-0, NaN)),
  },
  'primitive to json': {
    options: { key: primitive, value: json },
    key: fc.oneof(
      fc.constantFrom(undefined, null, true, 0, -0, NaN, 1, 1n, '1', ''),
      fc.bigInt(),
      fc.string({ unit: 'grapheme' }),
    ),
    value: fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown),
  },
  'native.i8 to structured': {
    options: { key: native.i8, value: structured },
    key: fc.integer({ min: -128, max: 127 }),
    value: fc.anything(),
  },
  'native.bool to primitive': {
    options: { key: native.bool, value: primitive },
    key: fc.boolean(),
    value: fc.oneof(fc.constantFrom(undefined, null, -0), fc.bigInt(), fc.string()),
  },
}

for (const [name, { options, key, value }] of Object.entries(models)) {
  test(`batches on a map of ${name} do what the same steps do to a Map`, (t) => {
    const disk = freshMap(t, options as never) as unknown as DiskMap<unknown, unknown>
    const keys = fc.array(key as fc.Arbitrary<unknown>, { maxLength: 20 })
    const pairs = fc.array(fc.tuple(key as fc.Arbitrary<unknown>, value), { maxLength: 20 })
    const step = fc.oneof(
      fc.record({ set: pairs }),
      fc.record({ get: keys }),
      fc.record({ has: keys }),
      fc.record({ delete: keys }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (run) => {
        disk.clear()
        const map = new Map<unknown, unknown>()
        for (const batch of run) {
          if ('set' in batch) {
            disk.setMany(batch.set)
            for (const [key, value] of batch.set) map.set(key, value)
          } else if ('get' in batch) {
            t.deepEqual(
              disk.getMany(batch.get),
              batch.get.map((key) => map.get(key)),
            )
          } else if ('has' in batch) {
            t.deepEqual(
              disk.hasMany(batch.has),
              batch.has.map((key) => map.has(key)),
            )
          } else {
            const removed = batch.delete.map((key) => map.delete(key)).filter(Boolean).length
            t.is(disk.deleteMany(batch.delete), removed)
          }
          t.is(disk.size, map.size)
        }
        t.deepEqual(disk.getMany(map.keys()), [...map.values()])
      }),
      { numRuns: 80 },
    )
  })
}

const typed = {
  u8: [Uint8Array, Uint8ClampedArray, Buffer],
  u16: [Uint16Array],
  u32: [Uint32Array],
  u64: [BigUint64Array],
  i8: [Int8Array],
  i16: [Int16Array],
  i32: [Int32Array],
  i64: [BigInt64Array],
  f32: [Float32Array],
  f64: [Float64Array],
} as const

/** What all typed arrays are alike in. */
interface Numbers extends Iterable<number> {
  readonly BYTES_PER_ELEMENT: number
  set(numbers: number[]): void
}

for (const [type, classes] of Object.entries(typed)) {
  test(`typed arrays are keys of native.${type}, whatever memory they lie in`, (t) => {
    const map = freshMap(t, { key: native[type as 'u8'], value: str })
    const wide = type.endsWith('64') && !type.startsWith('f')
    const number = (n: number): number => (wide ? BigInt(n) : n) as number
    const numbers = [7, 0, 100, 3].map(number)
    map.setMany(numbers.map((n) => [n, `value ${n}`]))
    const found = [7, 1, 100, 0].map(number)
    const expected = ['value 7', undefined, 'value 100', 'value 0']
    for (const Class of classes) {
      const Elements = Class as unknown as {
        new (given: ArrayBufferLike | number[] | number, offset?: number, length?: number): Numbers
      }
      const plain = new Elements(found)
      const size = plain.BYTES_PER_ELEMENT
      const inside = new Elements(new ArrayBuffer(size * 6), size, 4)
      const shared = new Elements(new SharedArrayBuffer(size * 4))
      const growing = new Elements(resizable(size * 4, size * 8))
      for (const array of [plain, inside, shared, growing]) {
        array.set(found)
        t.deepEqual(map.getMany(array), expected)
        t.deepEqual(map.hasMany(array), [true, false, true, true])
      }
      t.deepEqual(map.getMany(new Elements(0)), [])
    }
    t.is(map.deleteMany(new classes[0](found as never) as unknown as Iterable<number>), 3)
    t.deepEqual([...map.keys()], [number(3)])
  })
}

test('typed arrays of floats find the one zero and the one NaN', (t) => {
  for (const [key, Class] of [
    [native.f64, Float64Array],
    [native.f32, Float32Array],
  ] as const) {
    const map = freshMap(t, { key, value: str }).set(0, 'zero').set(NaN, 'nan').set(0.5, 'half')
    const keys = new Class([-0, NaN, 0.5])
    // Another NaN.
    new Uint8Array(keys.buffer)[keys.BYTES_PER_ELEMENT] = 1
    t.deepEqual(map.getMany(keys), ['zero', 'nan', 'half'])
  }
})

test('typed arrays of another element type are iterables like others', (t) => {
  const map = freshMap(t, { key: native.u32, value: str }).set(1, 'one').set(300, 'three hundred')
  t.deepEqual(map.getMany(new Uint16Array([300, 1])), ['three hundred', 'one'])
  t.deepEqual(map.getMany(new Float64Array([1])), ['one'])
  fails(t, 'ERR_INVALID_KEY', () => map.getMany(new Int8Array([1, -1])))
  fails(t, 'ERR_INVALID_KEY', () => map.getMany(new BigUint64Array(1) as never))
  const mixed = freshMap(t, { key: primitive, value: str }).set(1, 'one')
  t.deepEqual(mixed.getMany(new Uint8Array([1, 2])), ['one', undefined])
})

test('keys of text are the same keys in batches, whatever their characters and lengths', (t) => {
  const map = freshMap(t, { key: str, value: native.u32 })
  const lists = [
    ['aaaa', 'bbbb', 'cccc'],
    ['aaaa', 'éééé', '日本日本', '😀😀'],
    ['', '', 'a'],
    [''],
    ['a', 'é', 'ab', 'x'.repeat(32), 'x'.repeat(33), 'é'.repeat(33), `${'x'.repeat(40)}é`],
    ['\0', '\x7f', '\x80', '\xff', '\u0100'],
    Array.from({ length: 40_000 }, (_, i) => `key ${i}`.padStart(20)),
    Array.from({ length: 40_000 }, (_, i) => `key ${i}`),
    Array.from({ length: 20_000 }, (_, i) => `ключ ${i}`.padStart(20)),
    // ASCII until far behind the end of the first page.
    Array.from({ length: 30_000 }, (_, i) => `${i === 29_999 ? 'é' : 'e'}${i}`.padStart(16)),
    ['x'.repeat(65_535), 'y'.repeat(65_535), 'z'.repeat(65_535)],
    ['é'.repeat(32_767), `${'é'.repeat(32_766)}x`],
    Array.from({ length: 20 }, (_, i) => `${i % 10}`.repeat(30_000 + i)),
  ]
  for (const list of lists) {
    map.clear()
    const expected = new Map(list.map((key, i) => [key, i]))
    for (const [key, i] of expected) map.set(key, i)
    const found = map.getMany([...list, 'never there'])
    t.deepEqual(found, [...list.map((key) => expected.get(key)), undefined])
    t.true(map.hasMany(list).every(Boolean))
    map.clear()
    map.setMany(expected)
    t.is(map.size, expected.size)
    for (const [key, i] of expected) if (map.get(key) !== i) t.fail(`${key} has another value`)
    t.is(map.deleteMany(list), expected.size)
    t.is(map.size, 0)
  }
})

test('text that is not ASCII is seen at every place of a page', (t) => {
  // One character of 1 to 4 bytes, behind ASCII of every length around the end of a page.
  const map = freshMap(t, { key: str, value: native.u8 })
  for (const size of [4, 8, 16]) {
    const perPage = Math.floor(262_140 / size)
    for (const odd of ['é', '日', '😀']) {
      const last = `${'x'.repeat(size - odd.length)}${odd}`
      for (const place of [perPage - 2, perPage - 1, perPage, perPage + 1]) {
        const keys = Array.from({ length: place }, () => 'x'.repeat(size))
        t.is(map.set(last, 1).deleteMany([...keys, last]), 1)
      }
    }
  }
})

test('values of every size come back, also those longer than the memory for a batch', (t) => {
  const map = freshMap(t, { key: native.u32, value: bytes })
  const sizes = [0, 1, 1024, 1025, 100_000, 262_136, 262_140, 262_144, 262_145, 3_000_000, 0, 5]
  const values = sizes.map((size, i) => Buffer.alloc(size, i + 1))
  map.setMany(values.entries())
  const found = map.getMany([99, ...values.keys(), 98])
  t.is(found.length, values.length + 2)
  for (const [i, value] of values.entries()) t.true(value.equals(found[i + 1]!), `${i}`)
  t.deepEqual([found[0], found.at(-1)], [undefined, undefined])
  // What was read is the caller's own.
  found[2]!.fill(0)
  t.is(map.get(1)![0], 2)
  const texts = freshMap(t, { key: native.u32, value: str })
  const long = ['é'.repeat(300_000), 'short', 'x'.repeat(1_000_000), '']
  t.deepEqual(texts.setMany(long.entries()).getMany([0, 1, 2, 3, 4]), [...long, undefined])
})

test('a batch of a hundred thousand keys is one batch like another', (t) => {
  const map = freshMap(t, { key: native.u64, value: str })
  const count = 100_000
  const keys = BigUint64Array.from({ length: count }, (_, i) => BigInt(i) * 3n)
  function* pairs(): Generator<[bigint, string]> {
    for (const key of keys) yield [key, `value of ${key}`.repeat(1 + Number(key % 5n))]
  }
  map.setMany(pairs())
  t.is(map.size, count)
  const found = map.getMany(keys)
  let wrong = 0
  for (const [i, value] of found.entries()) {
    if (value !== `value of ${keys[i]}`.repeat(1 + Number(keys[i]! % 5n))) wrong++
  }
  t.is(wrong, 0)
  const asked = BigUint64Array.from({ length: count }, (_, i) => BigInt(i))
  const has = map.hasMany(asked)
  t.is(has.length, count)
  t.true(has.every((found, i) => found === (i % 3 === 0)))
  t.is(map.deleteMany(asked), Math.ceil(count / 3))
  t.is(map.size, count - Math.ceil(count / 3))
})

test('an iterable may use one array for all keys and all pairs', (t) => {
  const map = freshMap(t, { key: bytes, value: bytes })
  const key = Buffer.alloc(4)
  function* keys(): Generator<Buffer> {
    for (let i = 0; i < 1000; i++) {
      key.writeUInt32LE(i)
      yield key
    }
  }
  const value = Buffer.alloc(2000)
  const pair: [Buffer, Buffer] = [key, value]
  function* pairs(): Generator<[Buffer, Buffer]> {
    for (let i = 0; i < 1000; i++) {
      key.writeUInt32LE(i)
      value.fill(i % 256)
      yield pair
    }
  }
  map.setMany(pairs())
  t.is(map.size, 1000)
  const found = map.getMany(keys())
  for (const [i, bytes] of found.entries()) t.true(bytes!.every((byte) => byte === i % 256))
  t.is(map.deleteMany(keys()), 1000)
})

test('each key of setMany is atomic by itself: beside threads that write batches every value is whole', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, { key: str, value: str, shards: 2 })
  const keys = Array.from({ length: 50 }, (_, i) => `key ${i}`)
  const rounds = 300
  const running = new Set(['one', 'two'])
  const threads = [...running].map(async (name) => {
    await inThread(path, 'batches', { name, keys, rounds })
    running.delete(name)
  })
  const whole = (key: string, value: string | undefined): boolean => {
    const mark = value?.slice(0, value.indexOf('|') + 1)
    return value === undefined || (mark!.includes(key) && value === mark!.repeat(mark!.length))
  }
  let wrong = 0
  while (running.size > 0) {
    const found = map.getMany(keys)
    for (const [i, key] of keys.entries()) if (!whole(key, found[i])) wrong++
    await setImmediate()
  }
  await Promise.all(threads)
  t.is(wrong, 0)
  const last = map.getMany(keys)
  t.true(last.every((value, i) => value !== undefined && whole(keys[i]!, value)))
  t.true(last.every((value) => value!.includes(` ${rounds} `)))
  map.close()
})
