import { statSync } from 'node:fs'
import test from 'ava'
import {
  DiskMap,
  native,
  str,
  StringStringMap,
  StringU64Map,
  U64StringMap,
  type DiskMapOptions,
} from '../index.js'
import { freshPath } from './helpers/dir.js'
import { fails, rejects } from './helpers/errors.js'

test('U64StringMap, StringU64Map and StringStringMap open maps of these kinds', (t) => {
  const names: U64StringMap = U64StringMap.open(freshPath(t))
  t.is(names.set(2n ** 64n - 1n, 'last').get(2n ** 64n - 1n), 'last')
  fails(t, 'ERR_INVALID_KEY', () => names.get(1 as never))
  const counts: StringU64Map = StringU64Map.open(freshPath(t))
  t.is(counts.increment('a', 5n), 5n)
  fails(t, 'ERR_INVALID_VALUE', () => counts.set('a', 1 as never))
  const texts: StringStringMap = StringStringMap.open(freshPath(t))
  t.true(texts.set('a', '1').compareAndSet('a', '1', '2'))
  fails(t, 'ERR_INVALID_VALUE', () => texts.set('a', 1n as never))
  for (const map of [names, counts, texts]) {
    t.true(map instanceof DiskMap)
    map.close()
  }
})

test('an alias opens the same maps as DiskMap.open with its codecs', (t) => {
  const path = freshPath(t)
  DiskMap.open(path, { key: native.u64, value: str }).set(1n, 'one').close()
  const map = U64StringMap.open(path)
  t.is(map.get(1n), 'one')
  map.close()
  fails(t, 'ERR_CODEC_MISMATCH', () => StringU64Map.open(path))
  fails(t, 'ERR_CODEC_MISMATCH', () => StringStringMap.open(path))
})

test('an alias takes the options of open, and refuses what open refuses', (t) => {
  const path = freshPath(t)
  fails(t, 'ERR_NOT_FOUND', () => StringStringMap.open(path, { create: false }))
  const map = StringStringMap.open(path, { shards: 2, flushInterval: false })
  t.is(map.stats().shards, 2)
  map.close()
  class Chosen {
    get readOnly(): boolean {
      return true
    }
  }
  const readOnly = StringStringMap.open(path, new Chosen())
  fails(t, 'ERR_READ_ONLY', () => readOnly.set('a', '1'))
  readOnly.close()
  fails(t, 'ERR_OPTIONS_MISMATCH', () => StringStringMap.open(path, { shards: 4 }))
  const hidden = Object.defineProperty({}, 'sharded', { value: 'no', enumerable: false })
  for (const wrong of [null, 5, 'options', { shards: 3 }, { nothing: 1 }, hidden]) {
    fails(t, 'ERR_INVALID_ARGUMENT', () => StringStringMap.open(path, wrong as never))
  }
  fails(t, 'ERR_INVALID_ARGUMENT', () => StringStringMap.open(undefined as never))
})

test('a codec given to an alias is ERR_INVALID_ARGUMENT, even its own', (t) => {
  const path = freshPath(t)
  for (const name of ['key', 'value'] as const) {
    const options: DiskMapOptions<string, string> = { [name]: str }
    const error = fails(t, 'ERR_INVALID_ARGUMENT', () => StringStringMap.open(path, options))
    t.true(error.message.includes(`StringStringMap`) && error.message.includes(name))
  }
  t.throws(() => statSync(path), { code: 'ENOENT' })
})

test('openAsync of an alias opens the same maps, and rejects what open throws', async (t) => {
  const path = freshPath(t)
  const map = await StringU64Map.openAsync(path, { shards: 2 })
  t.is(map.increment('a', 5n), 5n)
  const other: StringU64Map = StringU64Map.open(path)
  t.is(other.get('a'), 5n)
  other.close()
  map.close()
  await rejects(t, 'ERR_CODEC_MISMATCH', U64StringMap.openAsync(path))
  await rejects(t, 'ERR_INVALID_ARGUMENT', StringU64Map.openAsync(path, { key: str } as never))
})
