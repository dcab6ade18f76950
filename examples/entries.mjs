// One key, looked up once and then decided on: the entry API.
//   node examples/entries.mjs
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DiskMap, native, str } from 'opendiskmap'

const home = mkdtempSync(join(tmpdir(), 'opendiskmap-'))
process.on('exit', () => rmSync(home, { recursive: true, force: true }))

const stock = DiskMap.open(join(home, 'stock.odm'), { key: str, value: native.u32 })
assert.equal(stock.size, 0)

/** @param {string} fruit @param {number} count */
function deliver(fruit, count) {
  const entry = stock.entry(fruit)
  // `insert` gives back what it replaced, undefined if there was nothing.
  const replaced = entry.insert(count)
  return entry.occupied ? `${fruit}: ${count} instead of ${replaced}` : `${fruit}: ${count}, new`
}
assert.equal(deliver('apples', 5), 'apples: 5, new')
assert.equal(deliver('apples', 8), 'apples: 8 instead of 5')

// Only if it is absent: a value, or what a function makes of the key.
assert.equal(stock.entry('apples').orInsert(1), 8)
assert.equal(stock.entry('pears').orInsert(1), 1)
assert.equal(
  stock.entry('plums').orInsertWith((fruit) => fruit.length),
  5,
)

// Only if it is there, and else a start: both in one line.
const sold = () =>
  stock
    .entry('pears')
    .andModify((count) => count + 1)
    .orInsert(1)
assert.equal(sold(), 2)

assert.equal(stock.entry('pears').remove(), 2)
assert.equal(stock.has('pears'), false)
assert.equal(sold(), 1)

// An entry is a snapshot and holds no lock: another thread may write the key meanwhile. Its verbs look again, and each
// of them is atomic by itself.
const entry = stock.entry('plums')
stock.set('plums', 100)
assert.equal(entry.value, 5)
assert.equal(entry.insert(6), 100)

console.log(new Map(stock), `${stock.stats().shards} shards`)
stock.close()
