// 64-bit numbers as bigints, keys and values.
import { inOrder, mixedNumbers, shuffled } from '../kit/data.mjs'
import { load, timed, timedGets } from '../kit/timing.mjs'

/** @type {import('./index.mjs').Workload} */
export const u64 = {
  name: 'u64',
  title: 'u64 → u64, as bigints',
  unit: 'ns per operation',
  share: 1,
  rows: ['get', 'set, a new key'],
  wanted: {
    get: [
      { against: 'lmdb', atMost: 0.3 },
      { against: 'Map', atMost: 0.6 },
      { against: 'lmdb', atMost: 0.2, where: 'where one dependent miss is enough' },
    ],
  },
  notes: ['Keys spread over all of 64 bits, in random order.'],
  async run(engine, { entries, operations, seed, place }) {
    const store = await engine.open(place, { key: 'u64', value: 'u64' })
    const numbers = mixedNumbers(0, entries)
    const all = inOrder(numbers, shuffled(entries, seed))
    const loaded = entries - operations
    await load(store, loaded, (i) => [all[i], all[i]])
    const keys = all.slice(loaded)
    const set = await timed(operations, (i) => store.set(keys[i], keys[i]), store.inFlight)
    const order = shuffled(entries, seed + 1).subarray(0, operations)
    const get = await timedGets(
      store,
      order,
      (order) => inOrder(numbers, order),
      (value, i) => value === numbers[order[i] ?? 0],
    )
    await store.close()
    return { get, 'set, a new key': set }
  },
}
