// How long each single `set` takes while a map grows.
import { shuffled } from '../kit/data.mjs'
import { keys16, textValue } from '../kit/texts.mjs'
import { expect, load, timedEach } from '../kit/timing.mjs'

const shares = { p50: 0.5, p99: 0.99, 'p99.9': 0.999, 'p99.99': 0.9999, slowest: 1 }

/** @type {Record<string, import('./index.mjs').Wanted[]>} */
const wanted = {
  'p99.9': [{ against: 'the best peer', atMost: 0.7 }],
  'p99.99': [{ against: 'the best peer', atMost: 0.3 }],
  slowest: [{ against: 'a bound', atMost: 5e6, where: 'and never the map’s own doing' }],
}

/**
 * @param {string} name
 * @param {string} title
 * @param {Partial<import('./index.mjs').Workload> & { unsynced?: boolean }} more
 * @returns {import('./index.mjs').Workload}
 */
const workload = (name, title, { unsynced = false, ...more }) => ({
  name,
  title,
  unit: 'ns',
  share: 1,
  rows: Object.keys(shares),
  notes: [
    'With the clock, about 50 ns. One `set` at a time, also where writes are promises. Keys are made a thousand at a time, between the calls. V8’s own collections count where they fall into a call.',
  ],
  takes: (engine) => engine.queued !== true,
  async run(engine, { entries, operations, seed, place }) {
    const store = await engine.open(place, { key: 'text', value: 'text' }, { unsynced })
    const texts = keys16(entries)
    const order = shuffled(entries, seed)
    const values = Array.from({ length: 10_000 }, (_, n) => textValue(n, 100))
    const loaded = entries - operations
    await load(store, loaded, (i) => [texts.at(order[i] ?? 0), values[i % values.length]])
    const within = await timedEach(
      operations,
      (from, to) => texts.fresh(order.subarray(loaded + from, loaded + to)),
      (key, i) => store.set(key, values[i % values.length]),
    )
    expect('entries', await store.scan(), entries)
    await store.close()
    return Object.fromEntries(Object.entries(shares).map(([row, share]) => [row, within(share)]))
  },
  ...more,
})

const grows = 'Each `set` of a new key (16 → 100 characters) while the map grows'

export const latency = workload('latency', grows, { wanted })

/** The peers sync nothing by a timer; this library does so unless told not to. */
export const latencyUnsynced = workload(
  'latency-unsynced',
  `${grows}, with \`flushInterval: false\``,
  { unsynced: true, full: true },
)

export const latencyLarge = workload('latency-10m', grows, {
  wanted,
  share: 10,
  rounds: 1,
  full: true,
})
