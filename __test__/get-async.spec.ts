import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import * as fc from 'fast-check'
import {
  bytes,
  DiskMap,
  json,
  native,
  primitive,
  str,
  structured,
  type DiskMapOptions,
  type Primitive,
} from '../index.js'
import { freshPath } from './helpers/dir.js'
import { rejects } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'
import { holdPool } from './helpers/pool.js'
import { program } from './helpers/program.js'
import { startThread } from './helpers/threads.js'

const codecs = { key: str, value: str }

// What fits the scratch and what does not; what lies in the log and what in a file of its own.
const lengths = fc.oneof(
  { weight: 8, arbitrary: fc.nat(300) },
  { weight: 2, arbitrary: fc.integer({ min: 65_530, max: 65_540 }) },
  { weight: 1, arbitrary: fc.integer({ min: 262_140, max: 262_150 }) },
  { weight: 1, arbitrary: fc.constant(700_000) },
)
const texts = fc
  .tuple(fc.string({ unit: 'grapheme' }), lengths)
  .map(([text, length]) => text + 'é'.repeat(length / 2))
const blobs = fc
  .tuple(fc.uint8Array({ maxLength: 20 }), lengths)
  .map(([start, length]) => Buffer.concat([start, Buffer.alloc(length, start[0] ?? 1)]))

const borrowing = {
  name: 'borrowing',
  borrows: true,
  encode: (value: string) => Buffer.from(value, 'utf16le'),
  decode: (buffer: Buffer) => buffer.toString('utf16le'),
}

function sameAsGet<K, V>(
  name: string,
  options: DiskMapOptions<K, V>,
  keys: fc.Arbitrary<K>,
  values: fc.Arbitrary<V>,
): void {
  test(`getAsync gives what get gives: ${name}`, async (t) => {
    const map = freshMap(t, { ...options, shards: 1 })
    const entries = fc.array(fc.tuple(keys, values), { minLength: 1, maxLength: 12 })
    const misses = fc.array(keys, { maxLength: 4 })
    const property = fc.asyncProperty(entries, misses, async (stored, absent) => {
      map.clear()
      for (const [key, value] of stored) map.set(key, value)
      const asked = [...stored.map(([key]) => key), ...absent]
      const found = await Promise.all(asked.map((key) => map.getAsync(key)))
      t.deepEqual(
        found,
        asked.map((key) => map.get(key)),
      )
    })
    await fc.assert(property, { numRuns: 25 })
  })
}

const words = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
sameAsGet('str and str', codecs, fc.string({ unit: 'grapheme' }), texts)
sameAsGet('u64 and bytes', { key: native.u64, value: bytes }, words, blobs)
sameAsGet(
  'bytes and json',
  { key: bytes, value: json },
  fc.uint8Array(),
  fc.oneof(fc.jsonValue(), texts),
)
sameAsGet(
  'primitive and structured',
  { key: primitive, value: structured },
  fc.oneof<fc.Arbitrary<Primitive>[]>(
    fc.double(),
    fc.boolean(),
    words,
    fc.string({ unit: 'grapheme' }),
  ),
  fc.oneof(fc.object({ withMap: true, withBigInt: true }), texts, blobs),
)
sameAsGet('i32 and f64', { key: native.i32, value: native.f64 }, fc.integer(), fc.double())
sameAsGet(
  'str and a codec that borrows',
  { key: str, value: borrowing },
  fc.string({ unit: 'grapheme' }),
  texts,
)

test('each of many calls at once gets its own value', async (t) => {
  const map = freshMap(t, { key: native.u32, value: bytes })
  for (let key = 0; key < 3000; key++) map.set(key, Buffer.alloc(1 + (key % 50), key))
  const found = await Promise.all(Array.from({ length: 3000 }, (_, key) => map.getAsync(key)))
  for (const [key, value] of found.entries()) {
    t.true(Buffer.alloc(1 + (key % 50), key).equals(value!))
  }
  const [one, two] = await Promise.all([map.getAsync(7), map.getAsync(7)])
  one!.fill(0)
  t.is(two![0], 7)
  t.is(map.get(7)![0], 7)
})

test('the key is taken at the call: changing it afterwards changes nothing', async (t) => {
  const map = freshMap(t, { key: bytes, value: str })
  const key = Buffer.from('one')
  map.set(key, '1').set(Buffer.from('two'), '2')
  const pending = map.getAsync(key)
  key.write('two')
  t.is(await pending, '1')
})

