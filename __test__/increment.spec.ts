import test from 'ava'
import * as fc from 'fast-check'
import {
  arch,
  bytes,
  DiskMap,
  json,
  msgpack,
  native,
  primitive,
  str,
  structured,
  type ValueCodec,
} from '../index.js'
import { freshPath } from './helpers/dir.js'
import { fails } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'
import { inThread } from './helpers/threads.js'

const integers = {
  u8: [0n, 255n],
  u16: [0n, 65_535n],
  u32: [0n, 2n ** 32n - 1n],
  u64: [0n, 2n ** 64n - 1n],
  i8: [-128n, 127n],
  i16: [-32_768n, 32_767n],
  i32: [-(2n ** 31n), 2n ** 31n - 1n],
  i64: [-(2n ** 63n), 2n ** 63n - 1n],
} as const

/** A map of one integer type, and that type's numbers from and to bigints. */
function integerMap(t: Parameters<typeof freshMap>[0], type: string) {
  const wide = type.endsWith('64')
  const value = native[type as 'u8']
  const map = freshMap(t, { key: str, value })
  return {
    map,
    number: (n: bigint) => (wide ? n : Number(n)) as number,
    add: (n?: bigint) =>
      BigInt(
        n === undefined ? map.increment('k') : map.increment('k', (wide ? n : Number(n)) as number),
      ),
  }
}

test('increment starts at 0, adds 1 if nothing is said, and returns the sum', (t) => {
  const map = freshMap(t, { key: str, value: native.u64 })
  t.is(map.increment('a'), 1n)
  t.is(map.increment('a'), 2n)
  t.is(map.increment('a', 40n), 42n)
  t.is(map.increment('a', undefined), 43n)
  t.is(map.increment('b', 0n), 0n)
  t.is(map.get('a'), 43n)
  t.true(map.has('b'))
  const floats = freshMap(t, { key: native.u8, value: native.f64 })
  t.is(floats.increment(1), 1)
  t.is(floats.increment(1, 0.5), 1.5)
})

for (const [type, [min, max]] of Object.entries(integers)) {
  test(`increment of native.${type} ends at ${min} and ${max}; one beyond is ERR_INVALID_VALUE and changes nothing`, (t) => {
    const { map, number, add } = integerMap(t, type)
    for (const [limit, step] of [
      [max, 1n],
      [min, -1n],
    ] as const) {
      map.set('k', number(limit - step))
      t.is(add(step), limit)
      for (const far of [step, 2n * step, step * 2n ** 31n, step * 2n ** 32n, step * 2n ** 52n]) {
        fails(t, 'ERR_INVALID_VALUE', () => add(far))
      }
      if (type.endsWith('64')) {
        for (const far of [2n ** 63n, 2n ** 64n, 2n ** 65n, 2n ** 127n, 2n ** 128n, 2n ** 200n]) {
          fails(t, 'ERR_INVALID_VALUE', () => add(step * far))
        }
      } else {
        for (const far of [2 ** 53, 2 ** 64, 1e300, Number.MAX_VALUE]) {
          fails(t, 'ERR_INVALID_VALUE', () => map.increment('k', far * Number(step)))
        }
      }
      t.is(map.get('k'), number(limit))
      t.is(add(-step), limit - step)
      map.delete('k')
      t.is(add(limit), limit, 'a whole range in one step')
      t.is(add(-limit), 0n)
    }
    map.delete('k')
    fails(t, 'ERR_INVALID_VALUE', () => add(max + 1n))
    fails(t, 'ERR_INVALID_VALUE', () => add(min - 1n))
    t.is(map.size, 0)
  })

  test(`increments of native.${type} add as bigints do`, (t) => {
    const { map, number, add } = integerMap(t, type)
    const span = max - min
    const by = fc.oneof(fc.bigInt(-3n, 3n), fc.bigInt(-span, span))
    fc.assert(
      fc.property(fc.bigInt(min, max), fc.array(by, { maxLength: 20 }), (start, amounts) => {
        map.set('k', number(start))
        let sum = start
        for (const amount of amounts) {
          const next = sum + amount
          if (next < min || next > max) fails(t, 'ERR_INVALID_VALUE', () => add(amount))
          else t.is(add(amount), (sum = next))
          t.is(map.get('k'), number(sum))
        }
      }),
      { numRuns: 50 },
    )
  })
}

test('increments of floats add as JavaScript does, rounded to single precision for native.f32', (t) => {
  const doubles = freshMap(t, { key: str, value: native.f64 })
  const singles = freshMap(t, { key: str, value: native.f32 })
  const any = fc.double({ noNaN: false })
  fc.assert(
    fc.property(any, any, (start, by) => {
      const sum = start + by
      const left = Number.isFinite(start) && Number.isFinite(by) && !Number.isFinite(sum)
      doubles.set('k', start)
      if (left) {
        fails(t, 'ERR_INVALID_VALUE', () => doubles.increment('k', by))
        t.is(doubles.get('k'), start)
      } else {
        t.is(doubles.increment('k', by), sum)
        t.is(doubles.get('k'), sum)
      }
    }),
    { numRuns: 300 },
  )
  const single = fc.float({ noNaN: false })
  fc.assert(
    fc.property(single, single, (start, by) => {
      const sum = Math.fround(start + by)
      const left = Number.isFinite(start) && Number.isFinite(by) && !Number.isFinite(sum)
      singles.set('k', start)
      if (left) fails(t, 'ERR_INVALID_VALUE', () => singles.increment('k', by))
      else t.is(singles.increment('k', by), sum)
    }),
    { numRuns: 300 },
  )
})

