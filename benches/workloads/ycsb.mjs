// YCSB's core workloads A and B: records of a thousand characters, asked for with zipfian frequencies.
import { availableParallelism } from 'node:os'
import { random, zipfian } from '../kit/data.mjs'
import { keys16, textValue } from '../kit/texts.mjs'
import { inThreads } from '../kit/threads.mjs'
import { expect, load, timed } from '../kit/timing.mjs'
import { loadEngine } from '../engines/index.mjs'

/** @typedef {{ engine: string, place: string, share: unknown, entries: number, operations: number, seed: number, me: number, reads: number }} Part */

/** @type {import('../engines/index.mjs').Kind} */
const kind = { key: 'text', value: 'text' }
const LENGTH = 1000
/** One, two, four, … and as many as there are cores. @type {Record<string, number>} */
export const threadCounts = { 'one thread': 1, 'two threads': 2 }
for (let threads = 4; threads < 2 * availableParallelism(); threads *= 2) {
  const most = Math.min(threads, availableParallelism())
  threadCounts[`${most} threads`] = most
}

/** @type {Record<string, import('../kit/threads.mjs').ThreadTask>} */
export const threadTasks = {
  /** @param {Part} part */
  async operate({ engine, place, share, entries, operations, seed, me, reads }, ready) {
    const store = await (await loadEngine(engine)).open(place, kind, { threads: true, share })
    const texts = keys16(entries)
    const draw = zipfian(entries, seed + me)
    const below = random(seed + me + 1000)
    const keys = texts.fresh(Uint32Array.from({ length: operations }, draw))
    const read = Uint8Array.from({ length: operations }, () => (below(100) < reads ? 1 : 0))
    const values = Array.from({ length: 1000 }, (_, n) => textValue(seed + n, LENGTH))
    ready()
    let wrong = 0
    const time = await timed(
      operations,
      (i) => {
        if (read[i] === 0) return store.set(keys[i], values[i % values.length])
        if (store.get(keys[i])?.length !== LENGTH) wrong++
      },
      store.inFlight,
    )
    expect('records not found', wrong, 0)
    await store.close()
    return time * operations
  },
}

/** @param {string} letter @param {number} reads in a hundred operations @param {Record<string, import('./index.mjs').Wanted[]>} wanted @returns {import('./index.mjs').Workload} */
function ycsb(letter, reads, wanted) {
  return {
    name: `ycsb-${letter.toLowerCase()}`,
    title: `YCSB ${letter}: ${reads} % reads, ${100 - reads} % updates of records of 1,000 characters, zipfian`,
    unit: 'ns of the clock per operation of any thread',
    share: 0.5,
    calls: 0.3,
    rows: Object.keys(threadCounts),
    wanted,
    notes: [
      'Zipfian constant 0.99, popular records spread over all of them, the same ones in both threads. Each thread does as many operations as there are records, without `--full` 0.3 of it. All threads do as much before the first row, uncounted.',
    ],
    takes: (engine) => engine.threads,
    async run(engine, { entries, operations, seed, place }) {
      const owner = await engine.open(place, kind, { threads: true })
      const texts = keys16(entries)
      await load(owner, entries, (n) => [texts.at(n), textValue(n, LENGTH)])
      /** @param {number} threads @param {number} first the seed of the first thread */
      const operate = async (threads, first) => {
        const { share } = owner
        const inputs = Array.from({ length: threads }, (_, me) => {
          const common = { place, share, entries, operations, reads }
          return { ...common, engine: engine.name, seed: first, me }
        })
        const times = await inThreads(new URL(import.meta.url), 'operate', inputs)
        return Math.max(...times) / (operations * threads)
      }
      // Not counted: whoever came first would pay for what loading has left to be done.
      const most = Math.max(...Object.values(threadCounts))
      await operate(most, seed + 2 * most)
      /** @type {import('./index.mjs').Rows} */
      const rows = {}
      for (const [name, threads] of Object.entries(threadCounts))
        rows[name] = await operate(threads, seed + threads)
      await owner.close()
      return rows
    },
  }
}

export const ycsbA = ycsb('A', 50, {
  'two threads': [
    { against: 'our own', row: 'one thread', atLeast: 1.6 },
    { against: 'the best peer', atLeast: 4 },
  ],
})
export const ycsbB = ycsb('B', 95, {
  'two threads': [
    { against: 'our own', row: 'one thread', atLeast: 1.8 },
    { against: 'lmdb', atLeast: 2.5 },
  ],
})
