import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import test from 'ava'
import { bytes, DiskMap, native, primitive, str, type Sink, type ValueCodec } from '../index.js'
import { interrupted } from './helpers/codecs.js'
import { freshDir, freshPath } from './helpers/dir.js'
import { fails } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'

test('a typed array whose buffer is detached is ERR_INVALID_ARGUMENT', (t) => {
  const map = freshMap(t, { key: native.u64, value: str }).set(0n, 'kept')
  const array = new BigUint64Array(4)
  structuredClone(array.buffer, { transfer: [array.buffer] })
  fails(t, 'ERR_INVALID_ARGUMENT', () => map.getMany(array))
  fails(t, 'ERR_INVALID_ARGUMENT', () => map.hasMany(array))
  fails(t, 'ERR_INVALID_ARGUMENT', () => map.deleteMany(array))
  const floats = freshMap(t, { key: native.f64, value: str })
  const other = new Float64Array(4)
  structuredClone(other.buffer, { transfer: [other.buffer] })
  fails(t, 'ERR_INVALID_ARGUMENT', () => floats.getMany(other))
  t.is(map.size, 1)
})

test('what is not iterable is ERR_INVALID_ARGUMENT', (t) => {
  const map = freshMap(t, { key: str, value: str }).set('a', 'kept')
  for (const wrong of [
    undefined,
    null,
    5,
    1n,
    true,
    {},
    () => [],
    { length: 1, 0: 'a' },
    Symbol('s'),
  ]) {
    fails(t, 'ERR_INVALID_ARGUMENT', () => map.getMany(wrong as never))
    fails(t, 'ERR_INVALID_ARGUMENT', () => map.hasMany(wrong as never))
    fails(t, 'ERR_INVALID_ARGUMENT', () => map.deleteMany(wrong as never))
    fails(t, 'ERR_INVALID_ARGUMENT', () => map.setMany(wrong as never))
  }
  t.is(map.size, 1)
})

test('a pair that is no object with a key and a value is ERR_INVALID_ARGUMENT, and nothing is stored', (t) => {
  const map = freshMap<unknown, unknown>(t)
  for (const wrong of [undefined, null, 5, 'ab', [], ['a'], {}, { 0: 'a' }, { 1: 'a' }, () => {}]) {
    fails(t, 'ERR_INVALID_ARGUMENT', () => map.setMany([['good', 1], wrong as never]))
  }
  t.is(map.size, 0)
  map.setMany([[undefined, undefined]])
  t.true(map.has(undefined))
})

test('a key or value that is refused, wherever it stands, changes nothing', (t) => {
  const map = freshMap(t, { key: str, value: native.u8 }).set('kept', 1)
  const good = Array.from({ length: 3000 }, (_, i): [string, number] => [`key ${i}`, i % 256])
  const keys = ['kept', ...good.map(([key]) => key)]
  for (const wrong of [1, null, undefined, '\ud800', 'x\udfff', Symbol('s'), {}]) {
    for (const at of [0, 1, 1500, 3000]) {
      fails(t, 'ERR_INVALID_KEY', () => map.setMany(good.toSpliced(at, 0, [wrong as string, 1])))
      fails(t, 'ERR_INVALID_KEY', () => map.getMany(keys.toSpliced(at, 0, wrong as string)))
      fails(t, 'ERR_INVALID_KEY', () => map.hasMany(keys.toSpliced(at, 0, wrong as string)))
      fails(t, 'ERR_INVALID_KEY', () => map.deleteMany(keys.toSpliced(at, 0, wrong as string)))
    }
  }
  for (const wrong of [256, -1, '1', null, undefined]) {
    fails(t, 'ERR_INVALID_VALUE', () => map.setMany([...good, ['last', wrong as number]]))
  }
  t.deepEqual([...map], [['kept', 1]])
  const texts = freshMap(t, { key: native.u8, value: str })
  for (const wrong of ['\ud800', `${'long '.repeat(100)}\udc00`, 5, undefined]) {
    fails(t, 'ERR_INVALID_VALUE', () =>
      texts.setMany([
        [1, 'good'],
        [2, wrong as string],
      ]),
    )
  }
  t.is(texts.size, 0)
})

