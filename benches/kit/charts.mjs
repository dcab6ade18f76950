// The charts of docs/benchmarks.md.
import { pointOf } from '../workloads/sizes.mjs'
import { threadCounts } from '../workloads/ycsb.mjs'
import { chart } from './plot.mjs'
import { middle } from './results.mjs'

/** @typedef {import('./plot.mjs').Panel} Panel */
/** @typedef {import('./results.mjs').Table} Table */

/** @param {number} n */
const short = (n) => (n < 1e3 ? String(n) : n < 1e6 ? `${n / 1e3} k` : `${n / 1e6} M`)

/** @param {number} ns */
const time = (ns) => (ns < 1e3 ? `${ns} ns` : ns < 1e6 ? `${ns / 1e3} µs` : `${ns / 1e6} ms`)

/**
 * Each engine's points of a panel, in the order of x; of an engine without a figure none.
 * @param {Panel['curves']} curves @param {import('./results.mjs').Row} row @param {number} x @param {(figure: number) => number} y
 */
function add(curves, row, x, y) {
  for (const engine of Object.keys(row.times)) {
    const figure = middle(row, engine)
    if (!Number.isNaN(figure)) (curves[engine] ??= []).push([x, y(figure)])
  }
}

/** @param {Table} table @param {string[]} names of the engines @returns {string} */
function latencyAgainstSize({ rows }, names) {
  /** @type {Map<string, Panel>} */
  const panels = new Map()
  /** @type {Set<number>} */
  const sizes = new Set()
  for (const row of rows) {
    const point = pointOf(row.name)
    if (point === undefined) continue
    const { curve, size } = point
    sizes.add(size)
    if (!panels.has(curve)) panels.set(curve, { title: curve, curves: {} })
    add(panels.get(curve)?.curves ?? {}, row, size, (figure) => figure)
  }
  return chart(
    'Latency of one get and of one set against the size of the store',
    [...panels.values()],
    {
      columns: 3,
      names,
      x: { label: 'entries', log: true, text: short, ticks: [...sizes] },
      y: { label: 'time of a call', log: true, text: time },
    },
  )
}

/** @param {Table[]} tables @param {string[]} names of the engines @returns {string} */
function throughputAgainstThreads(tables, names) {
  /** @type {Set<number>} */
  const counts = new Set()
  const panels = tables.map(({ title, rows }) => {
    /** @type {Panel['curves']} */
    const curves = {}
    for (const row of rows) {
      const threads = threadsOf(row.name)
      if (Number.isNaN(threads)) continue
      counts.add(threads)
      // A figure is the clock's time for each operation of any thread.
      add(curves, row, threads, (figure) => 1e3 / figure)
    }
    return { title: title.replace(/ of records.*/, ''), curves }
  })
  return chart('Throughput against the number of worker threads', panels, {
    columns: 2,
    names,
    x: { label: 'worker threads', text: String, ticks: [...counts] },
    y: { label: 'million operations a second', text: (n) => String(Number(n.toFixed(2))) },
  })
}

/** @param {string} row */
const threadsOf = (row) => threadCounts[row] ?? Number.parseInt(row, 10)

/**
 * The files of the charts for which there are tables.
 * @param {Table[]} tables
 * @param {string[]} names of the engines
 * @returns {{ file: string, what: string, svg: string }[]}
 */
export function charts(tables, names) {
  const sizes = tables.find(({ name }) => name === 'sizes')
  const ycsb = tables.filter(({ name }) => name.startsWith('ycsb-'))
  return [
    ...(sizes === undefined
      ? []
      : [
          {
            file: 'latency.svg',
            what: 'Latency of one `get` and of one `set`: what half, 99 % and 99.9 % of the calls stayed within, against the size of the store',
            svg: latencyAgainstSize(sizes, names),
          },
        ]),
    ...(ycsb.length === 0
      ? []
      : [
          {
            file: 'threads.svg',
            what: 'Throughput against the number of worker threads',
            svg: throughputAgainstThreads(ycsb, names),
          },
        ]),
  ]
}
