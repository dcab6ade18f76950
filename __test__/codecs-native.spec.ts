import test from 'ava'
import * as fc from 'fast-check'
import { native, type KeyAndValueCodec, type ValueCodec } from '../index.js'
import { fails } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'

const integers = {
  u8: [0, 255],
  u16: [0, 65_535],
  u32: [0, 2 ** 32 - 1],
  i8: [-128, 127],
  i16: [-32_768, 32_767],
  i32: [-(2 ** 31), 2 ** 31 - 1],
} as const

const bigints = {
  u64: [0n, 2n ** 64n - 1n],
  i64: [-(2n ** 63n), 2n ** 63n - 1n],
} as const

for (const [name, [min, max]] of Object.entries(integers)) {
  const codec = native[name as keyof typeof integers]
  test(`native.${name} holds ${min} to ${max} as key and as value, and nothing beyond`, (t) => {
    const map = freshMap(t, { key: codec, value: codec })
    for (const n of [min, min + 1, -0, 0, 1, max - 1, max]) {
      map.set(n, n)
      t.is(map.get(n), n + 0)
    }
    t.deepEqual(new Set(map.keys()).size, map.size)
    const size = map.size
    for (const wrong of [
      min - 1,
      max + 1,
      0.5,
      NaN,
      Infinity,
      -Infinity,
      '1',
      1n,
      null,
      undefined,
    ]) {
      fails(t, 'ERR_INVALID_KEY', () => map.set(wrong as number, 0))
      fails(t, 'ERR_INVALID_VALUE', () => map.set(0, wrong as number))
    }
    t.is(map.size, size)
    t.is(map.get(0), 0)
  })
}

for (const [name, [min, max]] of Object.entries(bigints)) {
  const codec = native[name as keyof typeof bigints]
  test(`native.${name} holds ${min} to ${max} as bigints, and nothing beyond`, (t) => {
    const map = freshMap(t, { key: codec, value: codec })
    for (const n of [min, min + 1n, 0n, 1n, max - 1n, max]) {
      map.set(n, n)
      t.is(map.get(n), n)
    }
    const size = map.size
    for (const wrong of [
      min - 1n,
      max + 1n,
      2n ** 70n,
      -(2n ** 70n),
      1,
      '1',
      null,
      undefined,
      NaN,
    ]) {
      fails(t, 'ERR_INVALID_KEY', () => map.set(wrong as bigint, 0n))
      fails(t, 'ERR_INVALID_VALUE', () => map.set(0n, wrong as bigint))
    }
    t.is(map.size, size)
    t.is(map.get(0n), 0n)
  })
}

test('native.f64 keeps every number as a value, -0 and NaN included', (t) => {
  const map = freshMap(t, { key: native.u8, value: native.f64 })
  fc.assert(
    fc.property(fc.double(), (n) => {
      map.set(1, n)
      t.is(map.get(1), n)
      t.is([...map.values()][0], n)
    }),
  )
  for (const n of [0, -0, NaN, Infinity, -Infinity, Number.MIN_VALUE, Number.MAX_VALUE]) {
    t.is(map.set(1, n).get(1), n)
  }
})

for (const codec of [native.f32, native.f64]) {
  test(`as a key of ${codec.name}, -0 is 0 and there is one NaN`, (t) => {
    const map = freshMap(t, { key: codec, value: native.f64 })
    map.set(-0, -0)
    t.is(map.get(0), -0)
    t.deepEqual([...map.keys()], [0])
    // A NaN with other bits, which only typed arrays can make.
    const bits = new BigUint64Array([0xfff8_dead_beef_0001n])
    const oddNaN = new Float64Array(bits.buffer)[0]!
    map.set(NaN, 1)
    map.set(oddNaN, 2)
    t.is(map.size, 2)
    t.is(map.get(NaN), 2)
  })
}

test('native.f32 rounds to single precision and refuses what overflows it', (t) => {
  const map = freshMap(t, { key: native.f32, value: native.f32 })
  map.set(0.1, 0.1)
  t.is(map.get(Math.fround(0.1)), Math.fround(0.1))
  const largest = 2 ** 128 - 2 ** 104
  for (const n of [largest, -largest, Infinity, -Infinity]) t.is(map.set(n, n).get(n), n)
  t.is(map.set(1, -0).get(1), -0)
  for (const wrong of [2 ** 128, -(2 ** 128), Number.MAX_VALUE, '1', 1n, null]) {
    fails(t, 'ERR_INVALID_KEY', () => map.get(wrong as number))
    fails(t, 'ERR_INVALID_VALUE', () => map.set(1, wrong as number))
  }
})

test('native.bool holds true and false', (t) => {
  const map = freshMap(t, { key: native.bool, value: native.bool })
  map.set(true, false).set(false, true)
  t.is(map.get(true), false)
  t.is(map.get(false), true)
  t.is(map.size, 2)
  for (const wrong of [0, 1, 'true', null, undefined]) {
    fails(t, 'ERR_INVALID_KEY', () => map.has(wrong as never))
    fails(t, 'ERR_INVALID_VALUE', () => map.set(true, wrong as never))
  }
})

test('numbers are stored little-endian and unpadded, as a codec of one’s own sees them', (t) => {
  const buffer = <T>(codec: KeyAndValueCodec<T>, value: T): string => {
    let hex = ''
    const spy: ValueCodec<T> = {
      name: 'spy',
      encode: (given, sink) => codec.encode(given, sink),
      decode: (bytes) => {
        hex = bytes.toString('hex')
        return codec.decode(bytes)
      },
    }
    const map = freshMap(t, { key: native.u8, value: spy })
    t.is(map.set(1, value).get(1), value)
    return hex
  }
  t.is(buffer(native.u8, 1), '01')
  t.is(buffer(native.u16, 0x0102), '0201')
  t.is(buffer(native.u32, 0x01020304), '04030201')
  t.is(buffer(native.u64, 0x0102030405060708n), '0807060504030201')
  t.is(buffer(native.i8, -1), 'ff')
  t.is(buffer(native.i16, -2), 'feff')
  t.is(buffer(native.i32, -2), 'feffffff')
  t.is(buffer(native.i64, -2n), 'feffffffffffffff')
  t.is(buffer(native.f32, 1), '0000803f')
  t.is(buffer(native.f64, 1), '000000000000f03f')
  t.is(buffer(native.bool, true), '01')
})
