// Single `get` and `set` calls of stores of several sizes: what the plot of latency against size shows.
import { random, shuffled } from '../kit/data.mjs'
import { keys16, textValue } from '../kit/texts.mjs'
import { expect, load, timedEach } from '../kit/timing.mjs'

const shares = { p50: 0.5, p99: 0.99, 'p99.9': 0.999 }
/** Calls of each kind at each size, at most. */
const CALLS = 100_000

/** A thousandth of all, a hundredth, … @param {number} entries */
const sizesOf = (entries) =>
  [1000, 100, 10, 1].map((part) => Math.max(1, Math.round(entries / part)))

/** @param {string} verb @param {string} share @param {number} size */
const row = (verb, share, size) => `${verb} ${share}, ${size.toLocaleString('en-US')} entries`

/** What a row of this table is a point of. @param {string} row */
export function pointOf(row) {
  const [, verb, share, size] = /^(get|set) (p[\d.]+), ([\d,]+) entries$/.exec(row) ?? []
  if (verb === undefined || share === undefined || size === undefined) return undefined
  return { curve: `${verb}, ${share}`, size: Number(size.replaceAll(',', '')) }
}

/** @type {import('./index.mjs').Workload} */
export const sizes = {
  name: 'sizes',
  title: 'One `get`, and one `set` of a new key, in stores of several sizes (16 → 100 characters)',
  unit: 'ns',
  share: 1,
  rounds: 1,
  rows: (entries) =>
    sizesOf(entries).flatMap((size) =>
      ['get', 'set'].flatMap((verb) => Object.keys(shares).map((share) => row(verb, share, size))),
    ),
  notes: [
    'With the clock, about 50 ns. One `set` at a time, also where writes are promises: the last ones before the size is reached, at most half of it.',
  ],
  takes: (engine) => engine.queued !== true,
  async run(engine, { entries, operations, seed, place }) {
    const store = await engine.open(place, { key: 'text', value: 'text' })
    const texts = keys16(entries)
    const order = shuffled(entries, seed)
    const values = Array.from({ length: 10_000 }, (_, n) => textValue(n, 100))
    const below = random(seed)
    /** @type {import('./index.mjs').Rows} */
    const rows = {}
    let stored = 0
    for (const size of sizesOf(entries)) {
      const calls = Math.min(CALLS, operations, Math.ceil((size - stored) / 2))
      const from = size - calls
      const begun = stored
      await load(store, from - stored, (i) => [
        texts.at(order[begun + i] ?? 0),
        values[i % values.length],
      ])
      const set = await timedEach(
        calls,
        (first, end) => texts.fresh(order.subarray(from + first, from + end)),
        (key, i) => store.set(key, values[i % values.length]),
      )
      stored = size
      let found = 0
      const reads = Math.min(CALLS, operations)
      const get = await timedEach(
        reads,
        (first, end) =>
          texts.fresh(Uint32Array.from({ length: end - first }, () => order[below(size)] ?? 0)),
        (key) => {
          if (store.get(key)?.length === 100) found++
        },
      )
      expect('right values', found, reads)
      for (const [share, part] of Object.entries(shares)) {
        rows[row('get', share, size)] = get(part)
        rows[row('set', share, size)] = set(part)
      }
    }
    await store.close()
    return rows
  },
}