test('each codec for keys has its limit in batches too', (t) => {
  const limit = 65_535
  const texts = freshMap(t, { key: str, value: native.u8 })
  const blobs = freshMap(t, { key: bytes, value: native.u8 })
  const mixed = freshMap(t, { key: primitive, value: native.u8 })
  const [text, blob] = ['x'.repeat(limit), Buffer.alloc(limit)]
  t.deepEqual(texts.setMany([[text, 1]]).getMany([text, 'a']), [1, undefined])
  t.deepEqual(blobs.setMany([[blob, 1]]).getMany([blob, Buffer.alloc(1)]), [1, undefined])
  t.deepEqual(mixed.setMany([[text.slice(1), 1]]).getMany([text.slice(1)]), [1])
  const over = [`${text}x`, `${'é'.repeat(32_768)}`, 'x'.repeat(1_000_000)]
  for (const key of over) {
    fails(t, 'ERR_TOO_LARGE', () =>
      texts.setMany([
        ['a', 1],
        [key, 1],
      ]),
    )
    fails(t, 'ERR_TOO_LARGE', () => texts.getMany([key, key]))
    fails(t, 'ERR_TOO_LARGE', () => texts.hasMany(['a', key]))
    fails(t, 'ERR_TOO_LARGE', () => texts.deleteMany([text, key]))
  }
  // Too long and no text either: what get says.
  const neither = `${text}xx\ud800`
  fails(t, 'ERR_INVALID_KEY', () => texts.get(neither))
  fails(t, 'ERR_INVALID_KEY', () => texts.getMany([neither]))
  fails(t, 'ERR_TOO_LARGE', () => blobs.deleteMany([blob, Buffer.alloc(limit + 1)]))
  fails(t, 'ERR_TOO_LARGE', () => mixed.deleteMany([text.slice(1), text]))
  const large: ValueCodec<number> = {
    name: 'test-large',
    encode: (size, sink) => void sink.reserve(size),
    decode: (bytes) => bytes.length,
  }
  const values = freshMap(t, { key: str, value: large })
  fails(t, 'ERR_TOO_LARGE', () =>
    values.setMany([
      ['a', 1],
      ['b', 2 ** 31],
    ]),
  )
  t.deepEqual([texts.size, blobs.size, mixed.size, values.size], [1, 1, 1, 0])
})

test('an iterable that throws halfway changes nothing, and what it throws passes through', (t) => {
  const map = freshMap(t, { key: str, value: str }).set('key 1', 'kept')
  const thrown = { not: 'an error' }
  let closed = 0
  function* keys(): Generator<string> {
    for (let i = 0; i < 10_000; i++) yield `key ${i}`
    throw thrown
  }
  function* pairs(): Generator<[string, string]> {
    for (const key of keys()) yield [key, 'x'.repeat(100)]
  }
  const broken = {
    [Symbol.iterator]: () => ({
      next: () => ({ done: false as const, value: ['a', 5 as never] as [string, string] }),
      return: () => ({ done: true as const, value: closed++ }),
    }),
  }
  const verbs = [
    () => map.setMany(pairs()),
    () => map.deleteMany(keys()),
    () => map.getMany(keys()),
    () => map.hasMany(keys()),
  ]
  for (const verb of verbs) {
    t.throws(verb, { is: thrown, any: true })
  }
  fails(t, 'ERR_INVALID_VALUE', () => map.setMany(broken))
  t.is(closed, 1, 'an iterator that is left is told so')
  t.deepEqual([...map], [['key 1', 'kept']])
})

test('what encode throws within setMany passes through, and nothing is stored', (t) => {
  const thrown = Symbol('any value at all')
  const codec = interrupted({
    encode(value) {
      if (value === 'throw') throw thrown
    },
  })
  const map = freshMap(t, { key: str, value: codec }).set('kept', 'value')
  const good = Array.from({ length: 5000 }, (_, i): [string, string] => [`${i}`, 'x'.repeat(90)])
  t.throws(() => map.setMany([...good, ['last', 'throw']]), { is: thrown, any: true })
  t.deepEqual([...map], [['kept', 'value']])
})

test('what decode throws within getMany passes through, and the map goes on', (t) => {
  const thrown = new Error('mine')
  const codec = interrupted({
    decode(value) {
      if (value === 'throw') throw thrown
    },
  })
  const map = freshMap(t, { key: str, value: codec })
  map.setMany([
    ['a', 'fine'],
    ['b', 'throw'],
  ])
  t.is(
    t.throws(() => map.getMany(['a', 'b', 'a'])),
    thrown,
  )
  t.deepEqual(map.getMany(['a', 'a']), ['fine', 'fine'])
})

