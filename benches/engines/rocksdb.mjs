// RocksDB through @nxtedition/rocksdb, by its synchronous calls: those of abstract-level cost several times as much.
/* oxlint-disable no-underscore-dangle -- its synchronous calls have such names */
import { join } from 'node:path'
import { codings, peer } from './peer.mjs'

const { RocksLevel } = peer('@nxtedition/rocksdb')

/** @type {import('./index.mjs').Engine} */
export const rocksdb = {
  name: 'rocksdb',
  settings:
    '`sync: false`, no compression, 256 MiB of cache, pipelined writes; synchronous calls (`_getManySync`, `_writeSync` of one batch that is used again), which are faster than its `get` and `put`; objects as JSON',
  persists: true,
  threads: true,
  async open(place, kind, { share } = {}) {
    const key = codings[kind.key]
    const value = codings[kind.value]
    const db = new RocksLevel(share ?? join(place, 'rocksdb'), {
      createIfMissing: share === undefined,
      cacheSize: 256 << 20,
      compression: false,
      walCompression: false,
      pipelinedWrite: true,
    })
    await db.open()
    const reading = { valueEncoding: value.encoding }
    const batch = db._chainedBatch()
    const write = () => {
      batch._writeSync()
      batch._clear()
    }
    /** @param {any} stored */
    const decode = (stored) => (stored === undefined ? undefined : value.decode(stored))
    return {
      inFlight: 0,
      get: (wanted) => decode(db._getManySync([key.encode(wanted)], reading)[0]),
      set(wanted, stored) {
        batch._put(key.encode(wanted), value.encode(stored))
        write()
      },
      delete(wanted) {
        batch._del(key.encode(wanted))
        write()
      },
      async scan() {
        let seen = 0
        const iterator = db.iterator({
          keyEncoding: key.encoding,
          valueEncoding: value.encoding,
          highWaterMarkBytes: 1 << 20,
        })
        for (let finished = false; !finished;) {
          const page = iterator._nextvSync(1000)
          const { rows } = page
          for (let at = 0; at < rows.length; at += 2)
            if (key.decode(rows[at]) !== undefined && decode(rows[at + 1]) !== undefined) seen++
          finished = page.finished
        }
        await iterator.close()
        return seen
      },
      getMany: (keys) => db._getManySync(Array.from(keys, key.encode), reading).map(decode),
      setMany(entries) {
        for (const [wanted, stored] of entries) batch._put(key.encode(wanted), value.encode(stored))
        write()
      },
      share: share ?? db.handle,
      // Closing it in one thread would close it for all; the thread that opened it does.
      close: () => (share === undefined ? db.close() : undefined),
    }
  },
}
