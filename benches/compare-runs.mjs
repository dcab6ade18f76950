// What changed between two runs that `npm run bench -- --json FILE` has kept.
//   node benches/compare-runs.mjs OLD.json NEW.json
import { readFileSync } from 'node:fs'
import { progress, table } from './kit/report.mjs'
import { figureText, middle, OURS, share } from './kit/results.mjs'

/** @typedef {import('./kit/results.mjs').Results} Results */
/** @typedef {import('./kit/results.mjs').Row} Row */

/** The one whose own change tells how the machine was. */
const CONTROL = 'lmdb'

/** @param {string} file @returns {Results} */
const read = (file) => JSON.parse(readFileSync(file, 'utf8'))

/** @param {Row} before @param {Row} after @param {string} engine */
const change = (before, after, engine) => middle(after, engine) / middle(before, engine)

const [oldFile, newFile] = process.argv.slice(2)
if (oldFile === undefined || newFile === undefined)
  throw new Error('Name the two files that --json wrote: the old one and the new one.')
const [before, after] = [read(oldFile), read(newFile)]
if (JSON.stringify(before.machine) !== JSON.stringify(after.machine))
  progress('The two runs were on different machines: their ratio says little.')

/** @type {string[][]} */
const rows = []
/** @type {string[]} */
const missing = []
for (const { name, entries, rows: those } of after.tables) {
  const old = before.tables.find((table) => table.name === name)
  if (old === undefined || old.entries !== entries) {
    missing.push(name)
    continue
  }
  for (const row of those) {
    const was = old.rows.find(({ name }) => name === row.name)
    if (was === undefined || Number.isNaN(middle(row, OURS))) continue
    const ours = change(was, row, OURS)
    rows.push([
      `${name}: ${row.name}`,
      figureText(middle(was, OURS), was),
      figureText(middle(row, OURS), row),
      share(ours),
      share(change(was, row, CONTROL)),
      share(ours / change(was, row, CONTROL)),
    ])
  }
}
const notes =
  missing.length === 0 ? [] : [`Not in both, or not with as many entries: ${missing.join(', ')}.`]
table(
  'Ours, the new run beside the old one',
  ['', 'old', 'new', 'new ÷ old', `${CONTROL}, new ÷ old`, `ours ÷ ${CONTROL}`],
  rows,
  [`Where ${CONTROL} changed as well, the machine did.`, ...notes],
)
