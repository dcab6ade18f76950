// Profiles of four fields, stored as each engine stores objects best.
import { shuffled } from '../kit/data.mjs'
import { keys16, profile } from '../kit/texts.mjs'
import { load, timed, timedGets } from '../kit/timing.mjs'

/** @type {import('./index.mjs').Workload} */
export const profiles = {
  name: 'profiles',
  title: 'Keys of 16 characters → profiles of four fields',
  unit: 'ns per operation',
  share: 0.5,
  rows: ['get', 'set, a new key'],
  wanted: { get: [{ against: 'lmdb', atMost: 0.9 }] },
  notes: ['`{ id, name, email, score }`, as JSON; lmdb: msgpack with shared structures.'],
  async run(engine, { entries, operations, seed, place }) {
    const store = await engine.open(place, { key: 'text', value: 'object' })
    const texts = keys16(entries)
    const all = shuffled(entries, seed)
    const loaded = entries - operations
    await load(store, loaded, (i) => [texts.at(all[i] ?? 0), profile(all[i] ?? 0)])
    const order = all.subarray(loaded)
    const keys = texts.fresh(order)
    const values = Array.from(order, profile)
    const set = await timed(operations, (i) => store.set(keys[i], values[i]), store.inFlight)
    const reading = shuffled(entries, seed + 1).subarray(0, operations)
    const get = await timedGets(
      store,
      reading,
      (order) => texts.fresh(order),
      (/** @type {ReturnType<typeof profile> | undefined} */ value, i) => value?.id === reading[i],
    )
    await store.close()
    return { get, 'set, a new key': set }
  },
}
