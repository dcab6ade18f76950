// npm run bench: the measurements, each of which prints one table.
//   npm run bench                        what the goals are about: in half an hour, with the slow peers capped
//   npm run bench -- --full              all of them, nothing capped, 10 M entries too: some hours
//   npm run bench -- text open           these alone
//   npm run bench -- --list              their names
//   --rounds N, --entries N              how often and how large (those beside other engines)
//   --json FILE                          what was measured beside other engines, kept
//   --against FILE                       our figures beside those of an earlier run that was kept
//   --markdown                           the tables of docs/benchmarks.md made anew from it
//   --smoke                              small and once: whether the programs work
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { workloads } from '../benches/workloads/index.mjs'
import { root } from './kit/run.mjs'
import { build, command, install, SetupError } from './kit/setup.mjs'

/** Measurements of our map alone, with the arguments for a small run. */
const alone = {
  threads: ['2000', '5000', '1'],
  'open-time': ['2000', '1'],
  'disk-bound': ['2000'],
  rebuild: ['1', '2000'],
  large: ['20000'],
  slowest: ['2000'],
  'import-time': ['2'],
}

/** Those beside other engines. */
const beside = workloads.map(({ name }) => name)
const usual = workloads.filter(({ full = false }) => !full).map(({ name }) => name)

/** @param {string} program below `benches` @param {string[]} args */
function measure(program, args) {
  const line = [join(root, 'benches', `${program}.mjs`), ...args]
  return spawnSync(process.execPath, line, { cwd: root, stdio: 'inherit' }).status ?? 1
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: 'string' },
        entries: { type: 'string' },
        json: { type: 'string' },
        against: { type: 'string' },
        full: { type: 'boolean', default: false },
        markdown: { type: 'boolean', default: false },
        smoke: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    throw new SetupError(/** @type {Error} */ (error).message)
  }
}

await command(async () => {
  const { values, positionals: chosen } = parse()
  const all = [...beside, ...Object.keys(alone)]
  if (values.list) {
    console.log(all.join('\n'))
    return 0
  }
  const unknown = chosen.filter((name) => !all.includes(name))
  if (unknown.length > 0)
    throw new SetupError(`No measurement is called ${unknown.join(', ')}: ${all.join(', ')}`)
  const asked = chosen.length > 0 ? chosen : values.full || values.smoke ? all : usual
  const wanted = all.filter((name) => asked.includes(name))
  const compared = wanted.filter((name) => beside.includes(name))
  const { rounds, entries } = values.smoke ? { rounds: '1', entries: '3000' } : values
  for (const number of [rounds, entries])
    if (number !== undefined && !(Number.isSafeInteger(Number(number)) && Number(number) > 0))
      throw new SetupError(`${number} is no number of rounds or entries.`)

  const against = values.against === undefined ? undefined : resolve(values.against)
  if (against !== undefined && !existsSync(against))
    throw new SetupError(`There is no ${against}, to compare with.`)

  await install()
  if (compared.length > 0) await install(join(root, 'benches', 'compare'))
  await build()
  let status = 0
  if (compared.length > 0) {
    const kept = mkdtempSync(join(tmpdir(), 'opendiskmap-results-'))
    const json = values.json === undefined ? join(kept, 'results.json') : resolve(values.json)
    const size = [
      ...(rounds === undefined ? [] : ['--rounds', rounds]),
      ...(entries === undefined ? [] : ['--entries', entries]),
      ...(values.full ? ['--full'] : []),
      ...(values.smoke ? ['--cap', '500'] : []),
    ]
    status = measure('suite', [...compared, '--json', json, ...size])
    if (against !== undefined) status ||= measure('compare-runs', [against, json])
    if (values.markdown) status ||= measure('markdown', [json])
    if (values.smoke) {
      status ||= measure('compare-runs', [json, json])
      status ||= measure('markdown', [json, '--to', join(kept, 'docs')])
    }
    rmSync(kept, { recursive: true })
  }
  for (const [name, small] of Object.entries(alone))
    if (wanted.includes(name)) status ||= measure(name, values.smoke ? small : [])
  return status
})