test('floats end where they become infinite, unless they were', (t) => {
  const map = freshMap(t, { key: str, value: native.f64 }).set('k', Number.MAX_VALUE)
  t.is(map.increment('k', 1), Number.MAX_VALUE)
  fails(t, 'ERR_INVALID_VALUE', () => map.increment('k', Number.MAX_VALUE))
  t.is(map.get('k'), Number.MAX_VALUE)
  t.is(map.increment('k', Infinity), Infinity)
  t.is(map.increment('k', -Infinity), NaN)
  t.is(map.increment('k'), NaN)
  const singles = freshMap(t, { key: str, value: native.f32 })
  const most = 2 ** 128 - 2 ** 104
  t.is(singles.increment('k', most), most)
  t.is(singles.increment('k', 1), most)
  fails(t, 'ERR_INVALID_VALUE', () => singles.increment('k', 1e38))
  fails(t, 'ERR_INVALID_VALUE', () => singles.increment('new', 1e300))
  t.deepEqual([...singles], [['k', most]])
})

test('a sum that is no number is stored as the one NaN', (t) => {
  for (const value of [native.f64, native.f32]) {
    const map = freshMap(t, { key: str, value }).set('k', Infinity)
    t.is(map.increment('k', -Infinity), NaN)
    t.true(map.compareAndSet('k', NaN, 1))
    const odd = new Float64Array(new BigUint64Array([0xfff8_0000_dead_beefn]).buffer)[0]!
    t.is(map.increment('k', odd), NaN)
    t.true(map.compareAndSet('k', NaN, 1))
  }
})

test('an amount of another type or with a fraction is ERR_INVALID_ARGUMENT, and changes nothing', (t) => {
  const wrongs: Record<string, unknown[]> = {
    u8: [1n, 0.5, NaN, Infinity, '1', null, true, {}],
    i32: [1n, 0.5, NaN, -Infinity, '1', null, [1]],
    u64: [1, 0.5, NaN, '1', null, true, Object(1n)],
    i64: [1, '1', null],
    f32: [1n, '1', null, true, {}],
    f64: [1n, '1', null, new Date()],
  }
  for (const [type, amounts] of Object.entries(wrongs)) {
    const map = freshMap(t, { key: str, value: native[type as 'u8'] })
    for (const wrong of amounts) {
      fails(t, 'ERR_INVALID_ARGUMENT', () => map.increment('k', wrong as number))
    }
    t.is(map.size, 0)
  }
})

test('codecs that are not of numbers have no increment', (t) => {
  const own: ValueCodec<unknown> = {
    name: 'test-own',
    encode: () => Buffer.alloc(0),
    decode: () => null,
  }
  const codecs = [native.bool, str, bytes, primitive, json, structured, msgpack, arch('u8'), own]
  for (const value of codecs as ValueCodec<unknown>[]) {
    const map = freshMap(t, { key: str, value }) as DiskMap<string, unknown>
    const error = fails(t, 'ERR_INVALID_ARGUMENT', () => map.increment('a'))
    t.true(error.message.includes(value.name))
    t.is(map.size, 0)
  }
})

test('increment works with keys of every codec, and refuses what is no key', (t) => {
  const texts = freshMap(t, { key: str, value: native.u8 })
  const blobs = freshMap(t, { key: bytes, value: native.i64 })
  const mixed = freshMap(t, { key: primitive, value: native.f32 })
  const longest = 'k'.repeat(65_535)
  t.is(texts.increment(longest, 7), 7)
  t.is(blobs.increment(Buffer.from(longest), -7n), -7n)
  t.is(mixed.increment(longest.slice(1), 7), 7)
  t.is(mixed.increment(-0), 1)
  t.is(mixed.increment(0), 2)
  fails(t, 'ERR_TOO_LARGE', () => texts.increment(`${longest}k`))
  fails(t, 'ERR_TOO_LARGE', () => blobs.increment(Buffer.alloc(65_536)))
  fails(t, 'ERR_TOO_LARGE', () => mixed.increment(longest))
  for (const wrong of [1, null, '\ud800']) {
    fails(t, 'ERR_INVALID_KEY', () => texts.increment(wrong as string))
    fails(t, 'ERR_INVALID_KEY', () => blobs.increment(wrong as never))
  }
  t.is(texts.size + blobs.size + mixed.size, 4)
})

test('increment is ERR_READ_ONLY and ERR_CLOSED as every verb that writes', (t) => {
  const path = freshPath(t)
  const codecs = { key: str, value: native.u8 }
  const map = DiskMap.open(path, codecs).set('a', 1)
  map.close()
  fails(t, 'ERR_CLOSED', () => map.increment('a'))
  const readOnly = DiskMap.open(path, { ...codecs, readOnly: true })
  fails(t, 'ERR_READ_ONLY', () => readOnly.increment('a'))
  t.is(readOnly.get('a'), 1)
  readOnly.close()
})

test('four threads that increment one key 1,000,000 times in all make it 1,000,000', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, { key: str, value: native.u64 })
  const count = 250_000
  const threads = [1, 2, 3, 4].map(() =>
    inThread<boolean>(path, 'add', { key: 'n', count, by: 1n }),
  )
  t.deepEqual(await Promise.all(threads), [true, true, true, true])
  t.is(map.get('n'), 1_000_000n)
  map.close()
})
