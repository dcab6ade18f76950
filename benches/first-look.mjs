// 1 M keys of 16 characters with values of 100: set, get, iterate and delete, one at a time, beside Map and lmdb.
// Every engine runs in a process of its own, all of them once per round; ratios are taken within a round.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { DiskMap, str } from 'opendiskmap'
import { answer, collect, inProcess } from './kit/child.mjs'
import { freshKeys, keyText, shuffled, value100 } from './kit/data.mjs'
import { makePlace } from './kit/place.mjs'
import { count, median, progress, table, verdict } from './kit/report.mjs'

/**
 * @typedef {object} Engine
 * @property {(key: string) => string | undefined} get
 * @property {(key: string, value: string) => unknown} set
 * @property {(key: string) => unknown} remove
 * @property {() => Iterable<{ key: string, value: string } | [string, string]>} entries
 * @property {() => unknown} close
 */

/** @type {Record<string, (place: string) => Engine>} */
const engines = {
  opendiskmap(place) {
    const map = DiskMap.open(join(place, 'odm'), { key: str, value: str })
    return {
      get: (key) => map.get(key),
      set: (key, value) => map.set(key, value),
      remove: (key) => map.delete(key),
      entries: () => map.entries(),
      close: () => map.close(),
    }
  },

  Map() {
    /** @type {Map<string, string>} */
    const map = new Map()
    return {
      get: (key) => map.get(key),
      set: (key, value) => map.set(key, value),
      remove: (key) => map.delete(key),
      entries: () => map.entries(),
      close: () => map.clear(),
    }
  },

  lmdb(place) {
    const compare = createRequire(new URL('./compare/package.json', import.meta.url))
    const store = compare('lmdb').open({
      path: join(place, 'lmdb'),
      encoding: 'string',
      noSync: true,
      useWritemap: true,
    })
    return {
      get: (key) => store.get(key),
      set: (key, value) => store.putSync(key, value),
      remove: (key) => store.removeSync(key),
      entries: () => store.getRange({ snapshot: false }),
      close: () => store.close(),
    }
  },
}

/**
 * @param {number} n
 * @param {() => void} work
 * @returns {number} nanoseconds per operation
 */
function timed(n, work) {
  collect()
  const began = performance.now()
  work()
  return ((performance.now() - began) * 1e6) / n
}

/** @param {{ engine: string, entries: number, seed: number }} input */
async function round({ engine: name, entries, seed }) {
  const place = makePlace()
  const engine = engines[name]?.(place)
  if (engine === undefined) throw new Error(name)
  const text = keyText(entries)
  const order = shuffled(entries, seed)
  const values = Array.from(order, value100)

  let keys = freshKeys(text, order)
  const set = timed(entries, () => {
    for (let i = 0; i < entries; i++)
      engine.set(/** @type {string} */ (keys[i]), /** @type {string} */ (values[i]))
  })

  keys = freshKeys(text, shuffled(entries, seed + 1))
  let found = 0
  const get = timed(entries, () => {
    for (let i = 0; i < entries; i++)
      if (engine.get(/** @type {string} */ (keys[i]))?.length === 100) found++
  })

  let seen = 0
  const iterate = timed(entries, () => {
    for (const entry of engine.entries()) if (entry !== undefined) seen++
  })

  keys = freshKeys(text, shuffled(entries, seed + 2))
  const remove = timed(entries, () => {
    for (let i = 0; i < entries; i++) engine.remove(/** @type {string} */ (keys[i]))
  })
  let left = 0
  for (const entry of engine.entries()) if (entry !== undefined) left++

  await engine.close()
  if (found !== entries || seen !== entries || left !== 0)
    throw new Error(`${name}: found ${found}, iterated ${seen}, left ${left} of ${entries}`)
  return { set, get, iterate, delete: remove }
}

if (!(await answer({ round }))) {
  const [entries = 1_000_000, rounds = 5] = process.argv.slice(2).map(Number)
  const verbs = /** @type {const} */ (['get', 'set', 'delete', 'iterate'])
  const wanted = { get: 0.6, set: 0.3, delete: 0.3, iterate: undefined }
  /** @type {Record<string, Record<string, number>[]>} */
  const results = {}
  for (let n = 0; n < rounds; n++) {
    for (const engine of Object.keys(engines)) {
      progress(`round ${n + 1} of ${rounds}: ${engine}`)
      const result = await inProcess(new URL(import.meta.url), 'round', {
        engine,
        entries,
        seed: 1 + n * 10,
      })
      ;(results[engine] ??= []).push(result)
    }
  }

  /** @param {string} engine @param {string} verb */
  const times = (engine, verb) => (results[engine] ?? []).map((result) => result[verb] ?? NaN)
  /** @param {string} verb @param {string} other */
  const ratio = (verb, other) => {
    const others = times(other, verb)
    return median(times('opendiskmap', verb).map((time, n) => time / (others[n] ?? NaN)))
  }
  table(
    `${count(entries)} keys of 16 characters → 100 characters: ns per operation, median of ${rounds} rounds`,
    ['', ...Object.keys(engines), '÷ Map', '÷ lmdb', 'wanted ÷ lmdb'],
    verbs.map((verb) => {
      const limit = wanted[verb]
      const against = ratio(verb, 'lmdb')
      return [
        verb,
        ...Object.keys(engines).map((engine) => count(median(times(engine, verb)))),
        ratio(verb, 'Map').toFixed(2),
        against.toFixed(2),
        limit === undefined ? '' : `≤ ${limit}: ${verdict(against <= limit)}`,
      ]
    }),
    [
      'Every key string is new to the engine (made before the clock starts), in random order.',
      'lmdb: putSync and removeSync, noSync, useWritemap. Ratios: the median of the ratios of each round.',
    ],
  )
}
