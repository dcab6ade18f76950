import { existsSync, readdirSync } from 'node:fs'
import test from 'ava'
import { DiskMap, native, str, type DiskMapOptions } from '../index.js'
import { freshPath } from './helpers/dir.js'
import { fails } from './helpers/errors.js'

const codecs = { key: native.u64, value: str }

test('up to the capacity no table is split and no file is made', (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, { ...codecs, capacity: { entries: 20_000, bytes: 20_000 * 108 } })
  t.is(map.capacity, 32_768)
  const [files, tables] = [readdirSync(path).toSorted(), map.stats().tables]
  for (let key = 0n; key < 20_000n; key++) map.set(key, 'x'.repeat(100))
  t.is(map.stats().tables, tables)
  t.is(map.stats().waits, 0)
  t.deepEqual(readdirSync(path).toSorted(), files)
  map.close()
})

test('capacity counts when the map is made, is remembered, and is never below size', (t) => {
  const path = freshPath(t)
  DiskMap.open(path, { ...codecs, capacity: { entries: 3 } }).close()
  const map = DiskMap.open(path, { ...codecs, capacity: { entries: 1_000_000, bytes: 1 } })
  t.is(map.capacity, 4)
  for (let key = 0n; key < 5n; key++) map.set(key, '')
  t.is(map.capacity, 8)
  map.close()
  fails(t, 'ERR_CLOSED', () => map.capacity)
})

test('a capacity that cannot be meant is refused before anything is made', (t) => {
  const path = freshPath(t)
  const wrong: unknown[] = [
    1000,
    null,
    { entries: null },
    { bytes: null },
    { entries: -1 },
    { entries: 1.5 },
    { entries: '1' },
    { bytes: Infinity },
    { bytes: 2 ** 60 },
    { entries: 2 ** 31 + 1 },
    { entries: 1, bytes: 2 ** 40 },
    { entry: 1 },
  ]
  for (const capacity of wrong) {
    const options = { ...codecs, capacity } as DiskMapOptions<bigint, string>
    fails(t, 'ERR_INVALID_ARGUMENT', () => DiskMap.open(path, options), JSON.stringify(capacity))
  }
  t.false(existsSync(path))
})
