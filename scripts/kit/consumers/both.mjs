// Import and require in one process share one map, and are one implementation.
import { strict as assert } from 'node:assert'
import { createRequire } from 'node:module'
import * as imported from 'opendiskmap'

const required = createRequire(import.meta.url)('opendiskmap')
const names = Object.entries(imported)
assert.ok(names.length > 20)
for (const [name, value] of names) assert.equal(required[name], value, name)

const { DiskMap, json, str } = imported
const one = DiskMap.open('both.odm', { key: str, value: json() })
const other = required.DiskMap.open('both.odm', { key: required.str, value: required.json() })
one.set('written by', 'import')
assert.equal(other.get('written by'), 'import')
other.close()
assert.throws(() => other.get(''), imported.DiskMapError)
assert.equal(one.get('written by'), 'import')
one.close()
