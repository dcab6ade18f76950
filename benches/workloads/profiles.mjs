// Profiles of four fields, stored as each engine stores objects best.
import { shuffled } from '../kit/data.mjs'
import { keys16, profile } from '../kit/texts.mjs'
import { timed, timedGets } from '../kit/timing.mjs'

/** @type {import('./index.mjs').Workload} */
export const profiles = {
  name: 'profiles',
  title: 'Keys of 16 characters → profiles of four fields',
  unit: 'ns per operation',
  share: 0.5,
  rows: ['get', 'set, a new key'],
  notes: ['`{ id, name, email, score }`, as JSON; lmdb: msgpack with shared structures.'],
  async run(engine, { entries, seed, place }) {
    const store = await engine.open(place, { key: 'text', value: 'object' })
    const texts = keys16(entries)
    const order = shuffled(entries, seed)
    const keys = texts.fresh(order)
    const values = Array.from(order, profile)
    const set = await timed(entries, (i) => store.set(keys[i], values[i]), store.inFlight)
    const reading = shuffled(entries, seed + 1)
    const get = await timedGets(
      store,
      () => texts.fresh(reading),
      (/** @type {ReturnType<typeof profile> | undefined} */ value, i) => value?.id === reading[i],
    )
    await store.close()
    return { get, 'set, a new key': set }
  },
}
