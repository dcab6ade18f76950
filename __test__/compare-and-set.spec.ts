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
  type KeyAndValueCodec,
  type ValueCodec,
} from '../index.js'
import { freshPath } from './helpers/dir.js'
import { fails } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'
import { inThread } from './helpers/threads.js'

test('compareAndSet stores if the key has the expected value, and says whether it had', (t) => {
  const map = freshMap(t, { key: str, value: str }).set('a', '1')
  t.false(map.compareAndSet('a', '2', '3'))
  t.is(map.get('a'), '1')
  t.true(map.compareAndSet('a', '1', '3'))
  t.is(map.get('a'), '3')
})

test('undefined means absent, on either side', (t) => {
  const map = freshMap(t, { key: str, value: native.u32 })
  t.true(map.compareAndSet('a', undefined, 1))
  t.false(map.compareAndSet('a', undefined, 2))
  t.is(map.get('a'), 1)
  t.false(map.compareAndSet('a', 2, undefined))
  t.true(map.compareAndSet('a', 1, undefined))
  t.false(map.has('a'))
  t.false(map.compareAndSet('a', 1, 2))
  t.true(map.compareAndSet('a', undefined, undefined))
  t.is(map.size, 0)
})

test('compareAndSet compares what is stored, not how it came there', (t) => {
  const map = freshMap(t, { key: str, value: native.u32 }).set('a', 1)
  map.set('a', 2).set('a', 1)
  t.true(map.compareAndSet('a', 1, 5))
})

test('values are compared by their bytes: -0 is not 0, and every NaN is one', (t) => {
  for (const value of [native.f64, native.f32, arch('f64'), arch('f32')]) {
    const map = freshMap(t, { key: str, value }).set('zero', 0).set('minus', -0)
    t.false(map.compareAndSet('zero', -0, 1))
    t.false(map.compareAndSet('minus', 0, 1))
    t.true(map.compareAndSet('minus', -0, 1))
    // A NaN with a sign and a payload, as arithmetic and other programs make them.
    const odd = new Float64Array(new BigUint64Array([0xfff8_0000_dead_beefn]).buffer)[0]!
    t.true(map.set('nan', odd).compareAndSet('nan', NaN, 2))
    t.true(map.set('nan', NaN).compareAndSet('nan', odd, 3))
  }
  const singles = freshMap(t, { key: str, value: native.f32 }).set('a', 0.1)
  t.true(singles.compareAndSet('a', 0.1, 0.2), 'both are rounded')
})

// Long enough for a file of its own.
const long = 'long '.repeat(60_000)
const codecs: Record<
  string,
  { codec: KeyAndValueCodec<never, 'compareAndSet'>; values: unknown[] }
> = {
  str: { codec: str as never, values: ['', 'a', 'é', '日本', '\0', 'a\0', long, `${long}.`] },
  bytes: {
    codec: bytes as never,
    values: ['', 'a', 'b', 'x'.repeat(1024), 'x'.repeat(1025), long].map((text) =>
      Buffer.from(text),
    ),
  },
  bool: { codec: native.bool as never, values: [true, false] },
  u8: { codec: native.u8 as never, values: [0, 1, 255] },
  i16: { codec: native.i16 as never, values: [-1, 0, 255, 256] },
  u64: { codec: native.u64 as never, values: [0n, 1n, 2n ** 63n, 2n ** 64n - 1n] },
  i64: { codec: native.i64 as never, values: [-1n, 0n, 2n ** 63n - 1n] },
  f64: { codec: native.f64 as never, values: [0, 1, NaN, -Infinity] },
}

