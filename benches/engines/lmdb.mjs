// lmdb, which writes one at a time (putSync) or in the background (put).
import { join } from 'node:path'
import { peer, u64Bytes, u64Of } from './peer.mjs'

const { open } = peer('lmdb')

/** @param {Uint8Array & { dataView?: DataView }} bytes lmdb keeps this view with its buffers too */
const viewOf = (bytes) =>
  (bytes.dataView ??= new DataView(bytes.buffer, bytes.byteOffset, bytes.length))

/** Eight bytes in place of lmdb's own encoding of bigints, which is longer and slower. */
const u64Keys = {
  /** @param {bigint | undefined} key @param {Uint8Array} target @param {number} at */
  writeKey(key, target, at) {
    // A range without a start asks for the empty key.
    if (typeof key !== 'bigint') return at
    viewOf(target).setBigUint64(at, key)
    return at + 8
  },
  /** @param {Uint8Array} source @param {number} start */
  readKey: (source, start) => viewOf(source).getBigUint64(start),
}

const structs = {
  encoding: 'msgpack',
  sharedStructuresKey: Symbol.for('structures'),
  randomAccessStructure: true,
}

const values = {
  text: { encoding: 'string' },
  bytes: { encoding: 'binary' },
  u64: { encoder: { encode: u64Bytes, decode: u64Of } },
  object: { encoding: 'msgpack', sharedStructuresKey: Symbol.for('structures') },
  wide: structs,
  profile: structs,
}

const SETTINGS =
  '`noSync`, `useWritemap`; reads by `get`, alone or in a read transaction that stays open, whichever is faster; u64 by an encoder of eight bytes; objects as msgpack with shared structures'

/**
 * @param {string} place
 * @param {import('./index.mjs').Kind} kind
 * @param {boolean} queued
 * @returns {import('./index.mjs').Store}
 */
function openStore(place, kind, queued) {
  const store = open({
    path: join(place, 'lmdb'),
    noSync: true,
    useWritemap: true,
    ...values[kind.value],
    ...(kind.key === 'u64' && { keyEncoder: u64Keys }),
  })
  /** @param {any} keys */
  const getEach = (keys) => Array.from(keys, (key) => store.get(key))
  return {
    inFlight: queued ? 1000 : 0,
    get: (key) => store.get(key),
    otherGet() {
      const transaction = store.useReadTransaction()
      const held = { transaction }
      return { get: (key) => store.get(key, held), end: () => transaction.done() }
    },
    set: queued ? (key, value) => store.put(key, value) : (key, value) => store.putSync(key, value),
    delete: queued ? (key) => store.remove(key) : (key) => store.removeSync(key),
    scan() {
      let seen = 0
      for (const { key, value } of store.getRange({ snapshot: false }))
        if (key !== undefined && value !== undefined && typeof key !== 'symbol') seen++
      return seen
    },
    peek: kind.value === 'wide' ? (key) => store.get(key) : (key) => store.getBinaryFast(key),
    getMany: getEach,
    otherGetMany: (keys) => store.getMany(Array.from(keys)),
    setMany: (entries) =>
      store.transactionSync(() => {
        for (const [key, value] of entries) store.put(key, value)
      }),
    usedBytes() {
      const { pageSize, treeBranchPageCount, treeLeafPageCount, overflowPages } = store.getStats()
      return pageSize * (treeBranchPageCount + treeLeafPageCount + overflowPages)
    },
    close: () => store.close(),
  }
}

/** @type {import('./index.mjs').Engine} */
export const lmdb = {
  name: 'lmdb',
  settings: `\`putSync\`, \`removeSync\`; batches: \`transactionSync\`, and the faster of \`getMany\` and a loop; ${SETTINGS}`,
  persists: true,
  threads: true,
  peeks: true,
  open: (place, kind) => openStore(place, kind, false),
}

/** @type {import('./index.mjs').Engine} */
export const lmdbQueued = {
  name: 'lmdb queued',
  settings:
    'the same with `put` and `remove`, 1,000 in flight; a write counts once it is committed',
  persists: true,
  threads: true,
  queued: true,
  open: (place, kind) => openStore(place, kind, true),
}
