import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import {
  arch,
  bytes,
  DiskMap,
  json,
  msgpack,
  native,
  primitive,
  str,
  struct,
  structured,
  type KeyAndValueCodec,
  type ValueCodec,
} from '../index.js'
import { freshDir, freshPath } from './helpers/dir.js'
import { fails } from './helpers/errors.js'

const codecs = { key: str, value: str }

test('open makes the map, and opens it again with all that was stored', (t) => {
  const path = freshPath(t)
  const made = DiskMap.open(path, codecs)
  for (let i = 0; i < 1000; i++) made.set(`k${i}`, `v${i}`)
  made.close()
  const map = DiskMap.open(path, codecs)
  t.is(map.size, 1000)
  for (let i = 0; i < 1000; i++) t.is(map.get(`k${i}`), `v${i}`)
  map.close()
})

test('the path may be relative, a file URL, or one of odd characters', (t) => {
  const dir = freshDir(t)
  const path = join(dir, 'map')
  DiskMap.open(path, codecs).set('a', '1').close()
  const same = [
    relative(process.cwd(), path),
    pathToFileURL(path),
    new URL(`${pathToFileURL(path)}/`),
  ]
  for (const spelled of same) {
    const map = DiskMap.open(spelled, codecs)
    t.is(map.get('a'), '1')
    map.close()
  }
  for (const name of ['with space', 'ünï çode 日本', '%41', 'a#b?c', 'quote\'"', '-dash', '.dot']) {
    DiskMap.open(join(dir, name), codecs).set('name', name).close()
    const map = DiskMap.open(pathToFileURL(join(dir, name)), codecs)
    t.is(map.get('name'), name)
    map.close()
  }
})

test('handles of one directory are one map, whatever the path', (t) => {
  const path = freshPath(t)
  const one = DiskMap.open(path, codecs)
  const two = DiskMap.open(`${path}/../map/`, codecs)
  one.set('a', '1')
  t.is(two.get('a'), '1')
  one.close()
  t.is(two.set('b', '2').size, 2)
  two.close()
})

test('a path that is none is ERR_INVALID_ARGUMENT', (t) => {
  const wrongs = [
    undefined,
    null,
    '',
    'a\0b',
    '\ud800',
    5,
    {},
    Buffer.from('map'),
    new URL('https://example.com/map'),
  ]
  for (const wrong of wrongs) fails(t, 'ERR_INVALID_ARGUMENT', () => DiskMap.open(wrong as never))
})

test('an option that does not exist is ERR_INVALID_ARGUMENT and named', (t) => {
  const path = freshPath(t)
  for (const name of ['view', 'Key', 'readonly', '']) {
    const error = fails(t, 'ERR_INVALID_ARGUMENT', () =>
      DiskMap.open(path, { ...codecs, [name]: undefined }),
    )
    t.true(error.message.includes(name))
  }
  fails(t, 'ERR_INVALID_ARGUMENT', () => DiskMap.open(path, { [Symbol('s')]: 1 } as never))
  const hidden = Object.defineProperty({}, 'zeroCopy', { value: 'no', enumerable: false })
  fails(t, 'ERR_INVALID_ARGUMENT', () => DiskMap.open(path, hidden))
  t.throws(() => statSync(path), { code: 'ENOENT' })
})

test('an option of the wrong type or range is ERR_INVALID_ARGUMENT and named', (t) => {
  const path = freshPath(t)
  const wrongs: Record<string, unknown[]> = {
    create: [1, 'true', null],
    readOnly: [0, 'no', null],
    shards: [0, -1, 3, 65, 128, 1.5, NaN, '16', 16n, null],
    flushInterval: [0, -1, 1.5, NaN, Infinity, 2 ** 31, true, '1000', null],
    recovery: ['none', 'FULL', true, null],
    mode: [-1, 0o1000, 1.5, '0700', null],
  }
  for (const [name, values] of Object.entries(wrongs)) {
    for (const value of values) {
      const error = fails(
        t,
        'ERR_INVALID_ARGUMENT',
        () => DiskMap.open(path, { [name]: value }),
        `${name}: ${String(value)}`,
      )
      t.true(error.message.includes(name))
    }
  }
  for (const wrong of [null, 'options', 5]) {
    fails(t, 'ERR_INVALID_ARGUMENT', () => DiskMap.open(path, wrong as never))
  }
  t.throws(() => statSync(path), { code: 'ENOENT' })
})