test('a key that the codec refuses rejects the promise, and is not thrown', async (t) => {
  const map = freshMap(t, codecs)
  const get = (key: unknown): Promise<unknown> => map.getAsync(key as string)
  await rejects(t, 'ERR_INVALID_KEY', get(1))
  await rejects(t, 'ERR_INVALID_KEY', get(undefined))
  await rejects(t, 'ERR_INVALID_KEY', get('\ud800'))
  await rejects(t, 'ERR_TOO_LARGE', get('x'.repeat(65_536)))
  t.is(await get('x'.repeat(65_535)), undefined)
  const numbers = freshMap(t, { key: native.u8, value: str })
  await rejects(t, 'ERR_INVALID_KEY', numbers.getAsync(256))
})

test('what a codec throws rejects getAsync unchanged', async (t) => {
  const thrown = new Error('mine')
  const value = {
    name: 'throws',
    encode: (text: string) => Buffer.from(text),
    decode(): string {
      throw thrown
    },
  }
  const map = freshMap(t, { key: str, value }).set('a', '1')
  t.is(await map.getAsync('a').catch((error: unknown) => error), thrown)
  t.is(await map.getAsync('b'), undefined)
})

test('a codec may use and close the map while getAsync decodes', async (t) => {
  const path = freshPath(t)
  const value = {
    name: 'closes',
    encode: (text: string) => Buffer.from(text),
    decode(buffer: Buffer): string {
      if (map.has('b')) map.close()
      return buffer.toString()
    },
  }
  const map: DiskMap<string, string> = DiskMap.open(path, { key: str, value })
  map.set('a', '1').set('b', '2')
  t.is(await map.getAsync('a'), '1')
  await rejects(t, 'ERR_CLOSED', map.getAsync('a'))
})

test('getAsync of a closed map is ERR_CLOSED', async (t) => {
  const map = DiskMap.open(freshPath(t), codecs).set('a', '1')
  map.close()
  await rejects(t, 'ERR_CLOSED', map.getAsync('a'))
  await rejects(t, 'ERR_INVALID_KEY', map.getAsync(1 as never))
})

test('a read-only handle reads later too', async (t) => {
  const path = freshPath(t)
  DiskMap.open(path, codecs).set('a', 'x'.repeat(300_000)).close()
  const map = DiskMap.open(path, { ...codecs, readOnly: true })
  t.is(await map.getAsync('a'), 'x'.repeat(300_000))
  map.close()
})

test('a getAsync that close overtakes at any point gives its value', async (t) => {
  const path = freshPath(t)
  const values = new Map<string, string>()
  for (let i = 0; i < 20; i++) values.set(`${i}`, `${i} `.repeat(i === 19 ? 100_000 : 10 * i))
  const first = DiskMap.open(path, { ...codecs, shards: 1 })
  for (const [key, value] of values) first.set(key, value)
  first.close()
  for (let round = 0; round < 40; round++) {
    const map = DiskMap.open(path, codecs)
    const pending = [...values.keys()].map((key) => map.getAsync(key))
    // Some are done by then, some are not begun.
    if (round % 2 === 1) await pending[round % 20]
    map.close()
    t.deepEqual(await Promise.all(pending), [...values.values()])
  }
})

// While the pool is held, nothing of another test goes on that needs it.
test.serial(
  'getAsync reads off the event loop: what is written before the pool comes to it is seen',
  async (t) => {
    const map = freshMap(t, codecs).set('a', 'at the call')
    const release = holdPool(t)
    if (release === undefined) {
      t.pass('no pipes here')
      return
    }
    const pending = map.getAsync('a')
    map.set('a', 'after the call')
    await release()
    t.is(await pending, 'after the call')
  },
)

test.serial('threads that are terminated in the middle of getAsync hold nothing', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs)
  const keys = Array.from({ length: 20 }, (_, number) => `${number}`)
  for (const key of keys) map.set(key, key.repeat(key === '7' ? 300_000 : 1000))
  map.close()
  for (let round = 0; round < 10; round++) {
    const workers = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const worker = startThread(path, 'getLater', { keys })
        await once(worker, 'message')
        return worker
      }),
    )
    await Promise.all(
      workers.map(async (worker) => {
        worker.postMessage('go')
        await once(worker, 'message')
        await setTimeout(Math.random() * 15)
        await worker.terminate()
      }),
    )
    // Would be ERR_OPTIONS_MISMATCH if the map were still open.
    const again = DiskMap.open(path, { ...codecs, flushInterval: 1000 + round, recovery: 'full' })
    t.is(again.size, 20)
    again.close()
  }
  const { stdout } = spawnSync(process.execPath, [program('opens.mjs'), path], { encoding: 'utf8' })
  t.is(stdout.trim(), 'opened 20')
})
