import test from 'ava'
import { bytes, native, str } from '../index.js'
import { fails } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'

const iteratorPrototype: unknown = Object.getPrototypeOf(
  Object.getPrototypeOf([][Symbol.iterator]()),
)

test('iterators inherit from Iterator.prototype', (t) => {
  const map = freshMap(t)
  for (const iterator of [map.keys(), map.values(), map.entries(), map[Symbol.iterator]()]) {
    t.true(Object.prototype.isPrototypeOf.call(iteratorPrototype as object, iterator))
    t.is(iterator[Symbol.iterator](), iterator)
    t.is(Object.prototype.toString.call(iterator), '[object DiskMap Iterator]')
  }
})

test('an iterator that is done stays done', (t) => {
  const map = freshMap(t, { key: str, value: str }).set('a', '1')
  const iterator = map.entries()
  t.deepEqual(iterator.next(), { done: false, value: ['a', '1'] })
  t.deepEqual(iterator.next(), { done: true, value: undefined })
  map.set('b', '2')
  t.deepEqual(iterator.next(), { done: true, value: undefined })
  t.deepEqual([...iterator], [])
})

test('an empty map iterates over nothing', (t) => {
  const map = freshMap(t)
  t.deepEqual([...map], [])
  map.forEach(() => t.fail())
})

test('each of 50,000 entries is seen exactly once', (t) => {
  const map = freshMap(t, { key: native.u32, value: native.u32 })
  const count = 50_000
  for (let i = 0; i < count; i++) map.set(i, i ^ 0x5555)
  const seen = new Uint8Array(count)
  for (const [key, value] of map) {
    seen[key]!++
    if (value !== (key ^ 0x5555)) t.fail(`${key} has ${value}`)
  }
  t.true(seen.every((times) => times === 1))
})

test('keys that are there throughout are seen once while others are written and deleted', (t) => {
  const map = freshMap(t, { key: native.u32, value: str })
  const steady = 3000
  for (let i = 0; i < steady; i++) map.set(i, 'steady')
  const seen = new Uint8Array(steady)
  let next = steady
  for (const key of map.keys()) {
    if (key < steady) seen[key]!++
    if (next < 40_000) {
      // Rewrites, splits tables and leaves tombstones while the iterator is on its way.
      for (let i = 0; i < 10; i++) map.set(next++, 'new')
      map.set(key % steady, 'changed')
      if (next % 3 === 0) map.delete(next - 1)
    }
  }
  t.true(seen.every((times) => times === 1))
})

test('deleting each key that is given empties the map', (t) => {
  const map = freshMap(t, { key: native.u32, value: str })
  for (let i = 0; i < 5000; i++) map.set(i, 'x')
  for (const key of map.keys()) map.delete(key)
  t.is(map.size, 0)
})

test('entries larger than a page are given whole', (t) => {
  const map = freshMap(t, { key: str, value: bytes })
  const sizes = [0, 1, 20_000, 300_000, 1_500_000]
  for (const size of sizes) map.set(`k${size}`, Buffer.alloc(size, size % 251))
  const seen = new Map(map)
  t.is(seen.size, sizes.length)
  for (const size of sizes) {
    t.deepEqual(Buffer.from(seen.get(`k${size}`)!), Buffer.alloc(size, size % 251))
  }
})

test('two iterators of one map do not disturb each other', (t) => {
  const map = freshMap(t, { key: native.u32, value: native.u32 })
  for (let i = 0; i < 500; i++) map.set(i, i)
  let pairs = 0
  for (const outer of map.keys()) {
    if (outer % 50 !== 0) continue
    for (const [key, value] of map) if (key === value) pairs++
  }
  t.is(pairs, 10 * 500)
})

test('leaving a loop early leaves nothing behind', (t) => {
  const map = freshMap(t, { key: native.u32, value: native.u32 })
  for (let i = 0; i < 100; i++) map.set(i, i)
  for (let i = 0; i < 1000; i++) {
    for (const key of map.keys()) if (key >= 0) break
  }
  map.clear()
  t.is(map.size, 0)
})

test('an iterator of a closed map throws ERR_CLOSED, and is then done', (t) => {
  const map = freshMap(t, { key: str, value: str }).set('a', '1').set('b', '2')
  const iterator = map.keys()
  iterator.next()
  map.close()
  fails(t, 'ERR_CLOSED', () => iterator.next())
  t.deepEqual(iterator.next(), { done: true, value: undefined })
  fails(t, 'ERR_CLOSED', () => map.keys())
})

test('what the body of forEach throws ends it and passes through', (t) => {
  const map = freshMap(t, { key: str, value: str }).set('a', '1').set('b', '2')
  const thrown = new Error('mine')
  let calls = 0
  t.is(
    t.throws(() =>
      map.forEach(() => {
        calls++
        throw thrown
      }),
    ),
    thrown,
  )
  t.is(calls, 1)
  t.is(map.size, 2)
})

test('iterator helpers work where the runtime has them', (t) => {
  const map = freshMap(t, { key: native.u32, value: native.u32 })
  map.set(1, 10).set(2, 20)
  const values = map.values() as unknown as {
    map?: (fn: (n: number) => number) => Iterable<number>
  }
  if (values.map === undefined) {
    t.pass('no helpers here')
    return
  }
  t.deepEqual(Array.from(values.map((n) => n + 1)).toSorted(), [11, 21])
})
