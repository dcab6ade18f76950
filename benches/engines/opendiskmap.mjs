// This library, as it comes.
import { join } from 'node:path'
import { arch, bytes, DiskMap, json, native, str, struct } from 'opendiskmap'

const TEXTS = ['name', 'email', 'street', 'city', 'country', 'company', 'title', 'about']
/** @type {Record<string, string>} */
const wide = {
  id: 'u32',
  score: 'f64',
  ...Object.fromEntries(TEXTS.map((name) => [name, 'string'])),
}

const codecs = {
  text: str,
  u64: native.u64,
  bytes,
  object: json(),
  wide: arch(struct(/** @type {any} */ (wide))),
  profile: arch(struct({ id: 'u32', name: 'string', email: 'string', score: 'f64' })),
}

/** @type {import('./index.mjs').Engine} */
export const opendiskmap = {
  name: 'opendiskmap',
  settings:
    'defaults (a flush in the background every second; none in latency-unsynced); objects by `json()`',
  persists: true,
  threads: true,
  peeks: true,
  open(place, kind, { unsynced = false } = {}) {
    // Which of the codecs it is does not matter to the verbs.
    const codec = /** @type {Record<string, any>} */ (codecs)
    /** @type {DiskMap<any, any>} */
    const map = DiskMap.open(join(place, 'map.odm'), {
      key: codec[kind.key],
      value: codec[kind.value],
      flushInterval: unsynced ? false : undefined,
    })
    /** @returns {number} */
    const usedBytes = () => {
      const { liveBytes, indexBytes } = map.stats()
      return liveBytes + indexBytes
    }
    return {
      inFlight: 0,
      get: (key) => map.get(key),
      set: (key, value) => map.set(key, value),
      delete: (key) => map.delete(key),
      scan() {
        let seen = 0
        for (const [key, value] of map) if (key !== undefined && value !== undefined) seen++
        return seen
      },
      peek: kind.value === 'wide' ? (key) => map.view(key)?.value : (key) => map.view(key)?.bytes,
      getMany: (keys) => map.getMany(keys),
      ...(kind.value === 'u64' && {
        otherGetMany: (/** @type {BigUint64Array} */ keys) => {
          const values = new BigUint64Array(keys.length)
          map.getManyInto(keys, values)
          return values
        },
      }),
      setMany: (entries) => map.setMany(entries),
      usedBytes,
      close: () => map.close(),
    }
  },
}
