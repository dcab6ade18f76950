// A child with a main thread and workers on the same maps is ended in the middle of its calls, by SIGKILL and in every
// other way a process of Node's ends; the maps are opened and compared with what the child had said. Again and again on
// the same maps. The control is a child that says more than it did: the same check must notice.
//   kill.mjs [--rounds N] [--seed N]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { DiskMap, native, str } from '../../index.js'
import { mix } from '../helpers/mix.mjs'
import { THREADS } from './kill-calls.mjs'
import { noEntries, settle } from './kill-check.mjs'
import { conclude, count, say } from './tally.mjs'

/** @typedef {import('./kill-calls.mjs').Plan} Plan */

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '24' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
  },
})
const ROUNDS = Number(options.rounds)
const SEED = Number(options.seed)
if (!(ROUNDS >= 1) || !Number.isSafeInteger(SEED))
  throw new Error('--rounds and --seed are numbers')
// A child says something all the time until it ends; only one that hangs says nothing for so long.
const PATIENCE = 60_000

/** How a child ends, and what its parent must see then. @type {Record<string, { code: number | null, signal: string | null }>} */
const ENDS = {
  kill: { code: null, signal: 'SIGKILL' },
  opening: { code: null, signal: 'SIGKILL' },
  term: { code: null, signal: 'SIGTERM' },
  exit: { code: 7, signal: null },
  throw: { code: 1, signal: null },
  'worker-throw': { code: 1, signal: null },
  terminate: { code: 0, signal: null },
  lie: { code: null, signal: 'SIGKILL' },
}

const program = fileURLToPath(new URL('kill-thread.mjs', import.meta.url))

/**
 * Runs a child to its end, and gives how many calls of each thread it said had returned, or what went wrong.
 * @param {string} path @param {Plan} plan @param {number} moment
 * @returns {Promise<number[] | string>}
 */
async function run(path, plan, moment) {
  const child = spawn(process.execPath, [program, path, JSON.stringify(plan)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const done = Array.from({ length: plan.threads }, () => 0)
  let acknowledgements = 0
  let rest = ''
  let errors = ''
  let hangs = false
  const patience = setTimeout(() => {
    hangs = true
    child.kill('SIGKILL')
  }, PATIENCE)
  // From a while before the maps are open to a while after: a random moment of opening.
  const early = plan.how === 'opening' ? setTimeout(() => child.kill('SIGKILL'), moment) : undefined
  child.stderr.setEncoding('utf8').on('data', (/** @type {string} */ text) => (errors += text))
  child.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const [thread = 0, n = 0] = line.split(' ').map(Number)
      done[thread] = n
      acknowledgements++
    }
    patience.refresh()
    const said = acknowledgements * plan.atOnce
    if (plan.how === 'kill' && said >= plan.after) child.kill('SIGKILL')
    if (plan.how === 'term' && said >= plan.after) child.kill('SIGTERM')
    if (plan.how === 'lie' && said >= plan.threads * plan.after + 2000) child.kill('SIGKILL')
  })
  const [code, signal] = await once(child, 'close')
  clearTimeout(patience)
  clearTimeout(early)
  if (hangs) return `the child hangs: ${errors}`
  const expected = ENDS[plan.how]
  const meant = code !== 1 || errors.includes('the rig')
  if (code !== expected?.code || signal !== expected?.signal || !meant) {
    return `the child ends by ${code ?? signal}: ${errors}`
  }
  return done
}

/**
 * What a map holds; throws if it does not agree with itself.
 * @template V
 * @param {DiskMap<string, V>} map
 */
function contentOf(map) {
  const found = new Map(map)
  if (map.size !== found.size) throw new Error(`size is ${map.size} with ${found.size} entries`)
  for (const [key, value] of found) {
    if (map.get(key) !== value) throw new Error(`get and the iterator disagree on ${key}`)
  }
  map.close()
  return found
}

/** @param {string} path @param {boolean} readOnly */
function look(path, readOnly) {
  const text = DiskMap.open(join(path, 'text'), { key: str, value: str, readOnly })
  const count = DiskMap.open(join(path, 'count'), { key: str, value: native.u64, readOnly })
  return { text: contentOf(text), count: contentOf(count) }
}

/** Rounds on the maps of one directory, until something is wrong. */
class Series {
  /** @type {Record<string, number>} */
  rounds = {}
  calls = 0
  terminated = 0
  #models = noEntries()
  #home = mkdtempSync(join(tmpdir(), 'opendiskmap-node-kill-'))

  /** @param {number} round @param {string} how @returns {Promise<string | undefined>} what is wrong */
  async round(round, how) {
    const draw = (/** @type {number} */ below, /** @type {number} */ what) =>
      mix(SEED, round, what) % below
    const together = how === 'terminate' || how === 'worker-throw'
    const threads = together ? THREADS : 1 + draw(THREADS, 1)
    const atOnce = [1, 16][draw(2, 2)] ?? 1
    const after = how === 'opening' ? 0 : 1 + Math.floor((draw(1000, 3) / 1000) ** 2 * 2500)
    /** @type {Plan} */
    const plan = { seed: mix(SEED, round), round, threads, atOnce, how, after }
    this.rounds[how] = (this.rounds[how] ?? 0) + 1
    const done = await run(this.#home, plan, 20 + draw(100, 4))
    if (typeof done === 'string') return done
    this.calls += done.reduce((sum, n) => sum + n, 0)
    if (how === 'terminate') this.terminated += threads - 1
    // A reader writes nothing, so that the next child finds the maps as this one left them.
    const readOnly = round % 3 === 1 && this.#models.text.size > 0 && this.#models.count.size > 0
    try {
      return settle(this.#models, look(this.#home, readOnly), plan, done)
    } catch (error) {
      return String(error)
    }
  }

  end() {
    rmSync(this.#home, { recursive: true, force: true })
  }
}

const began = performance.now()
const series = new Series()
const control = new Series()
const HOW = ['kill', 'opening', 'kill', 'exit', 'term', 'throw', 'worker-throw', 'terminate']
try {
  console.log(`kills of seed ${SEED}`)
  /** @type {Record<string, string>} */
  const wrong = {}
  for (let round = 0; round < ROUNDS && Object.keys(wrong).length === 0; round++) {
    const how = HOW[round % HOW.length] ?? 'kill'
    const told = await series.round(round, how)
    if (told !== undefined) wrong[how] = `round ${round}: ${told}`
  }
  for (const [how, rounds] of Object.entries(series.rounds)) {
    say(wrong[how] === undefined, `${how}: ${count(rounds)} rounds ${wrong[how] ?? ''}`.trimEnd())
  }
  const noticed = await control.round(0, 'lie')
  say(noticed !== undefined, `a child that lies is ${noticed === undefined ? 'not ' : ''}noticed`)
} finally {
  series.end()
  control.end()
}
const seconds = ((performance.now() - began) / 1000).toFixed(1)
console.log(
  `${count(series.calls)} calls had returned, ${count(series.terminated)} workers were terminated, ${seconds} s`,
)
conclude('node-kill')
