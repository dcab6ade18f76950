import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isDeepStrictEqual } from 'node:util'
import test from 'ava'
import * as fc from 'fast-check'
import type * as face from '../index.js'
import { DiskMap, json, native, str, structured, type DiskMapHandle } from '../index.js'
import { freshDir, freshPath } from './helpers/dir.js'
import { fails } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'
import { program } from './helpers/program.js'
import { ask, startThread } from './helpers/threads.js'

const codecs = { key: str, value: str }
const cjs = createRequire(import.meta.url)('../dist/index.cjs') as typeof face

test('a handle that was posted to a worker attaches there, and both see each other’s writes', async (t) => {
  const map = freshMap(t, codecs).set('before', '0')
  const worker = startThread('', 'attach')
  const { attached } = await ask<{ attached: DiskMapHandle }>(worker, map.handle)
  t.deepEqual(attached, map.handle)
  t.deepEqual(await ask(worker, { get: 'before' }), { got: '0' })
  for (let round = 0; round < 100; round++) {
    map.set('main', `${round}`)
    t.deepEqual(await ask(worker, { get: 'main', set: ['worker', `${round}`] }), {
      got: `${round}`,
    })
    t.is(map.get('worker'), `${round}`)
  }
  await ask(worker, 'close')
  t.is(map.size, 3)
})

test('an attached handle keeps the map open, and the last close of any thread ends it', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs)
  const { handle } = map
  const worker = startThread('', 'attach')
  await ask(worker, handle)
  map.close()
  t.deepEqual(await ask(worker, { get: 'a', set: ['a', '1'] }), { got: '1' })
  const back = DiskMap.attach(handle, codecs)
  t.is(back.get('a'), '1')
  back.close()
  const exit = once(worker, 'exit')
  await ask(worker, 'close')
  await exit
  fails(t, 'ERR_CLOSED', () => DiskMap.attach(handle, codecs))
})

test('a handle is plain data: four frozen fields that structuredClone gives back', (t) => {
  const map = freshMap(t, codecs)
  const { handle } = map
  t.deepEqual(Object.keys(handle).toSorted(), ['device', 'inode', 'instance', 'path'])
  t.is(Object.getPrototypeOf(handle), Object.prototype)
  t.true(Object.isFrozen(handle))
  t.is(typeof handle.device, 'bigint')
  t.is(typeof handle.inode, 'bigint')
  t.is(handle.instance, map.stats().instance)
  t.is(handle.path, map.stats().path)
  const cloned = structuredClone(handle)
  t.deepEqual(cloned, handle)
  DiskMap.attach(cloned, codecs).close()
})

test('a handle holds nothing open: with it at hand another process opens the map', (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs).set('a', '1')
  const { handle } = map
  map.close()
  const output = execFileSync(process.execPath, [program('opens.mjs'), path], { encoding: 'utf8' })
  t.is(output.trim(), 'opened 1')
  fails(t, 'ERR_CLOSED', () => DiskMap.attach(handle))
})

test('the handle of a closed map is ERR_CLOSED', (t) => {
  const map = DiskMap.open(freshPath(t), codecs)
  map.close()
  fails(t, 'ERR_CLOSED', () => map.handle)
})

test('attaching is ERR_CLOSED after the last close, also once the directory was opened anew', (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs)
  const { handle } = map
  map.close()
  fails(t, 'ERR_CLOSED', () => DiskMap.attach(handle, codecs))
  const again = DiskMap.open(path, codecs)
  t.is(again.handle.inode, handle.inode)
  t.not(again.handle.instance, handle.instance)
  fails(t, 'ERR_CLOSED', () => DiskMap.attach(handle, codecs))
  DiskMap.attach(again.handle, codecs).close()
  again.close()
})

test('a handle of another process is ERR_CLOSED, though directory and path are the same', (t) => {
  const path = freshPath(t)
  const output = execFileSync(process.execPath, [program('tells-handle.mjs'), path], {
    encoding: 'utf8',
  })
  const [at, device, inode, instance] = JSON.parse(output) as [string, string, string, number]
  const theirs = { path: at, device: BigInt(device), inode: BigInt(inode), instance }
  const map = DiskMap.open(path)
  const ours = map.handle
  t.deepEqual({ ...theirs, instance: ours.instance }, ours)
  fails(t, 'ERR_CLOSED', () => DiskMap.attach(theirs))
  map.close()
})

test('a forged handle is ERR_CLOSED whichever field was changed, and nothing is opened or made', (t) => {
  const map = freshMap(t, codecs)
  const other = freshMap(t, codecs)
  const { handle } = map
  const dir = freshDir(t)
  const word = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
  const paths = fc.oneof(fc.string(), fc.constantFrom(dir, `${dir}/none`, other.handle.path))
  const forgeries = fc.record(
    {
      path: paths,
      device: fc.oneof(word, fc.constant(handle.device + 1n)),
      inode: fc.oneof(word, fc.constant(other.handle.inode)),
      instance: fc.oneof(fc.maxSafeNat(), fc.constant(other.handle.instance)),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(forgeries, (forged) => {
      const made = { ...handle, ...forged }
      // What happens to be a real one is not forged.
      fc.pre(!isDeepStrictEqual(made, handle) && !isDeepStrictEqual(made, other.handle))
      fails(t, 'ERR_CLOSED', () => DiskMap.attach(made, codecs))
    }),
  )
  t.false(existsSync(`${dir}/none`))
  DiskMap.attach(handle, codecs).close()
})

test('a handle whose directory is gone attaches as long as the map is open', (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs).set('a', '1')
  const { handle } = map
  rmSync(path, { recursive: true })
  const attached = DiskMap.attach(handle, codecs)
  t.is(attached.get('a'), '1')
  attached.close()
  fails(t, 'ERR_FILE_GONE', () => map.close())
  fails(t, 'ERR_CLOSED', () => DiskMap.attach(handle, codecs))
  t.false(existsSync(path))
})

