// What was measured, as it is kept in a file, and the ratios in it.
import { count, median, ms } from './report.mjs'

export const OURS = 'opendiskmap'
/** It is no peer: it keeps nothing on disk. */
export const IN_MEMORY = 'Map'

/**
 * @typedef {object} Row
 * @property {string} name
 * @property {Record<string, (number | null)[]>} times by engine, one for each round that it took part in; nanoseconds
 * @property {'plain'} [figure] they are no times
 * @property {import('../workloads/index.mjs').Wanted[]} [wanted]
 */

/** @typedef {{ rounds: number, operations?: number }} Extent what an engine took part in; `operations`: the cap of its calls */

/**
 * @typedef {object} Table
 * @property {string} name
 * @property {string} title
 * @property {string} unit
 * @property {string} date
 * @property {number} entries
 * @property {number} rounds
 * @property {Record<string, Extent>} less engines that were measured less often, or with fewer calls
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

/** @param {Row} row @param {string} engine NaN if it has no figure */
export const middle = (row, engine) =>
  median((row.times[engine] ?? []).flatMap((time) => (time === null ? [] : [time])))

/** An engine's figure of a round; the median of the others if it took no part in that one. @param {Row} row @param {string} engine @param {number} round */
const figureOf = (row, engine, round) => row.times[engine]?.[round] ?? middle(row, engine)

/** @param {Row} row */
const peersOf = (row) =>
  Object.keys(row.times).filter((engine) => engine !== OURS && engine !== IN_MEMORY)

/**
 * Our figure over the smallest one of some engines, in another row of ours or in the same: the median of the ratios of each
 * round.
 * @param {Row} row
 * @param {string[]} engines
 * @param {Row} [other]
 */
export function ratioTo(row, engines, other = row) {
  const rounds = row.times[OURS] ?? []
  const ratios = rounds.map((ours, round) => {
    const figures = engines.map((engine) => figureOf(other, engine, round))
    return (ours ?? NaN) / Math.min(...figures.filter((figure) => !Number.isNaN(figure)))
  })
  return median(ratios.filter((ratio) => ratio > 0))
}

/** Our figure over that of the best peer of each round. @param {Row} row */
export const ratioToBest = (row) => ratioTo(row, peersOf(row))

/** The peer with the smallest median. @param {Row} row */
export function bestPeer(row) {
  const times = peersOf(row)
    .map((peer) => ({ peer, time: middle(row, peer) }))
    .filter(({ time }) => !Number.isNaN(time))
  return times.toSorted((a, b) => a.time - b.time)[0]?.peer
}

/** @param {number} n */
export const share = (n) => (Number.isFinite(n) ? n.toFixed(2) : '–')

/** @param {number} figure @param {Row} row */
export function figureText(figure, { figure: kind }) {
  if (Number.isNaN(figure)) return '–'
  if (kind === 'plain') return figure.toFixed(figure < 0.1 ? 4 : figure < 10 ? 2 : 1)
  return figure < 1e5 ? count(figure) : ms(figure / 1e6)
}
