// Keys of 16 characters with values of 100: every verb, one at a time.
import { inOrder, shuffled } from '../kit/data.mjs'
import { keys16, textValue } from '../kit/texts.mjs'
import { expect, timed, timedGets, timedScan } from '../kit/timing.mjs'

/** @type {import('./index.mjs').Workload} */
export const text = {
  name: 'text',
  title: 'Keys of 16 characters → values of 100 characters',
  unit: 'ns per operation',
  share: 1,
  rows: ['get', 'get, a miss', 'set, a new key', 'set, an update', 'delete', 'iterate'],
  wanted: {
    get: { against: 'lmdb', atMost: 0.6 },
    'set, a new key': { against: 'lmdb', atMost: 0.3 },
    delete: { against: 'lmdb', atMost: 0.3 },
  },
  notes: ['In random order; every key string is new to the engine.'],
  async run(engine, { entries, seed, place }) {
    const store = await engine.open(place, { key: 'text', value: 'text' })
    const { inFlight } = store
    const texts = keys16(entries)
    /** @param {number} step */
    const fresh = (step) => texts.fresh(shuffled(entries, seed + step))
    const values = Array.from({ length: entries }, (_, n) => textValue(n, 100))

    let keys = fresh(0)
    const set = await timed(entries, (i) => store.set(keys[i], values[i]), inFlight)
    const get = await timedGets(
      store,
      () => fresh(1),
      (value) => value?.length === 100,
    )
    const absent = keys16(entries, entries)
    const miss = await timedGets(
      store,
      () => absent.fresh(shuffled(entries, seed + 2)),
      (value) => value === undefined,
    )
    keys = fresh(3)
    const others = inOrder(values, shuffled(entries, seed + 4))
    const update = await timed(entries, (i) => store.set(keys[i], others[i]), inFlight)
    const last = entries - 1
    expect('updates kept', store.get(keys[last]) === others[last] ? 1 : 0, 1)
    const iterate = await timedScan(store, entries)
    keys = fresh(5)
    const remove = await timed(entries, (i) => store.delete(keys[i]), inFlight)
    expect('entries left', await store.scan(), 0)
    await store.close()
    return {
      get,
      'get, a miss': miss,
      'set, a new key': set,
      'set, an update': update,
      delete: remove,
      iterate,
    }
  },
}
