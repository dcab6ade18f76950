// A worker thread that makes histories: in each round it calls verbs on a few keys, as the others do at the same time, and
// notes when each call was made and when it returned. Between its calls it keeps the map busy with keys of its own.
import { parentPort, workerData } from 'node:worker_threads'
import { DELETE, DiskMap } from 'opendiskmap'
import { mix } from '../helpers/mix.mjs'
import { broken } from './broken.mjs'
import { Gate } from './gate.mjs'
import { shapes } from './shapes.mjs'

/** @typedef {import('./one-key.mjs').Operation} Operation */
/** @typedef {import('./shapes.mjs').AnyMap} AnyMap */
/** @typedef {import('./shapes.mjs').Draw} Draw */
/** @typedef {Operation & { key: number, thread: number }} Noted */
/** @typedef {{ path: string, name: string, control: string | undefined, me: number, seed: number, shared: SharedArrayBuffer, chunk: number }} Work */
/**
 * @typedef {object} Call
 * @property {string} verb
 * @property {number[]} keys
 * @property {unknown[]} passed the keys as the map has them
 * @property {unknown[]} values one for each key, undefined where the verb takes none or removes
 * @property {bigint} by
 * @property {boolean} quiet whether nothing else is done after it
 * @property {(() => void) | undefined} [pause] what is done once in the middle of it
 * @property {unknown} [expected]
 * @property {unknown} [saw]
 * @property {unknown} [answer]
 * @property {bigint} [invoked]
 * @property {bigint} [returned]
 */

/** Keys of the histories; a round uses some of them, so that the others rest meanwhile. */
const KEYS = 24
const CALLS = 8
const HELD_EVERY = 4

const { path, name, control, me, seed, shared, chunk } = /** @type {Work} */ (workerData)
const shape = /** @type {import('./shapes.mjs').Shape} */ (shapes[name])
const { threads, make, token } = shape
const gate = new Gate(threads, shared)
const map = /** @type {AnyMap} */ (DiskMap.open(path, shape.options))
const wrong = control === undefined ? undefined : broken[control]
const client = wrong === undefined ? map : { ...verbsOf(map), ...wrong.client(map) }
const verbs = wrong?.verbs ?? shape.verbs

/** The values that this thread saw last, by key: what it expects. @type {Map<number, unknown>} */
const seen = new Map()
let made = 0
let fillers = 0

/** A number that no other thread gives. */
const unique = () => ++made * threads + me

/** A map's verbs, to be put together with others. @param {AnyMap} map @returns {Record<string, Function>} */
function verbsOf(map) {
  const members = Object.entries(Object.getOwnPropertyDescriptors(DiskMap.prototype))
  const verbs = members.filter(([, { value }]) => typeof value === 'function')
  return Object.fromEntries(verbs.map(([verb, { value }]) => [verb, value.bind(map)]))
}

/**
 * Everything that a call needs, made before the round: in it there is little but calls.
 * @param {number[]} keys the round's
 * @param {Draw} draw
 * @returns {Call}
 */
function plan(keys, draw) {
  const verb = /** @type {string} */ (verbs[draw(verbs.length)])
  const one = /** @type {number} */ (keys[draw(keys.length)])
  const concerned = verb === 'clear' || verb.endsWith('Many') ? keys : [one]
  const mayRemove = verb === 'compareAndSet' || verb === 'update'
  const stores = /^set|nsert/.test(verb) || (mayRemove && draw(6) > 0)
  return {
    verb,
    keys: concerned,
    passed: concerned.map((key) => shape.key(key)),
    values: concerned.map(() => (stores ? make(unique(), draw) : undefined)),
    by: BigInt(1 + draw(9)),
    quiet: draw(3) > 0,
  }
}

/** @param {any} client @param {Call} call */
function answer(client, call) {
  const { verb, passed, values } = call
  const key = passed[0]
  switch (verb) {
    case 'set':
      return void client.set(key, values[0])
    case 'update':
      return void client.update(key, (/** @type {unknown} */ old) => {
        call.saw = old
        call.pause?.()
        call.pause = undefined
        return values[0] ?? DELETE
      })
    case 'getOrInsert':
      return client.getOrInsert(key, values[0])
    case 'compareAndSet':
      return client.compareAndSet(key, call.expected, values[0])
    case 'insert':
      return client.entry(key).insert(values[0])
    case 'remove':
      return client.entry(key).remove()
    case 'increment':
      return client.increment(key, call.by)
    case 'getMany':
    case 'hasMany':
    case 'deleteMany':
      return client[verb](passed)
    case 'setMany':
      return void client.setMany(passed.map((key, n) => [key, values[n]]))
    case 'clear':
      return void client.clear()
    default:
      return client[verb](key)
  }
}

