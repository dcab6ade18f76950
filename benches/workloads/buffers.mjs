// Buffers of 1 KiB and of 64 KiB under keys of 16 characters.
import { shuffled } from '../kit/data.mjs'
import { bytesValue, keys16 } from '../kit/texts.mjs'
import { load, timed, timedGets } from '../kit/timing.mjs'

/** @param {number} kib @param {number} share @param {Record<string, import('./index.mjs').Wanted[]>} [wanted] @returns {import('./index.mjs').Workload} */
function buffers(kib, share, wanted) {
  const length = kib * 1024
  return {
    name: `buffers-${kib}k`,
    title: `Keys of 16 characters → Buffers of ${kib} KiB`,
    unit: 'ns per operation',
    share,
    rows: ['get', 'set, a new key'],
    ...(wanted && { wanted }),
    notes: ['What `get` gives is a Buffer of the caller’s own, in every engine but Map.'],
    async run(engine, { entries, operations, seed, place }) {
      const store = await engine.open(place, { key: 'text', value: 'bytes' })
      const texts = keys16(entries)
      const all = shuffled(entries, seed)
      const loaded = entries - operations
      await load(store, loaded, (i) => [texts.at(all[i] ?? 0), bytesValue(all[i] ?? 0, length)])
      const order = all.subarray(loaded)
      const keys = texts.fresh(order)
      const values = Array.from(order, (n) => bytesValue(n, length))
      const set = await timed(operations, (i) => store.set(keys[i], values[i]), store.inFlight)
      const reading = shuffled(entries, seed + 1).subarray(0, operations)
      const get = await timedGets(
        store,
        reading,
        (order) => texts.fresh(order),
        (/** @type {Buffer | undefined} */ value, i) =>
          value?.length === length && value[0] === bytesValue(reading[i] ?? 0, length)[0],
      )
      await store.close()
      return { get, 'set, a new key': set }
    },
  }
}

export const buffers1 = buffers(1, 0.2, { get: [{ against: 'lmdb', atMost: 0.35 }] })
export const buffers64 = { ...buffers(64, 0.01), full: true }
