// The three most usual maps have names of their own, so that no codecs need to be given.
//   node examples/typed-maps.mjs
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StringStringMap, StringU64Map, U64StringMap } from 'opendiskmap'

const home = mkdtempSync(join(tmpdir(), 'opendiskmap-'))
process.on('exit', () => rmSync(home, { recursive: true, force: true }))

// Each is a DiskMap in a directory of its own, and they know nothing of each other.
const names = U64StringMap.open(join(home, 'names'))
const ids = StringU64Map.open(join(home, 'ids'))
const settings = StringStringMap.open(join(home, 'settings'))

names.set(1n, 'Ada')
ids.set('Ada', 1n).set('Grace', 2n)
settings.set('theme', 'dark')

assert.equal(names.get(1n), 'Ada')
assert.equal(ids.get('Ada'), 1n)
assert.equal(settings.get('theme'), 'dark')
assert.equal(settings.get('Ada'), undefined)
assert.deepEqual([names.size, ids.size, settings.size], [1, 2, 1])

// A u64 is a bigint, and can be counted up from any number of threads at once.
assert.equal(ids.increment('visits'), 1n)
assert.equal(ids.increment('visits', 10n), 11n)
console.log(new Map(names), new Map(ids), new Map(settings))

for (const map of [names, ids, settings]) map.close()
