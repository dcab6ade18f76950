// Histories of several threads on one map, checked for linearizability, and the negative controls: clients that break a
// promise, which the same check must notice.
//   histories.mjs [--rounds N] [--seed N] [--only NAME]
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { broken } from './broken.mjs'
import { Gate } from './gate.mjs'
import { linearize } from './linearizable.mjs'
import { reads, step } from './one-key.mjs'
import { shapes } from './shapes.mjs'
import { conclude, count, say } from './tally.mjs'

/** @typedef {import('./one-key.mjs').Token} Token */
/** @typedef {import('./history-thread.mjs').Noted} Noted */
/** @typedef {{ key: number, initial: Token, history: Noted[] }} Violation */

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string' },
  },
})
const ROUNDS = Number(options.rounds)
const SEED = Number(options.seed)
if (!(ROUNDS >= 1) || !Number.isSafeInteger(SEED))
  throw new Error('--rounds and --seed are numbers')
const CHUNK = 25
// A round proves something only if calls overlapped in it: there are more rounds until enough did, but not for ever.
const PATIENCE = 10

/** Whether two calls overlapped of which at least one may change the key. @param {Noted[]} history */
function overlaps(history) {
  return history.some((a, n) =>
    history
      .slice(n + 1)
      .some(
        (b) =>
          a.invoke < b.response &&
          b.invoke < a.response &&
          !(reads.has(a.verb) && reads.has(b.verb)),
      ),
  )
}

/** @param {string} name */
const shapeOf = (name) => /** @type {import('./shapes.mjs').Shape} */ (shapes[name])

const keyOf = (/** @type {Noted[]} */ history) => history[0]?.key ?? 0

/** What a run has seen so far. */
class Record {
  rounds = 0
  operations = 0
  overlapping = 0
  /** @type {Violation | undefined} */
  violation

  /** What each key held when the last round was over. @type {Map<number, Token>} */
  #states = new Map()

  /** @param {Noted[]} round of all threads */
  add(round) {
    this.rounds++
    this.operations += round.length
    const keys = new Set(round.map(({ key }) => key))
    const histories = [...keys].map((key) => round.filter((noted) => noted.key === key))
    let overlapping = false
    for (const history of histories) {
      const key = keyOf(history)
      const initial = this.#states.get(key)
      if (!linearize(history, initial, step).linearizable) {
        this.violation ??= { key, initial, history }
      }
      overlapping ||= overlaps(history)
    }
    if (overlapping) this.overlapping++
    if (round.some(({ verb }) => verb === 'clear')) this.#states.clear()
    for (const history of histories) {
      const last = history.reduce((a, b) => (b.invoke > a.invoke ? b : a))
      this.#states.set(keyOf(history), /** @type {Token} */ (last.result))
    }
  }
}

/**
 * Runs the threads of a shape until enough rounds had overlapping calls or one was not linearizable.
 * @param {string} name of a shape
 * @param {string} [control]
 */
async function record(name, control) {
  const { threads, share } = shapeOf(name)
  const wanted = share * ROUNDS
  const home = mkdtempSync(join(tmpdir(), 'opendiskmap-histories-'))
  const gate = new Gate(threads)
  const record = new Record()
  /** @type {Noted[][][][]} */
  const chunks = Array.from({ length: threads }, () => [])
  const workers = chunks.map((_, me) => {
    const { shared } = gate
    const work = { path: join(home, 'map'), name, control, me, seed: SEED, shared, chunk: CHUNK }
    return new Worker(new URL('history-thread.mjs', import.meta.url), { workerData: work })
  })
  const over = () =>
    record.violation !== undefined ||
    record.overlapping >= wanted ||
    record.rounds >= PATIENCE * wanted
  const check = () => {
    while (!over() && chunks.every((waiting) => waiting.length > 0)) {
      const parts = chunks.map((waiting) => waiting.shift() ?? [])
      for (let n = 0; n < CHUNK && !over(); n++) record.add(parts.flatMap((part) => part[n] ?? []))
    }
    // Some chunks ahead, so that no thread waits for the check.
    if (over()) gate.stop()
    else gate.allow(record.rounds + 4 * CHUNK)
  }
  check()
  try {
    const ends = workers.map(
      (worker, me) =>
        new Promise((resolve, reject) => {
          worker.on('message', (rounds) => {
            chunks[me]?.push(rounds)
            check()
          })
          worker.on('error', reject)
          worker.on('exit', resolve)
        }),
    )
    await Promise.all(ends)
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()))
    rmSync(home, { recursive: true, force: true })
  }
  return record
}

/** @param {Violation} violation */
function print({ key, initial, history }) {
  console.log(`    key ${key} held ${initial}; in nanoseconds:`)
  const ordered = history.toSorted((a, b) => a.invoke - b.invoke)
  const began = ordered[0]?.invoke ?? 0
  for (const { invoke, response, thread, verb, ...rest } of ordered) {
    const parts = Object.entries({ ...rest, key: undefined }).filter(([, of]) => of !== undefined)
    const said = parts.map(([part, of]) => `${part} ${String(of)}`).join(', ')
    const times = [invoke, response].map((time) => String(time - began).padStart(9)).join('')
    console.log(`    ${times}  thread ${thread}  ${verb}  ${said}`)
  }
}

/** @param {string} name */
async function checkShape(name) {
  const { rounds, operations, overlapping, violation } = await record(name)
  const { threads, share } = shapeOf(name)
  say(
    violation === undefined && overlapping >= share * ROUNDS,
    `${name}: ${count(rounds)} rounds of ${threads} threads, ${count(overlapping)} with overlapping calls, ` +
      `${count(operations)} operations${violation === undefined ? '' : ': not linearizable'}`,
  )
  if (violation !== undefined) print(violation)
}

/** @param {string} name @param {string} shape */
async function checkControl(name, shape) {
  const { rounds, violation } = await record(shape, name)
  const found = violation !== undefined
  say(found, `${name}: ${found ? 'noticed' : 'not noticed'} in ${count(rounds)} rounds`)
}

if (availableParallelism() < 2) {
  console.log('skipped, it needs two processors: calls do not overlap on one')
} else {
  console.log(`histories of seed ${SEED}`)
  const wanted = (/** @type {string} */ name) =>
    options.only === undefined || name.includes(options.only)
  for (const name of Object.keys(shapes)) if (wanted(name)) await checkShape(name)
  for (const [name, { shape }] of Object.entries(broken))
    if (wanted(name)) await checkControl(name, shape)
  conclude('linearizability')
}
