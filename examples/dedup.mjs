// A stream without its duplicates. A Set ends at 16,777,216 keys and takes V8's memory for each; a map on disk does neither.
//   node examples/dedup.mjs              20,000 different keys
//   node examples/dedup.mjs 17000000     more than a Set can hold; takes a minute or more and 1.5 GiB of disk
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DiskMap, native } from 'opendiskmap'

const different = Number(process.argv[2] ?? 20_000)
const BATCH = 4096

const home = mkdtempSync(join(tmpdir(), 'opendiskmap-'))
process.on('exit', () => rmSync(home, { recursive: true, force: true }))

/** Of five ids the last is one that came before. @param {number} n */
const nth = (n) => BigInt(n % 5 === 4 ? 5 * Math.floor((n * 0.37) / 5) : n)

/** A stream of ids in batches, as many different ones as asked for. */
function* events() {
  const total = Math.floor((different - 1) / 4) * 5 + ((different - 1) % 4) + 1
  for (let from = 0; from < total; from += BATCH) {
    const ids = new BigUint64Array(Math.min(BATCH, total - from))
    for (let i = 0; i < ids.length; i++) {
      // Spread over all of 64 bits; different numbers stay different.
      ids[i] = BigInt.asUintN(64, nth(from + i) * 0x9e37_79b9_7f4a_7c15n)
    }
    yield ids
  }
}

/**
 * The ids that have not come before, in this run or an earlier one.
 * @param {Iterable<BigUint64Array>} stream
 * @param {DiskMap<bigint, boolean>} seen
 */
function* unique(stream, seen) {
  for (const ids of stream) {
    // One call for all of them: the look-ups overlap.
    const known = seen.hasMany(ids)
    const fresh = new Set(ids.filter((_, i) => !known[i]))
    seen.setMany(Array.from(fresh, (id) => /** @type {const} */ ([id, true])))
    yield* fresh
  }
}

const options = {
  key: native.u64,
  value: native.bool,
  // Files for so much from the beginning; without it they grow.
  capacity: { entries: different, bytes: 9 * different },
}
const seen = DiskMap.open(join(home, 'seen.odm'), options)

let passed = 0
let arrived = 0
function* counted() {
  for (const ids of events()) {
    arrived += ids.length
    yield ids
  }
}
for (const _ of unique(counted(), seen)) passed++
assert.equal(passed, different)
assert.equal(seen.size, different)
assert.ok(arrived > different || different < 5)
const heap = Math.round(process.memoryUsage().heapUsed / 2 ** 20)
console.log(`${arrived} ids came, ${passed} passed; V8's heap has ${heap} MiB`)
seen.close()

// After a restart they are known.
const again = DiskMap.open(join(home, 'seen.odm'), options)
const [first] = events()
assert.ok(first !== undefined)
assert.deepEqual([...unique([first], again)], [])
again.close()
