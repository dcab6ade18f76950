// A stranger's program: a CommonJS module.
const { strict: assert } = require('node:assert')
const { DiskMap, DiskMapError, json, str } = require('opendiskmap')

const map = DiskMap.open('require.odm', { key: str, value: json() })
map.set('answer', { n: 42 })
assert.deepEqual(map.get('answer'), { n: 42 })
assert.equal(map.size, 1)
map.close()
assert.throws(
  () => map.get('answer'),
  (error) => error instanceof DiskMapError && error.code === 'ERR_CLOSED',
)
