// The first and the last byte of Buffers, read where they lie.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { shuffled } from '../kit/data.mjs'
import { bytesValue, keys16 } from '../kit/texts.mjs'
import { expect, load, timed } from '../kit/timing.mjs'

/** How many values there are: those of 64 KiB fit into the processor's cache, or do not. */
const STORED = [100, 2000]
const KIB = [1, 64]
const row = (/** @type {number} */ kib, /** @type {number} */ stored) =>
  `${kib} KiB, one of ${stored.toLocaleString('en-US')}`

/** @type {import('./index.mjs').Workload} */
export const views = {
  name: 'views',
  title: 'The first and the last byte of a Buffer',
  unit: 'ns per value',
  share: 0.5,
  rounds: 3,
  rows: STORED.flatMap((stored) => KIB.map((kib) => row(kib, stored))),
  wanted: Object.fromEntries(
    STORED.map((stored) => [row(64, stored), [{ against: 'lmdb', atMost: 0.1 }]]),
  ),
  notes: [
    '`view` of this library, `getBinaryFast` of lmdb, which copies into memory of its own. Every key as a string that was never hashed.',
  ],
  takes: (engine) => engine.peeks === true,
  async run(engine, { entries, seed, place }) {
    /** @type {import('./index.mjs').Rows} */
    const rows = {}
    for (const stored of STORED) {
      for (const kib of KIB) {
        const length = kib * 1024
        const folder = join(place, `${stored}-${kib}`)
        mkdirSync(folder)
        const store = await engine.open(folder, { key: 'text', value: 'bytes' })
        const texts = keys16(stored)
        await load(store, stored, (n) => [texts.at(n), bytesValue(n, length)])
        const order = shuffled(entries, seed).map((n) => n % stored)
        const keys = texts.fresh(order)
        const firsts = Array.from({ length: stored }, (_, n) => bytesValue(n, length)[0])
        const lasts = Array.from({ length: stored }, (_, n) => bytesValue(n, length)[length - 1])
        const peek = /** @type {(key: string) => Uint8Array} */ (store.peek)
        let right = 0
        rows[row(kib, stored)] = await timed(entries, (i) => {
          const bytes = peek(keys[i] ?? '')
          const n = order[i] ?? 0
          if (bytes[0] === firsts[n] && bytes[length - 1] === lasts[n]) right++
        })
        expect('right values', right, entries)
        await store.close()
      }
    }
    return rows
  },
}
