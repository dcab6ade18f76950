// The tables that are shown of what was measured.
import { goalCell } from './goals.mjs'
import { count } from './report.mjs'
import { figureText, IN_MEMORY, middle, ratioTo, ratioToBest, share } from './results.mjs'

/** @typedef {import('./results.mjs').Extent} Extent */
/** @typedef {import('./results.mjs').Table} Table */

/** An engine's name, marked where less was measured of it. @param {string} engine @param {Table['less']} less */
const marked = (engine, less) => (less[engine] === undefined ? engine : `${engine}*`)

/** @param {Record<string, Extent>} less */
function lessNote(less) {
  /** @type {Map<string, string[]>} */
  const alike = new Map()
  for (const [engine, { rounds, operations }] of Object.entries(less)) {
    const cap =
      operations === undefined
        ? ''
        : ` of at most ${count(operations)} calls of a kind, in a store as large`
    const what = `${rounds} ${rounds === 1 ? 'round' : 'rounds'}${cap}`
    alike.set(what, [...(alike.get(what) ?? []), engine])
  }
  return [...alike].map(([what, engines]) => `${engines.join(', ')}: ${what}`).join('; ')
}

/** The cells of a table. @param {Table} table @param {string[]} engines */
export function cells(table, engines) {
  const { rows, less } = table
  const wanted = rows.some((row) => row.wanted !== undefined)
  return {
    head: [
      '',
      ...engines.map((engine) => marked(engine, less)),
      '÷ best peer',
      '÷ Map',
      ...(wanted ? ['wanted'] : []),
    ],
    rows: rows.map((row) => [
      row.name,
      ...engines.map((engine) => figureText(middle(row, engine), row)),
      share(ratioToBest(row)),
      share(ratioTo(row, [IN_MEMORY])),
      ...(wanted ? [goalCell(table, row)] : []),
    ]),
    notes: [
      ...table.notes,
      ...(Object.keys(less).length > 0 ? [`With *: ${lessNote(less)}.`] : []),
    ],
  }
}

/** @param {Table} table */
export const heading = ({ title, unit, entries, rounds }) =>
  `${title}: ${unit}, ${count(entries)} entries, median of ${rounds} ${rounds === 1 ? 'round' : 'rounds'}`
