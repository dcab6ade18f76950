import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { DiskMap, native, str, type ValueCodec } from '../index.js'
import { fail } from '../lib/errors.js'
import { BYTES, native as addon, TEXT } from '../lib/native.js'
import { freshPath } from './helpers/dir.js'
import { fails, rejects } from './helpers/errors.js'

const codecs = { key: str, value: str, shards: 1 }

/** Flips one bit of a file. */
function flip(file: string, at: number): void {
  const descriptor = openSync(file, 'r+')
  const byte = Buffer.alloc(1)
  readSync(descriptor, byte, 0, 1, at)
  byte[0]! ^= 1
  writeSync(descriptor, byte, 0, 1, at)
  closeSync(descriptor)
}

/** The one file of a map whose name begins like this. */
function fileOf(path: string, start: string): string {
  return join(
    path,
    readdirSync(path).find((name) => name.startsWith(start))!,
  )
}

test('a damaged byte of a value is ERR_CORRUPT in every verb that reads it, and harms no other key', async (t) => {
  const path = freshPath(t)
  const value = 'a value that is found in its file'
  DiskMap.open(path, codecs).set('good', '1').set('bad', value).close()
  const segment = fileOf(path, 'seg-')
  flip(segment, readFileSync(segment).indexOf(value) + 5)
  const map = DiskMap.open(path, codecs)
  fails(t, 'ERR_CORRUPT', () => map.get('bad'))
  fails(t, 'ERR_CORRUPT', () => map.getMany(['good', 'bad']))
  fails(t, 'ERR_CORRUPT', () => [...map.values()])
  fails(t, 'ERR_CORRUPT', () => map.update('bad', () => t.fail() as never))
  fails(t, 'ERR_CORRUPT', () => map.getOrInsert('bad', 'x'))
  fails(t, 'ERR_CORRUPT', () => map.entry('bad'))
  await rejects(t, 'ERR_CORRUPT', map.getAsync('bad'))
  t.is(map.set('good', '2').get('good'), '2')
  map.close()
})

test('bytes that a codec cannot have written are ERR_CORRUPT, and can be replaced', (t) => {
  const none = new Uint8Array(0)
  const wrong = {
    json: '{',
    structured: '\xff',
    primitive: '\x20',
    'native.u64': '123',
    'native.bool': '\x02',
  }
  const fitting: Record<string, unknown> = { 'native.u64': 5n, 'native.bool': true }
  for (const [valueCodec, stored] of Object.entries(wrong)) {
    const path = freshPath(t)
    const options = { create: true, readOnly: false, keyCodec: 'str', keyParam: none }
    const raw = addon.open(path, { ...options, valueCodec, valueParam: none }, fail)
    const verbs = raw.bind(TEXT, BYTES)
    verbs.set('a', Buffer.from(stored, 'latin1'))
    verbs.close()
    const map = DiskMap.open<string, unknown>(path)
    fails(t, 'ERR_CORRUPT', () => map.get('a'), valueCodec)
    fails(t, 'ERR_CORRUPT', () => map.getMany(['a']))
    fails(t, 'ERR_CORRUPT', () => [...map])
    fails(t, 'ERR_CORRUPT', () => map.update('a', () => t.fail() as never))
    if (valueCodec === 'native.u64') fails(t, 'ERR_CORRUPT', () => map.increment('a', 1n))
    const good = fitting[valueCodec] ?? 'new'
    t.is(map.set('a', good).get('a'), good)
    map.close()
  }
})

