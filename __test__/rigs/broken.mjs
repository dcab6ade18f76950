// The negative controls: clients of a map that each break one promise. Histories made through them must be rejected.
import { DELETE } from 'opendiskmap'

/** @typedef {import('./shapes.mjs').AnyMap} AnyMap */
/**
 * @typedef {object} Control
 * @property {string} shape
 * @property {string[]} verbs
 * @property {(map: AnyMap) => Record<string, Function>} client the verbs that it does wrong
 */

/** @type {Record<string, Control>} */
export const broken = {
  'update that gets and then sets': {
    shape: 'short text',
    verbs: ['get', 'set', 'update', 'update'],
    client: (map) => ({
      /** @param {unknown} key @param {(old: unknown) => unknown} fn */
      update(key, fn) {
        const next = fn(map.get(key))
        if (next === DELETE) map.delete(key)
        else map.set(key, next)
      },
    }),
  },
  'increment that gets and then sets': {
    shape: 'numbers',
    verbs: ['get', 'increment', 'increment'],
    client: (map) => ({
      /** @param {unknown} key @param {bigint} by */
      increment(key, by) {
        const sum = /** @type {bigint} */ (map.get(key) ?? 0n) + by
        map.set(key, sum)
        return sum
      },
    }),
  },
  'compareAndSet that compares and then sets': {
    shape: 'short text',
    verbs: ['get', 'set', 'compareAndSet', 'compareAndSet'],
    client: (map) => ({
      /** @param {unknown} key @param {unknown} expected @param {unknown} next */
      compareAndSet(key, expected, next) {
        if (map.get(key) !== expected) return false
        if (next === undefined) map.delete(key)
        else map.set(key, next)
        return true
      },
    }),
  },
  'getOrInsert that looks and then sets': {
    shape: 'bytes',
    verbs: ['get', 'delete', 'getOrInsert', 'getOrInsert'],
    client: (map) => ({
      /** @param {unknown} key @param {unknown} value */
      getOrInsert(key, value) {
        const found = map.get(key)
        if (found === undefined) map.set(key, value)
        return found ?? value
      },
    }),
  },
  'a read from a cache': {
    shape: 'short text',
    verbs: ['get', 'set', 'delete'],
    client(map) {
      const cache = new Map()
      let reads = 0
      return {
        /** @param {unknown} key */
        get(key) {
          if (++reads % 4 !== 0 && cache.has(key)) return cache.get(key)
          const found = map.get(key)
          cache.set(key, found)
          return found
        },
      }
    },
  },
  'a set that returns before it is stored': {
    shape: 'numbers',
    verbs: ['get', 'set', 'delete'],
    client(map) {
      /** @type {[unknown, unknown] | undefined} */
      let waiting
      return {
        /** @param {unknown} key @param {unknown} value */
        set(key, value) {
          if (waiting !== undefined) map.set(...waiting)
          waiting = [key, value]
        },
      }
    },
  },
  'a delete that comes back': {
    shape: 'long text',
    verbs: ['get', 'set', 'delete'],
    client: (map) => ({
      /** @param {unknown} key */
      delete(key) {
        const old = map.get(key)
        const there = map.delete(key)
        // As if compaction had kept the old record.
        if (old !== undefined) map.update(key, (now) => now ?? old)
        return there
      },
    }),
  },
}
