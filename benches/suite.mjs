// Workloads beside what people use today. Every engine runs in a process of its own, at most once per round, and ratios are
// taken within a round.
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { engineNames, extentOf, loadEngine, packageOf } from './engines/index.mjs'
import { peerVersion } from './engines/peer.mjs'
import { answer, inProcess } from './kit/child.mjs'
import { goalTable } from './kit/goals.mjs'
import { machine } from './kit/machine.mjs'
import { makePlace, placesIn } from './kit/place.mjs'
import { progress, table } from './kit/report.mjs'
import { cells, heading } from './kit/tables.mjs'
import { openSteps } from './workloads/open.mjs'
import { workloadOf, workloads } from './workloads/index.mjs'

/** @typedef {import('./kit/results.mjs').Results} Results */
/** @typedef {import('./kit/results.mjs').Table} Table */
/** @typedef {import('./workloads/index.mjs').Workload} Workload */

/** How many calls of a kind the engines have that are capped. */
const CAP = 50_000

const self = new URL(import.meta.url)
const root = new URL('../', import.meta.url)
const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))

const tasks = {
  /** Whether an engine works here at all. @param {{ engine: string }} input */
  async probe({ engine: name }) {
    try {
      const engine = await loadEngine(name)
      const store = await engine.open(makePlace(), { key: 'text', value: 'text' })
      await store.set('key', 'value')
      if (store.get('key') !== 'value') throw new Error('it does not give back what it got')
      await store.close()
      return { settings: engine.settings }
    } catch (error) {
      // Without the places of this machine, and without the stack of what required it.
      const [why = ''] = /** @type {Error} */ (error).message.split('\n')
      return { absent: why.replaceAll(root.pathname, '') }
    }
  },

  /** @param {{ workload: string, engine: string } & import('./workloads/index.mjs').Input} input */
  async run({ workload: name, engine, ...input }) {
    const workload = workloadOf(name)
    const loaded = await loadEngine(engine)
    if (workload.takes?.(loaded) === false) return {}
    return workload.run(loaded, input)
  },

  /** @param {{ engine: string, step: keyof typeof openSteps, place: string, entries: number }} input */
  async openStep({ engine, step, place, entries }) {
    return openSteps[step](await loadEngine(engine), { place, entries })
  },
}

/** Which engines there are, with their versions and settings. @returns {Promise<Omit<Results, 'tables'>>} */
async function probe() {
  /** @type {Omit<Results, 'tables'>} */
  const found = { machine, versions: {}, settings: {}, absent: {} }
  for (const engine of engineNames) {
    /** @type {{ settings?: string, absent?: string }} */
    const { settings, absent } = await inProcess(self, 'probe', { engine }).catch(
      (/** @type {Error} */ error) => ({ absent: error.message }),
    )
    if (settings === undefined) {
      found.absent[engine] = absent ?? ''
      progress(`${engine} is not measured: ${absent}`)
      continue
    }
    found.settings[engine] = settings
    const name = packageOf(engine)
    found.versions[engine] =
      name === undefined
        ? engine === 'Map'
          ? `V8 ${process.versions.v8}`
          : version
        : `${name} ${peerVersion(name)}`
  }
  return found
}

/** @typedef {{ entries: number, rounds: number, cap: number, full: boolean }} Size */

/** @param {Workload} workload @param {Size} size */
function extents(workload, { entries: base, rounds: most, cap, full }) {
  const entries = Math.max(1, Math.round(base * workload.share))
  const rounds = Math.min(most, workload.rounds ?? most)
  const calls = full ? entries : Math.ceil(entries * (workload.calls ?? 1))
  /** @param {string} engine */
  const of = (engine) => {
    const extent = extentOf(engine, rounds, full)
    const operations = extent.capped && !workload.whole ? Math.min(cap, calls) : calls
    return { rounds: extent.rounds, operations }
  }
  return { entries, rounds, calls, of }
}

/**
 * @param {Workload} workload
 * @param {string[]} engines
 * @param {Size} size
 * @param {ReturnType<typeof placesIn>} withPlace
 * @returns {Promise<Table>}
 */
async function measure(workload, engines, size, withPlace) {
  const { name, title, unit, notes } = workload
  const { entries, rounds, calls, of } = extents(workload, size)
  const names = typeof workload.rows === 'function' ? workload.rows(entries) : workload.rows
  /** @type {import('./kit/results.mjs').Row[]} */
  const rows = names.map((row) => {
    const wanted = workload.wanted?.[row]
    const figure = workload.figures?.[row]
    return { name: row, times: {}, ...(figure && { figure }), ...(wanted && { wanted }) }
  })
  /** @type {Table['less']} */
  const less = {}
  for (let round = 0; round < rounds; round++) {
    for (let n = 0; n < engines.length; n++) {
      // Another one begins each round, so that none always follows the same.
      const engine = engines[(n + round) % engines.length] ?? ''
      const extent = of(engine)
      if (round >= extent.rounds) continue
      progress(`${name}, round ${round + 1} of ${extent.rounds}: ${engine}`)
      const { operations } = extent
      const input = { workload: name, engine, entries, operations, seed: 1 + round * 10 }
      /** @type {Record<string, number>} */
      const result = await withPlace((place) =>
        inProcess(self, 'run', { ...input, place }).catch((/** @type {Error} */ error) => {
          progress(`${name}: ${engine} failed: ${error.message}`)
          process.exitCode = 1
          return {}
        }),
      )
      for (const { name: row, times } of rows) {
        const all = (times[engine] ??= Array.from({ length: extent.rounds }, () => null))
        all[round] = result[row] ?? null
      }
      const capped = operations < calls && { operations }
      // One that takes no part in a table at all is not marked there.
      if ((extent.rounds < rounds || capped) && Object.keys(result).length > 0)
        less[engine] = { rounds: extent.rounds, ...capped }
    }
  }
  const date = new Date().toISOString().slice(0, 10)
  return { name, title, unit, date, entries, rounds, less, rows, notes }
}

if (!(await answer(tasks))) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      entries: { type: 'string', default: '1000000' },
      cap: { type: 'string', default: String(CAP) },
      full: { type: 'boolean', default: false },
      json: { type: 'string' },
    },
  })
  const size = {
    rounds: Number(values.rounds),
    entries: Number(values.entries),
    cap: Number(values.cap),
    full: values.full,
  }
  const withPlace = placesIn(makePlace())
  const usual = workloads.filter(({ full = false }) => values.full || !full)
  const chosen = positionals.length > 0 ? positionals.map(workloadOf) : usual
  const found = await probe()
  const engines = Object.keys(found.settings)
  /** @type {Results} */
  const results = { ...found, tables: [] }
  for (const workload of chosen) {
    const began = performance.now()
    const measured = await measure(workload, engines, size, withPlace)
    progress(`${workload.name} took ${((performance.now() - began) / 60_000).toFixed(1)} minutes`)
    results.tables.push(measured)
    const { head, rows, notes } = cells(measured, engines)
    const absent = Object.entries(found.absent).map(([engine, why]) => `${engine}: absent, ${why}`)
    table(heading(measured), head, rows, [...notes, ...absent])
    // After each table, so that a run that is ended keeps what it has.
    if (values.json !== undefined)
      writeFileSync(values.json, `${JSON.stringify(results, undefined, 2)}\n`)
  }
  const { head, rows, summary } = goalTable(results.tables, engines)
  if (rows.length > 0) table('Goals', head, rows, [summary])
}