const losses: Record<string, (path: string) => void> = {
  'its directory was deleted': (path) => rmSync(path, { recursive: true }),
  'all its files were deleted': (path) =>
    readdirSync(path).forEach((name) => rmSync(join(path, name))),
  'its HEAD was deleted': (path) => rmSync(join(path, 'HEAD')),
  'its HEAD was replaced by a copy': (path) => {
    writeFileSync(join(path, 'copy'), readFileSync(join(path, 'HEAD')))
    renameSync(join(path, 'copy'), join(path, 'HEAD'))
  },
}
for (const [what, lose] of Object.entries(losses)) {
  test(`flush and close of an open map are ERR_FILE_GONE if ${what}; what it holds can still be read`, async (t) => {
    const path = freshPath(t)
    const map = DiskMap.open(path, { ...codecs, flushInterval: false }).set('a', '1')
    map.flushSync()
    map.set('b', '2')
    lose(path)
    const error = fails(t, 'ERR_FILE_GONE', () => map.flushSync())
    t.true(error.message.includes(path))
    await rejects(t, 'ERR_FILE_GONE', map.flush())
    t.deepEqual(map.getMany(['a', 'b']), ['1', '2'])
    t.is(map.set('c', '3').size, 3)
    fails(t, 'ERR_FILE_GONE', () => map.close())
    fails(t, 'ERR_CLOSED', () => map.get('a'))
  })
}

test('an open map whose directory was renamed goes on under its new name', (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs).set('a', '1')
  renameSync(path, `${path} moved`)
  mkdirSync(path)
  map.set('b', '2').flushSync()
  map.close()
  t.deepEqual(readdirSync(path), [])
  const moved = DiskMap.open(`${path} moved`, codecs)
  t.is(moved.stats().recovery.reason, 'clean')
  t.deepEqual(moved.getMany(['a', 'b']), ['1', '2'])
  moved.close()
})

test('what fails halfway poisons its part of the map: ERR_POISONED until it is opened again, and nothing is lost', async (t) => {
  const path = freshPath(t)
  const made = DiskMap.open(path, codecs)
  for (let i = 0; i < 100; i++) made.set(`${i}`, `value ${i}`)
  made.close()
  // A damaged table is mended from the log, in a new file; directories that stand in the place of new files prevent that.
  const file = fileOf(path, 'idx-')
  const next = Array.from({ length: 8 }, (_, i) => `${file.slice(0, -1)}${i + 1}`)
  for (const name of next) mkdirSync(name)
  flip(file, 4096 + 64 + 16 * 500)
  const map = DiskMap.open(path, codecs)
  fails(t, 'ERR_CORRUPT', () => map.get('1'))
  const calls = [
    () => map.get('1'),
    () => map.has('1'),
    () => map.set('1', 'x'),
    () => map.delete('1'),
    () => map.getMany(['1']),
    () => map.setMany([['1', 'x']]),
    () => map.update('1', () => 'x'),
    () => map.compareAndSet('1', 'value 1', 'x'),
    () => map.clear(),
    () => [...map],
    () => map.flushSync(),
  ]
  for (const call of calls) fails(t, 'ERR_POISONED', call, String(call))
  await rejects(t, 'ERR_POISONED', map.getAsync('1'))
  await rejects(t, 'ERR_POISONED', map.flush())
  fails(t, 'ERR_POISONED', () => map.close())
  fails(t, 'ERR_CLOSED', () => map.get('1'))
  for (const name of next) rmdirSync(name)
  const again = DiskMap.open(path, codecs)
  t.is(again.stats().recovery.reason, 'rebuilt')
  t.is(again.size, 100)
  for (let i = 0; i < 100; i++) t.is(again.get(`${i}`), `value ${i}`)
  again.close()
})

test('a codec of one’s own is shown only bytes that verify', (t) => {
  const path = freshPath(t)
  const shown: string[] = []
  const value: ValueCodec<string> = {
    name: 'test-shown',
    encode: (text, sink) => sink.utf8(text),
    decode: (stored) => {
      shown.push(String(stored))
      return String(stored)
    },
  }
  const text = 'what the codec wrote'
  DiskMap.open(path, { key: native.u8, value, shards: 1 }).set(1, text).close()
  const segment = fileOf(path, 'seg-')
  flip(segment, readFileSync(segment).indexOf(text))
  const map = DiskMap.open(path, { key: native.u8, value })
  fails(t, 'ERR_CORRUPT', () => map.get(1))
  fails(t, 'ERR_CORRUPT', () => [...map])
  t.deepEqual(shown, [])
  map.close()
})
