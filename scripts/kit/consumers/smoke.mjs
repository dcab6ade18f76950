// One call of each kind, in whatever runs JavaScript here. It says which step it has come to.
import { strict as assert } from 'node:assert'
import { subscribe } from 'node:diagnostics_channel'
import {
  arch,
  bytes,
  DELETE,
  DiskMap,
  DiskMapError,
  json,
  msgpack,
  native,
  str,
  struct,
  structured,
} from 'opendiskmap'

/** @param {string} name @param {() => unknown} run */
async function step(name, run) {
  try {
    await run()
  } catch (error) {
    console.error(`in the step: ${name}`)
    throw error
  }
}

/** @param {string} code */
const coded = (code) => (/** @type {unknown} */ error) =>
  error instanceof DiskMapError && error.code === code

const map = DiskMap.open('smoke.odm', { key: str, value: json() })
const numbers = DiskMap.open('numbers.odm', { key: native.u64, value: native.u64 })
const long = DiskMap.open('long.odm', { key: str, value: bytes })

await step('the protocol of Map', () => {
  map.set('a', { n: 1 }).set('é€😀', [null])
  assert.deepEqual(map.get('a'), { n: 1 })
  assert.deepEqual(map.get('é€😀'), [null])
  assert.equal(map.get('b'), undefined)
  assert.equal(map.has('a'), true)
  assert.equal(map.delete('é€😀'), true)
  assert.deepEqual([...map], [['a', { n: 1 }]])
  assert.deepEqual(new Map(map), new Map([['a', { n: 1 }]]))
})
await step('iterators', () => {
  for (let i = 0; i < 5000; i++) map.set(`key ${i}`, { i })
  assert.equal([...map.keys()].length, 5001)
  let seen = 0
  map.forEach(() => seen++)
  assert.equal(seen, 5001)
  for (const [key] of map) if (key !== '') break
})
await step('changes that a function decides', () => {
  map.update('a', (old) => ({ n: old.n + 1 }))
  assert.deepEqual(map.get('a'), { n: 2 })
  map.update('a', () => DELETE)
  assert.equal(map.has('a'), false)
  assert.equal(map.entry('a').orInsert(7), 7)
  assert.equal(numbers.increment(1n, 2n ** 63n), 2n ** 63n)
  assert.equal(numbers.compareAndSet(1n, 2n ** 63n, 5n), true)
})
await step('batches', () => {
  const keys = BigUint64Array.from({ length: 1000 }, (_, i) => BigInt(i))
  numbers.setMany(Array.from(keys, (key) => [key, key * 2n]))
  assert.deepEqual(
    numbers.getMany(keys),
    Array.from(keys, (key) => key * 2n),
  )
  assert.equal(numbers.deleteMany([1n, 2n, 2000n]), 2)
})
await step('bytes of every length', () => {
  for (const length of [0, 1, 100, 4096, 70_000, 1_000_000]) {
    const value = Buffer.alloc(length, length % 251)
    long.set(`${length}`, value)
    assert.ok(long.get(`${length}`).equals(value))
    assert.ok(Buffer.from(long.get(`${length}`, { owned: true })).equals(value))
  }
})
await step('views', () => {
  const view = long.view('70000')
  assert.equal(view.bytes.length, 70_000)
  assert.equal(view.bytes[69_999], 70_000 % 251)
  long.set('70000', Buffer.alloc(70_000, 1))
  assert.equal(view.bytes[5], 70_000 % 251)
  view[Symbol.dispose]()
  assert.equal(
    long.read('70000', (value) => value[5]),
    1,
  )
  let sum = 0
  for (const [, seen] of long.views()) sum += seen.bytes.length
  assert.equal(sum, 0 + 1 + 100 + 4096 + 70_000 + 1_000_000)
})
await step('codecs', () => {
  const point = arch(struct({ id: 'u32', name: 'string', scores: 'f64[]' }))
  const points = DiskMap.open('points.odm', { key: native.u64, value: point })
  points.set(1n, { id: 1, name: 'one', scores: [1, 2.5] })
  assert.deepEqual(points.get(1n), { id: 1, name: 'one', scores: [1, 2.5] })
  const view = points.view(1n)
  assert.equal(view.value.name, 'one')
  view[Symbol.dispose]()
  points.close()
  const open = () => DiskMap.open('any.odm', { key: str, value: structured })
  if ('Bun' in globalThis) assert.throws(open, coded('ERR_CODEC_UNAVAILABLE'))
  else {
    const any = open()
    const value = new Map([['a', new Set([1n, new Date(0)])]])
    assert.deepEqual(any.set('a', value).get('a'), value)
    any.close()
  }
  // Its package is not installed beside these programs.
  assert.throws(
    () => DiskMap.open('packed.odm', { key: str, value: msgpack() }).set('a', 1),
    coded('ERR_CODEC_UNAVAILABLE'),
  )
})
await step('errors', async () => {
  assert.throws(() => map.get(/** @type {any} */ (1)), coded('ERR_INVALID_KEY'))
  assert.throws(() => map.get('\ud800'), coded('ERR_INVALID_KEY'))
  assert.throws(() => DiskMap.open('no/such/parent'), coded('ERR_NOT_FOUND'))
  await assert.rejects(DiskMap.openAsync('no/such/parent'), coded('ERR_NOT_FOUND'))
})
await step('off the thread', async () => {
  assert.deepEqual(await map.getAsync('key 77'), { i: 77 })
  await map.flush()
  const { ok, records } = await map.verify()
  assert.ok(ok && records > 0)
  await map.compact()
  await map.backup('backup.odm')
  const controller = new AbortController()
  controller.abort(new Error('called off'))
  await assert.rejects(map.verify({ signal: controller.signal }), /called off/)
})
await step('events', async () => {
  /** @type {any[]} */
  const told = []
  subscribe('opendiskmap:flush', (message) => told.push(message))
  map.set('told', {})
  await map.flush()
  // The background may have been faster, here and in another map.
  const { instance } = map.stats()
  const isIt = (/** @type {any} */ flush) => flush.instance === instance && flush.bytes > 0
  while (!told.some(isIt)) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.ok(told.every(Object.isFrozen))
})
await step('the end', async () => {
  const size = map.size
  const view = long.view('4096')
  long.close()
  assert.equal(view.bytes.length, 0)
  numbers[Symbol.dispose]()
  await map[Symbol.asyncDispose]()
  assert.throws(() => map.get('a'), coded('ERR_CLOSED'))
  const again = await DiskMap.openAsync('smoke.odm', { key: str, value: json() })
  assert.equal(again.size, size)
  assert.equal(again.stats().recovery.reason, 'clean')
  // It is left open: that must keep nothing alive.
})
console.log('done')
