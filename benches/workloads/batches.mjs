// Batches of a thousand: getMany and setMany, and the best that each peer has for it.
import { inOrder, mixedNumbers, shuffled } from '../kit/data.mjs'
import { keys16, textValue } from '../kit/texts.mjs'
import { expect, timed, TRIAL } from '../kit/timing.mjs'

/** @typedef {import('../engines/index.mjs').Store} Store */

const BATCH = 1000
const notes = ['Time of a batch by its 1,000 keys, which are new strings in random order.']
const rows = ['getMany', 'setMany, new keys']

/** @param {number} get @returns {Record<string, import('./index.mjs').Wanted[]>} */
const wanted = (get) => ({
  getMany: [{ against: 'lmdb', atMost: get }],
  'setMany, new keys': [{ against: 'the best peer', atMost: 0.12 }],
})

/** @param {number} entries */
const batchesOf = (entries) => Math.ceil(entries / BATCH)

/**
 * @param {Store} store
 * @param {Uint32Array} order
 * @param {(order: Uint32Array) => any} keysOf makes them anew each time
 * @param {(value: any, i: number) => boolean} right looks at what came for `order[i]`
 */
async function timedGetManys({ getMany, otherGetMany }, order, keysOf, right) {
  /** @param {NonNullable<Store['getMany']>} getMany @param {Uint32Array} part */
  const way = async (getMany, part) => {
    const keys = keysOf(part)
    /** @type {ArrayLike<any>[]} */
    const answers = []
    const batches = Array.from({ length: batchesOf(part.length) }, (_, n) =>
      keys.slice(n * BATCH, n * BATCH + BATCH),
    )
    const took = await timed(
      batches.length,
      (n) => {
        const values = getMany(batches[n])
        if (values instanceof Promise) return values.then((values) => answers.push(values))
        answers.push(values)
      },
      // One batch at a time, as a caller who waits for it would have it.
      1,
    )
    const values = answers.flatMap((answer) => Array.from(answer))
    expect('right values', values.filter(right).length, part.length)
    return (took * batches.length) / part.length
  }
  if (getMany === undefined) return Infinity
  if (otherGetMany === undefined) return way(getMany, order)
  const trial = order.subarray(0, Math.ceil(order.length * TRIAL))
  const plain = await way(getMany, trial)
  return way((await way(otherGetMany, trial)) < plain ? otherGetMany : getMany, order)
}

/** @param {Store} store @param {[any, any][]} entries */
async function timedSetMany({ setMany }, entries) {
  if (setMany === undefined) return Infinity
  const batches = Array.from({ length: batchesOf(entries.length) }, (_, n) =>
    entries.slice(n * BATCH, n * BATCH + BATCH),
  )
  const took = await timed(batches.length, (n) => setMany(/** @type {any} */ (batches[n])), 1)
  return (took * batches.length) / entries.length
}

/** An engine without the verb has no figure. @param {number} getMany @param {number} setMany */
const measured = (getMany, setMany) =>
  Object.fromEntries(
    [getMany, setMany].flatMap((time, n) => (time < Infinity ? [[rows[n], time]] : [])),
  )

/** @type {import('./index.mjs').Workload} */
export const batchText = {
  name: 'batch-text',
  title: 'Batches of 1,000 keys of 16 characters → 100 characters',
  unit: 'ns per key',
  share: 1,
  rows,
  wanted: wanted(0.25),
  notes,
  takes: (engine) => engine.queued !== true,
  async run(engine, { entries, operations, seed, place }) {
    const store = await engine.open(place, { key: 'text', value: 'text' })
    const texts = keys16(entries)
    /** @type {[string, string][]} */
    const pairs = Array.from(shuffled(entries, seed), (n) => [texts.at(n), textValue(n, 100)])
    const set = await timedSetMany(store, pairs)
    const get = await timedGetManys(
      store,
      shuffled(entries, seed + 1).subarray(0, operations),
      (order) => texts.fresh(order),
      (value) => value?.length === 100,
    )
    await store.close()
    return measured(get, set)
  },
}

/** @type {import('./index.mjs').Workload} */
export const batchU64 = {
  name: 'batch-u64',
  title: 'Batches of 1,000 u64 → u64, keys to get as a BigUint64Array',
  unit: 'ns per key',
  share: 1,
  rows,
  wanted: wanted(0.05),
  notes: ['Time of a batch by its 1,000 keys, in random order.'],
  takes: (engine) => engine.queued !== true,
  async run(engine, { entries, operations, seed, place }) {
    const store = await engine.open(place, { key: 'u64', value: 'u64' })
    const numbers = mixedNumbers(0, entries)
    /** @type {[bigint, bigint][]} */
    const pairs = inOrder(numbers, shuffled(entries, seed)).map((n) => [n, n])
    const set = await timedSetMany(store, pairs)
    const order = shuffled(entries, seed + 1).subarray(0, operations)
    const get = await timedGetManys(
      store,
      order,
      (order) => BigUint64Array.from(inOrder(numbers, order)),
      (value, i) => value === numbers[order[i] ?? 0],
    )
    await store.close()
    return measured(get, set)
  },
}
