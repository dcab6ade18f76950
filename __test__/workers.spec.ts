import { once } from 'node:events'
import { symlinkSync } from 'node:fs'
import { join, relative } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { DiskMap, native, str } from '../index.js'
import { freshDir, freshPath } from './helpers/dir.js'
import { inThread, resultOf, startThread } from './helpers/threads.js'

const codecs = { key: str, value: str }

test('the same directory is the same map in every thread', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs)
  const names = ['a', 'b', 'c', 'd']
  await Promise.all(names.map((name) => inThread(path, 'write', { name, count: 2000 })))
  t.is(map.size, 8000)
  for (const name of names) {
    for (let i = 0; i < 2000; i++) t.true(map.get(`${name} ${i}`) === `value ${name} ${i}`)
  }
  t.is(new Set(map.keys()).size, 8000)
  map.close()
})

test('threads may make the map themselves, all at once', async (t) => {
  const path = freshPath(t)
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  await Promise.all(names.map((name) => inThread(path, 'write', { name, count: 100 })))
  const map = DiskMap.open(path, codecs)
  t.is(map.size, 600)
  map.close()
})

test('a write is visible to every thread when the call that made it has returned', async (t) => {
  const path = freshPath(t)
  const rounds = 200_000
  const map = DiskMap.open(path, { key: str, value: native.u32 })
  const shared = new SharedArrayBuffer(8)
  const flags = new Int32Array(shared)
  const stale = inThread<number>(path, 'watch', { shared, rounds })
  while (Atomics.load(flags, 1) === 0) await setTimeout(1)
  for (let i = 1; i <= rounds; i++) {
    map.set('k', i)
    Atomics.store(flags, 0, i)
  }
  t.is(await stale, 0)
  map.close()
})

test('threads that update one key lose no update', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, { key: str, value: native.u64 })
  const count = 20_000
  const threads = [1, 2, 3].map(() => inThread(path, 'increment', { key: 'n', count }))
  await Promise.all(threads)
  t.is(map.get('n'), BigInt(3 * count))
  map.close()
})

test('threads that race getOrInsertComputed all get what one of them stored', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs)
  const count = 5000
  const found = await Promise.all(
    ['a', 'b', 'c'].map((name) => inThread<string[]>(path, 'insert', { name, count })),
  )
  for (let i = 0; i < count; i++) {
    const stored = map.get(`${i}`)
    for (const values of found) t.true(values[i] === stored)
  }
  map.close()
})

test('a thousand callers in four threads that race getOrInsertComputed get one value', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, { key: native.u32, value: str })
  const [threads, rounds, calls] = [4, 100, 250]
  const shared = new SharedArrayBuffer(4 * rounds)
  const found = await Promise.all(
    ['a', 'b', 'c', 'd'].map((name) =>
      inThread<string[][]>(path, 'compute', { name, shared, threads, rounds, calls }),
    ),
  )
  for (let round = 0; round < rounds; round++) {
    const stored = map.get(round)!
    for (const values of found) t.deepEqual(values[round], [stored])
  }
  map.close()
})

test('a thread that is terminated in the middle of its calls leaves the map whole', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs)
  map.set('mine', 'kept')
  for (let round = 0; round < 20; round++) {
    const workers = ['a', 'b'].map((name) =>
      startThread(path, 'hammer', { name, seed: round * 7919 + name.charCodeAt(0) }),
    )
    await Promise.all(workers.map((worker) => once(worker, 'message')))
    await setTimeout(Math.random() * 30)
    await Promise.all(workers.map((worker) => worker.terminate()))
    let entries = 0
    for (const [key, value] of map) {
      entries++
      if (key.includes(' ') && !value.startsWith(key.slice(0, value.length)))
        t.fail(`${key}: ${value}`)
    }
    t.is(entries, map.size)
    t.is(map.set('round', `${round}`).get('round'), `${round}`)
    t.is(map.get('mine'), 'kept')
  }
  map.close()
  const again = DiskMap.open(path, codecs)
  t.is(again.get('mine'), 'kept')
  t.is([...again.keys()].length, again.size)
  again.close()
})

