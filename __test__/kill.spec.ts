import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test from 'ava'
import { DiskMap, str } from '../index.js'
import { freshPath } from './helpers/dir.js'
import { apply, write } from './helpers/history.mjs'
import { program } from './helpers/program.js'

// OPENDISKMAP_KILLS asks for more than a minute's worth.
const asked = Number(process.env['OPENDISKMAP_KILLS'] ?? 0)
const ROUNDS = asked || 300
const MINUTE = 60_000
const LIMIT = asked > 0 ? Infinity : MINUTE
const codecs = { key: str, value: str }

interface Round {
  readonly path: string
  readonly seed: number
  /** The number of the first write of each thread. */
  readonly firsts: number[]
  /** Kill after so many acknowledgements; 0: while the child opens the map. */
  readonly after: number
}

/** Runs a child until it is killed, and gives how many writes each thread has had acknowledged. */
async function killed({ path, seed, firsts, after }: Round): Promise<number[]> {
  const args = [program('writes.mjs'), path, String(seed), ...firsts.map(String)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const done = firsts.map(() => 0)
  let acknowledged = 0
  let rest = ''
  // From a while before the map is open to a while after: a random moment of opening.
  const early =
    after === 0 ? setTimeout(() => child.kill('SIGKILL'), 20 + Math.random() * 80) : undefined
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()!
    for (const line of lines) {
      if (line === 'open') continue
      const [thread, n] = line.split(' ').map(Number) as [number, number]
      done[thread] = n + 1 - firsts[thread]!
      acknowledged++
    }
    if (acknowledged >= after && after > 0) child.kill('SIGKILL')
  })
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  clearTimeout(early)
  if (signal !== 'SIGKILL') throw new Error(`the child ended by itself: ${code} ${signal}`)
  return done
}

/** Applies what was acknowledged, and of each thread's write in flight all or nothing, whichever the map shows. */
function settle(
  model: Map<string, string>,
  map: DiskMap<string, string>,
  round: Round,
  done: number[],
): string[] {
  const alone = round.firsts.length === 1
  const started = round.firsts.map((first, thread) => first + done[thread]!)
  round.firsts.forEach((first, thread) => {
    for (let n = first; n < started[thread]!; n++) apply(model, write(round.seed, thread, n, alone))
  })
  const found = new Map(map)
  started.forEach((n, thread) => {
    const inFlight = write(round.seed, thread, n, alone)
    const after = new Map(model)
    apply(after, inFlight)
    const happened =
      inFlight.kind === 'clear'
        ? found.size < model.size
        : found.get(inFlight.key) === after.get(inFlight.key)
    if (!happened) return
    model.clear()
    for (const [key, value] of after) model.set(key, value)
    started[thread]!++
  })
  round.firsts.splice(0, round.firsts.length, ...started)
  const wrong: string[] = []
  if (map.size !== model.size) wrong.push(`size is ${map.size}, not ${model.size}`)
  for (const [key, value] of model) {
    const there = found.get(key)
    if (there !== value)
      wrong.push(`${key} holds ${there?.slice(0, 40)}, not ${value.slice(0, 40)}`)
    if (map.get(key) !== there) wrong.push(`get and the iterator disagree on ${key}`)
  }
  for (const key of found.keys()) if (!model.has(key)) wrong.push(`${key} came back`)
  return wrong
}

for (const threads of [1, 3]) {
  test(`kill -9 at random moments loses no acknowledged write of ${threads} threads and leaves none half done`, async (t) => {
    t.timeout(asked > 0 ? 600 * MINUTE : 5 * MINUTE)
    const began = performance.now()
    const path = freshPath(t)
    const seed = Math.floor(Math.random() * 2 ** 31)
    t.log(`seed ${seed}`)
    const model = new Map<string, string>()
    let firsts = Array.from({ length: threads }, () => 0)
    let acknowledged = 0
    let rounds = 0
    for (; rounds < ROUNDS / 2 && performance.now() - began < LIMIT; rounds++) {
      const after = rounds % 10 === 9 ? 0 : 1 + Math.floor(Math.random() ** 2 * 1500)
      const round: Round = { path, seed, firsts, after }
      const done = await killed(round)
      acknowledged += done.reduce((sum, n) => sum + n, 0)
      // A child that was killed before it made the map leaves nothing to compare.
      // A reader writes nothing, so that the next child finds the map as the kill left it.
      const readOnly = rounds % 3 === 1 && model.size > 0
      const map = DiskMap.open(path, { ...codecs, readOnly })
      const wrong = settle(model, map, round, done)
      map.close()
      t.deepEqual(wrong, [], `round ${rounds} with seed ${seed}`)
      firsts = round.firsts
    }
    t.log(`${rounds} kills, ${acknowledged} acknowledged writes, ${model.size} entries at the end`)
    t.true(acknowledged > rounds)
  })
}
