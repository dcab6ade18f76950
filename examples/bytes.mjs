// A map from bytes to bytes: whatever a Uint8Array or a Buffer holds.
//   node examples/bytes.mjs
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytes, DiskMap } from 'opendiskmap'

const home = mkdtempSync(join(tmpdir(), 'opendiskmap-'))
process.on('exit', () => rmSync(home, { recursive: true, force: true }))

const map = DiskMap.open(join(home, 'bytes.odm'), { key: bytes, value: bytes })
map.set(Buffer.from('numbers'), Uint8Array.of(1, 2, 3, 250))
map.set(Uint8Array.of(0xff, 0x00), Buffer.from('any bytes are a key'))

// Keys are equal when their bytes are: another Buffer with the same bytes finds the value.
const numbers = map.get(Buffer.from('numbers'))
assert.ok(numbers !== undefined)
assert.deepEqual([...numbers], [1, 2, 3, 250])

const text = map.get(Uint8Array.of(0xff, 0x00))?.toString()
assert.equal(text, 'any bytes are a key')
console.log([...numbers], text)

// What `get` gives is a copy: changing it changes nothing in the map.
numbers.fill(0)
assert.deepEqual([...(map.get(Buffer.from('numbers')) ?? [])], [1, 2, 3, 250])
map.close()