test('a thread that throws or exits in a callback leaves the map whole and usable', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs)
  const throwing = startThread(path, 'throws')
  const [error] = (await once(throwing, 'error')) as [Error]
  t.is(error.message, 'mine')
  t.is(map.get('before'), 'stored')
  t.false(map.has('thrown'))
  map.delete('before')
  const exiting = startThread(path, 'exits')
  const [code] = (await once(exiting, 'exit')) as [number]
  t.is(code, 3)
  t.is(map.get('before'), 'stored')
  t.false(map.has('exited'))
  t.is(map.set('exited', '1').size, 2)
  map.close()
  // The dead threads' handles must not hold the map open.
  const again = DiskMap.open(path, { ...codecs, recovery: 'full' })
  t.is(again.size, 2)
  again.close()
})

test('a hundred threads that load and unload the addon leave the map whole', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs)
  for (let number = 0; number < 100; number++) await inThread(path, 'once', { number })
  t.is(map.size, 100)
  for (let number = 0; number < 100; number++) t.is(map.get(`once ${number}`), `${number}`)
  map.close()
})

test('a hundred threads, of which none finds the map open, open it again each time', async (t) => {
  const path = freshPath(t)
  for (let number = 0; number < 50; number++) await inThread(path, 'once', { number: 2 * number })
  const map = DiskMap.open(path, codecs)
  t.is(map.size, 50)
  map.close()
})

test('eight threads that open, write and close the same map by several paths lose no write', async (t) => {
  const path = freshPath(t)
  const link = join(freshDir(t), 'link')
  const count = 200
  // The link leads to something from the first open on.
  DiskMap.open(path, codecs).close()
  symlinkSync(path, link, 'junction')
  const paths = [path, link, relative(process.cwd(), path), join(path, '..', 'map')]
  const names = Array.from({ length: 8 }, (_, number) => `${number}`)
  await Promise.all(
    names.map((name, number) => inThread(paths[number % 4]!, 'visit', { name, count })),
  )
  const map = DiskMap.open(path, codecs)
  t.is(map.size, names.length * count)
  for (const name of names) t.is(map.get(`${name} ${count - 1}`), name)
  map.close()
})

test('a callback that takes its time in one thread holds up no other, on the same key either', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, { ...codecs, shards: 1 }).set('a', 'first')
  const shared = new SharedArrayBuffer(8)
  const flags = new Int32Array(shared)
  // It waits in the middle of its update until this thread has made every other call.
  const result = inThread<string>(path, 'wait', { key: 'a', shared })
  while (Atomics.load(flags, 0) === 0) await setTimeout(1)
  map.set('a', 'second').set('b', '1').delete('b')
  map.update('a', (old) => `${old} and third`)
  t.deepEqual([...map], [['a', 'second and third']])
  map.clear()
  t.is(map.set('a', 'last').size, 1)
  await map.flush()
  await map.compact()
  Atomics.store(flags, 1, 1)
  Atomics.notify(flags, 1)
  // What it had seen is gone, so that its function was asked again.
  t.is(await result, 'last!')
  t.is(map.get('a'), 'last!')
  map.close()
})

test('an iterator sees each steady key exactly once while other threads write', async (t) => {
  const path = freshPath(t)
  const steady = 2000
  const map = DiskMap.open(path, { key: native.u32, value: str, shards: 2 })
  for (let key = 0; key < steady; key++) map.set(key, 'steady')
  const shared = new SharedArrayBuffer(8)
  const flags = new Int32Array(shared)
  const workers = [100_000, 200_000].map((from) => startThread(path, 'churn', { shared, from }))
  const ends = Promise.all(workers.map((worker) => resultOf(worker)))
  while (Atomics.load(flags, 1) < 2) await setTimeout(1)
  for (let round = 0; round < 150; round++) {
    const seen = new Uint8Array(steady)
    for (const [key, value] of map) {
      if (key < steady) {
        seen[key]!++
        if (value !== 'steady') t.fail(`${key} has ${value}`)
      } else if (!value.startsWith('passing ')) {
        t.fail(`${key} has ${value}`)
      }
    }
    const wrong = seen.findIndex((times) => times !== 1)
    if (wrong >= 0) t.fail(`round ${round}: ${wrong} was seen ${seen[wrong]} times`)
  }
  Atomics.store(flags, 0, 1)
  await ends
  t.pass()
  map.close()
})

test('clear in one thread empties the map for all', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs)
  await inThread(path, 'write', { name: 'a', count: 3000 })
  map.clear()
  t.is(map.size, 0)
  t.deepEqual([...map], [])
  await inThread(path, 'write', { name: 'b', count: 10 })
  t.is(map.size, 10)
  map.close()
})
