// Writes the tables and the charts of docs/benchmarks.md from what `npm run bench -- --json FILE` has kept.
//   node benches/markdown.mjs FILE…    several files: parts of one run on one machine
//   --to FOLDER                        in the place of docs, which stays as it is
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { charts } from './kit/charts.mjs'
import { goalTable } from './kit/goals.mjs'
import { bestPeer, IN_MEMORY, ratioTo, ratioToBest } from './kit/results.mjs'
import { cells, heading } from './kit/tables.mjs'

/** @typedef {import('./kit/results.mjs').Results} Results */
/** @typedef {import('./kit/results.mjs').Table} Table */

const docs = fileURLToPath(new URL('../docs', import.meta.url))
const PAGE = 'benchmarks.md'
const BEGIN = '<!-- results: written by benches/markdown.mjs -->'
const END = '<!-- end of results -->'

/** @param {string[]} files @returns {Results} */
function read(files) {
  /** @type {Results[]} */
  const [first, ...others] = files.map((file) => JSON.parse(readFileSync(file, 'utf8')))
  if (first === undefined) throw new Error('Name the files that --json wrote.')
  /** @param {Results} results */
  const where = ({ machine, versions, absent }) => JSON.stringify([machine, versions, absent])
  for (const other of others)
    if (where(other) !== where(first))
      throw new Error('The files are of different machines, versions or engines.')
  return { ...first, tables: [first, ...others].flatMap(({ tables }) => tables) }
}

/** @param {(string | number)[]} row */
const line = (row) => `| ${row.join(' | ')} |`

/** @param {string[]} head @param {(string | number)[][]} rows */
const grid = (head, rows) => [
  line(head),
  line(head.map((_, n) => (n === 0 ? '---' : '---:'))),
  ...rows.map(line),
]

/** @param {Results} results */
function about({ machine, versions, settings, absent, tables }) {
  const dates = [...new Set(tables.map(({ date }) => date))].toSorted()
  const { node, cores, model, memory, kernel, fileSystem } = machine
  const engines = Object.keys(settings).map((name) => [
    name,
    versions[name] ?? '',
    settings[name] ?? '',
  ])
  return [
    `Measured on ${dates.join(' and ')}: ${cores} cores of ${model}, ${memory}, ${kernel}, ${fileSystem}, Node ${node}.`,
    '',
    '| engine | version | settings |',
    '| --- | --- | --- |',
    ...engines.map(line),
    ...Object.entries(absent).map(([name, why]) => line([name, 'not measured', why])),
  ]
}

/** Rows in which our time is the longer one. @param {Table[]} tables @param {(row: Table['rows'][number]) => number} ratio */
const lost = (tables, ratio) =>
  tables.flatMap((table) =>
    table.rows
      .map((row) => ({ table, row, times: ratio(row) }))
      .filter(({ times }) => Number.isFinite(times) && times > 1),
  )

/** @param {Results} results */
function losses({ tables }) {
  const toPeers = lost(tables, ratioToBest).map(({ table, row, times }) => [
    table.name,
    row.name,
    bestPeer(row) ?? '',
    times.toFixed(2),
  ])
  const toMap = lost(tables, (row) => ratioTo(row, [IN_MEMORY])).map(({ table, row, times }) => [
    table.name,
    row.name,
    times.toFixed(2),
  ])
  return [
    '### Where we lose',
    '',
    ...(toPeers.length === 0
      ? ['To a store on disk: nowhere in these tables.']
      : [
          'To a store on disk:',
          '',
          ...grid(['table', 'row', 'the best peer', 'our time by its'], toPeers),
        ]),
    '',
    ...(toMap.length === 0
      ? ['To `Map` in memory: nowhere in these tables.']
      : ['To `Map` in memory:', '', ...grid(['table', 'row', 'our time by its'], toMap)]),
  ]
}

/** @param {Results} results @param {string[]} engines */
function goals({ tables }, engines) {
  const { head, rows, summary } = goalTable(tables, engines)
  return rows.length === 0 ? [] : ['### Goals', '', summary, '', ...grid(head, rows), '']
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { to: { type: 'string', default: docs } },
})
const results = read(positionals)
const engines = Object.keys(results.settings)
const tables = results.tables.flatMap((table) => {
  const { head, rows, notes } = cells(table, engines)
  return [
    `### ${table.name}`,
    '',
    `${heading(table)}.`,
    '',
    ...grid(head, rows),
    '',
    ...notes.flatMap((note) => [note, '']),
  ]
})
mkdirSync(values.to, { recursive: true })
const pictures = charts(results.tables, engines).flatMap(({ file, what, svg }) => {
  writeFileSync(join(values.to, file), svg)
  return [`![${what}](${file})`, '', `${what}.`, '']
})
const text = readFileSync(join(docs, PAGE), 'utf8')
const from = text.indexOf(BEGIN)
const to = text.indexOf(END)
if (from < 0 || to < from) throw new Error('docs/benchmarks.md has no place for the results')
const parts = [
  ...about(results),
  '',
  ...goals(results, engines),
  ...pictures,
  ...tables,
  ...losses(results),
]
const written = [BEGIN, '', ...parts, '', END].join('\n')
writeFileSync(join(values.to, PAGE), text.slice(0, from) + written + text.slice(to + END.length))
