import { isDeepStrictEqual } from 'node:util'
import test from 'ava'
import * as fc from 'fast-check'
import { bytes, DELETE, json, native, primitive, str, type DiskMap, type Entry } from '../index.js'
import { freshMap } from './helpers/open.js'

test('an entry tells whether the key is there, its key and its value', (t) => {
  const map = freshMap(t, { key: str, value: primitive }).set('a', 1).set('u', undefined)
  const found = map.entry('a')
  t.deepEqual([found.occupied, found.key, found.value], [true, 'a', 1])
  const missing = map.entry('b')
  t.deepEqual([missing.occupied, missing.key, missing.value], [false, 'b', undefined])
  t.deepEqual([map.entry('u').occupied, map.entry('u').value], [true, undefined])
  t.is(map.size, 2)
})

test('an entry is a snapshot that later writes do not change, and that locks nothing', (t) => {
  const map = freshMap(t, { key: str, value: str }).set('a', 'then')
  const entry = map.entry('a')
  map.set('a', 'now')
  t.is(entry.value, 'then')
  map.clear()
  t.true(entry.occupied)
  t.is(map.entry('a').occupied, false)
})

test('the verbs of an entry do not trust the snapshot', (t) => {
  const map = freshMap(t, { key: str, value: str })
  const vacant = map.entry('a')
  map.set('a', '1')
  t.is(vacant.orInsert('2'), '1')
  t.is(
    vacant.orInsertWith(() => t.fail('the key is there') as never),
    '1',
  )
  t.is(vacant.andModify((value) => `${value}!`).value, '1!')
  t.is(vacant.insert('3'), '1!')
  t.is(vacant.remove(), '3')

  const occupied = map.set('b', '1').entry('b')
  map.delete('b')
  t.is(occupied.remove(), undefined)
  t.false(occupied.andModify(() => t.fail('the key is gone') as never).occupied)
  t.is(occupied.insert('2'), undefined)
  map.delete('b')
  t.is(occupied.orInsert('3'), '3')
  t.deepEqual([...map], [['b', '3']])
})

test('what a program writes to an entry does not change what its verbs do', (t) => {
  const map = freshMap(t, { key: bytes, value: str })
  const given = Buffer.from('key')
  const entry = map.entry(given)
  given.fill(0)
  Buffer.from(entry.key.buffer, entry.key.byteOffset, entry.key.length).fill(1)
  Object.assign(entry, { occupied: true, value: 'false', key: Buffer.from('other') })
  t.is(
    entry.orInsertWith((key) => {
      key.fill(2)
      return 'value'
    }),
    'value',
  )
  t.deepEqual([...map].map(String), ['key,value'])
})

test("an entry's key is the one that is stored", (t) => {
  const doubles = freshMap(t, { key: native.f64, value: str })
  t.is(doubles.entry(-0).key, 0)
  t.is(doubles.entry(NaN).key, NaN)
  const singles = freshMap(t, { key: native.f32, value: str })
  singles.entry(0.1).insert('x')
  t.deepEqual([singles.entry(0.1).key], [...singles.keys()])
  t.is(singles.entry(-0).key, 0)
  t.is(freshMap(t).entry(-0).key, 0)
})

test('andModify is update for a key that is there, and returns a new entry of what it left', (t) => {
  const map = freshMap(t, { key: str, value: native.u32 }).set('a', 1)
  const entry = map.entry('a')
  const modified = entry.andModify((value) => value + 1)
  t.not(modified, entry)
  t.deepEqual([modified.occupied, modified.key, modified.value], [true, 'a', 2])
  t.is(map.get('a'), 2)
  const removed = entry.andModify(() => DELETE)
  t.deepEqual([removed.occupied, removed.value], [false, undefined])
  t.false(map.has('a'))
  t.is(
    map
      .entry('a')
      .andModify((value) => value + 1)
      .orInsert(5),
    5,
  )
  t.is(
    map
      .entry('a')
      .andModify((value) => value + 1)
      .orInsert(5),
    6,
  )
})

test('andModify asks again when another write came between, and stops when the key is gone', (t) => {
  const map = freshMap(t, { key: str, value: native.u32 }).set('a', 1)
  const olds: number[] = []
  const entry = map.entry('a').andModify((old) => {
    olds.push(old)
    if (olds.length === 1) map.set('a', 7)
    return old * 10
  })
  t.deepEqual(olds, [1, 7])
  t.is(entry.value, 70)
  const gone = map.entry('a').andModify((old) => {
    map.delete('a')
    return old
  })
  t.false(gone.occupied)
  t.is(map.size, 0)
})

