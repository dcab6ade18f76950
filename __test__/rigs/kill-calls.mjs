// The calls of the kill rig. What a thread calls follows from the seed and the call's number alone, so that a child needs
// to say nothing but how many have returned.
import { mix } from '../helpers/mix.mjs'

/** The most threads of a child. */
export const THREADS = 4
// Keys that each thread has to itself, in each map.
const KEYS = 60
/** The key that all threads count up. */
export const SHARED = 'all'

/** The keys that only this thread changes: all but the shared one, if it is alone. */
export function owns(thread, threads) {
  const all = Array.from({ length: THREADS }, (_, of) => of)
  const own = threads === 1 ? all : [thread]
  return (key) => own.some((of) => key.startsWith(`${of}:`))
}

function sizeOf(bits) {
  // Mostly small, sometimes a few pages, now and then an extent of its own.
  if (bits % 400 === 0) return 300_000
  if (bits % 20 === 0) return 2_000 + (bits % 7_000)
  return 10 + (bits % 300)
}

const SINGLE = ['update', 'getOrInsert', 'getOrInsertComputed', 'compareAndSet']
const ENTRY = ['insert', 'orInsert', 'remove']
const BATCH = ['setMany', 'setMany', 'deleteMany']

function verbOf(draw) {
  if (draw < 35) return 'set'
  if (draw < 55) return 'delete'
  if (draw < 80) return SINGLE[draw % SINGLE.length] ?? ''
  if (draw < 90) return ENTRY[draw % ENTRY.length] ?? ''
  return BATCH[draw % BATCH.length] ?? ''
}

/** A thread's nth call. */
export function callOf({ seed, round, threads }, thread, n) {
  const bits = mix(seed, thread, n)
  const keyAt = (i) => {
    const of = threads === 1 ? mix(bits, 4, i) % THREADS : thread
    return `${of}:${mix(bits, 1, i) % KEYS}`
  }
  const key = keyAt(0)
  const count = 2 + (mix(bits, 5) % 30)
  const verb = verbOf(mix(bits, 3) % 100)
  if (mix(bits, 6) % 4 > 0) {
    const mark = `${round}/${thread}/${n}/`
    const value = mark.repeat(1 + Math.floor(sizeOf(mix(bits, 2)) / mark.length))
    const pairs = Array.from({ length: count }, (_, i) => [keyAt(i), `${mark}${i}`])
    const clears = threads === 1 && mix(bits, 7) % 300 === 0
    return { map: 'text', verb: clears ? 'clear' : verb, key, value, pairs }
  }
  const value = BigInt(round * 100_000_000 + thread * 10_000_000 + n)
  const pairs = Array.from({ length: count }, (_, i) => [keyAt(i), value * 100n + BigInt(i)])
  switch (mix(bits, 8) % 4) {
    case 0:
      return { map: 'count', verb: 'increment', key, value: BigInt(1 + (bits % 9)), pairs }
    case 1:
      return { map: 'count', verb: 'increment', key: SHARED, value: BigInt(1 + (bits % 9)), pairs }
    default:
      return { map: 'count', verb, key, value, pairs }
  }
}

function apply(map, { verb, key, value, pairs }, update) {
  switch (verb) {
    case 'set':
      return void map.set(key, value)
    case 'delete':
      return void map.delete(key)
    case 'clear':
      return map.clear()
    case 'update':
      return void map.update(key, (old) => update(old, value))
    case 'getOrInsert':
      return void map.getOrInsert(key, value)
    case 'getOrInsertComputed':
      return void map.getOrInsertComputed(key, () => value)
    case 'compareAndSet':
      return void map.compareAndSet(key, map.get(key), value)
    case 'insert':
      return void map.entry(key).insert(value)
    case 'orInsert':
      return void map.entry(key).orInsert(value)
    case 'remove':
      return void map.entry(key).remove()
    case 'setMany':
      return void map.setMany(pairs)
    case 'deleteMany':
      return void map.deleteMany(pairs.map(([each]) => each))
    default:
      throw new Error(`no verb is called ${verb}`)
  }
}

/** Makes a call on maps, or on the models that they are compared with. */
export function make(maps, call) {
  if (call.map === 'text') {
    return apply(maps.text, call, (old, value) => `${(old ?? 'new').slice(0, 20)}>${value}`)
  }
  if (call.verb === 'increment') return void maps.count.increment(call.key, call.value)
  apply(maps.count, call, (old, value) => value + ((old ?? 0n) % 100n))
}

/** A Map with the verbs that only a DiskMap has. */
export class Model extends Map {
  update(key, fn) {
    this.set(key, fn(this.get(key)))
  }

  getOrInsert(key, value) {
    return this.getOrInsertComputed(key, () => value)
  }

  getOrInsertComputed(key, fn) {
    if (!this.has(key)) this.set(key, fn(key))
    return this.get(key)
  }

  compareAndSet(key, expected, next) {
    if (this.get(key) !== expected) return false
    if (next === undefined) this.delete(key)
    else this.set(key, next)
    return true
  }

  setMany(pairs) {
    for (const [key, value] of pairs) this.set(key, value)
  }

  deleteMany(keys) {
    return [...keys].filter((key) => this.delete(key)).length
  }

  entry(key) {
    return {
      insert: (value) => this.set(key, value),
      orInsert: (value) => this.getOrInsert(key, value),
      remove: () => this.delete(key),
    }
  }
}

export class Counts extends Model {
  increment(key, by) {
    const sum = (this.get(key) ?? 0n) + by
    this.set(key, sum)
    return sum
  }
}
