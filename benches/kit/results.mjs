// What was measured, as it is kept in a file, and the rows of figures that are shown of it.
import { count, median, ms, verdict } from './report.mjs'

export const OURS = 'opendiskmap'
/** It is no peer: it keeps nothing on disk. */
export const IN_MEMORY = 'Map'

/**
 * @typedef {object} Row
 * @property {string} name
 * @property {Record<string, (number | null)[]>} times nanoseconds by engine, one for each round
 * @property {import('../workloads/index.mjs').Wanted} [wanted]
 */

/**
 * @typedef {object} Table
 * @property {string} name
 * @property {string} title
 * @property {string} unit
 * @property {string} date
 * @property {number} entries
 * @property {number} rounds
 * @property {Row[]} rows
 * @property {string[]} notes
 */

/**
 * @typedef {object} Results
 * @property {import('./machine.mjs').Machine} machine
 * @property {Record<string, string>} versions by engine
 * @property {Record<string, string>} settings by engine
 * @property {Record<string, string>} absent by engine that could not be loaded: why
 * @property {Table[]} tables
 */

/** @param {Row} row @param {string} engine @param {number} round */
const timeOf = (row, engine, round) => row.times[engine]?.[round] ?? NaN

/** @param {Row} row @param {string} engine NaN if it has no figure */
export const middle = (row, engine) =>
  median((row.times[engine] ?? []).flatMap((time) => (time === null ? [] : [time])))

/** @param {Row} row */
const peersOf = (row) =>
  Object.keys(row.times).filter((engine) => engine !== OURS && engine !== IN_MEMORY)

/**
 * Our time over another's: the median of the ratios of each round.
 * @param {Row} row
 * @param {(round: number) => number} other
 */
function ratio(row, other) {
  const rounds = row.times[OURS] ?? []
  return median(rounds.map((time, round) => (time ?? NaN) / other(round)).filter((n) => n > 0))
}

/** Our time over that of the fastest peer of each round. @param {Row} row */
export const ratioToBest = (row) =>
  ratio(row, (round) => {
    const times = peersOf(row).map((peer) => timeOf(row, peer, round))
    return Math.min(...times.filter((time) => !Number.isNaN(time)))
  })

/** @param {Row} row @param {string} engine */
export const ratioTo = (row, engine) => ratio(row, (round) => timeOf(row, engine, round))

/** The peer with the smallest median. @param {Row} row */
export function bestPeer(row) {
  const times = peersOf(row)
    .map((peer) => ({ peer, time: middle(row, peer) }))
    .filter(({ time }) => !Number.isNaN(time))
  return times.toSorted((a, b) => a.time - b.time)[0]?.peer
}

/** @param {number} n */
const share = (n) => (Number.isFinite(n) ? n.toFixed(2) : '–')

/** @param {number} ns */
const nanoseconds = (ns) => (Number.isNaN(ns) ? '–' : ns < 1e5 ? count(ns) : ms(ns / 1e6))

/** @param {Row} row */
function wantedCell(row) {
  if (row.wanted === undefined) return ''
  const { against, atMost } = row.wanted
  const is = against === 'lmdb' ? ratioTo(row, 'lmdb') : ratioToBest(row)
  if (!Number.isFinite(is)) return `≤ ${atMost} × ${against}: not measured`
  return `≤ ${atMost} × ${against}: ${is.toFixed(2)}, ${verdict(is <= atMost)}`
}

/** The cells of a table. @param {Table} table @param {string[]} engines */
export function cells({ rows }, engines) {
  const wanted = rows.some((row) => row.wanted !== undefined)
  return {
    head: ['', ...engines, '÷ best peer', '÷ Map', ...(wanted ? ['wanted'] : [])],
    rows: rows.map((row) => [
      row.name,
      ...engines.map((engine) => nanoseconds(middle(row, engine))),
      share(ratioToBest(row)),
      share(ratioTo(row, IN_MEMORY)),
      ...(wanted ? [wantedCell(row)] : []),
    ]),
  }
}

/** @param {Table} table */
export const heading = ({ title, unit, entries, rounds }) =>
  `${title}: ${unit}, ${count(entries)} entries, median of ${rounds} ${rounds === 1 ? 'round' : 'rounds'}`
