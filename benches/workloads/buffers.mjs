// Buffers of 1 KiB and of 64 KiB under keys of 16 characters.
import { shuffled } from '../kit/data.mjs'
import { bytesValue, keys16 } from '../kit/texts.mjs'
import { timed, timedGets } from '../kit/timing.mjs'

/** @param {number} kib @param {number} share @returns {import('./index.mjs').Workload} */
function buffers(kib, share) {
  const length = kib * 1024
  return {
    name: `buffers-${kib}k`,
    title: `Keys of 16 characters → Buffers of ${kib} KiB`,
    unit: 'ns per operation',
    share,
    rows: ['get', 'set, a new key'],
    notes: ['What `get` gives is a Buffer of the caller’s own, in every engine but Map.'],
    async run(engine, { entries, seed, place }) {
      const store = await engine.open(place, { key: 'text', value: 'bytes' })
      const texts = keys16(entries)
      const order = shuffled(entries, seed)
      const keys = texts.fresh(order)
      const values = Array.from(order, (n) => bytesValue(n, length))
      const set = await timed(entries, (i) => store.set(keys[i], values[i]), store.inFlight)
      const reading = shuffled(entries, seed + 1)
      const get = await timedGets(
        store,
        () => texts.fresh(reading),
        (/** @type {Buffer | undefined} */ value, i) =>
          value?.length === length && value[0] === bytesValue(reading[i] ?? 0, length)[0],
      )
      await store.close()
      return { get, 'set, a new key': set }
    },
  }
}

export const buffers1 = buffers(1, 0.2)
export const buffers64 = buffers(64, 0.01)
