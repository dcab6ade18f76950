// Writes the tables of docs/benchmarks.md from what `npm run bench -- --json FILE` has kept.
//   node benches/markdown.mjs FILE…    several files: parts of one run on one machine
import { readFileSync, writeFileSync } from 'node:fs'
import { cells, heading, IN_MEMORY, ratioTo, ratioToBest, bestPeer } from './kit/results.mjs'

/** @typedef {import('./kit/results.mjs').Results} Results */
/** @typedef {import('./kit/results.mjs').Table} Table */

const page = new URL('../docs/benchmarks.md', import.meta.url)
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
  const toMap = lost(tables, (row) => ratioTo(row, IN_MEMORY)).map(({ table, row, times }) => [
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

const results = read(process.argv.slice(2))
const engines = Object.keys(results.settings)
const tables = results.tables.flatMap((table) => {
  const { head, rows } = cells(table, engines)
  return [
    `### ${table.name}`,
    '',
    `${heading(table)}.`,
    '',
    ...grid(head, rows),
    '',
    ...table.notes,
    '',
  ]
})
const text = readFileSync(page, 'utf8')
const from = text.indexOf(BEGIN)
const to = text.indexOf(END)
if (from < 0 || to < from) throw new Error('docs/benchmarks.md has no place for the results')
const written = [BEGIN, '', ...about(results), '', ...tables, ...losses(results), '', END].join(
  '\n',
)
writeFileSync(page, text.slice(0, from) + written + text.slice(to + END.length))
