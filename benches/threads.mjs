// Reads of small values from two worker threads at once, against one.
import { join } from 'node:path'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { DiskMap, native, str } from 'opendiskmap'
import { freshKeys, keyText, shuffled } from './kit/data.mjs'
import { makePlace } from './kit/place.mjs'
import { count, median, progress, table, verdict } from './kit/report.mjs'

/** @typedef {'u64' | 'str'} Kind */
/** @typedef {{ path: string, kind: Kind, entries: number, reads: number, me: number, threads: number, gate: Int32Array }} Task */

/** @param {string} path @param {Kind} kind */
function open(path, kind) {
  return kind === 'u64'
    ? DiskMap.open(path, { key: native.u64, value: native.u64 })
    : DiskMap.open(path, { key: str, value: str })
}

/** @param {Kind} kind @param {Uint32Array} order @returns {unknown[]} */
function keysOf(kind, order) {
  return kind === 'u64' ? Array.from(order, BigInt) : freshKeys(keyText(order.length), order)
}

/** Reads all the keys over and over; all threads start together. @param {Task} task */
function readAll({ path, kind, entries, reads, me, threads, gate }) {
  const map = /** @type {Map<unknown, unknown>} */ (/** @type {unknown} */ (open(path, kind)))
  const keys = keysOf(kind, shuffled(entries, 7 + me))
  for (const key of keys.slice(0, 50_000)) map.get(key)
  Atomics.add(gate, 0, 1)
  Atomics.notify(gate, 0)
  for (let ready; (ready = Atomics.load(gate, 0)) < threads;) Atomics.wait(gate, 0, ready)
  let found = 0
  const began = performance.now()
  for (let left = reads, i = 0; left > 0; left--) {
    if (map.get(keys[i]) !== undefined) found++
    if (++i === entries) i = 0
  }
  const took = performance.now() - began
  if (found !== reads) throw new Error(`${found} of ${reads} found`)
  parentPort?.postMessage(took)
}

/**
 * @param {Omit<Task, 'me' | 'gate'>} task
 * @returns {Promise<number>} reads per second of all threads together
 */
async function rate(task) {
  const gate = new Int32Array(new SharedArrayBuffer(4))
  const times = Array.from({ length: task.threads }, (_, me) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { ...task, me, gate } })
    return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  })
  const slowest = Math.max(.../** @type {number[]} */ (await Promise.all(times)))
  return (task.reads * task.threads * 1000) / slowest
}

if (!isMainThread) {
  readAll(/** @type {Task} */ (workerData))
} else {
  const [entries = 1_000_000, reads = 3_000_000, rounds = 5] = process.argv.slice(2).map(Number)
  const place = makePlace()
  /** @type {(string | number)[][]} */
  const rows = []
  for (const kind of /** @type {const} */ (['u64', 'str'])) {
    const path = join(place, kind)
    const map = /** @type {Map<unknown, unknown>} */ (/** @type {unknown} */ (open(path, kind)))
    const order = shuffled(entries, 3)
    keysOf(kind, order).forEach((key, n) => map.set(key, kind === 'u64' ? BigInt(n) : `value ${n}`))
    /** @type {number[]} */
    const one = []
    /** @type {number[]} */
    const two = []
    for (let n = 0; n < rounds; n++) {
      progress(`${kind}: round ${n + 1} of ${rounds}`)
      one.push(await rate({ path, kind, entries, reads, threads: 1 }))
      two.push(await rate({ path, kind, entries, reads, threads: 2 }))
    }
    const gain = median(two.map((rate, n) => rate / (one[n] ?? NaN)))
    rows.push([
      kind === 'u64' ? 'u64 → u64' : 'str 16 → str',
      count(median(one)),
      count(median(two)),
      `${gain.toFixed(2)} ×`,
      `≥ 1.7 ×: ${verdict(gain >= 1.7)}`,
    ])
  }
  table(
    `Random reads a second of ${count(entries)} small entries, median of ${rounds} rounds of ${count(reads)} reads a thread`,
    ['', 'one thread', 'two threads', 'gain', 'wanted'],
    rows,
    ['The gain is the median of the gains of each round.'],
  )
}
