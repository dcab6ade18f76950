// Structs in the bytes of rkyv: a field is read where it lies in the mapped file, without decoding the rest.
//   node examples/structs.mjs
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { arch, DiskMap, native, struct } from 'opendiskmap'

const home = mkdtempSync(join(tmpdir(), 'opendiskmap-'))
process.on('exit', () => rmSync(home, { recursive: true, force: true }))

const profile = struct({ id: 'u32', name: 'string', email: 'string', scores: 'f64[]' })
const users = DiskMap.open(join(home, 'users.odm'), { key: native.u64, value: arch(profile) })

users.set(1n, { id: 1, name: 'Alice', email: 'alice@example.com', scores: [95.5, 87.2, 92.8] })
for (let n = 2; n <= 1000; n++) {
  users.set(BigInt(n), { id: n, name: `User ${n}`, email: `${n}@example.com`, scores: [n] })
}

// `get` gives a plain object of your own.
assert.deepEqual(users.get(1n), {
  id: 1,
  name: 'Alice',
  email: 'alice@example.com',
  scores: [95.5, 87.2, 92.8],
})

// A view reads what is asked for, in place: the scores are a Float64Array onto the map's own page.
const view = users.view(1n)
assert.ok(view !== undefined)
const { email, scores } = view.value
assert.equal(email, 'alice@example.com')
assert.ok(scores instanceof Float64Array)
assert.equal(scores.buffer, view.bytes.buffer)
console.log(email, scores[2], view.zeroCopy ? 'in place' : 'as a copy')

// It stays what it was when the key gets another value.
users.set(1n, { id: 1, name: 'Alice', email: 'alice@example.org', scores: [] })
assert.deepEqual([...scores], [95.5, 87.2, 92.8])
view[Symbol.dispose]()

// The schema is stored with the map: whoever opens it needs none.
users.close()
/** @type {DiskMap<bigint, { email: string }>} */
const again = DiskMap.open(join(home, 'users.odm'), { readOnly: true })
assert.equal(again.get(1n)?.email, 'alice@example.org')
again.close()
