// A test of Jest's, which gives each file a context and a registry of modules of its own.
const { rmSync } = require('node:fs')
const { bytes, DiskMap, DiskMapError, json, str } = require('opendiskmap')

describe('opendiskmap under Jest', () => {
  const path = `jest-${process.env['JEST_WORKER_ID']}.odm`
  afterEach(() => rmSync(path, { recursive: true, force: true }))

  test('gives back what it got, with values of the realm of this file', () => {
    const map = DiskMap.open(path, { key: str, value: json() })
    map.set('a', { list: [1, 2] })
    expect(map.get('a')).toEqual({ list: [1, 2] })
    expect(new Map(map)).toEqual(new Map([['a', { list: [1, 2] }]]))
    expect(map.get('b')).toBeUndefined()
    map.close()
  })

  test('takes bytes of this realm and throws errors that are its own', () => {
    const map = DiskMap.open(path, { key: str, value: bytes })
    map.set('a', new Uint8Array([1, 2, 3])).set('b', Buffer.alloc(10_000, 7))
    expect([...map.get('a')]).toEqual([1, 2, 3])
    expect(map.read('b', (value) => value[9_999])).toBe(7)
    expect(() => map.get(1)).toThrow(DiskMapError)
    expect(() => map.get(1)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_KEY' }))
    map.close()
  })

  test('works after the registry of modules was reset', async () => {
    const map = DiskMap.open(path, { key: str, value: str })
    map.set('a', '1')
    jest.resetModules()
    const again = require('opendiskmap')
    expect(again.DiskMap).not.toBe(DiskMap)
    const other = again.DiskMap.open(path, { key: again.str, value: again.str })
    expect(other.get('a')).toBe('1')
    await other.flush()
    other.close()
    map.close()
  })
})
