// The clock around a loop of calls.
import { collect } from './child.mjs'

/** @typedef {import('../engines/index.mjs').Store} Store */

/** @param {unknown} result @returns {result is Promise<unknown>} */
const isPending = (result) => typeof (/** @type {any} */ (result)?.then) === 'function'

/** @param {number} n @param {(i: number) => unknown} step @param {number} inFlight */
async function calls(n, step, inFlight) {
  if (inFlight === 0) {
    for (let i = 0; i < n; i++) step(i)
    return
  }
  if (inFlight === 1) {
    for (let i = 0; i < n; i++) {
      const result = step(i)
      if (isPending(result)) await result
    }
    return
  }
  // Two halves: while one is under way the other is filled.
  const half = inFlight >> 1
  /** @type {unknown[]} */
  let before = []
  /** @type {unknown[]} */
  let now = []
  for (let i = 0; i < n; i++) {
    const result = step(i)
    // Reads are synchronous in every engine.
    if (!isPending(result)) continue
    now.push(result)
    if (now.length < half) continue
    await Promise.all(before)
    before = now
    now = []
  }
  await Promise.all(before)
  await Promise.all(now)
}

/**
 * Calls step(0) to step(n - 1).
 * @param {number} n
 * @param {(i: number) => unknown} step
 * @param {number} [inFlight] how many of the promises that it gives may be pending; 0: it gives none
 * @returns {Promise<number>} nanoseconds per call
 */
export async function timed(n, step, inFlight = 0) {
  collect()
  const began = performance.now()
  await calls(n, step, inFlight)
  return ((performance.now() - began) * 1e6) / n
}

/** Where there are two ways, each is tried with so much of the work, and the faster one does all of it. */
export const TRIAL = 0.1

/**
 * Gets keys in the faster of the ways that a store has.
 * @param {Store} store
 * @param {Uint32Array} order
 * @param {(order: Uint32Array) => any[]} keysOf makes them anew each time
 * @param {(value: any, i: number) => boolean} right looks at what came for `order[i]`
 * @returns {Promise<number>} nanoseconds per call
 */
export async function timedGets(store, order, keysOf, right) {
  /** @param {Store['get']} get @param {Uint32Array} part */
  const way = async (get, part) => {
    const keys = keysOf(part)
    let found = 0
    const took = await timed(keys.length, (i) => {
      if (right(get(keys[i]), i)) found++
    })
    expect('right values', found, keys.length)
    return took
  }
  const other = store.otherGet?.()
  if (other === undefined) return way(store.get, order)
  const trial = order.subarray(0, Math.ceil(order.length * TRIAL))
  const plain = await way(store.get, trial)
  const faster = (await way(other.get, trial)) < plain ? other.get : store.get
  const took = await way(faster, order)
  other.end()
  return took
}

/** How many items are made at a time where each call has a time of its own. */
const CHUNK = 1000

/**
 * The time of each call. Items are made some at a time, between the calls, so that a heap full of them is not what V8's
 * collections take long for.
 * @template T
 * @param {number} n
 * @param {(from: number, to: number) => T[]} items
 * @param {(item: T, i: number) => unknown} call may give a promise
 * @returns {Promise<(share: number) => number>} nanoseconds that a share of the calls stayed within
 */
export async function timedEach(n, items, call) {
  const times = new Float64Array(n).fill(1)
  collect()
  for (let from = 0; from < n; from += CHUNK) {
    const chunk = items(from, Math.min(from + CHUNK, n))
    for (const [at, item] of chunk.entries()) {
      const began = performance.now()
      const result = call(item, from + at)
      if (isPending(result)) await result
      times[from + at] = performance.now() - began
    }
  }
  times.sort()
  return (share) => (times[Math.max(0, Math.ceil(n * share) - 1)] ?? NaN) * 1e6
}

/** A scan of everything. @param {Store} store @param {number} entries @returns {Promise<number>} nanoseconds per entry */
export async function timedScan(store, entries) {
  collect()
  const began = performance.now()
  const seen = await store.scan()
  const took = performance.now() - began
  expect('entries iterated', seen, entries)
  return (took * 1e6) / entries
}

/**
 * Stores entry 0 to entry n - 1 in the engine's own batches, for what is not measured.
 * @param {Store} store
 * @param {number} n
 * @param {(i: number) => [any, any]} entry
 */
export async function load(store, n, entry) {
  for (let from = 0; from < n; from += 1000) {
    const entries = Array.from({ length: Math.min(1000, n - from) }, (_, i) => entry(from + i))
    if (store.setMany === undefined) for (const [key, value] of entries) await store.set(key, value)
    else await store.setMany(entries)
  }
}

/**
 * An engine that does something else than it was asked for is not measured.
 * @param {string} what @param {number} found @param {number} wanted
 */
export function expect(what, found, wanted) {
  if (found !== wanted) throw new Error(`${what}: ${found} in place of ${wanted}`)
}
