// SQLite through better-sqlite3: one table, prepared statements.
import { join } from 'node:path'
import { peer } from './peer.mjs'

const Database = peer('better-sqlite3')

/** SQLite's integers have a sign. @param {bigint} n */
const signed = (n) => BigInt.asIntN(64, n)
/** @param {bigint} n */
const unsigned = (n) => BigInt.asUintN(64, n)
/** @template T @param {T} value */
const same = (value) => value

const object = { column: 'TEXT', encode: JSON.stringify, decode: JSON.parse }

const types = {
  text: { column: 'TEXT', encode: same, decode: same },
  bytes: { column: 'BLOB', encode: same, decode: same },
  u64: { column: 'INTEGER', encode: signed, decode: unsigned },
  object,
  wide: object,
  profile: object,
}

/** @type {import('./index.mjs').Engine} */
export const sqlite = {
  name: 'sqlite',
  settings:
    '`journal_mode=WAL`, `synchronous=OFF`, `locking_mode=EXCLUSIVE` (but with several threads), 256 MiB of cache, `mmap_size` 4 GiB, a checkpoint every 10,000 pages; prepared statements; batches in one transaction; objects as JSON text',
  persists: true,
  threads: true,
  open(place, kind, { threads = false } = {}) {
    const db = new Database(join(place, 'map.sqlite'), { timeout: 60_000 })
    const pragmas = {
      locking_mode: threads ? 'NORMAL' : 'EXCLUSIVE',
      journal_mode: 'WAL',
      synchronous: 'OFF',
      cache_size: -256 * 1024,
      mmap_size: 4 * 2 ** 30,
      wal_autocheckpoint: 10_000,
    }
    for (const [name, value] of Object.entries(pragmas)) db.pragma(`${name} = ${value}`)
    /** @type {{ column: string, encode: (key: any) => any, decode: (key: any) => any }} */
    const key = types[kind.key]
    /** @type {{ column: string, encode: (value: any) => any, decode: (value: any) => any }} */
    const value = types[kind.value]
    db.exec(
      `CREATE TABLE IF NOT EXISTS map (k ${key.column} PRIMARY KEY NOT NULL, v ${value.column} NOT NULL)`,
    )
    /** @param {string} text */
    const prepare = (text) =>
      db.prepare(text).safeIntegers(kind.key === 'u64' || kind.value === 'u64')
    const read = prepare('SELECT v FROM map WHERE k = ?').pluck()
    const write = db.prepare(
      'INSERT INTO map VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v',
    )
    const remove = db.prepare('DELETE FROM map WHERE k = ?')
    const all = prepare('SELECT k, v FROM map').raw()
    /** @param {any} wanted */
    const get = (wanted) => {
      const stored = read.get(key.encode(wanted))
      return stored === undefined ? undefined : value.decode(stored)
    }
    /** @param {any} wanted @param {any} stored */
    const set = (wanted, stored) => write.run(key.encode(wanted), value.encode(stored))
    return {
      inFlight: 0,
      get,
      set,
      delete: (wanted) => remove.run(key.encode(wanted)),
      scan() {
        let seen = 0
        for (const [found, stored] of all.iterate())
          if (key.decode(found) !== undefined && value.decode(stored) !== undefined) seen++
        return seen
      },
      getMany: db.transaction((/** @type {any} */ keys) => Array.from(keys, get)),
      setMany: db.transaction((/** @type {[any, any][]} */ entries) => {
        for (const [wanted, stored] of entries) set(wanted, stored)
      }),
      close: () => db.close(),
    }
  },
}