for (const [name, { codec, values }] of Object.entries(codecs)) {
  test(`compareAndSet of ${name} answers as the same steps on a Map`, (t) => {
    const disk = freshMap<string, unknown>(t, {
      key: str,
      value: codec as ValueCodec<unknown>,
    }) as DiskMap<string, unknown>
    const value = fc.option(fc.constantFrom(...values.keys()), { nil: undefined })
    const steps = fc.array(fc.tuple(fc.constantFrom('a', 'b'), value, value), { maxLength: 30 })
    fc.assert(
      fc.property(steps, (run) => {
        disk.clear()
        // The model holds places in the list: equal values have equal places.
        const map = new Map<string, number>()
        const at = (place: number | undefined): unknown =>
          place === undefined ? undefined : values[place]
        for (const [key, expected, next] of run) {
          const same = map.get(key) === expected
          t.is(disk.compareAndSet(key, at(expected), at(next)), same)
          if (!same) continue
          if (next === undefined) map.delete(key)
          else map.set(key, next)
        }
        t.is(disk.size, map.size)
        for (const [key, found] of disk) t.deepEqual(found, at(map.get(key)))
      }),
      { numRuns: 40 },
    )
  })
}

test('codecs that may give equal values different bytes have no compareAndSet', (t) => {
  const own: ValueCodec<unknown> = {
    name: 'test-own',
    encode: () => Buffer.alloc(0),
    decode: () => null,
  }
  for (const value of [primitive as ValueCodec<unknown>, json, structured, msgpack, own]) {
    const map = freshMap(t, { key: str, value }) as DiskMap<string, unknown>
    const error = fails(t, 'ERR_INVALID_ARGUMENT', () => map.compareAndSet('a', undefined, 'x'))
    t.true(error.message.includes(value.name))
    t.is(map.size, 0)
  }
})

test('what is refused on either side changes nothing', (t) => {
  const texts = freshMap(t, { key: str, value: str }).set('a', '1')
  for (const wrong of [1, null, 1n, {}, '\ud800', 'x\udc00']) {
    fails(t, 'ERR_INVALID_VALUE', () => texts.compareAndSet('a', wrong as string, '2'))
    fails(t, 'ERR_INVALID_VALUE', () => texts.compareAndSet('a', '1', wrong as string))
    fails(t, 'ERR_INVALID_VALUE', () => texts.compareAndSet('b', undefined, wrong as string))
    fails(t, 'ERR_INVALID_KEY', () => texts.compareAndSet(wrong as string, undefined, '2'))
  }
  fails(t, 'ERR_TOO_LARGE', () => texts.compareAndSet('x'.repeat(65_536), undefined, '2'))
  t.deepEqual([...texts], [['a', '1']])
  t.true(texts.compareAndSet('x'.repeat(65_535), undefined, '2'))

  const numbers = freshMap(t, { key: native.u8, value: native.u8 }).set(1, 1)
  for (const wrong of [-1, 256, 0.5, NaN, '1', 1n]) {
    fails(t, 'ERR_INVALID_VALUE', () => numbers.compareAndSet(1, wrong as number, 2))
    fails(t, 'ERR_INVALID_VALUE', () => numbers.compareAndSet(1, 1, wrong as number))
    fails(t, 'ERR_INVALID_KEY', () => numbers.compareAndSet(wrong as number, 1, 2))
  }
  t.deepEqual([...numbers], [[1, 1]])
})

test('compareAndSet is ERR_READ_ONLY and ERR_CLOSED as every verb that writes', (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, { key: str, value: str }).set('a', '1')
  map.close()
  fails(t, 'ERR_CLOSED', () => map.compareAndSet('a', '1', '2'))
  const readOnly = DiskMap.open(path, { key: str, value: str, readOnly: true })
  fails(t, 'ERR_READ_ONLY', () => readOnly.compareAndSet('a', '1', '2'))
  t.is(readOnly.get('a'), '1')
  readOnly.close()
})

test('threads that count by compareAndSet lose no count', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, { key: str, value: native.u64 })
  const count = 10_000
  const threads = [1, 2, 3, 4].map(() => inThread(path, 'compareAndSet', { key: 'n', count }))
  await Promise.all(threads)
  t.is(map.get('n'), BigInt(4 * count))
  map.close()
})
