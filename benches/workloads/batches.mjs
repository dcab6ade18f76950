// Batches of a thousand: getMany and setMany, and the best that each peer has for it.
import { inOrder, mixedNumbers, shuffled } from '../kit/data.mjs'
import { keys16, textValue } from '../kit/texts.mjs'
import { expect, timed } from '../kit/timing.mjs'

/** @typedef {import('../engines/index.mjs').Store} Store */

const BATCH = 1000
const notes = ['Time of a batch by its 1,000 keys, which are new strings in random order.']
/** @type {Record<string, import('./index.mjs').Wanted>} */
const wanted = {
  getMany: { against: 'the best peer', atMost: 0.5 },
  'setMany, new keys': { against: 'the best peer', atMost: 0.3 },
}
const rows = Object.keys(wanted)

/** @param {number} entries */
const batchesOf = (entries) => Math.ceil(entries / BATCH)

/**
 * @param {Store} store
 * @param {number} entries
 * @param {() => any} freshKeys
 * @param {(value: any, i: number) => boolean} right
 */
async function timedGetManys(store, entries, freshKeys, right) {
  let fastest = Infinity
  for (const getMany of [store.getMany, store.otherGetMany]) {
    if (getMany === undefined) continue
    const keys = freshKeys()
    /** @type {any[][]} */
    const answers = []
    const batches = Array.from({ length: batchesOf(entries) }, (_, n) =>
      keys.slice(n * BATCH, n * BATCH + BATCH),
    )
    const took = await timed(
      batches.length,
      (n) => {
        const values = getMany(batches[n])
        if (Array.isArray(values)) answers.push(values)
        else return values.then((values) => answers.push(values))
      },
      // One batch at a time, as a caller who waits for it would have it.
      1,
    )
    expect('right values', answers.flat().filter(right).length, entries)
    fastest = Math.min(fastest, (took * batches.length) / entries)
  }
  return fastest
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
  wanted,
  notes,
  takes: (engine) => engine.queued !== true,
  async run(engine, { entries, seed, place }) {
    const store = await engine.open(place, { key: 'text', value: 'text' })
    const texts = keys16(entries)
    /** @type {[string, string][]} */
    const pairs = Array.from(shuffled(entries, seed), (n) => [texts.at(n), textValue(n, 100)])
    const set = await timedSetMany(store, pairs)
    const order = shuffled(entries, seed + 1)
    const get = await timedGetManys(
      store,
      entries,
      () => texts.fresh(order),
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
  wanted,
  notes: ['Time of a batch by its 1,000 keys, in random order.'],
  takes: (engine) => engine.queued !== true,
  async run(engine, { entries, seed, place }) {
    const store = await engine.open(place, { key: 'u64', value: 'u64' })
    const numbers = mixedNumbers(0, entries)
    /** @type {[bigint, bigint][]} */
    const pairs = inOrder(numbers, shuffled(entries, seed)).map((n) => [n, n])
    const set = await timedSetMany(store, pairs)
    const keys = BigUint64Array.from(inOrder(numbers, shuffled(entries, seed + 1)))
    const get = await timedGetManys(
      store,
      entries,
      () => keys,
      (value, i) => value === keys[i],
    )
    await store.close()
    return measured(get, set)
  },
}
