// classic-level: LevelDB with writes in the thread pool.
import { join } from 'node:path'
import { codings, peer } from './peer.mjs'

const { ClassicLevel } = peer('classic-level')

/** @type {import('./index.mjs').Engine} */
export const level = {
  name: 'level',
  settings:
    '`sync: false`, 256 MiB of cache, 64 MiB of write buffer; `put` and `del` with 1,000 in flight but where latency is measured; `getSync`; batches: chained `batch()`, and the faster of `getMany` and a loop; objects as JSON',
  persists: true,
  threads: true,
  async open(place, kind, { threads = false } = {}) {
    const key = codings[kind.key]
    const value = codings[kind.value]
    const db = new ClassicLevel(join(place, 'level'), {
      keyEncoding: key.encoding,
      valueEncoding: value.encoding,
      cacheSize: 256 << 20,
      writeBufferSize: 64 << 20,
      multithreading: threads,
    })
    await db.open()
    /** @param {any} stored */
    const decode = (stored) => (stored === undefined ? undefined : value.decode(stored))
    /** @param {any} wanted */
    const get = (wanted) => decode(db.getSync(key.encode(wanted)))
    return {
      inFlight: 1000,
      get,
      set: (wanted, stored) => db.put(key.encode(wanted), value.encode(stored)),
      delete: (wanted) => db.del(key.encode(wanted)),
      async scan() {
        let seen = 0
        const iterator = db.iterator({ highWaterMarkBytes: 1 << 20 })
        for (;;) {
          /** @type {[any, any][]} */
          const page = await iterator.nextv(1000)
          if (page.length === 0) break
          for (const [found, stored] of page)
            if (key.decode(found) !== undefined && decode(stored) !== undefined) seen++
        }
        await iterator.close()
        return seen
      },
      getMany: (keys) => Array.from(keys, get),
      otherGetMany: async (keys) => (await db.getMany(Array.from(keys, key.encode))).map(decode),
      setMany(entries) {
        const batch = db.batch()
        for (const [wanted, stored] of entries) batch.put(key.encode(wanted), value.encode(stored))
        return batch.write()
      },
      close: () => db.close(),
    }
  },
}
