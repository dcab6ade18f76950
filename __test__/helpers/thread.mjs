// A worker thread with one job on a map: workerData is { path, job, … }.
import { subscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'
import { bytes, DiskMap, native, str } from '../../index.js'

const { path, job, ...given } = workerData

const jobs = {
  /** Stores `count` keys of its own, reads them back, and closes. */
  write({ name, count }) {
    const map = DiskMap.open(path, { key: str, value: str })
    for (let i = 0; i < count; i++) map.set(`${name} ${i}`, `value ${name} ${i}`)
    for (let i = 0; i < count; i++) {
      if (map.get(`${name} ${i}`) !== `value ${name} ${i}`) throw new Error(`lost ${name} ${i}`)
    }
    map.close()
  },

  /** Views keys `k0`, `k1` and so on, and tells whether each has the bytes that helpers/views.ts gives it. */
  views({ count, views }) {
    const map = DiskMap.open(path, { key: str, value: bytes, views })
    let right = true
    for (let i = 0; i < count; i++) {
      const view = map.view(`k${i}`)
      right &&= view.bytes.equals(Buffer.alloc(view.bytes.length, `k${i} of ${view.bytes.length};`))
    }
    map.close()
    return right
  },

  /** Overwrites a key until there is one called `stop`; gives how often. */
  overwrite({ key, n }) {
    const map = DiskMap.open(path, { key: str, value: bytes })
    let count = 0
    while (!map.has('stop')) {
      for (let i = 0; i < 1000; i++) map.set(key, Buffer.alloc(100 + n, count + i))
      count += 1000
    }
    map.close()
    return count
  },

  /** Adds one to a key, `count` times. */
  increment({ key, count }) {
    const map = DiskMap.open(path, { key: str, value: native.u64 })
    for (let i = 0; i < count; i++) map.update(key, (old) => (old ?? 0n) + 1n)
    map.close()
  },

  /** The same by increments, and tells whether the sums it got were its own and rising. */
  add({ key, count, by }) {
    const map = DiskMap.open(path, { key: str, value: native.u64 })
    let rising = true
    for (let i = 0, last = -1n; i < count; i++) {
      const sum = map.increment(key, by)
      rising &&= sum > last
      last = sum
    }
    map.close()
    return rising
  },

  /** The same by compareAndSet, and tells how often it lost. */
  compareAndSet({ key, count }) {
    const map = DiskMap.open(path, { key: str, value: native.u64 })
    let lost = 0
    for (let i = 0; i < count;) {
      const seen = map.get(key)
      if (map.compareAndSet(key, seen, (seen ?? 0n) + 1n)) i++
      else lost++
    }
    map.close()
    return lost
  },

  /** For each of `rounds` keys: waits for the other threads, calls getOrInsertComputed, and tells which values it got. */
  compute({ name, shared, threads, rounds, calls }) {
    const waiting = new Int32Array(shared)
    const map = DiskMap.open(path, { key: native.u32, value: str })
    const found = []
    for (let round = 0; round < rounds; round++) {
      if (Atomics.add(waiting, round, 1) === threads - 1) Atomics.notify(waiting, round)
      else {
        for (let seen = 0; (seen = Atomics.load(waiting, round)) < threads;) {
          Atomics.wait(waiting, round, seen, 1000)
        }
      }
      const values = new Set()
      for (let i = 0; i < calls; i++) {
        values.add(map.getOrInsertComputed(round, () => `${name} in call ${i}`))
      }
      found.push([...values])
    }
    map.close()
    return found
  },

  /** Gives each of `count` keys a value if it has none, and tells what it found. */
  insert({ name, count }) {
    const map = DiskMap.open(path, { key: str, value: str })
    const found = []
    for (let i = 0; i < count; i++) found.push(map.getOrInsertComputed(`${i}`, () => name))
    map.close()
    return found
  },

  /** Counts reads that show less than what the writer had stored before. */
  watch({ shared, rounds }) {
    const flags = new Int32Array(shared)
    const map = DiskMap.open(path, { key: str, value: native.u32 })
    let stale = 0
    let seen = 0
    Atomics.store(flags, 1, 1)
    while (seen < rounds) {
      seen = Atomics.load(flags, 0)
      if ((map.get('k') ?? 0) < seen) stale++
    }
    map.close()
    return stale
  },

  /** Calls every verb for ever: somebody else ends the thread. */
  hammer({ name, seed }) {
    const map = DiskMap.open(path, { key: str, value: str })
    parentPort.postMessage('busy')
    let n = seed
    for (;;) {
      n = (Math.imul(n, 1_664_525) + 1_013_904_223) >>> 0
      const key = `${name} ${n % 500}`
      switch ((n >>> 16) % 6) {
        case 0:
          map.delete(key)
          break
        case 1:
          map.update(key, (old) => `${key} ${(old ?? '').length}`.padEnd(n % 2000, '.'))
          break
        case 2:
          for (const entry of map) if (entry[0].length === 0) throw new Error('an empty key')
          break
        case 3:
          map.get(key)
          break
        default:
          map.set(key, `${key} `.padEnd(n % 3000, '.'))
      }
    }
  },

  /** Throws in the middle of its work. */
  throws() {
    const map = DiskMap.open(path, { key: str, value: str })
    map.update('thrown', () => {
      map.set('before', 'stored')
      throw new Error('mine')
    })
  },

  /** Ends its thread in the middle of its work. */
  exits() {
    const map = DiskMap.open(path, { key: str, value: str })
    map.update('exited', () => {
      map.set('before', 'stored')
      process.exit(3)
    })
  },

  /** Opens the map, stores one key and ends; every other one closes it. */
  once({ number }) {
    const map = DiskMap.open(path, { key: str, value: str })
    map.set(`once ${number}`, `${number}`)
    if (number % 2 === 0) map.close()
  },

  /** Opens the map, stores one key and closes it, `count` times. */
  visit({ name, count }) {
    for (let i = 0; i < count; i++) {
      const map = DiskMap.open(path, { key: str, value: str })
      map.set(`${name} ${i}`, name).close()
    }
  },

  /** Waits in the middle of an update until it is told to go on, and tells what it stored. */
  wait({ key, shared }) {
    const flags = new Int32Array(shared)
    const map = DiskMap.open(path, { key: str, value: str })
    const stored = map.update(key, (old) => {
      Atomics.store(flags, 0, 1)
      Atomics.wait(flags, 1, 0)
      return `${old}!`
    })
    map.close()
    return stored
  },

  /** Writes and deletes keys of its own until the shared flag is set. */
  churn({ shared, from }) {
    const flags = new Int32Array(shared)
    const map = DiskMap.open(path, { key: native.u32, value: str })
    Atomics.add(flags, 1, 1)
    for (let n = 0; Atomics.load(flags, 0) === 0; n++) {
      const key = from + (n % 20_000)
      map.set(key, 'passing '.repeat(1 + (n % 40)))
      if (n % 3 === 0) map.delete(from + ((n * 7) % 20_000))
      map.set(n % 2000, 'steady')
    }
    map.close()
  },

  /** Attaches to the map of a handle that is posted, and answers what it is asked until it is told to close. */
  async attach({ readOnly }) {
    const [handle] = await once(parentPort, 'message')
    const map = DiskMap.attach(handle, { key: str, value: str, readOnly })
    parentPort.postMessage({ attached: map.handle })
    for (;;) {
      const [message] = await once(parentPort, 'message')
      if (message === 'close') return map.close()
      if (message.set !== undefined) map.set(...message.set)
      parentPort.postMessage({ got: map.get(message.get) })
    }
  },

  /** Attaches to the map of a handle that is posted, and closes it; tells how that went. */
  async attachOnce() {
    const handle = await told()
    try {
      DiskMap.attach(handle).close()
      return 'attached'
    } catch (error) {
      return error.code
    }
  },

  /** Waits for a word, so that nothing of the thread's own start is left for the pool, and calls `openAsync`. */
  async openLater({ options }) {
    await told()
    parentPort.postMessage('busy')
    try {
      await DiskMap.openAsync(path, { key: str, value: str, ...options })
    } catch (error) {
      // Another thread may have opened the map with another option.
      if (error.code !== 'ERR_OPTIONS_MISMATCH') throw error
    }
  },

  /** The same with `getAsync`, of all keys again and again. */
  async getLater({ keys }) {
    const map = DiskMap.open(path, { key: str, value: str })
    await told()
    parentPort.postMessage('busy')
    for (;;) await Promise.all(keys.map((key) => map.getAsync(key)))
  },

  /** Stores all keys in one batch, `rounds` times; a value repeats what it is of. */
  batches({ name, keys, rounds }) {
    const map = DiskMap.open(path, { key: str, value: str })
    for (let round = 1; round <= rounds; round++) {
      map.setMany(
        keys.map((key) => {
          const mark = `${name} ${round} ${key}|`
          return [key, mark.repeat(mark.length)]
        }),
      )
    }
    map.close()
  },

  /** Opens the map twice, subscribes, and tells what it was told of it until there are as many flushes. */
  async listen({ flushes }) {
    const maps = [DiskMap.open(path), DiskMap.open(path)]
    const told = []
    let left = flushes
    const heard = new Promise((resolve) => {
      subscribe('opendiskmap:flush', (message) => {
        told.push(message)
        if (--left === 0) resolve()
      })
    })
    parentPort.postMessage('ready')
    await Promise.all([heard, once(parentPort, 'message')])
    for (const map of maps) map.close()
    return told
  },

  /** Opens the map under another path, and tells its handle and what it holds. */
  handleOf({ key }) {
    const map = DiskMap.open(path)
    const found = { handle: map.handle, value: map.get(key) }
    map.close()
    return found
  },
}

async function told() {
  parentPort.postMessage('ready')
  const [message] = await once(parentPort, 'message')
  return message
}

parentPort.postMessage({ result: await jobs[job](given) })
