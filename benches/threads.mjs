// Reads of small values from two worker threads at once, against one.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { DiskMap, native, str } from 'opendiskmap'
import { shuffled } from './kit/data.mjs'
import { makePlace } from './kit/place.mjs'
import { count, median, progress, table, verdict } from './kit/report.mjs'
import { keys16 } from './kit/texts.mjs'
import { inThreads } from './kit/threads.mjs'

/** @typedef {'u64' | 'str'} Kind */
/** @typedef {{ path: string, kind: Kind, entries: number, reads: number, threads: number }} Task */

/** @param {string} path @param {Kind} kind */
function open(path, kind) {
  return kind === 'u64'
    ? DiskMap.open(path, { key: native.u64, value: native.u64 })
    : DiskMap.open(path, { key: str, value: str })
}

/** @param {Kind} kind @param {Uint32Array} order @returns {unknown[]} */
function keysOf(kind, order) {
  return kind === 'u64' ? Array.from(order, BigInt) : keys16(order.length).fresh(order)
}

/** Nanoseconds that this thread has had a processor; only Linux tells. */
function processorTime() {
  if (process.platform !== 'linux') return NaN
  return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0])
}

/** @type {Record<string, import('./kit/threads.mjs').ThreadTask>} */
export const threadTasks = {
  /** Reads all the keys over and over. @param {Task & { me: number }} task */
  readAll({ path, kind, entries, reads, me }, ready) {
    const map = /** @type {Map<unknown, unknown>} */ (/** @type {unknown} */ (open(path, kind)))
    const keys = keysOf(kind, shuffled(entries, 7 + me))
    for (const key of keys.slice(0, 50_000)) map.get(key)
    ready()
    let found = 0
    const ran = processorTime()
    const began = performance.now()
    for (let left = reads, i = 0; left > 0; left--) {
      if (map.get(keys[i]) !== undefined) found++
      if (++i === entries) i = 0
    }
    const took = performance.now() - began
    if (found !== reads) throw new Error(`${found} of ${reads} found`)
    return { took, ran: processorTime() - ran }
  },
}

/**
 * @param {Task} task
 * @returns {Promise<{ rate: number, cost: number }>} reads per second of all threads together, and the processor's
 *   nanoseconds for one
 */
async function measure(task) {
  const inputs = Array.from({ length: task.threads }, (_, me) => ({ ...task, me }))
  /** @type {{ took: number, ran: number }[]} */
  const threads = await inThreads(new URL(import.meta.url), 'readAll', inputs)
  const reads = task.reads * task.threads
  return {
    rate: (reads * 1000) / Math.max(...threads.map(({ took }) => took)),
    cost: threads.reduce((sum, { ran }) => sum + ran, 0) / reads,
  }
}

if (isMainThread) {
  const [entries = 1_000_000, reads = 3_000_000, rounds = 5] = process.argv.slice(2).map(Number)
  const place = makePlace()
  /** @type {(string | number)[][]} */
  const rows = []
  for (const kind of /** @type {const} */ (['u64', 'str'])) {
    const path = join(place, kind)
    const map = /** @type {Map<unknown, unknown>} */ (/** @type {unknown} */ (open(path, kind)))
    const order = shuffled(entries, 3)
    keysOf(kind, order).forEach((key, n) => map.set(key, kind === 'u64' ? BigInt(n) : `value ${n}`))
    /** @type {{ rate: number, cost: number }[]} */
    const one = []
    /** @type {{ rate: number, cost: number }[]} */
    const two = []
    for (let n = 0; n < rounds; n++) {
      progress(`${kind}: round ${n + 1} of ${rounds}`)
      one.push(await measure({ path, kind, entries, reads, threads: 1 }))
      two.push(await measure({ path, kind, entries, reads, threads: 2 }))
    }
    const gain = median(two.map(({ rate }, n) => rate / (one[n]?.rate ?? NaN)))
    const costs = [one, two].map((runs) => count(median(runs.map(({ cost }) => cost))))
    rows.push([
      kind === 'u64' ? 'u64 → u64' : 'str 16 → str',
      count(median(one.map(({ rate }) => rate))),
      count(median(two.map(({ rate }) => rate))),
      `${gain.toFixed(2)} ×`,
      `≥ 1.7 ×: ${verdict(gain >= 1.7)}`,
      costs.join(', '),
    ])
  }
  table(
    `Random reads a second of ${count(entries)} small entries, median of ${rounds} rounds of ${count(reads)} reads a thread`,
    ['', 'one thread', 'two threads', 'gain', 'wanted', 'processor ns a read, one and two'],
    rows,
    [
      'The gain is the median of the gains of each round. On a machine that does other work too it says little;',
      'the time that the threads had a processor, for one read, then still tells what two cost each other.',
    ],
  )
}
