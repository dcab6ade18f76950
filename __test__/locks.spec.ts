import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, cpSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { DiskMap, str } from '../index.js'
import { freshDir, freshPath } from './helpers/dir.js'
import { fails, rejects } from './helpers/errors.js'
import { finish, firstLine, program, start } from './helpers/program.js'

const codecs = { key: str, value: str }

/** What a process of its own says when it opens the map. */
function opens(path: string, options: object = {}, uid?: number): string {
  const args = [program('opens.mjs'), path, JSON.stringify(options)]
  if (uid !== undefined) args.push(String(uid))
  return spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 }).stdout.trim()
}

test('a map that another process has open is ERR_LOCKED, and the message gives its pid', async (t) => {
  const path = freshPath(t)
  const child = start(t, 'holds.mjs', path)
  t.is(await firstLine(child), 'open')
  for (const options of [codecs, {}, { ...codecs, readOnly: true }, { ...codecs, create: false }]) {
    const error = fails(t, 'ERR_LOCKED', () => DiskMap.open(path, options))
    t.regex(error.message, new RegExp(`\\b${child.pid}\\b`))
  }
  child.stdin!.end()
  t.is((await finish(child)).code, 0)
  const map = DiskMap.open(path, codecs)
  t.is(map.get('a'), '1')
  map.close()
})

test('a killed owner leaves no lock behind', async (t) => {
  const path = freshPath(t)
  const child = start(t, 'holds.mjs', path)
  t.is(await firstLine(child), 'open')
  child.kill('SIGKILL')
  await finish(child)
  const map = DiskMap.open(path, codecs)
  t.is(map.get('a'), '1')
  map.close()
})

test('the owner opens its map again while it holds it', (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs).set('a', '1')
  t.regex(opens(path), /^ERR_LOCKED/)
  DiskMap.open(path, codecs).close()
  t.regex(opens(path), /^ERR_LOCKED/)
  map.close()
  t.is(opens(path), 'opened 1')
})

test('any number of readers, but none beside a writer', (t) => {
  const path = freshPath(t)
  DiskMap.open(path, codecs).set('a', '1').close()
  const reader = DiskMap.open(path, { ...codecs, readOnly: true })
  t.is(opens(path, { readOnly: true }), 'opened 1')
  t.regex(opens(path), /^ERR_LOCKED/)
  // In this process too a writer cannot join readers.
  fails(t, 'ERR_LOCKED', () => DiskMap.open(path, codecs))
  reader.close()
  t.is(opens(path), 'opened 1')
})

test('a read-only map answers reads, refuses writes with ERR_READ_ONLY, and changes no file', async (t) => {
  const path = freshPath(t)
  DiskMap.open(path, codecs).set('a', '1').close()
  const times = (): string =>
    readdirSync(path)
      .map((name) => `${name} ${statSync(join(path, name)).mtimeMs}`)
      .join('\n')
  const before = times()
  const map = DiskMap.open(path, { ...codecs, readOnly: true })
  t.is(map.get('a'), '1')
  t.true(map.has('a'))
  t.is(map.size, 1)
  t.deepEqual([...map], [['a', '1']])
  const writes = [
    () => map.set('b', '2'),
    () => map.set('a', '2'),
    () => map.delete('a'),
    () => map.delete('never there'),
    () => map.clear(),
    () => map.update('a', () => '2'),
    () => map.getOrInsert('b', '2'),
  ]
  for (const write of writes) fails(t, 'ERR_READ_ONLY', write, String(write))
  t.is(map.getOrInsert('a', '2'), '1')
  await rejects(t, 'ERR_READ_ONLY', map.compact())
  await map.flush()
  t.deepEqual([...map], [['a', '1']])
  map.close()
  t.is(times(), before)
})

test('a read-only handle beside a writer of the same process sees its writes and makes none', (t) => {
  const path = freshPath(t)
  const writer = DiskMap.open(path, codecs).set('a', '1')
  const reader = DiskMap.open(path, { ...codecs, readOnly: true })
  t.is(reader.get('a'), '1')
  writer.set('b', '2')
  t.is(reader.get('b'), '2')
  fails(t, 'ERR_READ_ONLY', () => reader.set('c', '3'))
  fails(t, 'ERR_READ_ONLY', () => reader.clear())
  writer.close()
  t.is(reader.size, 2)
  fails(t, 'ERR_READ_ONLY', () => reader.delete('a'))
  reader.close()
  t.is(opens(path), 'opened 2')
})

test('a read-only map that is not there is ERR_NOT_FOUND and is not made', (t) => {
  const dir = freshDir(t)
  fails(t, 'ERR_NOT_FOUND', () => DiskMap.open(join(dir, 'map'), { ...codecs, readOnly: true }))
  t.deepEqual(readdirSync(dir), [])
})

test('a read-only open of a killed writer’s map shows all that it wrote', async (t) => {
  const path = freshPath(t)
  const child = start(t, 'holds.mjs', path)
  t.is(await firstLine(child), 'open')
  child.kill('SIGKILL')
  await finish(child)
  for (let i = 0; i < 2; i++) {
    const map = DiskMap.open(path, { ...codecs, readOnly: true })
    t.deepEqual([...map], [['a', '1']])
    map.close()
  }
})

test('a directory that may not be written is an error for a writer and none for a reader', (t) => {
  if (process.platform === 'win32') {
    t.pass('permissions are not like this here')
    return
  }
  const dir = freshDir(t)
  const path = join(dir, 'map')
  DiskMap.open(path, codecs).set('a', '1').close()
  // As root, permissions count for nothing: the child then opens the map as nobody.
  const nobody = process.getuid?.() === 0 ? 65_534 : undefined
  if (nobody !== undefined) {
    chownSync(dir, nobody, nobody)
    chownSync(path, nobody, nobody)
    for (const name of readdirSync(path)) chownSync(join(path, name), nobody, nobody)
  }
  for (const name of readdirSync(path)) chmodSync(join(path, name), 0o400)
  chmodSync(path, 0o500)
  try {
    t.regex(opens(path, {}, nobody), /^ERR_IO: /)
    t.is(opens(path, { readOnly: true }, nobody), 'opened 1')
    chmodSync(dir, 0o500)
    t.regex(opens(join(dir, 'new'), {}, nobody), /^ERR_IO: /)
    chmodSync(path, 0)
    t.regex(opens(path, { readOnly: true }, nobody), /^ERR_IO: /)
  } finally {
    chmodSync(dir, 0o700)
    chmodSync(path, 0o700)
  }
})

test('a copy of the directory is a map of its own', (t) => {
  const dir = freshDir(t)
  const map = DiskMap.open(join(dir, 'map'), codecs).set('a', '1')
  map.close()
  cpSync(join(dir, 'map'), join(dir, 'copy'), { recursive: true })
  const one = DiskMap.open(join(dir, 'map'), codecs)
  const two = DiskMap.open(join(dir, 'copy'), codecs)
  t.is(two.get('a'), '1')
  two.set('a', '2')
  t.is(one.get('a'), '1')
  one.close()
  two.close()
})
