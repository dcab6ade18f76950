// The shapes that the project's forerunner was measured with.
import { availableParallelism } from 'node:os'
import { inOrder, mixedNumbers, shuffled } from '../kit/data.mjs'
import { bytesValue, keys36, lengths, textValue, variedKeys } from '../kit/texts.mjs'
import { inThreads } from '../kit/threads.mjs'
import { expect, load, timed, timedGets } from '../kit/timing.mjs'
import { loadEngine } from '../engines/index.mjs'

const LONGEST = 250
const rows = ['insert all', 'get all']

/** @type {import('./index.mjs').Workload} */
export const seedText = {
  name: 'seed-text',
  title: 'Keys of 1 to 25 characters → values of 1 to 250 characters',
  unit: 'ns per operation',
  share: 1,
  rows,
  wanted: {
    'insert all': [{ against: 'the best peer', atMost: 0.25 }],
    'get all': [{ against: 'the best peer', atMost: 0.4 }],
  },
  notes: ['Random letters; the shortest keys come more than once, as in the seed.'],
  async run(engine, { entries, operations, seed, place }) {
    const store = await engine.open(place, { key: 'text', value: 'text' })
    const texts = variedKeys(entries, 1, 25, 41)
    const length = lengths(entries, LONGEST, 43)
    const loading = shuffled(entries, seed)
    const loaded = entries - operations
    await load(store, loaded, (i) => [texts.at(loading[i] ?? 0), textValue(i, length[i] ?? 1)])
    const keys = texts.fresh(loading.subarray(loaded))
    const values = Array.from(keys, (_, i) => textValue(i, length[loaded + i] ?? 1))
    const set = await timed(operations, (i) => store.set(keys[i], values[i]), store.inFlight)
    const kept = new Map(Array.from(loading, (n, i) => [texts.at(n), length[i]]))
    const order = shuffled(entries, seed + 1).subarray(0, operations)
    const wanted = Array.from(order, (n) => kept.get(texts.at(n)))
    const get = await timedGets(
      store,
      order,
      (order) => texts.fresh(order),
      (value, i) => value?.length === wanted[i],
    )
    expect('entries', await store.scan(), kept.size)
    await store.close()
    return { 'insert all': set, 'get all': get }
  },
}

/** @type {import('./index.mjs').Workload} */
export const seedU64 = {
  name: 'seed-u64',
  title: 'u64 → values of 1 to 250 bytes',
  unit: 'ns per operation',
  share: 1,
  rows,
  full: true,
  notes: ['Keys are bigints, values Buffers.'],
  async run(engine, { entries, operations, seed, place }) {
    const store = await engine.open(place, { key: 'u64', value: 'bytes' })
    const numbers = mixedNumbers(0, entries)
    const length = lengths(entries, LONGEST, 43)
    const loading = shuffled(entries, seed)
    const loaded = entries - operations
    /** @param {number} n */
    const valueOf = (n) => bytesValue(n, length[n] ?? 1)
    await load(store, loaded, (i) => [numbers[loading[i] ?? 0], valueOf(loading[i] ?? 0)])
    const part = loading.subarray(loaded)
    const keys = inOrder(numbers, part)
    const values = Array.from(part, valueOf)
    const set = await timed(operations, (i) => store.set(keys[i], values[i]), store.inFlight)
    const order = shuffled(entries, seed + 1).subarray(0, operations)
    const get = await timedGets(
      store,
      order,
      (order) => inOrder(numbers, order),
      (/** @type {Buffer | undefined} */ value, i) => value?.length === length[order[i] ?? 0],
    )
    await store.close()
    return { 'insert all': set, 'get all': get }
  },
}

/** @typedef {{ engine: string, place: string, share: unknown, entries: number, seed: number, me: number, threads: number }} Part */

/** @type {import('../engines/index.mjs').Kind} */
const kind = { key: 'text', value: 'text' }

/** This thread's part of the entries. @param {Part} part */
function mine({ entries, me, threads }) {
  const from = Math.floor((entries * me) / threads)
  return { from, length: Math.floor((entries * (me + 1)) / threads) - from }
}

/** @param {Part} part */
async function openPart({ engine, place, share }) {
  return (await loadEngine(engine)).open(place, kind, { threads: true, share })
}

/** @type {Record<string, import('../kit/threads.mjs').ThreadTask>} */
export const threadTasks = {
  /** @param {Part} part */
  async insert(part, ready) {
    const store = await openPart(part)
    const { from, length } = mine(part)
    const order = shuffled(length, part.seed)
    const keys = keys36(length, from + 1).fresh(order)
    const values = Array.from(order, (n) => textValue(from + n, 100))
    ready()
    const time = await timed(length, (i) => store.set(keys[i], values[i]), store.inFlight)
    await store.close()
    return time * length
  },

  /** @param {Part} part */
  async get(part, ready) {
    const store = await openPart(part)
    const { from, length } = mine(part)
    const keys = keys36(length, from + 1).fresh(shuffled(length, part.seed + 1))
    ready()
    let found = 0
    const time = await timed(length, (i) => {
      if (store.get(keys[i])?.length === 100) found++
    })
    expect('entries of a thread', found, length)
    await store.close()
    return time * length
  },
}

/** @type {import('./index.mjs').Workload} */
export const seedLoad = {
  name: 'seed-load',
  title: `Keys of 36 characters → 100 characters, from ${availableParallelism()} worker threads, one for each core`,
  unit: 'ns of the clock per operation of any thread',
  share: 1,
  rows,
  full: true,
  whole: true,
  notes: ['Every thread has a part of the keys of its own.'],
  takes: (engine) => engine.threads,
  async run(engine, { entries, seed, place }) {
    const owner = await engine.open(place, kind, { threads: true })
    const threads = availableParallelism()
    const inputs = Array.from({ length: threads }, (_, me) => {
      const { share } = owner
      return { engine: engine.name, place, share, entries, seed, me, threads }
    })
    /** @param {string} task */
    const run = async (task) =>
      Math.max(...(await inThreads(new URL(import.meta.url), task, inputs))) / entries
    const set = await run('insert')
    const get = await run('get')
    expect('entries', await owner.scan(), entries)
    await owner.close()
    return { 'insert all': set, 'get all': get }
  },
}