/** @param {Call} call */
function perform(call) {
  const key = /** @type {number} */ (call.keys[0])
  call.expected = seen.get(key)
  call.invoked = process.hrtime.bigint()
  call.answer = answer(client, call)
  call.returned = process.hrtime.bigint()
  if (call.verb === 'get') seen.set(key, call.answer)
  else if (call.values[0] !== undefined) seen.set(key, call.values[0])
}

/** What a batch did to each of its keys, as a verb of one key. @type {Record<string, Operation['verb']>} */
const single = { getMany: 'get', hasMany: 'has', setMany: 'set' }

/** What the call means for each of its keys. @param {Call} call @returns {Noted[]} */
function note({ verb, keys, values, by, expected, saw, answer, invoked, returned }) {
  return keys.map((key, n) => {
    const result = Array.isArray(answer) ? answer[n] : answer
    // A count says nothing of one key.
    const said = verb === 'deleteMany' ? undefined : result
    return {
      verb: single[verb] ?? /** @type {Operation['verb']} */ (verb),
      key,
      thread: me,
      invoke: Number(invoked),
      response: Number(returned),
      value: token(values[n]),
      expected: verb === 'compareAndSet' ? token(expected) : undefined,
      saw: token(saw),
      by: verb === 'increment' ? by : undefined,
      result: typeof said === 'boolean' ? said : token(said),
    }
  })
}

/** Splits and rewrites tables, and makes compaction move what histories are made of. @param {Draw} draw */
function disturb(draw) {
  const own = (/** @type {number} */ n) => shape.key(KEYS + threads * n + me)
  // A stock that is replaced, and keys that come and go: now few, now many.
  const window = 100 + (fillers % 1_000)
  if (draw(2) === 0) map.set(own(draw(100)), make(unique(), draw))
  map.set(own(100 + (fillers++ % 8_000)), make(unique(), draw))
  if (fillers > window) map.delete(own(100 + ((fillers - window) % 8_000)))
  if (draw(300) === 0) map.compact().catch(() => {})
}

/** @type {Noted[][]} */
let rounds = []
for (let round = 0; gate.starts(round, me === 0); round++) {
  let draws = 0
  /** @type {Draw} */
  const draw = (below) => mix(seed, round, me, draws++) % below
  // The same in all threads.
  const drawn = Array.from({ length: 1 + (round % 3) }, (_, n) => mix(seed, round, n) % KEYS)
  const keys = [...new Set(drawn)]
  const calls = Array.from({ length: CALLS }, () => plan(keys, draw))
  // In some rounds one thread's update lasts until the others have made some calls: they overlap even where the threads
  // have to share a processor. In the other rounds nothing stands between the calls that could hide what they do wrong.
  const holds = round % HELD_EVERY === 0 && verbs.includes('update')
  const holder = (round / HELD_EVERY) % threads
  if (holds && me === holder) {
    const enough = 1 + draw((threads - 1) * CALLS)
    const pause = () => gate.hold(round, enough)
    calls[0] = { ...plan(keys.slice(0, 1), draw), verb: 'update', pause }
  }
  gate.begin(round)
  if (holds && me !== holder) gate.awaitHeld(round)
  for (const call of calls) {
    perform(call)
    if (holds && me !== holder) gate.called()
    if (!call.quiet) disturb(draw)
  }
  gate.meet()
  if (me === 0) {
    // What is there in the end belongs to the history, and is what the next one of the key begins with.
    for (const key of keys) {
      const last = { ...plan([key], draw), verb: 'get', values: [] }
      perform(last)
      calls.push(last)
    }
  }
  rounds.push(calls.flatMap(note))
  if (rounds.length === chunk) {
    parentPort?.postMessage(rounds)
    rounds = []
  }
}
map.close()
