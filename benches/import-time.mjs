// What an import of the package adds to the start of a process: node benches/import-time.mjs [ROUNDS]
import { spawnSync } from 'node:child_process'
import { root } from '../scripts/kit/run.mjs'
import { median, ms, table, verdict } from './kit/report.mjs'

const [rounds = 100] = process.argv.slice(2).map(Number)

/** The most that it may add, in milliseconds. */
const LIMIT = 15

const programs = [
  { name: 'an empty program', text: '' },
  { name: 'import', text: "await import('opendiskmap')" },
  {
    name: 'require',
    text: "process.getBuiltinModule('module').createRequire(process.cwd() + '/a.js')('opendiskmap')",
  },
].map((program) => ({ ...program, times: /** @type {number[]} */ ([]) }))

// In turns, so that whatever else the machine does meets all of them.
for (let round = 0; round < rounds; round++) {
  for (const { text, times } of programs) {
    const began = performance.now()
    const line = ['--input-type=module', '--eval', text]
    const { status } = spawnSync(process.execPath, line, { cwd: root, stdio: 'ignore' })
    if (status !== 0) throw new Error(`Node ended with ${status}: ${text}`)
    times.push(performance.now() - began)
  }
}

const [empty = 0, ...others] = programs.map(({ times }) => median(times))
table(
  `Starting Node, median of ${rounds} processes each`,
  ['', 'start to end', 'more', 'wanted'],
  programs.map(({ name }, i) => {
    const more = (others[i - 1] ?? NaN) - empty
    if (i === 0) return [name, ms(empty), '', '']
    return [name, ms(empty + more), ms(more), `≤ ${LIMIT} ms: ${verdict(more <= LIMIT)}`]
  }),
)
