import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { DiskMap, native, str, type JobOptions, type Progress } from '../index.js'
import { freshDir, freshPath } from './helpers/dir.js'
import { fails, rejects } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'
import { holdPool } from './helpers/pool.js'
import { start } from './helpers/program.js'

const codecs = { key: str, value: str }

/** A map with some entries, and a directory for copies of it. */
function filled(t: ExecutionContext): {
  map: DiskMap<string, string>
  target: string
  dir: string
} {
  const map = freshMap(t, { ...codecs, shards: 2 })
  for (let n = 0; n < 2000; n++) map.set(`key ${n}`, `value ${n} `.repeat(10))
  map.set('long', 'long '.repeat(200_000))
  map.delete('key 0')
  const dir = freshDir(t)
  return { map, dir, target: join(dir, 'backup') }
}

function contents(t: ExecutionContext, path: string): Map<string, string> {
  const copy = DiskMap.open(path, { ...codecs, create: false })
  t.is(copy.stats().recovery.reason, 'rebuilt', 'the first open of a copy verifies it')
  const found = new Map(copy)
  copy.close()
  return found
}

test('a backup is the map as it was at one moment, and a map of its own', async (t) => {
  const { map, target } = filled(t)
  const expected = new Map(map)
  const pending = map.backup(pathToFileURL(target))
  await pending
  map.clear()
  t.deepEqual(contents(t, target), expected)
  const copy = DiskMap.open(target)
  t.is(copy.stats().recovery.reason, 'clean')
  copy.set('key 0', 'new')
  t.is(map.size, 0)
  copy.close()
})

test('writes go on during a backup, and what it holds is a prefix of them', async (t) => {
  const map = freshMap(t, { key: native.u32, value: native.f64, shards: 2 })
  const dir = freshDir(t)
  let written = 0
  const write = (count: number): void => {
    for (const end = written + count; written < end; written++) map.set(written % 5000, written)
  }
  write(20_000)
  for (let round = 0; round < 5; round++) {
    const target = join(dir, `${round}`)
    const before = written
    const state = { done: false }
    const pending = map.backup(target).finally(() => (state.done = true))
    while (!state.done) {
      write(500)
      await new Promise(setImmediate)
    }
    await pending
    const copy = DiskMap.open(target, { key: native.u32, value: native.f64 })
    const found = new Map(copy)
    copy.close()
    const last = Math.max(...found.values())
    t.true(last >= before - 1 && last < written, 'the moment lies between call and resolution')
    for (let key = 0; key < 5000; key++) {
      const expected = last - ((last - key) % 5000)
      if (found.get(key) !== expected)
        t.is(found.get(key), expected, `key ${key} of ${last} writes`)
    }
  }
})

test('a read-only map can be backed up', async (t) => {
  const path = freshPath(t)
  DiskMap.open(path, codecs).set('a', '1').close()
  const map = DiskMap.open(path, { ...codecs, readOnly: true })
  await map.backup(`${path}.backup`)
  map.close()
  t.deepEqual(contents(t, `${path}.backup`), new Map([['a', '1']]))
})

test('a backup is made where nothing is, under a parent that exists, and not in the map', async (t) => {
  const { map, dir } = filled(t)
  mkdirSync(join(dir, 'directory'))
  writeFileSync(join(dir, 'file'), '')
  symlinkSync('nowhere', join(dir, 'link'))
  for (const name of ['directory', 'file', 'link']) {
    await rejects(t, 'ERR_INVALID_ARGUMENT', map.backup(join(dir, name)), name)
  }
  await rejects(t, 'ERR_INVALID_ARGUMENT', map.backup(join(map.handle.path, 'inside')))
  await rejects(t, 'ERR_INVALID_ARGUMENT', map.backup(map.handle.path))
  await rejects(t, 'ERR_NOT_FOUND', map.backup(join(dir, 'missing', 'backup')))
  t.deepEqual(readdirSync(dir).toSorted(), ['directory', 'file', 'link'])
})

