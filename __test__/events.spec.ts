import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { readdirSync, readFileSync, truncateSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import test from 'ava'
import type * as face from '../index.js'
import {
  DiskMap,
  DiskMapError,
  native,
  str,
  type DiskMapEvents,
  type FlushEvent,
} from '../index.js'
import { freshPath } from './helpers/dir.js'
import { kinds, listen, until } from './helpers/events.js'
import { rejects } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'
import { finish, firstLine, root, start } from './helpers/program.js'
import { resultOf, startThread } from './helpers/threads.js'

const codecs = { key: native.u32, value: str }
/** Nothing happens by itself. */
const still = { ...codecs, flushInterval: false } as const
const cjs = createRequire(import.meta.url)('../dist/index.cjs') as typeof face

/** Fields of an interface of lib/events.ts: those that are always there, and the others. */
function fieldsOf(name: string): { always: string[]; sometimes: string[] } {
  const source = readFileSync(join(root, 'lib', 'events.ts'), 'utf8')
  const [, body = ''] = new RegExp(`export interface ${name} [^{]*\\{\\n([^]*?)\\n\\}`).exec(
    source,
  )!
  const found = Array.from(body.matchAll(/^ {2}readonly (\w+)(\??):/gm))
  const named = (mark: string): string[] =>
    found.filter(([, , optional]) => optional === mark).map(([, field]) => field!)
  return { always: named(''), sometimes: named('?') }
}

test('every channel has messages of the documented fields, which are frozen', async (t) => {
  const path = freshPath(t)
  const told = Object.fromEntries(kinds.map((kind) => [kind, listen(t, kind, path)]))
  const map = DiskMap.open(path, { ...still, shards: 1 })
  for (let i = 0; i < 5000; i++) map.set(i % 500, `value ${i}`.repeat(20))
  await map.compact()
  map.close()
  const again = DiskMap.open(path, { ...still, recovery: 'full' })
  await again.flush()
  const name = readdirSync(path).find((name) => name.startsWith('seg-'))!
  truncateSync(join(path, name), 10_000)
  await rejects(t, 'ERR_IO', again.flush())
  await until(() => Object.values(told).every((messages) => messages.length > 0))
  t.throws(() => again.close())
  const interfaces = {
    flush: 'FlushEvent',
    recovery: 'RecoveryEvent',
    compaction: 'CompactionEvent',
    growth: 'GrowthEvent',
    error: 'FailureEvent',
  }
  const common = fieldsOf('DiskMapEvent').always
  t.deepEqual(common, ['path', 'instance', 'time', 'missed'])
  for (const kind of kinds) {
    const { always, sometimes } = fieldsOf(interfaces[kind])
    for (const message of told[kind]!) {
      t.true(Object.isFrozen(message))
      const fields = Object.keys(message).filter((field) => !sometimes.includes(field))
      t.deepEqual(fields.toSorted(), [...common, ...always].toSorted(), kind)
      if ('duration' in message) t.true(message.duration >= 0)
      t.true(Math.abs(Date.now() - message.time) < 3_600_000)
      t.is(message.missed, 0)
    }
  }
})

test('a flush tells its bytes and files, in the background too', async (t) => {
  const path = freshPath(t)
  const told = listen(t, 'flush', path)
  const map = DiskMap.open(path, { ...codecs, shards: 2, flushInterval: 1 })
  t.teardown(() => map.close())
  for (let i = 0; i < 100; i++) map.set(i, 'x'.repeat(1000))
  await until(() => told.reduce((bytes, flush) => bytes + flush.bytes, 0) > 100_000)
  t.true(told.some(({ files }) => files >= 1))
  t.true(told.every(({ instance }) => instance === map.stats().instance))
})

test('recovery is told to the thread that opened the map: after a kill, and after a rebuild', async (t) => {
  const path = freshPath(t)
  const told = listen(t, 'recovery', path)
  const writer = start(t, 'holds.mjs', path)
  t.is(await firstLine(writer), 'open')
  writer.kill('SIGKILL')
  await once(writer, 'exit')
  const map = DiskMap.open(path)
  const joined = DiskMap.open(path)
  await until(() => told.length > 0)
  joined.close()
  map.close()
  const again = await DiskMap.openAsync(path, { recovery: 'full' })
  await until(() => told.length > 1)
  const { recovery } = again.stats()
  again.close()
  t.deepEqual(
    told.map(({ reason }) => reason),
    ['killed', 'rebuilt'],
  )
  t.like(told[1], { records: recovery.records, dropped: 0, duration: recovery.milliseconds })
})

test('what makes the map read-only is told once, as a DiskMapError', async (t) => {
  const path = freshPath(t)
  const told = listen(t, 'error', path)
  const flushes = listen(t, 'flush', path)
  const map = DiskMap.open(path, still).set(1, 'one')
  await map.flush()
  await until(() => flushes.length === 1)
  const name = readdirSync(path).find((name) => name.startsWith('seg-'))!
  truncateSync(join(path, name), 10_000)
  for (let i = 0; i < 3; i++) await rejects(t, 'ERR_IO', map.flush())
  await until(() => told.length > 0)
  t.throws(() => map.close())
  t.is(told.length, 1)
  const { error, doing, readOnly } = told[0]!
  t.true(error instanceof DiskMapError)
  t.is(error.code, 'ERR_IO')
  t.is(doing, 'call')
  t.true(readOnly)
})

// Without others who have events kept meanwhile.
test.serial('who subscribes late is told of what comes, and who has left of nothing', async (t) => {
  const map = freshMap(t, still)
  const { path } = map.handle
  map.set(1, 'one')
  await map.flush()
  const early: FlushEvent[] = []
  const hear = (message: unknown): void => {
    if ((message as FlushEvent).path === path) early.push(message as FlushEvent)
  }
  // Both ways to subscribe.
  channel('opendiskmap:flush').subscribe(hear)
  const told = listen(t, 'flush', path)
  map.set(2, 'two')
  await map.flush()
  await until(() => told.length > 0)
  t.deepEqual(early, told)
  t.is(told.length, 1)
  unsubscribe('opendiskmap:flush', hear)
  map.set(3, 'three')
  await map.flush()
  await until(() => told.length > 1)
  t.is(early.length, 1)
  subscribe('opendiskmap:flush', hear)
  map.flushSync()
  await until(() => told.length > 2)
  t.is(early.length, 2)
  unsubscribe('opendiskmap:flush', hear)
})

test('every thread that subscribes is told once for each map, whoever did it', async (t) => {
  const map = freshMap(t, still)
  const { path } = map.handle
  const told = listen(t, 'flush', path)
  const threads = [1, 2, 3].map(() => startThread(path, 'listen', { flushes: 2 }))
  await Promise.all(threads.map((thread) => once(thread, 'message')))
  const other = DiskMap.open(path, codecs)
  for (let i = 0; i < 2; i++) {
    map.set(i, 'value')
    await other.flush()
  }
  await until(() => told.length >= 2)
  const results = threads.map((thread) => resultOf<FlushEvent[]>(thread))
  for (const thread of threads) thread.postMessage('close')
  for (const heard of await Promise.all(results)) t.deepEqual(heard, told)
  t.is(told.length, 2)
  other.close()
})

test('two instances of the face in a thread tell an event once', async (t) => {
  const path = freshPath(t)
  const told = listen(t, 'flush', path)
  const one = DiskMap.open(path, still)
  const two = cjs.DiskMap.open(path, { key: cjs.native.u32, value: cjs.str })
  one.set(1, 'one')
  await two.flush()
  await one.set(2, 'two').flush()
  await until(() => told.length >= 2)
  one.close()
  two.close()
  await until(() => told.length >= 3)
  t.is(told.length, 3)
})

// What waits and goes is of any map of the thread.
test.serial(
  'while the event loop is blocked the newest 256 of a channel wait, and what is missed is counted',
  async (t) => {
    const path = freshPath(t)
    const told = listen(t, 'growth', path)
    const errors = listen(t, 'error', path)
    // With it no freed segment becomes a new one: each is a file that is made.
    const map = DiskMap.open(path, { ...still, shards: 1, secureDelete: true })
    t.teardown(() => map.close())
    const writes = 4000
    // A segment takes six of them.
    for (let i = 0; i < writes; i++) map.set(1, 'x'.repeat(10_000))
    const { logBytes } = map.stats()
    await until(() => told.length > 0)
    const [first] = told
    t.true(first!.missed > 0)
    t.true(first!.missed + told.length >= (writes * 10_000 - logBytes) / 65_536)
    // What came after the loop had its turn is missed by nobody.
    t.is(
      told.slice(1).reduce((all, { missed }) => all + missed, 0),
      0,
    )
    t.true(told.every(({ time }, i) => i === 0 || time >= told[i - 1]!.time))
    t.deepEqual(errors, [])
  },
)

test('a subscriber keeps no process alive, and one that throws harms no map', async (t) => {
  const path = freshPath(t)
  const { code, output } = await finish(start(t, 'listens.mjs', path, 'open'))
  t.deepEqual([code, output], [0, '2\n'])
  const thrown = await finish(start(t, 'listens.mjs', path, 'throws'))
  t.deepEqual([thrown.code, thrown.output], [0, 'at 1\nat 2\n2\n'])
  const map = DiskMap.open(path, { key: str, value: str })
  t.is(map.get('key'), '2')
  map.close()
})

test('the face works in a runtime without node:diagnostics_channel', async (t) => {
  for (const how of ['absent', 'old']) {
    const { code, output } = await finish(start(t, 'listens.mjs', freshPath(t), how))
    t.deepEqual([code, output], [0, '2\n'], how)
  }
})

test('the types name the channels', (t) => {
  const names: (keyof DiskMapEvents)[] = kinds.map((kind) => `opendiskmap:${kind}` as const)
  t.is(names.length, fieldsInMapping())
})

/** How many channels lib/events.ts documents. */
function fieldsInMapping(): number {
  const source = readFileSync(join(root, 'lib', 'events.ts'), 'utf8')
  return Array.from(source.matchAll(/^ {2}readonly 'opendiskmap:/gm)).length
}