test('a codec that returns another type or keeps its sink within setMany stores nothing', (t) => {
  const sinks: Sink[] = []
  const map = freshMap<string, unknown>(t, {
    key: str,
    value: {
      name: 'test-wrong',
      encode(value, sink) {
        sinks.push(sink)
        return value as never
      },
      decode: (bytes) => bytes.length,
    },
  })
  for (const wrong of ['text', 5, null, {}, [1], new Uint16Array(2), Promise.resolve()]) {
    fails(t, 'ERR_INVALID_VALUE', () =>
      map.setMany([
        ['a', Buffer.from('good')],
        ['b', wrong],
      ]),
    )
  }
  t.is(map.size, 0)
  map.setMany([
    ['a', Buffer.alloc(3000)],
    ['b', undefined],
  ])
  t.deepEqual(map.getMany(['a', 'b']), [3000, 0])
  for (const sink of sinks) fails(t, 'ERR_INVALID_ARGUMENT', () => sink.u8(1))
})

test('codecs and iterables that call the map again, batches too, get what they asked for', (t) => {
  let depth = 0
  const again = (): void => {
    if (depth === 2) return
    depth++
    const inner = Array.from({ length: 300 }, (_, i): [string, string] => [
      `inner ${depth} ${i}`,
      `value ${depth} ${i} `.repeat(20),
    ])
    map.setMany(inner)
    t.deepEqual(
      map.getMany(inner.map(([key]) => key)),
      inner.map(([, value]) => value),
    )
    t.true(map.hasMany(inner.map(([key]) => key)).every(Boolean))
    t.is(map.deleteMany(['never there']), 0)
    for (const [key] of inner.slice(0, 3)) map.get(key)
    depth--
  }
  // Once in a batch would not show much, and each time in each would take for ever.
  let calls = 0
  const sometimes = (): void => {
    if (depth > 0 || calls++ % 40 === 0) again()
  }
  const map: DiskMap<string, string> = freshMap(t, {
    key: str,
    value: interrupted({ encode: sometimes, decode: sometimes }),
  })
  function* pairs(): Generator<[string, string]> {
    for (let i = 0; i < 200; i++) {
      if (i % 50 === 0) map.setMany(new Map([[`from the iterable ${i}`, 'x']]))
      yield [`outer ${i}`, `outer value ${i} `.repeat(30)]
    }
  }
  const expected = new Map(pairs())
  map.setMany(pairs())
  const found = map.getMany(
    (function* () {
      for (const key of expected.keys()) {
        if (key.endsWith('00')) again()
        yield key
      }
    })(),
  )
  t.deepEqual(found, [...expected.values()])
})

test('a codec that closes the map within setMany makes it ERR_CLOSED, and nothing is stored', (t) => {
  const path = freshPath(t)
  const codec = interrupted({
    encode(value) {
      if (value === 'close') map.close()
    },
  })
  const map = DiskMap.open(path, { key: str, value: codec }).set('kept', 'value')
  const error = fails(t, 'ERR_CLOSED', () =>
    map.setMany([
      ['a', 'first'],
      ['b', 'close'],
      ['c', 'last'],
    ]),
  )
  t.is(error.stored, 0)
  const again = DiskMap.open(path, { key: str, value: codec })
  t.deepEqual([...again], [['kept', 'value']])
  again.close()
})

test('a codec that changes or transfers the array of keys within getMany changes nothing of it', (t) => {
  let act: (() => void) | undefined
  const map = freshMap(t, { key: native.u64, value: interrupted({ decode: () => act?.() }) })
  const value = 'x'.repeat(60_000)
  map.setMany(Array.from({ length: 20 }, (_, i) => [BigInt(i), value]))
  const acts = [
    (keys: BigUint64Array<ArrayBuffer>) => keys.fill(1000n),
    (keys: BigUint64Array<ArrayBuffer>) =>
      structuredClone(keys.buffer, { transfer: [keys.buffer] }),
  ]
  for (const count of [20, 50_000]) {
    for (const change of acts) {
      const keys = BigUint64Array.from({ length: count }, (_, i) => BigInt(i))
      act = () => {
        act = undefined
        change(keys)
      }
      const found = map.getMany(keys)
      t.is(found.length, count)
      t.is(found.filter((one) => one === value).length, 20)
    }
  }
})

