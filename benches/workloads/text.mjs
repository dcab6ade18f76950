// Keys of 16 characters with values of 100: every verb, one at a time.
import { inOrder, shuffled } from '../kit/data.mjs'
import { keys16, textValue } from '../kit/texts.mjs'
import { expect, load, timed, timedGets, timedScan } from '../kit/timing.mjs'

/** @type {import('./index.mjs').Workload} */
export const text = {
  name: 'text',
  title: 'Keys of 16 characters → values of 100 characters',
  unit: 'ns per operation',
  share: 1,
  rows: ['get', 'get, a miss', 'set, a new key', 'set, an update', 'delete', 'iterate'],
  wanted: {
    get: [
      { against: 'lmdb', atMost: 0.4 },
      { against: 'Map', atMost: 0.6 },
    ],
    'get, a miss': [{ against: 'lmdb', atMost: 0.25 }],
    'set, a new key': [
      { against: 'lmdb putSync', atMost: 0.18 },
      { against: 'lmdb queued', atMost: 0.25 },
    ],
    'set, an update': [
      { against: 'lmdb putSync', atMost: 0.1 },
      { against: 'lmdb queued', atMost: 0.25 },
    ],
    delete: [
      { against: 'lmdb putSync', atMost: 0.12 },
      { against: 'lmdb queued', atMost: 0.3 },
    ],
    iterate: [{ against: 'lmdb', atMost: 0.8 }],
  },
  notes: ['In random order; every key string is new to the engine.'],
  async run(engine, { entries, operations, seed, place }) {
    const store = await engine.open(place, { key: 'text', value: 'text' })
    const { inFlight } = store
    const texts = keys16(entries)
    /** @param {number} step */
    const orderOf = (step) => shuffled(entries, seed + step).subarray(0, operations)
    /** @param {Uint32Array} order */
    const fresh = (order) => texts.fresh(order)
    const values = Array.from({ length: operations }, (_, n) => textValue(n, 100))

    const loading = shuffled(entries, seed)
    const loaded = entries - operations
    await load(store, loaded, (i) => [texts.at(loading[i] ?? 0), textValue(i, 100)])
    let keys = fresh(loading.subarray(loaded))
    const set = await timed(operations, (i) => store.set(keys[i], values[i]), inFlight)
    const get = await timedGets(store, orderOf(1), fresh, (value) => value?.length === 100)
    const absent = keys16(entries, entries)
    const miss = await timedGets(
      store,
      orderOf(2),
      (order) => absent.fresh(order),
      (value) => value === undefined,
    )
    keys = fresh(orderOf(3))
    const others = inOrder(values, shuffled(operations, seed + 4))
    const update = await timed(operations, (i) => store.set(keys[i], others[i]), inFlight)
    const last = operations - 1
    expect('updates kept', store.get(keys[last]) === others[last] ? 1 : 0, 1)
    const iterate = await timedScan(store, entries)
    keys = fresh(orderOf(5))
    const remove = await timed(operations, (i) => store.delete(keys[i]), inFlight)
    expect('entries left', await store.scan(), loaded)
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
