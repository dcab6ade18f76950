import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { DiskMap, str } from '../index.js'
import { freshDir, freshPath } from './helpers/dir.js'
import { fails, rejects } from './helpers/errors.js'

const codecs = { key: str, value: str }

test('every verb of a closed map is ERR_CLOSED', async (t) => {
  const map = DiskMap.open(freshPath(t), codecs).set('a', '1')
  map.close()
  const verbs: Record<string, () => unknown> = {
    get: () => map.get('a'),
    has: () => map.has('a'),
    set: () => map.set('a', '2'),
    delete: () => map.delete('a'),
    clear: () => map.clear(),
    size: () => map.size,
    keys: () => map.keys(),
    values: () => map.values(),
    entries: () => map.entries(),
    iterator: () => [...map],
    forEach: () => map.forEach(() => t.fail()),
    update: () => map.update('a', () => t.fail() as never),
    getOrInsert: () => map.getOrInsert('a', '2'),
    getOrInsertComputed: () => map.getOrInsertComputed('a', () => t.fail() as never),
    flushSync: () => map.flushSync(),
    stats: () => map.stats(),
    handle: () => map.handle,
  }
  for (const [name, verb] of Object.entries(verbs)) fails(t, 'ERR_CLOSED', verb, name)
  await rejects(t, 'ERR_CLOSED', map.flush(), 'flush')
  await rejects(t, 'ERR_CLOSED', map.compact(), 'compact')
  await rejects(t, 'ERR_CLOSED', map.getAsync('a'), 'getAsync')
})

test('a second close does nothing', async (t) => {
  const map = DiskMap.open(freshPath(t), codecs)
  map.close()
  t.is(map.close(), undefined)
  map[Symbol.dispose]()
  await map[Symbol.asyncDispose]()
  t.pass()
})

test('close ends this handle and no other', (t) => {
  const path = freshPath(t)
  const one = DiskMap.open(path, codecs)
  const two = DiskMap.open(path, codecs)
  one.set('a', '1').close()
  fails(t, 'ERR_CLOSED', () => one.get('a'))
  t.is(two.get('a'), '1')
  two.close()
})

test('Symbol.dispose closes, Symbol.asyncDispose flushes and closes', async (t) => {
  const path = freshPath(t)
  const one = DiskMap.open(path, codecs).set('a', '1')
  one[Symbol.dispose]()
  fails(t, 'ERR_CLOSED', () => one.get('a'))
  const two = DiskMap.open(path, codecs).set('b', '2')
  const disposed = two[Symbol.asyncDispose]()
  t.true(disposed instanceof Promise)
  await disposed
  fails(t, 'ERR_CLOSED', () => two.get('a'))
  const three = DiskMap.open(path, codecs)
  t.is(three.size, 2)
  three.close()
})

test('flush resolves, also when the map is closed before it has', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs)
  for (let i = 0; i < 10_000; i++) map.set(`${i}`, 'x'.repeat(100))
  t.is(await map.flush(), undefined)
  map.flushSync()
  map.set('late', '1')
  const pending = [map.flush(), map.flush()]
  map.close()
  await Promise.all(pending)
  const again = DiskMap.open(path, codecs)
  t.is(again.size, 10_001)
  again.close()
})

test('compact that is cut off by close is ERR_CLOSED or done, and harms nothing', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs)
  for (let i = 0; i < 30_000; i++) map.set(`${i % 1000}`, `${i}`.repeat(20))
  const pending = map.compact().then(
    () => 'done',
    (error: { code?: string }) => error.code,
  )
  map.close()
  t.true(['done', 'ERR_CLOSED'].includes((await pending) as string))
  const again = DiskMap.open(path, codecs)
  t.is(again.size, 1000)
  for (let i = 29_000; i < 30_000; i++) t.is(again.get(`${i % 1000}`), `${i}`.repeat(20))
  await again.compact()
  t.is(again.get('999'), '29999'.repeat(20))
  again.close()
})

test('close gives back files and mappings, and not only when the map is collected', async (t) => {
  if (process.platform !== 'linux') {
    t.pass('only Linux lists them')
    return
  }
  const path = realpathSync(freshDir(t))
  const held = (): number => {
    const files = readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(join('/proc/self/fd', fd)).startsWith(path)
      } catch {
        // The descriptor of the listing itself.
        return false
      }
    })
    const maps = readFileSync('/proc/self/maps', 'utf8').split('\n')
    return files.length + maps.filter((line) => line.includes(path)).length
  }
  const kept: unknown[] = []
  for (let i = 0; i < 20; i++) {
    const map = DiskMap.open(join(path, 'map'), codecs).set('a', '1')
    const iterator = map.keys()
    iterator.next()
    t.true(held() > 0)
    map.close()
    kept.push(map, iterator)
  }
  // The background may be in the middle of a step.
  for (let turn = 0; turn < 500 && held() > 0; turn++) await setTimeout(10)
  t.is(held(), 0)
  t.is(kept.length, 40)
})

test('stats are plain data', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs)
  t.is(map.stats().recovery.reason, 'created')
  for (let i = 0; i < 2000; i++) map.set(`${i % 100}`, 'x'.repeat(100))
  const { recovery, damage, path: where, ...numbers } = map.stats()
  t.deepEqual(damage, [])
  for (const [name, value] of Object.entries(numbers)) t.true(Number.isFinite(value), name)
  t.is(numbers.entries, 100)
  t.is(numbers.shards, 16)
  t.true(numbers.liveBytes >= 100 * 100)
  t.true(numbers.logBytes >= numbers.liveBytes)
  t.is(realpathSync(where), realpathSync(path))
  t.true(recovery.milliseconds >= 0)
  t.deepEqual(structuredClone(map.stats().recovery), recovery)
  await map.compact()
  const { logBytes, logBound, indexBytes, indexBound } = map.stats()
  t.true(logBytes <= logBound)
  t.true(indexBytes <= indexBound)
  map.close()
  const again = DiskMap.open(path, codecs)
  t.is(again.stats().recovery.reason, 'clean')
  t.not(again.stats().instance, numbers.instance)
  again.close()
  const rebuilt = DiskMap.open(path, { ...codecs, recovery: 'full' })
  t.is(rebuilt.stats().recovery.reason, 'rebuilt')
  rebuilt.close()
})
