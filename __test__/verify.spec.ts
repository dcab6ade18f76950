import { closeSync, openSync, readdirSync, readFileSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { DiskMap, native, str, type Progress } from '../index.js'
import { freshPath } from './helpers/dir.js'
import { fails, rejects } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'
import { holdPool } from './helpers/pool.js'

const codecs = { key: str, value: str, shards: 2 }

function fill(map: DiskMap<string, string>, entries: number): void {
  for (let i = 0; i < entries; i++) map.set(`key ${i}`, `old value ${i}`)
  for (let i = 0; i < entries; i += 2) map.set(`key ${i}`, `value ${i}`.repeat(i % 100))
  for (let i = 0; i < entries; i += 5) map.delete(`key ${i}`)
  map.set('long', 'long '.repeat(100_000))
}

test('verify reports ok, records and bytes of a whole map, whatever was done to it', async (t) => {
  const map = freshMap(t, codecs)
  t.deepEqual(await map.verify(), { ok: true, records: 0, bytes: 0, errors: [], errorCount: 0 })
  fill(map, 5000)
  const filled = await map.verify()
  t.like(filled, { ok: true, errors: [], errorCount: 0 })
  t.true(filled.records >= 5000 && filled.bytes > 500_000)
  await map.compact()
  t.like(await map.verify(), { ok: true, errors: [] })
  map.clear()
  t.like(await map.verify(), { ok: true, errors: [] })
})

test('verify of a map that is open for reading only works and changes no file', async (t) => {
  const path = freshPath(t)
  const made = DiskMap.open(path, codecs)
  fill(made, 1000)
  made.close()
  const bytes = (): Buffer[] => readdirSync(path).map((name) => readFileSync(join(path, name)))
  const before = bytes()
  const map = DiskMap.open(path, { ...codecs, readOnly: true })
  t.like(await map.verify(), { ok: true, errors: [] })
  map.close()
  t.deepEqual(bytes(), before)
})

test('verify names file, offset and key of a damaged byte, goes on after it, and changes nothing', async (t) => {
  const path = freshPath(t)
  const made = DiskMap.open(path, { key: native.u32, value: str, shards: 1 })
  for (let i = 0; i < 100; i++) made.set(i, `the value of ${i}`)
  made.close()
  const name = readdirSync(path).find((name) => name.startsWith('seg-'))!
  const wounded = [3, 60]
  const at = wounded.map((i) => readFileSync(join(path, name)).indexOf(`the value of ${i}`))
  const file = openSync(join(path, name), 'r+')
  const flip = (place: number): void => {
    const byte = Buffer.alloc(1)
    readSync(file, byte, 0, 1, place)
    byte[0]! ^= 1
    writeSync(file, byte, 0, 1, place)
  }
  const map = DiskMap.open<number, string>(path)
  at.forEach(flip)
  const report = await map.verify()
  // A record's header has 24 bytes, the key 4, and the value begins at a multiple of 8.
  const errors = wounded.map((key, i) => ({
    code: 'ERR_CORRUPT',
    file: name,
    offset: at[i]! - 32,
    key,
  }))
  t.like(report, { ok: false, errorCount: 2 })
  t.deepEqual(report.errors, errors as typeof report.errors)
  fails(t, 'ERR_CORRUPT', () => map.get(3))
  at.forEach(flip)
  closeSync(file)
  t.like(await map.verify(), { ok: true, errors: [] })
  map.close()
})

test('verify tells its progress, up to all bytes', async (t) => {
  const map = freshMap(t, codecs)
  fill(map, 3000)
  const told: Progress[] = []
  const { bytes } = await map.verify({ onProgress: (progress) => void told.push(progress) })
  t.is(told.at(-1)!.bytes, bytes)
  t.true(told.at(-1)!.totalBytes > 0)
  for (let i = 1; i < told.length; i++) t.true(told[i]!.bytes >= told[i - 1]!.bytes)
  const thrown = new Error('from the callback')
  const failing = map.verify({
    onProgress: () => {
      throw thrown
    },
  })
  t.is(await t.throwsAsync(failing), thrown)
})

test.serial('verify is called off by its signal, with the reason of the signal', async (t) => {
  const map = freshMap(t, codecs)
  fill(map, 1000)
  const reason = new Error('enough')
  t.is(await t.throwsAsync(map.verify({ signal: AbortSignal.abort(reason) })), reason)
  // While the pool is held the work cannot begin, so the signal is raised before it.
  const release = holdPool(t)
  const controller = new AbortController()
  const pending = map.verify({ signal: controller.signal })
  controller.abort(reason)
  release?.()
  t.is(await t.throwsAsync(pending), reason)
  t.like(await map.verify({ signal: new AbortController().signal }), { ok: true })
})

test.serial('verify that is cut off by close is ERR_CLOSED', async (t) => {
  const map = DiskMap.open(freshPath(t), codecs)
  fill(map, 1000)
  const release = holdPool(t)
  const pending = map.verify()
  map.close()
  release?.()
  if (release === undefined) await pending.catch(() => {})
  else await rejects(t, 'ERR_CLOSED', pending)
  await rejects(t, 'ERR_CLOSED', map.verify())
})

test('an option of verify that is none, or of the wrong type, is ERR_INVALID_ARGUMENT', async (t) => {
  const map = freshMap(t, codecs)
  const bad: unknown[] = [1, null, { other: 1 }, { signal: 1 }, { signal: {} }, { onProgress: 1 }]
  for (const options of bad) {
    await rejects(t, 'ERR_INVALID_ARGUMENT', map.verify(options as never), JSON.stringify(options))
  }
})
