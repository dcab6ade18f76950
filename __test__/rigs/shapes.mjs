// The maps that histories are made of: their codecs, how long their values are, and which verbs they take. A value tells
// which write it comes from, and that it is whole.
import { bytes, native, str } from 'opendiskmap'

/** @typedef {import('opendiskmap').DiskMap<any, any>} AnyMap */
/** @typedef {import('opendiskmap').DiskMapOptions<any, any>} Options */
/** @typedef {import('./one-key.mjs').Token} Token */
/** @typedef {(below: number) => number} Draw a number from 0, below another */
/**
 * @typedef {object} Shape
 * @property {Options} options
 * @property {number} threads
 * @property {number} share of the rounds: more where they are cheap
 * @property {string[]} verbs as often as each is to be called among them
 * @property {(n: number) => unknown} key
 * @property {(unique: number, draw: Draw) => unknown} make a value that no other number gives
 * @property {(value: unknown) => Token} token what tells values apart
 */

const ALWAYS = ['get', 'get', 'get', 'has', 'set', 'set', 'delete', 'getOrInsert']
const RACES = ['compareAndSet', 'compareAndSet', 'compareAndSet', 'update', 'update', 'update']
const ENTRIES = ['insert', 'remove']
const BATCHES = ['getMany', 'hasMany', 'setMany', 'deleteMany']

/** @param {Draw} draw */
function shortLength(draw) {
  return 8 + draw(50)
}

/** Often more than a page, now and then more than the scratch or more than a segment holds. @param {Draw} draw */
function longLength(draw) {
  const kind = draw(100)
  if (kind === 0) return 300_000
  return kind < 5 ? 70_000 : 200 + draw(6_000)
}

/** The value is its mark over and over. @param {number} unique @param {number} length */
function text(unique, length) {
  const mark = `${unique} `
  return mark.padEnd(length, mark)
}

/** @param {unknown} value @returns {Token} */
function textToken(value) {
  if (value === undefined) return undefined
  const found = String(value)
  const mark = found.slice(0, found.indexOf(' '))
  return found === text(Number(mark), found.length)
    ? mark
    : `no value that was written: ${found.length} characters that begin ${found.slice(0, 20)}`
}

/** @type {Record<string, Shape>} */
export const shapes = {
  'short text': {
    options: { key: str, value: str, shards: 1 },
    threads: 3,
    share: 3,
    verbs: [...ALWAYS, ...RACES, ...ENTRIES, ...BATCHES, 'clear'],
    key: (n) => `key ${n}`,
    make: (unique, draw) => text(unique, shortLength(draw)),
    token: textToken,
  },
  numbers: {
    options: { key: native.u32, value: native.u64, shards: 2 },
    threads: 2,
    share: 4,
    verbs: [...ALWAYS, ...RACES, ...ENTRIES, ...BATCHES, ...Array(6).fill('increment')],
    key: (n) => n,
    // Far apart, so that no increment leads from one to another.
    make: (unique) => BigInt(unique) << 24n,
    token: (value) => /** @type {Token} */ (value),
  },
  'long text': {
    options: { key: str, value: str, shards: 1, flushInterval: 50 },
    threads: 2,
    share: 1,
    verbs: [...ALWAYS, ...RACES, ...ENTRIES, ...BATCHES],
    key: (n) => `key ${n}`,
    make: (unique, draw) => text(unique, longLength(draw)),
    token: textToken,
  },
  bytes: {
    options: { key: bytes, value: bytes, shards: 1 },
    threads: 3,
    share: 1,
    verbs: [...ALWAYS, ...RACES, ...ENTRIES, ...BATCHES],
    key: (n) => Buffer.from([n, n >>> 8]),
    make: (unique, draw) => Buffer.from(text(unique, 1000 + draw(3000))),
    token: (value) =>
      value === undefined
        ? undefined
        : textToken(Buffer.from(/** @type {Buffer} */ (value)).toString()),
  },
}
