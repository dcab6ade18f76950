// Instructions of the engine's hottest paths, counted by callgrind, beside those that benches/instructions.json holds.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { cargo, root, run } from './run.mjs'

/** @typedef {Record<string, number>} Instructions by path, for one entry */
/** @typedef {Record<string, Instructions>} Baseline by machine */

/** A path may take so many times as many. */
const GROWTH = 1.05
/** Entries of the shorter of a path's two runs; the other takes three times as many. */
const ENTRIES = 2000
const kept = join(root, 'benches', 'instructions.json')

/** @returns {Baseline} */
const baseline = () => JSON.parse(readFileSync(kept, 'utf8'))

/** @param {string} command @param {string[]} args */
async function says(command, args) {
  const { code, output } = await run(command, args, { show: 'nothing' })
  return code === 0 ? output : undefined
}

/** What instruction counts depend on. @returns {Promise<string>} */
async function machine() {
  const rustc = (await says('rustc', ['-vV'])) ?? ''
  /** @param {string} field */
  const told = (field) => new RegExp(`^${field}: (.*)$`, 'm').exec(rustc)?.[1] ?? 'unknown'
  const report = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (
    process.report.getReport()
  )
  const { glibcVersionRuntime: glibc } = report.header
  return `rustc ${told('release')}, ${told('host')}, ${glibc === undefined ? 'musl' : `glibc ${glibc}`}`
}

/** @param {string} program @param {string} path @param {number} times */
async function collected(program, path, times) {
  const place = mkdtempSync(join(tmpdir(), 'opendiskmap-instructions-'))
  const valgrind = [
    '--tool=callgrind',
    '--callgrind-out-file=/dev/null',
    // Off until the function begins, and off again when it ends.
    '--toggle-collect=*measured*',
  ]
  const args = [...valgrind, program, path, join(place, 'map'), String(times)]
  const { code, output } = await run('valgrind', args, { show: 'failure', minutes: 5 })
  rmSync(place, { recursive: true, force: true })
  const count = Number(/Collected : (\d+)/.exec(output)?.[1])
  if (code !== 0 || !(count > 0)) throw new Error(`nothing was counted of ${path}`)
  return count
}

/** For one entry: what two runs of different length differ by, so that what each does once is left out. @param {string} program @param {string} path @param {number} entries */
async function counted(program, path, entries) {
  // Each run has a map of its own, with hashes of its own: of an iteration too few would tell them.
  const times = Math.max(4, Math.round(ENTRIES / entries))
  const few = await collected(program, path, times)
  const many = await collected(program, path, times * 3)
  return Math.round(((many - few) / (times * 2 * entries)) * 10) / 10
}

/** @param {string} program @returns {Promise<Instructions>} */
async function countAll(program) {
  const list = await says(program, ['--list'])
  const paths = (list ?? '')
    .trim()
    .split('\n')
    .map((line) => {
      const [, entries = '', path = ''] = /^(\d+) (.+)$/.exec(line) ?? []
      return { path, entries: Number(entries) }
    })
  if (paths.some(({ path }) => path === '')) throw new Error(`${program} --list: ${list}`)
  /** @type {Instructions} */
  const counts = Object.fromEntries(paths.map(({ path }) => [path, NaN]))
  const left = [...paths]
  // Counts do not depend on what else runs.
  const worker = async () => {
    for (let next; (next = left.shift()) !== undefined;)
      counts[next.path] = await counted(program, next.path, next.entries)
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  return counts
}

/** @returns {Promise<string | undefined>} why nothing can be counted here */
async function missing() {
  if (process.platform !== 'linux') return 'it needs Linux'
  return (await says('valgrind', ['--version'])) === undefined ? 'it needs valgrind' : undefined
}

async function built() {
  const args = ['build', '--release', '--package', 'opendiskmap-rigs', '--bin', 'instructions']
  if ((await cargo(args)).code !== 0) throw new Error('the program could not be built')
  return resolve(root, process.env['CARGO_TARGET_DIR'] ?? 'target', 'release', 'instructions')
}

/** Whether a path is allowed so many. @param {number} count @param {number} [before] */
export const grew = (count, before) => before !== undefined && !(count <= before * GROWTH)

/**
 * Prints every path's count, and counts the paths that hold.
 * @param {{ write?: boolean }} [options] `write`: these counts are this machine's baseline from now on
 * @returns {Promise<import('./counts.mjs').Counts>}
 */
export async function checkInstructions({ write = false } = {}) {
  const skipped = await missing()
  if (skipped !== undefined) return { passed: 0, failed: 0, skipped }
  const counts = await countAll(await built())
  const here = await machine()
  const before = baseline()[here]
  console.log(`\nInstructions for one entry: ${here}`)
  for (const [path, count] of Object.entries(counts)) {
    const was = before?.[path]
    const change =
      was === undefined
        ? ''
        : `${String(was).padStart(9)} before  ${((count / was) * 100 - 100).toFixed(1).padStart(6)} %`
    console.log(
      `${path.padEnd(16)}${count.toFixed(1).padStart(9)}  ${change}${grew(count, was) ? '  GREW' : ''}`,
    )
  }
  if (write) {
    const all = Object.entries({ ...baseline(), [here]: counts })
    const sorted = Object.fromEntries(all.toSorted(([a], [b]) => (a < b ? -1 : 1)))
    writeFileSync(kept, `${JSON.stringify(sorted, undefined, 2)}\n`)
    console.log('\nbenches/instructions.json holds them now.')
  } else if (before === undefined) {
    console.log('\nThere is no baseline for this machine: nothing to compare with.')
  }
  const failed = write
    ? 0
    : Object.entries(counts).filter(([path, count]) => grew(count, before?.[path])).length
  return { passed: Object.keys(counts).length - failed, failed }
}