test('options that are undefined are not stated', (t) => {
  const path = freshPath(t)
  const unstated = {
    key: undefined,
    value: undefined,
    create: undefined,
    readOnly: undefined,
    shards: undefined,
    flushInterval: undefined,
    recovery: undefined,
    mode: undefined,
  }
  DiskMap.open(path, unstated).close()
  DiskMap.open(path, undefined).close()
  t.pass()
})

test('what a program puts on Object.prototype states no option that nobody gave', (t) => {
  const inherited = { readOnly: true, shards: 7, keyCodec: 'json', capacityEntries: 'x' }
  const root = Object.prototype
  try {
    Object.assign(root, inherited)
    const path = freshPath(t)
    const map = DiskMap.open(path).set('a', 1)
    t.is(map.stats().shards, 16)
    t.is(DiskMap.attach(map.handle).set('b', 2).size, 2)
    map.close()
  } finally {
    for (const name of Object.keys(inherited)) Reflect.deleteProperty(root, name)
  }
})

test('every number of shards that is a power of two up to 64 works', (t) => {
  for (const shards of [1, 2, 4, 8, 16, 32, 64]) {
    const path = freshPath(t)
    const map = DiskMap.open(path, { key: native.u32, value: native.u32, shards })
    for (let i = 0; i < 500; i++) map.set(i, i)
    map.close()
    const again = DiskMap.open<number, number>(path)
    t.is(again.size, 500)
    t.is(new Set(again.keys()).size, 500)
    again.close()
  }
})

test('another number of shards than the map has is ERR_OPTIONS_MISMATCH', (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, { ...codecs, shards: 4 })
  fails(t, 'ERR_OPTIONS_MISMATCH', () => DiskMap.open(path, { ...codecs, shards: 8 }))
  map.close()
  fails(t, 'ERR_OPTIONS_MISMATCH', () => DiskMap.open(path, { ...codecs, shards: 8 }))
  DiskMap.open(path, { ...codecs, shards: 4 }).close()
  DiskMap.open(path, codecs).close()
})

test('another flushInterval or recovery than the open map has is ERR_OPTIONS_MISMATCH', (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, { ...codecs, flushInterval: 50, recovery: 'auto' })
  fails(t, 'ERR_OPTIONS_MISMATCH', () => DiskMap.open(path, { ...codecs, flushInterval: 60 }))
  fails(t, 'ERR_OPTIONS_MISMATCH', () => DiskMap.open(path, { ...codecs, flushInterval: false }))
  fails(t, 'ERR_OPTIONS_MISMATCH', () => DiskMap.open(path, { ...codecs, recovery: 'full' }))
  DiskMap.open(path, codecs).close()
  DiskMap.open(path, { ...codecs, flushInterval: 50 }).close()
  map.close()
  DiskMap.open(path, { ...codecs, flushInterval: false, recovery: 'full' }).close()
  // What the first handle left out is as good as stated.
  const plain = DiskMap.open(path, codecs)
  fails(t, 'ERR_OPTIONS_MISMATCH', () => DiskMap.open(path, { ...codecs, flushInterval: 50 }))
  fails(t, 'ERR_OPTIONS_MISMATCH', () => DiskMap.open(path, { ...codecs, recovery: 'full' }))
  DiskMap.open(path, { ...codecs, flushInterval: 1000, recovery: 'auto' }).close()
  plain.close()
})

test('recovery: full rebuilds a map that was closed cleanly, with the same content', (t) => {
  const path = freshPath(t)
  const made = DiskMap.open(path, codecs)
  for (let i = 0; i < 2000; i++) made.set(`k${i % 700}`, `v${i}`)
  for (let i = 0; i < 100; i++) made.delete(`k${i}`)
  made.close()
  const map = DiskMap.open(path, { ...codecs, recovery: 'full' })
  t.is(map.size, 600)
  for (let i = 100; i < 600; i++) t.is(map.get(`k${i}`), `v${1400 + i}`)
  map.close()
})

