// How long it takes from asking for a store that was closed until its first value is there.
import { join } from 'node:path'
import { mkdirSync } from 'node:fs'
import { inProcess } from '../kit/child.mjs'
import { median } from '../kit/report.mjs'
import { keys16, textValue } from '../kit/texts.mjs'
import { expect, load } from '../kit/timing.mjs'

/** @type {import('../engines/index.mjs').Kind} */
const kind = { key: 'text', value: 'text' }
const SMALL = 1000
const OPENS = 5
const suite = new URL('../suite.mjs', import.meta.url)

/** What the processes do that `open` starts, by name. */
export const openSteps = {
  /** @param {import('../engines/index.mjs').Engine} engine @param {{ place: string, entries: number }} input */
  async fill(engine, { place, entries }) {
    const store = await engine.open(place, kind)
    const texts = keys16(entries)
    await load(store, entries, (n) => [texts.at(n), textValue(n, 100)])
    await store.close()
  },

  /** @param {import('../engines/index.mjs').Engine} engine @param {{ place: string, entries: number }} input */
  async first(engine, { place, entries }) {
    const key = keys16(1, entries - 1).at(0)
    const wanted = textValue(entries - 1, 100)
    const began = performance.now()
    const store = await engine.open(place, kind)
    const value = store.get(key)
    const took = performance.now() - began
    expect('the last entry', value === wanted ? 1 : 0, 1)
    await store.close()
    return took * 1e6
  },
}

const FEW = `${SMALL.toLocaleString('en-US')} entries`

/** @param {string} name @param {Partial<import('./index.mjs').Workload>} [more] @returns {import('./index.mjs').Workload} */
const workload = (name, more) => ({
  name,
  title: 'Opening a store that was closed, until the first `get` has returned',
  unit: `time of the first open in a new process, its modules loaded, median of ${OPENS}`,
  share: 1,
  // One store of each size is enough; what differs from open to open is in the median.
  rounds: 1,
  whole: true,
  rows: [FEW, 'all entries'],
  wanted: { 'all entries': [{ against: 'our own', row: FEW, atMost: 1.5 }] },
  notes: ['16 → 100 characters. The files are in the page cache.'],
  takes: (engine) => engine.persists && engine.queued !== true,
  async run(engine, { entries, place }) {
    /** @type {import('./index.mjs').Rows} */
    const rows = {}
    for (const [row, count] of /** @type {const} */ ([
      [FEW, SMALL],
      ['all entries', entries],
    ])) {
      const input = { engine: engine.name, place: join(place, row), entries: count }
      mkdirSync(input.place)
      await inProcess(suite, 'openStep', { ...input, step: 'fill' })
      /** @type {number[]} */
      const times = []
      for (let n = 0; n < OPENS; n++)
        times.push(await inProcess(suite, 'openStep', { ...input, step: 'first' }))
      rows[row] = median(times)
    }
    return rows
  },
  ...more,
})

export const open = workload('open')
export const openLarge = workload('open-10m', { share: 10, full: true })
