// YCSB's core workloads A and B: records of a thousand characters, asked for with zipfian frequencies.
import { random, zipfian } from '../kit/data.mjs'
import { keys16, textValue } from '../kit/texts.mjs'
import { inThreads } from '../kit/threads.mjs'
import { expect, load, timed } from '../kit/timing.mjs'
import { loadEngine } from '../engines/index.mjs'

/** @typedef {{ engine: string, place: string, share: unknown, entries: number, seed: number, me: number, reads: number }} Part */

/** @type {import('../engines/index.mjs').Kind} */
const kind = { key: 'text', value: 'text' }
const LENGTH = 1000
const threadCounts = { 'one thread': 1, 'two threads': 2 }

/** @type {Record<string, import('../kit/threads.mjs').ThreadTask>} */
export const threadTasks = {
  /** As many operations as there are records. @param {Part} part */
  async operate({ engine, place, share, entries, seed, me, reads }, ready) {
    const store = await (await loadEngine(engine)).open(place, kind, { threads: true, share })
    const texts = keys16(entries)
    const draw = zipfian(entries, seed + me)
    const below = random(seed + me + 1000)
    const keys = texts.fresh(Uint32Array.from({ length: entries }, draw))
    const read = Uint8Array.from({ length: entries }, () => (below(100) < reads ? 1 : 0))
    const values = Array.from({ length: 1000 }, (_, n) => textValue(seed + n, LENGTH))
    ready()
    let wrong = 0
    const time = await timed(
      entries,
      (i) => {
        if (read[i] === 0) return store.set(keys[i], values[i % values.length])
        if (store.get(keys[i])?.length !== LENGTH) wrong++
      },
      store.inFlight,
    )
    expect('records not found', wrong, 0)
    await store.close()
    return time * entries
  },
}

/** @param {string} letter @param {number} reads in a hundred operations @returns {import('./index.mjs').Workload} */
function ycsb(letter, reads) {
  return {
    name: `ycsb-${letter.toLowerCase()}`,
    title: `YCSB ${letter}: ${reads} % reads, ${100 - reads} % updates of records of 1,000 characters, zipfian`,
    unit: 'ns of the clock per operation of any thread',
    share: 0.5,
    rows: Object.keys(threadCounts),
    notes: [
      'Zipfian constant 0.99, popular records spread over all of them, the same ones in both threads. Each thread does as many operations as there are records.',
    ],
    takes: (engine) => engine.threads,
    async run(engine, { entries, seed, place }) {
      const owner = await engine.open(place, kind, { threads: true })
      const texts = keys16(entries)
      await load(owner, entries, (n) => [texts.at(n), textValue(n, LENGTH)])
      /** @type {import('./index.mjs').Rows} */
      const rows = {}
      for (const [name, threads] of Object.entries(threadCounts)) {
        const { share } = owner
        const inputs = Array.from({ length: threads }, (_, me) => {
          return { engine: engine.name, place, share, entries, seed: seed + threads, me, reads }
        })
        const times = await inThreads(new URL(import.meta.url), 'operate', inputs)
        rows[name] = Math.max(...times) / (entries * threads)
      }
      await owner.close()
      return rows
    },
  }
}

export const ycsbA = ycsb('A', 50)
export const ycsbB = ycsb('B', 95)