test('other codecs than the map has are ERR_CODEC_MISMATCH, open or closed', (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs).set('a', '1')
  const check = (): void => {
    for (const other of [
      { key: bytes, value: str },
      { key: str, value: json },
      { key: native.u64, value: str },
      { key: native.u8 },
      { value: native.u8 },
    ]) {
      const error = fails(t, 'ERR_CODEC_MISMATCH', () => DiskMap.open(path, other as never))
      t.regex(error.message, /str/)
    }
  }
  check()
  map.close()
  check()
  const again = DiskMap.open(path, codecs)
  t.deepEqual([...again], [['a', '1']])
  again.close()
})

test('one codec may be left out, and is then the map’s own', (t) => {
  const path = freshPath(t)
  DiskMap.open(path, { key: native.u64, value: json }).set(1n, { a: 1 }).close()
  const one = DiskMap.open<bigint, unknown>(path, { key: native.u64 })
  t.deepEqual(one.get(1n), { a: 1 })
  const two = DiskMap.open<bigint, unknown>(path, { value: json })
  t.deepEqual(two.get(1n), { a: 1 })
  one.close()
  two.close()
})

test('without codecs a map opens with those that it was made with, whichever of this library they are', (t) => {
  const keys = { ...native, str, bytes, primitive } as Record<string, KeyAndValueCodec<unknown>>
  const schema = arch(struct({ a: 'f64[]' }))
  const others = { json, structured, msgpack, schema }
  const values = { ...keys, ...others } as Record<string, ValueCodec<unknown>>
  const sample = (codec: { name: string }): unknown => {
    if (codec.name === 'native.bool') return true
    if (codec === bytes) return Buffer.from('bytes')
    if (codec === str || codec === primitive) return 'text'
    return /u64|i64/.test(codec.name) ? 5n : codec.name.startsWith('native.') ? 5 : { a: [1] }
  }
  const made = Object.values(values).map((value, i): [string, unknown, unknown] => {
    const key = Object.values(keys)[i % Object.keys(keys).length]!
    const path = freshPath(t)
    DiskMap.open(path, { key, value }).set(sample(key), sample(value)).close()
    return [path, sample(key), sample(value)]
  })
  for (const [path, key, value] of made) {
    const map = DiskMap.open(path)
    t.deepEqual([...map], [[key, value]])
    t.deepEqual(map.get(key), value)
    fails(t, 'ERR_INVALID_KEY', () => map.get(Symbol('no codec takes it')))
    map.close()
  }
})

test('a codec of one’s own cannot be left out: ERR_CODEC_MISMATCH names it', (t) => {
  const path = freshPath(t)
  const value: ValueCodec<string> = {
    name: 'test-own',
    encode: (text, sink) => sink.utf8(text),
    decode: String,
  }
  DiskMap.open(path, { key: str, value }).set('a', '1').close()
  const error = fails(t, 'ERR_CODEC_MISMATCH', () => DiskMap.open(path, { key: str }))
  t.true(error.message.includes('test-own'))
  fails(t, 'ERR_CODEC_MISMATCH', () => DiskMap.open(path))
  const map = DiskMap.open(path, { value })
  t.is(map.get('a'), '1')
  map.close()
})

test('create: false opens only what is there', (t) => {
  const dir = freshDir(t)
  const path = join(dir, 'map')
  fails(t, 'ERR_NOT_FOUND', () => DiskMap.open(path, { ...codecs, create: false }))
  t.deepEqual(readdirSync(dir), [])
  mkdirSync(join(dir, 'empty'))
  fails(t, 'ERR_NOT_FOUND', () => DiskMap.open(join(dir, 'empty'), { ...codecs, create: false }))
  DiskMap.open(path, codecs).set('a', '1').close()
  const map = DiskMap.open(path, { ...codecs, create: false })
  t.is(map.get('a'), '1')
  map.close()
})

test('an empty directory becomes a map', (t) => {
  const path = freshDir(t)
  const map = DiskMap.open(path, codecs).set('a', '1')
  t.is(map.size, 1)
  map.close()
})

test('a missing parent is ERR_NOT_FOUND', (t) => {
  const dir = freshDir(t)
  fails(t, 'ERR_NOT_FOUND', () => DiskMap.open(join(dir, 'no', 'map'), codecs))
  t.deepEqual(readdirSync(dir), [])
})