test('a handle of a wrong type or shape is ERR_INVALID_ARGUMENT', (t) => {
  const map = freshMap(t, codecs)
  const { handle } = map
  const wrong: unknown[] = [
    undefined,
    null,
    1,
    'path',
    handle.path,
    Symbol('handle'),
    () => handle,
    [],
    {},
    map,
    { ...handle, path: undefined },
    { ...handle, path: new URL('file:///map') },
    { ...handle, device: Number(handle.device) },
    { ...handle, device: -1n },
    { ...handle, inode: 2n ** 64n },
    { ...handle, inode: `${handle.inode}` },
    { ...handle, instance: BigInt(handle.instance) },
    { ...handle, instance: -1 },
    { ...handle, instance: 0.5 },
    { ...handle, instance: 2 ** 53 },
    { ...handle, instance: Number.NaN },
    { ...handle, instance: undefined },
  ]
  for (const value of wrong) {
    fails(t, 'ERR_INVALID_ARGUMENT', () => DiskMap.attach(value as DiskMapHandle, codecs))
  }
})

test('JSON cannot write a handle; one whose bigints are written as text and read back attaches', (t) => {
  const { handle } = freshMap(t, codecs)
  t.throws(() => JSON.stringify(handle), { instanceOf: TypeError })
  const text = JSON.stringify({ ...handle, device: `${handle.device}`, inode: `${handle.inode}` })
  const parsed = JSON.parse(text) as Record<'path' | 'device' | 'inode', string> & {
    instance: number
  }
  fails(t, 'ERR_INVALID_ARGUMENT', () => DiskMap.attach(parsed as never, codecs))
  const { device, inode } = parsed
  DiskMap.attach({ ...parsed, device: BigInt(device), inode: BigInt(inode) }, codecs).close()
})

test('attach without codecs uses the stored ones, and another codec is ERR_CODEC_MISMATCH', (t) => {
  const map = freshMap(t, { key: native.u64, value: json<number[]>() }).set(7n, [1, 2])
  const stored = DiskMap.attach<bigint, number[]>(map.handle)
  t.deepEqual(stored.get(7n), [1, 2])
  stored.close()
  const half = DiskMap.attach(map.handle, { key: native.u64 })
  t.deepEqual(half.get(7n), [1, 2])
  half.close()
  fails(t, 'ERR_CODEC_MISMATCH', () => DiskMap.attach(map.handle, codecs))
  fails(t, 'ERR_CODEC_MISMATCH', () => DiskMap.attach(map.handle, { value: structured }))
  t.deepEqual(map.get(7n), [1, 2])
})

test('attach to a map of a user’s own codec needs it, and what it refused holds nothing open', (t) => {
  const value = {
    name: 'mine',
    encode: (text: string) => Buffer.from(text),
    decode: (buffer: Buffer) => buffer.toString(),
  }
  const map = DiskMap.open(freshPath(t), { key: str, value }).set('a', '1')
  const { handle } = map
  const error = fails(t, 'ERR_CODEC_MISMATCH', () => DiskMap.attach(handle))
  t.regex(error.message, /"mine"/)
  fails(t, 'ERR_CODEC_MISMATCH', () => DiskMap.attach(handle, { value: json }))
  const attached = DiskMap.attach(handle, { value })
  t.is(attached.get('a'), '1')
  attached.close()
  map.close()
  fails(t, 'ERR_CLOSED', () => DiskMap.attach(handle, { value }))
})

test('options of attach that are unknown or of a wrong type are ERR_INVALID_ARGUMENT', (t) => {
  const { handle } = freshMap(t, codecs)
  const wrong: unknown[] = [
    null,
    1,
    'str',
    { create: true },
    { shards: 16 },
    { mode: 0o700 },
    { [Symbol('x')]: 1 },
    { key: {} },
    { value: 'str' },
    { key: json },
    { readOnly: 1 },
  ]
  for (const options of wrong) {
    fails(t, 'ERR_INVALID_ARGUMENT', () => DiskMap.attach(handle, options as object))
  }
})

test('an attached read-only handle reads what the writer writes and makes no write', (t) => {
  const map = freshMap(t, codecs)
  const reader = DiskMap.attach(map.handle, { ...codecs, readOnly: true })
  map.set('a', '1')
  t.is(reader.get('a'), '1')
  fails(t, 'ERR_READ_ONLY', () => reader.set('b', '2'))
  reader.close()
  t.is(map.set('b', '2').size, 2)
})

test('a writer cannot attach to a map that is open for reading only: ERR_LOCKED', (t) => {
  const path = freshPath(t)
  DiskMap.open(path, codecs).set('a', '1').close()
  const reader = DiskMap.open(path, { ...codecs, readOnly: true })
  const { handle } = reader
  fails(t, 'ERR_LOCKED', () => DiskMap.attach(handle, codecs))
  const second = DiskMap.attach(handle, { ...codecs, readOnly: true })
  reader.close()
  t.is(second.get('a'), '1')
  second.close()
})

test('the CommonJS emit attaches to a map that the ES module opened, and the other way round', (t) => {
  const one = freshMap(t, { key: str, value: native.u64 })
  const two = cjs.DiskMap.attach(one.handle, { key: cjs.str, value: cjs.native.u64 })
  one.set('a', 1n)
  t.is(two.get('a'), 1n)
  const three = DiskMap.attach(two.handle, { key: str, value: native.u64 })
  two.update('a', (old) => old! + 1n)
  t.is(three.get('a'), 2n)
  two.close()
  three.close()
})
