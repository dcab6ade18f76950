import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { DiskMap, salvage, str } from '../index.js'
import { freshPath } from './helpers/dir.js'
import { fails, rejects } from './helpers/errors.js'

const codecs = { key: str, value: str, shards: 4 }
const keys = Array.from({ length: 200 }, (_, i) => `key ${i}`)
const text = (key: string, version: string): string => `${version} value of ${key}.`

/** A closed map with older values, one of whose newest values is damaged; the damaged file. */
function damaged(path: string): string {
  const made = DiskMap.open(path, codecs)
  for (const version of ['old', 'new']) for (const key of keys) made.set(key, text(key, version))
  made.close()
  const newest = text('key 7', 'new')
  for (const name of readdirSync(path).filter((name) => name.startsWith('seg-'))) {
    const bytes = readFileSync(join(path, name))
    const at = bytes.indexOf(newest)
    if (at < 0) continue
    bytes[at]! ^= 1
    writeFileSync(join(path, name), bytes)
    return name
  }
  throw new Error('the value is nowhere')
}

test('onCorrupt: throw is the default: a log that is damaged where it was durable does not open', (t) => {
  const path = freshPath(t)
  damaged(path)
  fails(t, 'ERR_CORRUPT', () => DiskMap.open(path, { recovery: 'full' }))
  fails(t, 'ERR_CORRUPT', () => DiskMap.open(path, { recovery: 'full', onCorrupt: 'throw' }))
})

test('onCorrupt: quarantine opens it, serves what verifies, lists what does not, and gives no older value', async (t) => {
  const path = freshPath(t)
  const name = damaged(path)
  const before = readFileSync(join(path, name))
  const options = { recovery: 'full', onCorrupt: 'quarantine' } as const
  for (let round = 0; round < 2; round++) {
    const map = DiskMap.open<string, string>(path, options)
    const { damage } = map.stats()
    t.is(damage.length, 1)
    t.like(damage[0], { code: 'ERR_CORRUPT', file: name })
    fails(t, 'ERR_CORRUPT', () => map.get('key 7'))
    let served = 0
    for (const key of keys) {
      try {
        t.is(map.get(key), text(key, 'new'))
        t.is(map.set(key, text(key, 'new')).get(key), text(key, 'new'))
        served++
      } catch {
        for (const verb of [() => map.get(key), () => map.has(key), () => map.set(key, 'x')]) {
          fails(t, 'ERR_CORRUPT', verb)
        }
        await rejects(t, 'ERR_CORRUPT', map.getAsync(key))
      }
    }
    t.true(served > 50 && served < 190)
    t.is(map.size, served)
    fails(t, 'ERR_CORRUPT', () => [...map])
    const report = await map.verify()
    t.false(report.ok)
    t.deepEqual<unknown, unknown>(report.errors, damage)
    await map.compact()
    map.close()
    t.deepEqual(readFileSync(join(path, name)), before)
  }
  t.like(await salvage(path, `${path} salvaged`), { records: 200, dropped: 1 })
  const salvaged = DiskMap.open<string, string>(`${path} salvaged`)
  t.is(salvaged.get('key 7'), text('key 7', 'old'))
  salvaged.close()
})

test('another onCorrupt than the open map has is ERR_OPTIONS_MISMATCH, and one that is none ERR_INVALID_ARGUMENT', (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, { ...codecs, onCorrupt: 'quarantine' })
  t.deepEqual(map.stats().damage, [])
  DiskMap.open(path).close()
  DiskMap.open(path, { onCorrupt: 'quarantine' }).close()
  fails(t, 'ERR_OPTIONS_MISMATCH', () => DiskMap.open(path, { onCorrupt: 'throw' }))
  map.close()
  for (const bad of ['none', true, 1, null]) {
    fails(t, 'ERR_INVALID_ARGUMENT', () => DiskMap.open(path, { onCorrupt: bad as never }))
  }
})
