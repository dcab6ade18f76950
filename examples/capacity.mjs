// A map that is made for as many entries as will come: nothing has to grow while they are stored.
//   node examples/capacity.mjs
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DiskMap, native, str } from 'opendiskmap'

const home = mkdtempSync(join(tmpdir(), 'opendiskmap-'))
process.on('exit', () => rmSync(home, { recursive: true, force: true }))
const path = join(home, 'sized.odm')

const map = DiskMap.open(path, {
  key: native.u64,
  value: str,
  // `bytes` counts keys and values together. Both count when the map is made, not when it is opened again.
  capacity: { entries: 1000, bytes: 64_000 + 128_000 },
})
assert.equal(map.capacity, 1024) // the next power of two

const before = { ...map.stats(), files: readdirSync(path).length }
for (let id = 0n; id < 500n; id++) map.set(id, `entry number ${id}`)
const after = { ...map.stats(), files: readdirSync(path).length }

assert.equal(map.size, 500)
assert.equal(map.capacity, 1024)
assert.equal(after.tables, before.tables) // no table of the index was split
assert.equal(after.slots, before.slots)
assert.equal(after.files, before.files) // and no file was made
console.log(`${map.size} of ${map.capacity}: load factor ${map.size / map.capacity}`)
map.close()
