import test from 'ava'
import * as fc from 'fast-check'
import { DiskMap, primitive, str, type Primitive } from '../index.js'
import { freshPath } from './helpers/dir.js'
import { fails } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'

const kinds: Primitive[] = [
  undefined,
  null,
  false,
  true,
  0,
  1,
  -1.5,
  NaN,
  Infinity,
  0n,
  1n,
  -1n,
  255n,
  256n,
  2n ** 64n,
  -(2n ** 64n),
  2n ** 1000n,
  '',
  '1',
  'undefined',
  'null',
  '日本',
]

test('primitive keeps the kinds apart: 1, 1n and "1" are three keys', (t) => {
  const map = freshMap(t, { key: primitive, value: primitive })
  kinds.forEach((key, n) => map.set(key, n))
  map.set(Buffer.from('1'), 'bytes')
  t.is(map.size, kinds.length + 1)
  kinds.forEach((key, n) => t.is(map.get(key), n))
  t.is(map.get(new Uint8Array([0x31])), 'bytes')
  const keys = new Set(map.keys())
  for (const key of kinds) t.true(keys.has(key))
})

test('primitive gives back every value as it was, -0 included', (t) => {
  const map = freshMap(t, { key: primitive, value: primitive })
  for (const value of [...kinds, -0]) {
    map.set('k', value)
    t.is(map.get('k'), value)
    t.is([...map.values()][0], value)
  }
  fc.assert(
    fc.property(
      fc.oneof(
        fc.double(),
        fc.string({ unit: 'binary' }),
        fc.bigInt(),
        fc.bigInt({ max: 2n ** 4000n }),
      ),
      (value) => {
        t.is(map.set('k', value).get('k'), value)
      },
    ),
  )
  const blob = Buffer.from([0, 1, 2])
  t.deepEqual(map.set('k', blob).get('k'), blob)
})

test('primitive gives back values of every size around the ways they cross', (t) => {
  const map = freshMap(t, { key: str, value: primitive })
  for (const size of [1023, 1024, 65_535, 87_380, 87_381, 262_142, 262_143, 262_144, 600_000]) {
    const text = 'é'.repeat(size)
    t.true(map.set('text', text).get('text') === text, `${size} characters`)
    const blob = Buffer.alloc(size, 7)
    t.true(blob.equals(map.set('bytes', blob).get('bytes') as Buffer), `${size} bytes`)
  }
  const big = 1n << 3_000_000n
  t.true(map.set('bigint', big).get('bigint') === big)
})

test('as a key of primitive, -0 is 0 and there is one NaN', (t) => {
  const map = freshMap(t, { key: primitive, value: primitive })
  map.set(-0, -0).set(NaN, 1)
  // A NaN with other bits, which only typed arrays can make.
  const odd = new Float64Array(new BigUint64Array([0xfff8_dead_beef_0001n]).buffer)[0]!
  map.set(odd, 2)
  t.deepEqual(map.getMany([0, NaN, 0n, '0']), [-0, 2, undefined, undefined])
  const keys = [...map.keys()]
  t.is(keys.length, 2)
  t.true(keys.includes(0) && keys.includes(NaN))
  t.true([...map.keys()].every((key) => !Object.is(key, -0)))
})

test('a new map without codecs takes what a Map takes, as primitive and structured', (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path)
  map.set('a', new Map([[1, { deep: [new Date(0)] }]])).set(1n, undefined)
  t.deepEqual(map.get('a'), new Map([[1, { deep: [new Date(0)] }]]))
  t.true(map.has(1n))
  map.close()
  const again = DiskMap.open<string | bigint, unknown>(path)
  t.is(again.size, 2)
  t.deepEqual(again.get('a'), new Map([[1, { deep: [new Date(0)] }]]))
  again.close()
  fails(t, 'ERR_CODEC_MISMATCH', () => DiskMap.open(path, { key: str }))
  DiskMap.open(path, { key: primitive }).close()
})