test('arguments of backup that cannot be meant are ERR_INVALID_ARGUMENT', async (t) => {
  const { map, dir, target } = filled(t)
  const bad: unknown[] = [
    null,
    1,
    'all',
    { signal: 1 },
    { signal: {} },
    { onProgress: 1 },
    { other: 1 },
  ]
  for (const options of bad) {
    await rejects(t, 'ERR_INVALID_ARGUMENT', map.backup(target, options as JobOptions))
  }
  for (const path of [undefined, null, 1, '', 'a\0b', '\ud800', new URL('https://example.org/')]) {
    await rejects(t, 'ERR_INVALID_ARGUMENT', map.backup(path as string))
  }
  t.deepEqual(readdirSync(dir), [])
})

test('a signal calls a backup off: it rejects with its reason and leaves nothing', async (t) => {
  const { map, dir, target } = filled(t)
  const reason = { a: 'reason' }
  const before = map.backup(target, { signal: AbortSignal.abort(reason) })
  t.is(await before.catch((error: unknown) => error), reason)
  t.deepEqual(readdirSync(dir), [])
  const release = holdPool(t)
  const controller = new AbortController()
  const pending = map.backup(target, { signal: controller.signal })
  controller.abort(reason)
  await release?.()
  t.is(await pending.catch((error: unknown) => error), reason)
  t.deepEqual(readdirSync(dir), [])
  // One that comes too late changes nothing.
  const late = new AbortController()
  await map.backup(target, { signal: late.signal })
  late.abort()
  t.is(contents(t, target).size, map.size)
})

test('onProgress is told how far a backup is, and is told of its end', async (t) => {
  const { map, target } = filled(t)
  const seen: Progress[] = []
  const release = holdPool(t)
  const pending = map.backup(target, { onProgress: (progress) => void seen.push({ ...progress }) })
  await release?.()
  await pending
  t.true(seen.length >= 1)
  let bytes = 0
  for (const progress of seen) {
    t.true(progress.bytes >= bytes && progress.bytes <= progress.totalBytes)
    bytes = progress.bytes
  }
  t.true(bytes > 1_000_000)
  t.is(bytes, seen.at(-1)!.totalBytes)
})

test('what onProgress throws rejects the promise', async (t) => {
  const { map, target } = filled(t)
  const thrown = new Error('of the user')
  const pending = map.backup(target, {
    onProgress: () => {
      throw thrown
    },
  })
  t.is(await pending.catch((error: unknown) => error), thrown)
})

test.serial('close calls a backup off: ERR_CLOSED, and nothing is left', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs).set('a', '1')
  const release = holdPool(t)
  if (release === undefined) {
    t.pass('no pipes here')
    return
  }
  const rejected = rejects(t, 'ERR_CLOSED', map.backup(`${path}.backup`))
  map.close()
  await release()
  await rejected
  await rejects(t, 'ERR_CLOSED', map.backup(`${path}.backup`))
  t.deepEqual(readdirSync(dirname(path)), ['map'])
})

test('a backup whose process is killed never opens, and those before it are whole', async (t) => {
  for (let round = 0; round < 3; round++) {
    const dir = freshDir(t)
    const child = start(t, 'backs-up.mjs', join(dir, 'map'), join(dir, 'backup'))
    let output = ''
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      output += text
      // From the first on, at moments that differ.
      if (output.includes('\n1\n')) setTimeout(() => child.kill('SIGKILL'), round * 11)
    })
    await once(child, 'close')
    const done = output.trim().split('\n').slice(1).map(Number)
    t.true(done.length >= 2, output)
    for (const n of done) t.true(existsSync(join(dir, `backup-${n}`)))
    for (const name of readdirSync(dir)) {
      if (name.includes('.partial-')) {
        const files = readdirSync(join(dir, name))
        // All that was left to do was to give it its name.
        if (files.includes('CHECKPOINT.0')) continue
        const code = files.length === 0 ? 'ERR_NOT_FOUND' : 'ERR_CORRUPT'
        fails(t, code, () => DiskMap.open(join(dir, name), { ...codecs, create: false }))
      } else if (name.startsWith('backup-')) {
        const found = contents(t, join(dir, name))
        t.is(found.size, 3003)
        t.is(found.get('long 2'), '2'.repeat(400_000))
        t.is(found.get('key 299'), '299 '.repeat(60))
      }
    }
  }
})