test('a file, and a directory with other files, is ERR_NOT_A_MAP and stays as it was', (t) => {
  const dir = freshDir(t)
  const file = join(dir, 'file')
  writeFileSync(file, 'text')
  fails(t, 'ERR_NOT_A_MAP', () => DiskMap.open(file, codecs))
  fails(t, 'ERR_NOT_A_MAP', () => DiskMap.open(dir, codecs))
  fails(t, 'ERR_NOT_A_MAP', () => DiskMap.open(dir, { ...codecs, readOnly: true }))
  t.deepEqual(readdirSync(dir), ['file'])
})

test('a directory of something else that has names like ours is ERR_NOT_A_MAP and stays as it was', (t) => {
  // A bare git repository, for one, has a HEAD.
  for (const others of [['config', 'objects'], ['A', 'description', 'z'], []]) {
    for (const options of [codecs, { ...codecs, create: false }, { ...codecs, readOnly: true }]) {
      const dir = freshDir(t)
      const names = ['HEAD', ...others]
      for (const name of names) writeFileSync(join(dir, name), 'ref: refs/heads/main')
      fails(t, 'ERR_NOT_A_MAP', () => DiskMap.open(dir, options))
      t.deepEqual(readdirSync(dir).toSorted(), names.toSorted())
      for (const name of names) t.is(readFileSync(join(dir, name), 'utf8'), 'ref: refs/heads/main')
    }
  }
})

test('a map of a newer version is ERR_VERSION and stays as it was', (t) => {
  // What docs/format.md promises of every version: magic, version (here 2), length (24, nothing follows) and sum.
  const newer = Buffer.from('4f444d20636b70740200000018000000f135d3bc8c370f7f', 'hex')
  const path = freshPath(t)
  DiskMap.open(path, codecs).set('a', '1').close()
  const files = ['CHECKPOINT.0', 'CHECKPOINT.1'].map((name) => join(path, name))
  const kept = files.map((file) => readFileSync(file))
  for (const file of files) writeFileSync(file, newer)
  for (const options of [codecs, {}, { ...codecs, readOnly: true }, { ...codecs, create: false }]) {
    fails(t, 'ERR_VERSION', () => DiskMap.open(path, options))
  }
  files.forEach((file, n) => {
    t.true(newer.equals(readFileSync(file)))
    writeFileSync(file, kept[n]!)
  })
  const map = DiskMap.open(path, codecs)
  t.deepEqual([...map], [['a', '1']])
  map.close()
})

test('a map that lost its checkpoints is ERR_CORRUPT, and nothing is made over it', (t) => {
  const path = freshPath(t)
  DiskMap.open(path, codecs).set('a', '1').close()
  for (const name of readdirSync(path)) if (name.startsWith('CHECKPOINT')) rmSync(join(path, name))
  const left = readdirSync(path).toSorted()
  for (const options of [codecs, { ...codecs, create: false }, { ...codecs, readOnly: true }]) {
    fails(t, 'ERR_CORRUPT', () => DiskMap.open(path, options))
    t.deepEqual(readdirSync(path).toSorted(), left)
  }
})

test('mode gives the permissions of a directory that is made; without it nobody else may enter', (t) => {
  if (process.platform === 'win32') {
    t.pass('permissions are not like this here')
    return
  }
  const dir = freshDir(t)
  DiskMap.open(join(dir, 'default'), codecs).close()
  t.is(statSync(join(dir, 'default')).mode & 0o777, 0o700)
  DiskMap.open(join(dir, 'group'), { ...codecs, mode: 0o750 }).close()
  t.is(statSync(join(dir, 'group')).mode & 0o777 & ~process.umask(), 0o750 & ~process.umask())
  for (const name of readdirSync(join(dir, 'default'))) {
    t.is(statSync(join(dir, 'default', name)).mode & 0o077, 0, name)
  }
})

test('a map of ten entries costs at most 4 MiB on disk', (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs)
  for (let i = 0; i < 10; i++) map.set(`${i}`, 'value')
  const sizes = readdirSync(path).map((name) => statSync(join(path, name)).blocks * 512)
  t.true(sizes.reduce((sum, size) => sum + size, 0) <= 4 << 20)
  map.close()
})
