// npm run bench: the measurements, each of which prints one table.
//   npm run bench                        all of them
//   npm run bench -- text open           these alone
//   npm run bench -- --list              their names
//   --rounds N, --entries N              how often and how large (those beside other engines)
//   --json FILE                          what was measured beside other engines, kept
//   --markdown                           the tables of docs/benchmarks.md made anew from it
//   --smoke                              small and once: whether the programs work
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
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
  'import-time': ['2'],
}

/** Those beside other engines. */
const beside = workloads.map(({ name }) => name)

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
  const wanted = all.filter((name) => chosen.length === 0 || chosen.includes(name))
  const compared = wanted.filter((name) => beside.includes(name))
  const { rounds, entries } = values.smoke ? { rounds: '1', entries: '3000' } : values
  for (const number of [rounds, entries])
    if (number !== undefined && !(Number.isSafeInteger(Number(number)) && Number(number) > 0))
      throw new SetupError(`${number} is no number of rounds or entries.`)

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
    ]
    status = measure('suite', [...compared, '--json', json, ...size])
    if (values.markdown) status ||= measure('markdown', [json])
    rmSync(kept, { recursive: true })
  }
  for (const [name, small] of Object.entries(alone))
    if (wanted.includes(name)) status ||= measure(name, values.smoke ? small : [])
  return status
})
