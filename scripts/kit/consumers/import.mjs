// A stranger's program: an ES module.
import { strict as assert } from 'node:assert'
import { DiskMap, DiskMapError, json, str } from 'opendiskmap'

const map = DiskMap.open('import.odm', { key: str, value: json() })
map.set('answer', { n: 42 })
assert.deepEqual(map.get('answer'), { n: 42 })
assert.equal(map.size, 1)
map.close()
assert.throws(
  () => map.get('answer'),
  (error) => error instanceof DiskMapError && error.code === 'ERR_CLOSED',
)
