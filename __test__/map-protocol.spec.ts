import { isDeepStrictEqual } from 'node:util'
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
  struct,
  structured,
  type ValueCodec,
} from '../index.js'
import { freshMap } from './helpers/open.js'

// What a Map and a DiskMap must do alike.
interface Both<K, V> {
  disk: DiskMap<K, V>
  map: Map<K, V>
}

type Step<K, V> = (both: Both<K, V>) => [unknown, unknown]

function steps<K, V>(key: fc.Arbitrary<K>, value: fc.Arbitrary<V>): fc.Arbitrary<Step<K, V>[]> {
  const each = <T>(arbitrary: fc.Arbitrary<T>, run: (side: Map<K, V>, input: T) => unknown) =>
    arbitrary.map((input): Step<K, V> => ({ disk, map }) => [
      run(disk as unknown as Map<K, V>, input),
      run(map, input),
    ])
  return fc.array(
    fc.oneof(
      { weight: 6, arbitrary: each(fc.tuple(key, value), (m, [k, v]) => m.set(k, v).size) },
      { weight: 3, arbitrary: each(key, (m, k) => m.get(k)) },
      { weight: 2, arbitrary: each(key, (m, k) => m.has(k)) },
      { weight: 3, arbitrary: each(key, (m, k) => m.delete(k)) },
      { weight: 1, arbitrary: each(fc.constant(undefined), (m) => [...m.keys()].length) },
      { weight: 1, arbitrary: each(fc.constant(undefined), (m) => m.clear()) },
    ),
    { maxLength: 80 },
  )
}

// AVA compares Maps in order, and a DiskMap promises none.
function sameEntries(disk: Iterable<[unknown, unknown]>, map: Map<unknown, unknown>): boolean {
  const left = new Map(map)
  for (const [key, value] of disk) {
    if (!left.has(key) || !isDeepStrictEqual(left.get(key), value)) return false
    left.delete(key)
  }
  return left.size === 0
}

const models = {
  'str to str': {
    options: { key: str, value: str },
    key: fc.oneof(fc.string({ maxLength: 3 }), fc.string({ unit: 'grapheme' })),
    value: fc.string({ unit: 'grapheme' }),
  },
  'native.f64 to json': {
    options: { key: native.f64, value: json },
    key: fc.oneof(fc.double(), fc.constantFrom(0, -0, NaN, 1)),
    value: fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown),
  },
  'native.u64 to native.i64': {
    options: { key: native.u64, value: native.i64 },
    key: fc.oneof(fc.bigInt(0n, 20n), fc.bigInt(0n, 2n ** 64n - 1n)),
    value: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  },
  'primitive to primitive': {
    options: { key: primitive, value: primitive },
    key: fc.oneof(
      fc.constantFrom(undefined, null, true, false, 0, -0, NaN, 1, 1n, '1', '', 0n, -1n),
      fc.bigInt(),
      fc.double(),
      fc.string({ unit: 'grapheme' }),
    ),
    value: fc.oneof(fc.constantFrom(undefined, null, -0), fc.bigInt(), fc.string()),
  },
} as const

for (const [name, { options, key, value }] of Object.entries(models)) {
  test(`a map of ${name} answers every verb as a Map does`, (t) => {
    const disk = freshMap(t, options as never) as unknown as DiskMap<unknown, unknown>
    fc.assert(
      fc.property(steps<unknown, unknown>(key, value), (run) => {
        disk.clear()
        const both = { disk, map: new Map<unknown, unknown>() }
        for (const step of run) {
          const [found, expected] = step(both)
          t.deepEqual(found, expected)
        }
        t.is(disk.size, both.map.size)
        t.true(sameEntries(disk, both.map))
      }),
      { numRuns: 150 },
    )
  })
}

test('set returns the map, delete and has say whether the key was there', (t) => {
  const map = freshMap(t, { key: str, value: str })
  t.is(map.set('a', '1'), map)
  t.true(map.has('a'))
  t.true(map.delete('a'))
  t.false(map.delete('a'))
  t.false(map.has('a'))
  t.is(map.get('a'), undefined)
})

test('size is an accessor on the prototype that gives a number', (t) => {
  const map = freshMap(t, { key: str, value: str })
  const property = Object.getOwnPropertyDescriptor(DiskMap.prototype, 'size')
  t.is(typeof property?.get, 'function')
  t.is(property?.set, undefined)
  t.is(map.set('a', '').set('b', '').size, 2)
})

test('a map is tagged DiskMap and inherits nothing of Map', (t) => {
  const map = freshMap(t)
  t.is(Object.prototype.toString.call(map), '[object DiskMap]')
  t.is(map[Symbol.toStringTag], 'DiskMap')
  t.false(map instanceof Map)
})

test('only open makes a map', (t) => {
  const Constructor = DiskMap as unknown as new () => unknown
  t.throws(() => new Constructor(), { code: 'ERR_INVALID_ARGUMENT' })
})

test('forEach gives value, key and map, and thisArg as this', (t) => {
  const map = freshMap(t, { key: str, value: native.u8 }).set('a', 1).set('b', 2)
  const seen: unknown[] = []
  const self = {}
  const returned: unknown = map.forEach(function (this: unknown, value, key, whole) {
    seen.push([this === self, value, key, whole === map])
  }, self)
  t.is(returned, undefined)
  t.deepEqual(seen.map(String).toSorted(), ['true,1,a,true', 'true,2,b,true'])
})

test('forEach of something that is not a function throws a TypeError', (t) => {
  const map = freshMap(t, { key: str, value: str })
  for (const wrong of [undefined, null, 1, 'f', {}, Symbol('f')]) {
    t.throws(() => map.forEach(wrong as never), { instanceOf: TypeError })
  }
})

test('a map can be copied into a Map and spread into arrays', (t) => {
  const map = freshMap(t, { key: native.u32, value: str })
  for (let i = 0; i < 1000; i++) map.set(i, `v${i}`)
  const copy = new Map(map)
  t.is(copy.size, 1000)
  t.is(copy.get(999), 'v999')
  t.deepEqual(
    [...map.keys()].toSorted((a, b) => a - b),
    [...Array(1000).keys()],
  )
  t.deepEqual(new Set(map.values()).size, 1000)
})

test('values are copies: changing what get returned changes nothing', (t) => {
  const map = freshMap(t, { key: str, value: bytes })
  const given = Buffer.from('abc')
  map.set('a', given)
  given.fill(0)
  map.get('a')!.fill(0)
  map.getMany(['a'])[0]!.fill(0)
  map.entry('a').value!.fill(0)
  for (const value of map.values()) value.fill(0)
  t.is(Buffer.from(map.get('a')!).toString(), 'abc')
  for (const codec of [json, structured, msgpack, arch(struct({ list: 'f64[]' }))]) {
    const objects = freshMap(t, { key: str, value: codec as ValueCodec<{ list: number[] }> })
    const object = { list: [1] }
    objects.set('a', object)
    object.list.push(2)
    objects.get('a')!.list.push(3)
    objects.getMany(['a'])[0]!.list.push(4)
    t.deepEqual(objects.get('a'), { list: [1] })
  }
})

test('a value that was read stays as it was when other values are read', (t) => {
  const map = freshMap(t, { key: str, value: bytes })
  map.set('a', Buffer.from('aaaa')).set('b', Buffer.from('bbbb'))
  const first = map.get('a')!
  map.get('b')
  t.is(Buffer.from(first).toString(), 'aaaa')
})
