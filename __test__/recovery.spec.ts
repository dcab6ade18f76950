import { once } from 'node:events'
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import {
  DiskMap,
  native,
  str,
  U64StringMap,
  type DiskMapAsyncOptions,
  type DiskMapOptions,
  type DiskMapRecovery,
  type Progress,
} from '../index.js'
import { freshPath } from './helpers/dir.js'
import { fails, rejects } from './helpers/errors.js'
import { firstLine, start } from './helpers/program.js'

const codecs = { key: str, value: str }

/** A map of so many entries that was closed. */
function closed(path: string, entries: number): void {
  const map = DiskMap.open(path, { ...codecs, shards: 2 })
  for (let n = 0; n < entries; n++) map.set(`${n}`, `value ${n}`)
  map.close()
}

test('onRecovery is called once, before open returns, after a kill and after a rebuild', async (t) => {
  const path = freshPath(t)
  const reports: DiskMapRecovery[] = []
  const onRecovery = (report: DiskMapRecovery): void => void reports.push(report)
  DiskMap.open(path, { ...codecs, shards: 2, onRecovery }).close()
  DiskMap.open(path, { ...codecs, onRecovery }).close()
  t.deepEqual(reports, [], 'a map that was made or had been closed recovers nothing')
  const writer = start(t, 'holds.mjs', path)
  t.is(await firstLine(writer), 'open')
  writer.kill('SIGKILL')
  await once(writer, 'exit')
  const map = DiskMap.open(path, { ...codecs, onRecovery })
  t.is(reports.length, 1)
  const [killed] = reports
  t.is(killed!.reason, 'killed')
  t.is(killed!.records, 0, 'nothing is read after a kill')
  for (const { kept, dropped, cutBytes } of killed!.shards) {
    t.is(kept + cutBytes, 0)
    t.true(dropped <= 1, 'at most the call that was in flight')
  }
  t.deepEqual(map.stats().recovery, killed)
  const entries = [...map].toSorted()
  map.close()
  const again = await DiskMap.openAsync(path, { ...codecs, recovery: 'full', onRecovery })
  t.is(reports.length, 2)
  t.is(reports[1]!.reason, 'rebuilt')
  t.deepEqual(again.stats().recovery, reports[1])
  t.true(reports[1]!.records >= entries.length)
  t.deepEqual([...again].toSorted(), entries)
  again.close()
})

test('onRecovery belongs to the open that recovered: a handle that joins is not told, stats tell everybody', (t) => {
  const path = freshPath(t)
  closed(path, 10)
  let told = 0
  const options = { ...codecs, recovery: 'full', onRecovery: () => void told++ } as const
  const map = DiskMap.open(path, options)
  const joined = DiskMap.open(path, options)
  const attached = DiskMap.attach(map.handle, codecs)
  t.is(told, 1)
  for (const handle of [map, joined, attached]) {
    t.is(handle.stats().recovery.records, 10)
    handle.close()
  }
})

test('what onRecovery or onProgress throws passes through, and the handle is closed', async (t) => {
  const path = freshPath(t)
  closed(path, 10)
  const thrown = new Error('mine')
  const throws = (): never => {
    throw thrown
  }
  const full = { ...codecs, recovery: 'full' } as const
  t.is(
    t.throws(() => DiskMap.open(path, { ...full, onRecovery: throws })),
    thrown,
  )
  t.is(await t.throwsAsync(DiskMap.openAsync(path, { ...full, onRecovery: throws })), thrown)
  t.is(await t.throwsAsync(DiskMap.openAsync(path, { ...full, onProgress: throws })), thrown)
  // Nobody holds it any more: it opens as another instance, and was closed cleanly.
  const map = DiskMap.open(path, codecs)
  t.is(map.stats().recovery.reason, 'clean')
  t.is(map.size, 10)
  map.close()
})

test('onRecovery may use the map: it is open in this process by then', (t) => {
  const path = freshPath(t)
  closed(path, 10)
  const sizes: number[] = []
  const map = DiskMap.open(path, {
    ...codecs,
    recovery: 'full',
    onRecovery() {
      const other = DiskMap.open(path, codecs)
      sizes.push(other.set('more', 'x').size)
      other.close()
    },
  })
  t.deepEqual([...sizes, map.size], [11, 11])
  map.close()
})

