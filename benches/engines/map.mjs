// JavaScript's own Map: what there is to reach, in memory and in one thread.

/** @type {import('./index.mjs').Engine} */
export const map = {
  name: 'Map',
  settings: 'in memory: it keeps what it is given, and copies and encodes nothing',
  persists: false,
  threads: false,
  open() {
    /** @type {Map<any, any>} */
    const entries = new Map()
    return {
      inFlight: 0,
      get: (key) => entries.get(key),
      set: (key, value) => entries.set(key, value),
      delete: (key) => entries.delete(key),
      scan() {
        let seen = 0
        for (const [key, value] of entries) if (key !== undefined && value !== undefined) seen++
        return seen
      },
      getMany: (/** @type {any[]} */ keys) => Array.from(keys, (key) => entries.get(key)),
      setMany(pairs) {
        for (const [key, value] of pairs) entries.set(key, value)
      },
      close: () => entries.clear(),
    }
  },
}
