// How long each single `set` takes while a map grows to two million entries.
import { collect } from '../kit/child.mjs'
import { shuffled } from '../kit/data.mjs'
import { keys16, textValue } from '../kit/texts.mjs'
import { expect } from '../kit/timing.mjs'

const shares = { p50: 0.5, p99: 0.99, 'p99.9': 0.999, 'p99.99': 0.9999 }

/**
 * @param {string} name
 * @param {string} title
 * @param {boolean} unsynced
 * @returns {import('./index.mjs').Workload}
 */
const workload = (name, title, unsynced) => ({
  name,
  title,
  unit: 'ns',
  share: 2,
  rows: [...Object.keys(shares), 'slowest'],
  wanted: { 'p99.99': { against: 'lmdb', atMost: 0.5 } },
  notes: [
    'With the clock, about 50 ns. One `set` at a time, also where writes are promises. V8’s own collections count too.',
  ],
  takes: (engine) => engine.queued !== true,
  async run(engine, { entries, seed, place }) {
    const store = await engine.open(place, { key: 'text', value: 'text' }, { unsynced })
    const keys = keys16(entries).fresh(shuffled(entries, seed))
    const values = Array.from({ length: 10_000 }, (_, n) => textValue(n, 100))
    const times = new Float64Array(entries).fill(1)
    collect()
    for (let i = 0; i < entries; i++) {
      const key = keys[i]
      const value = values[i % values.length]
      const began = performance.now()
      if (store.inFlight === 0) store.set(key, value)
      else await store.set(key, value)
      times[i] = performance.now() - began
    }
    expect('entries', await store.scan(), entries)
    await store.close()
    times.sort()
    /** @param {number} share */
    const within = (share) => (times[Math.ceil(entries * share) - 1] ?? NaN) * 1e6
    /** @type {import('./index.mjs').Rows} */
    const rows = {}
    for (const [name, share] of Object.entries(shares)) rows[name] = within(share)
    return { ...rows, slowest: within(1) }
  },
})

const grows = 'Each `set` of a new key (16 → 100 characters) while the map grows'

export const latency = workload('latency', grows, false)

/** The peers sync nothing by a timer; this library does so unless told not to. */
export const latencyUnsynced = workload(
  'latency-unsynced',
  `${grows}, with \`flushInterval: false\``,
  true,
)
