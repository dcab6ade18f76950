// A map from 64-bit numbers to text: written, closed, opened again.
//   node examples/u64-strings.mjs
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DiskMap, native, str } from 'opendiskmap'

const home = mkdtempSync(join(tmpdir(), 'opendiskmap-'))
process.on('exit', () => rmSync(home, { recursive: true, force: true }))
const path = join(home, 'greetings.odm')

// A map is a directory; the first `open` makes it. The codecs say what keys and values are, and TypeScript infers
// DiskMap<bigint, string> from them.
const map = DiskMap.open(path, { key: native.u64, value: str })
map.set(42n, 'Hello').set(100n, 'Rust')

assert.equal(map.get(42n), 'Hello')
assert.equal(map.get(7n), undefined)
assert.equal(map.size, 2)
map.close()

// The values are on disk now, and whoever opens the directory has them.
const again = DiskMap.open(path, { key: native.u64, value: str })
assert.equal(again.get(42n), 'Hello')
assert.equal(again.get(100n), 'Rust')
assert.equal(again.size, 2)
for (const [key, value] of again) console.log(key, value) // in no promised order
again.close()
