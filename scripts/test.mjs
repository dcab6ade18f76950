// npm test: sets itself up, runs the parts one after the other, goes on after one that fails, and counts.
//   npm test                  every part but the long ones
//   npm test -- ava lint      these parts alone
//   npm test -- --list        their names
//   npm run test:long         the long ones
//   npm test -- --built ava   with the addon that is there, whatever its age: another machine may have built it
import { sum } from './kit/counts.mjs'
import { longParts, parts } from './kit/parts.mjs'
import { build, command, install, SetupError } from './kit/setup.mjs'

/** @typedef {import('./kit/counts.mjs').Counts} Counts */
/** @typedef {{ name: string, counts: Counts, minutes: number }} Row */

const args = process.argv.slice(2)
const chosen = args.filter((arg) => !arg.startsWith('--'))
const known = [...parts, ...longParts]
const WIDE = 2 + Math.max(...known.map(({ name }) => name.length))

/** @type {Row[]} */
const rows = []

/**
 * @param {string} name
 * @param {string} what
 * @param {() => Promise<Counts>} work
 */
async function part(name, what, work) {
  console.log(`\n── ${name}: ${what}`)
  const began = performance.now()
  /** @type {Counts} */
  let counts
  try {
    counts = await work()
  } catch (error) {
    console.error(error instanceof SetupError ? error.message : error)
    counts = { passed: 0, failed: 1 }
  }
  const minutes = (performance.now() - began) / 60_000
  const { passed, failed, skipped } = counts
  rows.push({ name, counts, minutes })
  console.log(
    skipped === undefined
      ? `${name}: ${passed} passed, ${failed} failed`
      : `${name}: skipped, ${skipped}`,
  )
  return failed === 0
}

function summary() {
  console.log(
    `\n${'part'.padEnd(WIDE)}${'passed'.padStart(8)}${'failed'.padStart(8)}${'minutes'.padStart(9)}`,
  )
  for (const { name, counts, minutes } of rows) {
    const { passed, failed, skipped } = counts
    const numbers = [passed, failed]
      .map((n) => String(skipped === undefined ? n : '–').padStart(8))
      .join('')
    console.log(
      `${name.padEnd(WIDE)}${numbers}${minutes.toFixed(1).padStart(9)}${skipped ? `  ${skipped}` : ''}`,
    )
  }
  const minutes = rows.reduce((all, row) => all + row.minutes, 0)
  const { passed, failed } = sum(rows.map(({ counts }) => counts))
  console.log(
    `${'all'.padEnd(WIDE)}${String(passed).padStart(8)}${String(failed).padStart(8)}${minutes.toFixed(1).padStart(9)}`,
  )
  console.log(`\n${passed} passed, ${failed} failed`)
  return failed === 0 ? 0 : 1
}

await command(async () => {
  if (args.includes('--list')) {
    for (const { name, what } of known) console.log(`${name.padEnd(WIDE)}${what}`)
    return 0
  }
  const unknown = chosen.filter((name) => !known.some((part) => part.name === name))
  if (unknown.length > 0)
    throw new SetupError(`No part is called ${unknown.join(', ')}: see npm test -- --list`)
  const usual = args.includes('--long') ? longParts : parts
  const wanted = chosen.length > 0 ? known.filter(({ name }) => chosen.includes(name)) : usual

  const nothing = { passed: 0, failed: 0 }
  const installed = await part('set-up', 'the packages of the lock file', async () => {
    await install()
    return nothing
  })
  const built =
    installed &&
    wanted.some(({ needs }) => needs === 'build') &&
    (await part(
      'build',
      'the engine, the addon and the face, where sources are newer',
      async () => {
        await build({ native: !args.includes('--built') })
        return nothing
      },
    ))
  for (const { name, what, needs, run } of wanted) {
    const ready = needs === 'build' ? built : installed
    await part(name, what, async () => {
      if (!ready) throw new SetupError('What it needs is not there: see above.')
      return run()
    })
  }
  return summary()
})
