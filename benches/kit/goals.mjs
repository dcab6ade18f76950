// What is asked of a row, and whether it holds.
import { verdict } from './report.mjs'
import {
  bestPeer,
  figureText,
  IN_MEMORY,
  middle,
  OURS,
  ratioTo,
  ratioToBest,
  share,
} from './results.mjs'

/** @typedef {import('./results.mjs').Row} Row */
/** @typedef {import('./results.mjs').Table} Table */
/** @typedef {import('../workloads/index.mjs').Wanted} Wanted */

/** @type {Partial<Record<Wanted['against'], string[]>>} */
const engines = {
  lmdb: ['lmdb', 'lmdb queued'],
  'lmdb putSync': ['lmdb'],
  'lmdb queued': ['lmdb queued'],
  Map: [IN_MEMORY],
}

/** Our figure, or by how much it is another one's. @param {Table} table @param {Row} row @param {Wanted} wanted */
function found({ rows }, row, { against, row: other }) {
  if (against === 'a bound') return middle(row, OURS)
  if (against === 'the best peer') return ratioToBest(row)
  if (against !== 'our own') return ratioTo(row, engines[against] ?? [])
  const own = rows.find(({ name }) => name === other)
  return own === undefined ? NaN : ratioTo(row, [OURS], own)
}

/** @param {Row} row @param {Wanted} wanted */
function asked(row, { against, row: other, atMost, atLeast, where }) {
  const whose = other === undefined ? against : `our own, ${other}`
  const goal =
    against === 'a bound'
      ? `≤ ${figureText(atMost ?? NaN, row)}`
      : atLeast === undefined
        ? `≤ ${atMost} × ${whose}`
        : `≥ ${atLeast} × as fast as ${whose}`
  return where === undefined ? goal : `${goal}, ${where}`
}

/**
 * @typedef {object} Goal
 * @property {Table} table
 * @property {Row} row
 * @property {string} asked
 * @property {string} is what was found, in the goal's own terms
 * @property {string} holds
 */

/** @param {Table} table @param {Row} row @returns {Goal[]} */
export const goalsOf = (table, row) =>
  (row.wanted ?? []).map((wanted) => {
    const { against, atMost = Infinity, atLeast } = wanted
    const ratio = found(table, row, wanted)
    const is = atLeast === undefined ? ratio : 1 / ratio
    const holds = atLeast === undefined ? is <= atMost : is >= atLeast
    return {
      table,
      row,
      asked: asked(row, wanted),
      is: against === 'a bound' ? figureText(is, row) : share(is),
      holds: Number.isFinite(is) ? verdict(holds) : 'not measured',
    }
  })

/** @param {Table} table @param {Row} row */
export const goalCell = (table, row) =>
  goalsOf(table, row)
    .map(({ asked, is, holds }) => `${asked}: ${is}, ${holds}`)
    .join('; ')

/** The table of all goals, beside each engine. @param {Table[]} tables @param {string[]} names of the engines */
export function goalTable(tables, names) {
  const goals = tables.flatMap((table) => table.rows.flatMap((row) => goalsOf(table, row)))
  const measured = goals.filter(({ holds }) => holds !== 'not measured')
  const kept = measured.filter(({ holds }) => holds === verdict(true))
  return {
    head: ['work', ...names, 'the best peer', 'ratio', 'goal', ''],
    rows: goals.map(({ table, row, asked, is, holds }) => [
      `${table.name}: ${row.name}`,
      ...names.map((engine) => figureText(middle(row, engine), row)),
      bestPeer(row) ?? '–',
      is,
      asked,
      holds,
    ]),
    summary: `${kept.length} of ${measured.length} goals hold${measured.length === goals.length ? '' : `, ${goals.length - measured.length} are not measured`}.`,
  }
}
