// Runs the specs under a runtime that cannot run AVA: each by itself, in a copy of the repository in which a stand-in of AVA is
// installed. What cannot hold there is listed with its reason (gaps.mjs) and is told, but counts as nothing.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { KNOWN_GAPS } from './gaps.mjs'
import { root, run } from './run.mjs'

/** @typedef {import('./runtimes.mjs').Runtime} Runtime */
/** @typedef {import('./package.mjs').Report} Report */

/** What the copy does without. */
const LEFT_OUT = new Set(['.git', 'node_modules', 'target'])

/** @param {string} copy */
function makeCopy(copy) {
  cpSync(root, copy, { recursive: true, filter: (path) => !LEFT_OUT.has(basename(path)) })
  const modules = join(copy, 'node_modules')
  mkdirSync(modules)
  for (const name of readdirSync(join(root, 'node_modules')))
    if (name !== 'ava') symlinkSync(join(root, 'node_modules', name), join(modules, name))
  cpSync(join(root, 'scripts', 'kit', 'stand-in'), join(modules, 'ava'), { recursive: true })
}

/** What a runtime needs to be told to run the specs as they stand. @type {Record<string, string[]>} */
const FLAGS = { deno: ['--unstable-sloppy-imports', '--node-modules-dir=manual', '--no-check'] }

/** @param {Runtime} runtime @param {Report} report @param {string[]} [only] names of specs */
export async function runSpecs({ name, program, args }, report, only = []) {
  const home = mkdtempSync(join(tmpdir(), 'opendiskmap-specs-'))
  try {
    const cwd = join(home, 'copy')
    makeCopy(cwd)
    const gaps = KNOWN_GAPS[name] ?? { specs: {}, tests: {}, words: [] }
    const specs = readdirSync(join(cwd, '__test__')).filter((file) => file.endsWith('.spec.ts'))
    for (const file of specs.toSorted()) {
      const spec = file.replace('.spec.ts', '')
      if (only.length > 0 && !only.includes(spec)) continue
      const line = [...args, ...(FLAGS[name] ?? []), `__test__/${file}`]
      const result = await run(program, line, { cwd, show: 'nothing', minutes: 15 })
      readTap(spec, result, gaps, report)
    }
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/**
 * @param {string} spec @param {import('./run.mjs').Result} result
 * @param {import('./gaps.mjs').Gaps} gaps @param {Report} report
 */
function readTap(spec, { output }, { specs, tests, words }, report) {
  const lines = Array.from(output.matchAll(/^(not )?ok - (.*)\n((?: {2}.*\n|\n(?= {2}))*)/gm))
  for (const [, not, title = '', why = ''] of lines) {
    const name = `${spec} › ${title}`
    const known = tests[name] ?? words.find(([word]) => word.test(why))?.[1]
    if (not !== undefined && known !== undefined) console.log(`known: ${name}: ${known}`)
    else report(name, not === undefined, why)
  }
  if (lines.length > 0 && /^# pass \d+$/m.test(output)) return
  const known = specs[spec]
  if (known === undefined) report(`${spec} runs to its end`, false, output.slice(-2000))
  else console.log(`known: ${spec} does not run to its end: ${known}`)
}
