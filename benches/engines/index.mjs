// The engines that are measured, each behind the same few verbs.

/** @typedef {{ key: 'text' | 'u64', value: 'text' | 'u64' | 'bytes' | 'object' | 'wide' | 'profile' }} Kind */

/**
 * One open store. Keys and values are strings, bigints, Buffers or plain objects, as its kind says. Reads are synchronous
 * in every engine; a write gives a promise where `inFlight` is not 0.
 * @typedef {object} Store
 * @property {number} inFlight how many writes are under way at once for the best throughput; 0: writes are synchronous
 * @property {(key: any) => any} get undefined for a miss
 * @property {() => { get: (key: any) => any, end: () => void }} [otherGet] begins another way of reading; the faster one counts
 * @property {(key: any, value: any) => unknown} set
 * @property {(key: any) => unknown} delete
 * @property {() => number | Promise<number>} scan reads every key with its value and counts them
 * @property {(keys: any) => ArrayLike<any> | Promise<any[]>} [getMany] in order, undefined for a miss
 * @property {(keys: any) => ArrayLike<any> | Promise<any[]>} [otherGetMany] another way; the faster one counts
 * @property {(entries: [any, any][]) => unknown} [setMany] in one batch, if the engine has any
 * @property {(key: any) => any} [peek] a value's bytes, or a struct whose fields are read when asked for; not to be kept
 * @property {() => number} [usedBytes] records and index, as far as the engine can tell
 * @property {unknown} [share] what another thread needs to open the same store
 * @property {() => unknown} close
 */

/**
 * @typedef {object} OpenOptions
 * @property {boolean} [threads] several threads of the process will open the store
 * @property {unknown} [share] `share` of the store that the first thread opened
 * @property {boolean} [unsynced] nothing is synced by a timer, as with the peers
 */

/**
 * @typedef {object} Engine
 * @property {string} name
 * @property {string} settings how it was set up, for the reader of the figures
 * @property {boolean} persists
 * @property {boolean} threads whether several threads may open one store
 * @property {boolean} [peeks] its stores have `peek`
 * @property {boolean} [queued] it only differs from another engine by not waiting for each write
 * @property {(place: string, kind: Kind, options?: OpenOptions) => Store | Promise<Store>} open in a folder of its own
 */

/**
 * Each engine with how many rounds it takes part in of each five, and whether its calls are capped without `--full`.
 * @type {Record<string, { package?: string, rounds?: number, capped?: boolean, load: () => Promise<Engine> }>}
 */
const known = {
  opendiskmap: { load: async () => (await import('./opendiskmap.mjs')).opendiskmap },
  Map: { load: async () => (await import('./map.mjs')).map },
  lmdb: { package: 'lmdb', load: async () => (await import('./lmdb.mjs')).lmdb },
  'lmdb queued': {
    package: 'lmdb',
    rounds: 3,
    load: async () => (await import('./lmdb.mjs')).lmdbQueued,
  },
  level: {
    package: 'classic-level',
    rounds: 1,
    capped: true,
    load: async () => (await import('./level.mjs')).level,
  },
  sqlite: {
    package: 'better-sqlite3',
    rounds: 1,
    capped: true,
    load: async () => (await import('./sqlite.mjs')).sqlite,
  },
  rocksdb: {
    package: '@nxtedition/rocksdb',
    rounds: 1,
    capped: true,
    load: async () => (await import('./rocksdb.mjs')).rocksdb,
  },
}

export const engineNames = Object.keys(known)

/** The package of an engine that is not our own. @param {string} name */
export const packageOf = (name) => known[name]?.package

/**
 * How often an engine is measured where we are so often, and whether its calls are capped.
 * @param {string} name @param {number} rounds @param {boolean} full
 */
export function extentOf(name, rounds, full) {
  const { rounds: ofFive = 5, capped = false } = known[name] ?? {}
  const share = (full ? Math.max(ofFive, 3) : ofFive) / 5
  return { rounds: Math.ceil(rounds * share), capped: capped && !full }
}

/** Loads one engine and none of the others. @param {string} name @returns {Promise<Engine>} */
export async function loadEngine(name) {
  const engine = known[name]
  if (engine === undefined)
    throw new Error(`No engine is called ${name}: ${engineNames.join(', ')}`)
  return engine.load()
}
