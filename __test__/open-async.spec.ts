import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import type * as face from '../index.js'
import { DiskMap, json, native, str, type DiskMapOptions } from '../index.js'
import { freshDir, freshPath } from './helpers/dir.js'
import { fails, rejects } from './helpers/errors.js'
import { holdPool } from './helpers/pool.js'
import { program, start } from './helpers/program.js'
import { startThread } from './helpers/threads.js'

const codecs = { key: str, value: str }
const cjs = createRequire(import.meta.url)('../dist/index.cjs') as typeof face

test('openAsync opens what open opens, and makes what is not there', async (t) => {
  const path = freshPath(t)
  const opening = DiskMap.openAsync(path, { key: native.u64, value: json<number[]>() })
  t.true(opening instanceof Promise)
  const map = await opening
  t.true(map instanceof DiskMap)
  t.is(map.stats().recovery.reason, 'created')
  map.set(7n, [1, 2])
  const joined = await DiskMap.openAsync(pathToFileURL(path))
  t.deepEqual(joined.get(7n), [1, 2])
  t.deepEqual(joined.handle, map.handle)
  map.close()
  joined.close()
  const reader = await DiskMap.openAsync(path, { readOnly: true, recovery: 'full' })
  t.is(reader.stats().recovery.reason, 'rebuilt')
  fails(t, 'ERR_READ_ONLY', () => reader.set(8n, []))
  reader.close()
  const other = await cjs.DiskMap.openAsync(path, { key: cjs.native.u64, value: cjs.json })
  t.deepEqual(other.get(7n), [1, 2])
  other.close()
})

test('every error of openAsync rejects its promise, also one of an argument', async (t) => {
  const dir = freshDir(t)
  const path = join(dir, 'map')
  const open = (at: unknown, options?: unknown): Promise<unknown> =>
    DiskMap.openAsync(at as string, options as DiskMapOptions<unknown, unknown>)
  const wrong: [unknown, unknown?][] = [
    [undefined],
    [''],
    [1],
    ['a\0b'],
    [path, null],
    [path, { view: 1 }],
    [path, { key: json }],
    [path, { value: {} }],
    [path, { shards: 3 }],
    [path, { shards: 65 }],
    [path, { mode: 0o077 }],
  ]
  for (const [at, options] of wrong) {
    await rejects(t, 'ERR_INVALID_ARGUMENT', open(at, options))
  }
  const thrown = new Error('mine')
  const options = Object.defineProperty({}, 'key', {
    enumerable: true,
    get() {
      throw thrown
    },
  })
  t.is(await open(path, options).catch((error: unknown) => error), thrown)
  await rejects(t, 'ERR_NOT_FOUND', open(join(path, 'map')))
  await rejects(t, 'ERR_NOT_FOUND', open(path, { create: false }))
  await rejects(t, 'ERR_NOT_A_MAP', open(program('opens.mjs')))
  t.false(existsSync(path))
  const map = DiskMap.open(path, codecs)
  await rejects(t, 'ERR_CODEC_MISMATCH', open(path, { key: native.u8 }))
  await rejects(t, 'ERR_OPTIONS_MISMATCH', open(path, { shards: 2 }))
  map.close()
})

test('openAsync of a map that another process holds is ERR_LOCKED', async (t) => {
  const path = freshPath(t)
  const child = start(t, 'holds.mjs', path)
  await once(child.stdout!, 'data')
  const error = await rejects(t, 'ERR_LOCKED', DiskMap.openAsync(path, codecs))
  t.regex(error.message, new RegExp(`\\b${child.pid}\\b`))
  child.stdin!.end()
  await once(child, 'close')
})

test('openAsync of a map whose codec must be given rejects and holds nothing open', async (t) => {
  const path = freshPath(t)
  const value = { name: 'mine', encode: () => Buffer.from('x'), decode: String }
  DiskMap.open(path, { key: str, value }).close()
  await rejects(t, 'ERR_CODEC_MISMATCH', DiskMap.openAsync(path))
  const map = DiskMap.open(path, { key: str, value, recovery: 'full' })
  t.is(map.stats().recovery.reason, 'rebuilt')
  map.close()
})

test('many opens of one directory, now and later, are one map', async (t) => {
  const path = freshPath(t)
  const pending = Array.from({ length: 20 }, () => DiskMap.openAsync(path, codecs))
  const now = DiskMap.open(path, codecs)
  const maps = [now, ...(await Promise.all(pending))]
  for (const [number, map] of maps.entries()) {
    t.deepEqual(map.handle, now.handle)
    map.set(`${number}`, 'x')
  }
  for (const map of maps) {
    t.is(map.size, 21)
    map.close()
  }
  const again = await DiskMap.openAsync(path, codecs)
  t.is(again.stats().recovery.reason, 'clean')
  again.close()
})

// One after the other: while the pool is held, nothing of another test goes on that needs it.
test.serial('openAsync keeps the files off the event loop: the pool touches them', async (t) => {
  const path = freshPath(t)
  const release = holdPool(t)
  if (release === undefined) {
    t.pass('no pipes here')
    return
  }
  let settled = false
  const opening = DiskMap.openAsync(path, codecs)
  void opening.finally(() => (settled = true))
  for (let turn = 0; turn < 50; turn++) await setImmediate()
  t.false(settled)
  t.false(existsSync(path))
  await release()
  const map = await opening
  t.true(existsSync(path))
  t.is(map.set('a', '1').size, 1)
  map.close()
})

test.serial('a thread that is terminated before its openAsync began holds nothing', async (t) => {
  const path = freshPath(t)
  DiskMap.open(path, codecs).set('a', '1').close()
  const worker = startThread(path, 'openLater')
  await once(worker, 'message')
  const release = holdPool(t)
  worker.postMessage('go')
  await once(worker, 'message')
  const ended = worker.terminate()
  await release?.()
  await ended
  // Would be ERR_OPTIONS_MISMATCH if the map were still open.
  const map = DiskMap.open(path, { ...codecs, recovery: 'full' })
  t.is(map.get('a'), '1')
  map.close()
})

test.serial('threads that are terminated in the middle of openAsync hold nothing', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs)
  for (let i = 0; i < 20_000; i++) map.set(`${i}`, 'x'.repeat(100))
  map.close()
  for (let round = 0; round < 10; round++) {
    const workers = await Promise.all(
      Array.from({ length: 5 }, async (_, number) => {
        // Some make the index anew, which takes a while; the others wait for them or join, or find the option differ.
        const options = (number + round) % 2 === 0 ? { recovery: 'full' } : {}
        const worker = startThread(path, 'openLater', { options })
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
    const again = DiskMap.open(path, { ...codecs, flushInterval: 1000 + round, recovery: 'full' })
    t.is(again.stats().recovery.reason, 'rebuilt')
    t.is(again.size, 20_000)
    again.close()
  }
  const { stdout } = spawnSync(process.execPath, [program('opens.mjs'), path], { encoding: 'utf8' })
  t.is(stdout.trim(), 'opened 20000')
})