test('orInsertWith calls its function at most once, and keeps what was stored meanwhile', (t) => {
  const map = freshMap(t, { key: native.f64, value: str })
  const keys: number[] = []
  const value = map.entry(-0).orInsertWith((key) => {
    keys.push(key)
    map.set(0, 'first')
    return 'second'
  })
  t.is(value, 'first')
  t.is(map.get(0), 'first')
  t.deepEqual(keys, [0])
})

test('a function that never returns the same twice is believed the last time it was asked', (t) => {
  const map = freshMap(t, { key: str, value: native.u32 }).set('a', 0)
  let n = 100
  const next = (): number => {
    if (n < 105) map.set('a', 0)
    return n++
  }
  t.is(map.entry('a').andModify(next).value, 105)
  t.is(map.get('a'), 105)
  n = 102
  t.is(map.update('a', next), 105)
  t.is(map.get('a'), 105)
  n = 103
  map.delete('a')
  // Asked once: what stands by then stays.
  t.is(map.getOrInsertComputed('a', next), 0)
  t.is(n, 104)
})

// Each verb, as what it gives and what it leaves.
const onMap: Record<string, (old: unknown, value: unknown) => [unknown, unknown]> = {
  insert: (old, value) => [old, value],
  orInsert: (old, value) => [old ?? value, old ?? value],
  orInsertWith: (old, value) => [old ?? value, old ?? value],
  andModify: (old, value) => [old === undefined ? undefined : value, old && value],
  andModifyDelete: () => [undefined, undefined],
  remove: (old) => [old, undefined],
}
const onDisk: Record<string, (entry: Entry<unknown, unknown>, value: unknown) => unknown> = {
  insert: (entry, value) => entry.insert(value),
  orInsert: (entry, value) => entry.orInsert(value),
  orInsertWith: (entry, value) => entry.orInsertWith(() => value),
  andModify: (entry, value) => entry.andModify(() => value).value,
  andModifyDelete: (entry) => entry.andModify(() => DELETE).value,
  remove: (entry) => entry.remove(),
}

const models = {
  'str to str': {
    options: { key: str, value: str },
    key: fc.string({ maxLength: 2 }),
    value: fc.string({ unit: 'grapheme', minLength: 1 }),
  },
  'native.u64 to bytes': {
    options: { key: native.u64, value: bytes },
    key: fc.bigInt(0n, 5n),
    value: fc.uint8Array().map((array) => Buffer.from(array)),
  },
  'bytes to json': {
    options: { key: bytes, value: json },
    key: fc.uint8Array({ maxLength: 1 }).map((array) => Buffer.from(array)),
    value: fc.jsonValue().map((value) => [JSON.parse(JSON.stringify(value))]),
  },
  'primitive to native.i64': {
    options: { key: primitive, value: native.i64 },
    key: fc.constantFrom(undefined, null, 0, -0, NaN, 1n, '1'),
    value: fc.bigInt(1n, 9n),
  },
}
for (const [name, { options, key, value }] of Object.entries(models)) {
  test(`entries of a map of ${name} do what the same steps do to a Map`, (t) => {
    const disk = freshMap(t, options as never) as unknown as DiskMap<unknown, unknown>
    const verbs = fc.constantFrom(...Object.keys(onDisk))
    const steps = fc.array(fc.tuple(verbs, key as fc.Arbitrary<unknown>, value), { maxLength: 40 })
    fc.assert(
      fc.property(steps, (run) => {
        disk.clear()
        const map = new Map<unknown, unknown>()
        const idOf = (key: unknown): unknown => (Buffer.isBuffer(key) ? key.toString('hex') : key)
        for (const [verb, key, value] of run) {
          const old = map.get(idOf(key))
          const entry = disk.entry(key)
          t.deepEqual([entry.occupied, entry.value], [old !== undefined, old])
          const [result, left] = onMap[verb]!(old, value)
          t.deepEqual(onDisk[verb]!(entry, value), result)
          if (left === undefined) map.delete(idOf(key))
          else map.set(idOf(key), left)
        }
        t.is(disk.size, map.size)
        for (const [key, value] of disk) t.true(isDeepStrictEqual(map.get(idOf(key)), value))
      }),
      { numRuns: 150 },
    )
  })
}