test('onProgress tells of a rebuild up to its last byte, then onRecovery is called', async (t) => {
  const path = freshPath(t)
  closed(path, 50_000)
  const calls: (Progress | DiskMapRecovery)[] = []
  const push = (call: Progress | DiskMapRecovery): void => void calls.push(call)
  const map = await DiskMap.openAsync(path, {
    ...codecs,
    recovery: 'full',
    onProgress: push,
    onRecovery: push,
  })
  const report = calls.pop() as DiskMapRecovery
  t.is(report.reason, 'rebuilt')
  t.is(report.records, 50_000)
  const progress = calls as Progress[]
  t.true(progress.length > 0)
  const last = progress.at(-1)!
  t.is(last.bytes, last.totalBytes)
  t.true(last.bytes > 50_000 * 30)
  for (const [at, { bytes, totalBytes }] of progress.entries()) {
    t.is(totalBytes, last.totalBytes)
    t.true(at === 0 || bytes > progress[at - 1]!.bytes)
  }
  map.close()
  const alias = await DiskMap.openAsync(path, { ...codecs, onProgress: () => t.fail() })
  t.is(alias.stats().recovery.reason, 'clean')
  alias.close()
})

test('onProgress is for openAsync alone, and a callback must be a function', async (t) => {
  const path = freshPath(t)
  const progress = { onProgress: () => {} } as DiskMapOptions<unknown, unknown>
  const error = fails(t, 'ERR_INVALID_ARGUMENT', () => DiskMap.open(path, progress))
  t.regex(error.message, /openAsync/)
  fails(t, 'ERR_INVALID_ARGUMENT', () => U64StringMap.open(path, progress))
  const map = await U64StringMap.openAsync(path, { onProgress: () => {}, onRecovery: () => {} })
  for (const name of ['onRecovery', 'onProgress']) {
    for (const wrong of [null, 1, 'x', {}, true]) {
      const options = { [name]: wrong } as unknown as DiskMapAsyncOptions<unknown, unknown>
      t.regex(
        (await rejects(t, 'ERR_INVALID_ARGUMENT', DiskMap.openAsync(path, options))).message,
        new RegExp(name),
      )
    }
    const attach = { [name]: () => {} } as object
    fails(t, 'ERR_INVALID_ARGUMENT', () => DiskMap.attach(map.handle, attach))
  }
  map.close()
})

test('stats().recovery counts by shard what a rebuild kept and dropped: records, and the bytes that are left of them', (t) => {
  const path = freshPath(t)
  const options = { key: native.u64, value: str, shards: 1, flushInterval: false } as const
  const map = DiskMap.open(path, options)
  for (let n = 0n; n < 10n; n++) map.set(n, `value ${n}`)
  map.flushSync()
  for (let n = 10n; n < 20n; n++) map.set(n, `value ${n}`)
  // What lies there if the machine dies now: a copy has no index that is trusted.
  const copy = freshPath(t)
  cpSync(path, copy, { recursive: true })
  map.close()
  const segment = join(
    copy,
    readdirSync(copy).find((name) => name.startsWith('seg-'))!,
  )
  const bytes = readFileSync(segment)
  const at = bytes.indexOf('value 15')
  bytes[at]! ^= 1
  writeFileSync(segment, bytes)
  const end = bytes.indexOf('value 19') + 'value 19'.length
  const reports: DiskMapRecovery[] = []
  const rebuilt = DiskMap.open(copy, { ...options, onRecovery: (report) => reports.push(report) })
  const { recovery } = rebuilt.stats()
  t.deepEqual(reports, [recovery])
  t.is(recovery.reason, 'rebuilt')
  t.is(recovery.records, 15)
  t.is(recovery.dropped, 5)
  // From the header of the record that fails, 24 bytes and a key of 8 before its value.
  t.deepEqual(recovery.shards, [{ kept: 15, dropped: 5, cutBytes: end - (at - 32) }])
  t.true(recovery.milliseconds > 0)
  t.deepEqual(
    [...rebuilt.keys()].toSorted(),
    Array.from({ length: 15 }, (_, n) => BigInt(n)).toSorted(),
  )
  rebuilt.close()
})