test.serial('a batch that finds no memory leaves nothing that two batches write to', (t) => {
  const { allocUnsafeSlow } = Buffer
  t.teardown(() => void (Buffer.allocUnsafeSlow = allocUnsafeSlow))
  const map = freshMap(t, { key: str, value: str })
  const refused = new RangeError('Array buffer allocation failed')
  const long = 'x'.repeat(300_000)
  for (const pairs of [
    [['a', long]],
    [
      ['a', 'b'],
      ['c', long],
    ],
  ] as [string, string][][]) {
    Buffer.allocUnsafeSlow = (size) => {
      if (size > 262_144) throw refused
      return allocUnsafeSlow(size)
    }
    t.is(
      t.throws(() => map.setMany(pairs)),
      refused,
    )
    Buffer.allocUnsafeSlow = allocUnsafeSlow
    t.is(map.size, 0)
    // A batch within a batch: each has pages of its own.
    function* outer(): Generator<[string, string]> {
      yield ['outer 1', '1']
      map.setMany([['inner', 'i']])
      yield ['outer 2', '2']
      map.setMany([['inner', 'j']])
    }
    map.setMany(outer())
    t.deepEqual(map.getMany(['outer 1', 'outer 2', 'inner']), ['1', '2', 'j'])
    map.clear()
  }
})

test('a codec that closes the map within getMany ends it with ERR_CLOSED at the next read', (t) => {
  const map: DiskMap<number, string> = freshMap(t, {
    key: native.u32,
    value: interrupted({ decode: () => map.close() }),
  })
  const keys = [...Array(4000).keys()]
  map.setMany(keys.map((key) => [key, 'value '.repeat(30)]))
  fails(t, 'ERR_CLOSED', () => map.getMany(keys))
  fails(t, 'ERR_CLOSED', () => map.getMany([]))
  fails(t, 'ERR_CLOSED', () => map.hasMany([]))
  fails(t, 'ERR_CLOSED', () => map.deleteMany([]))
  fails(t, 'ERR_CLOSED', () => map.setMany([]))
})

test('batches that write are ERR_READ_ONLY on a map that is, and those that read are not', (t) => {
  const path = freshPath(t)
  DiskMap.open(path, { key: str, value: str }).set('a', '1').close()
  const map = DiskMap.open(path, { key: str, value: str, readOnly: true })
  t.is(fails(t, 'ERR_READ_ONLY', () => map.setMany([['b', '2']])).stored, 0)
  fails(t, 'ERR_READ_ONLY', () => map.deleteMany(['a']))
  t.deepEqual(map.getMany(['a', 'b']), ['1', undefined])
  t.deepEqual(map.hasMany(['a', 'b']), [true, false])
  map.close()
})

test('setMany that fails midway says how many of the first pairs are stored', (t) => {
  const dir = freshDir(t)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', dir], { stdio: 'ignore' })
  } catch {
    t.pass('only root can mount a small disk on Linux')
    return
  }
  t.teardown(() => void execFileSync('umount', ['-l', dir]))
  const map = DiskMap.open(join(dir, 'map'), { key: native.u32, value: bytes, shards: 2 })
  const count = 40_000
  function* pairs(): Generator<[number, Buffer]> {
    for (let key = 0; key < count; key++) yield [key, Buffer.alloc(1000, key % 251)]
  }
  const error = fails(t, 'ERR_NO_SPACE', () => map.setMany(pairs()))
  const stored = error.stored!
  t.true(stored > 1000 && stored < count, `${stored} were stored`)
  t.true(error.message.includes(`${stored}`))
  const found = map.getMany(Uint32Array.from({ length: count }, (_, i) => i))
  const missing = found.indexOf(undefined)
  t.true(missing >= stored, `pair ${missing} is missing`)
  for (const [key, value] of found.slice(0, stored).entries()) {
    if (!Buffer.alloc(1000, key % 251).equals(value!)) t.fail(`${key} is not what was stored`)
  }
  t.is(map.size, found.filter((value) => value !== undefined).length)
  map.close()
})
