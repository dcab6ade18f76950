// The same as an ES module, which Jest loads with Node's own flag for it.
import { expect, test } from '@jest/globals'
import { DiskMap, native, str } from 'opendiskmap'

test('an ES module under Jest has the same map', () => {
  const map = DiskMap.open('jest-esm.odm', { key: str, value: native.u64 })
  expect(map.increment('a', 2n)).toBe(2n)
  expect([...map]).toEqual([['a', 2n]])
  map.close()
})
