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

/**
 * Gets every key in each of the ways that a store has.
 * @param {Store} store
 * @param {() => any[]} freshKeys
 * @param {(value: any, i: number) => boolean} right looks at what came
 * @returns {Promise<number>} nanoseconds per call in the fastest way
 */
export async function timedGets(store, freshKeys, right) {
  /** @param {Store['get']} get */
  const way = async (get) => {
    const keys = freshKeys()
    let found = 0
    const took = await timed(keys.length, (i) => {
      if (right(get(keys[i]), i)) found++
    })
    expect('right values', found, keys.length)
    return took
  }
  const plain = await way(store.get)
  const other = store.otherGet?.()
  if (other === undefined) return plain
  const faster = Math.min(plain, await way(other.get))
  other.end()
  return faster
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
 * Stores entries in the engine's own batches, for what is not measured.
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
