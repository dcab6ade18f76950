// Keys and values of every shape, made anew whenever they are asked for: a server has just parsed its keys, and V8 has
// hashed none of them.
import { random } from './data.mjs'

const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** Many texts that lie one behind the other in a buffer. */
export class Texts {
  /** @param {Buffer} bytes @param {number | Uint32Array} ends where each ends, or the length that all have */
  constructor(bytes, ends) {
    this.bytes = bytes
    this.ends = ends
    this.length = typeof ends === 'number' ? bytes.length / ends : ends.length
  }

  /** One of them, as a string of its own. @param {number} n */
  at(n) {
    const { bytes, ends } = this
    if (typeof ends === 'number') return bytes.toString('latin1', n * ends, n * ends + ends)
    return bytes.toString('latin1', n === 0 ? 0 : ends[n - 1], ends[n])
  }

  /** Strings that nobody has hashed yet. @param {Uint32Array} order */
  fresh(order) {
    return Array.from(order, (n) => this.at(n))
  }
}

/**
 * Keys of 16 characters: 8 spread by a mixing step, 8 that make them unique.
 * @param {number} n
 * @param {number} [from] the first key's number
 */
export function keys16(n, from = 0) {
  const text = Buffer.allocUnsafe(n * 16)
  for (let i = 0; i < n; i++) {
    let mixed = Math.imul(from + i + 1, 0x9e3779b1) >>> 0
    let own = from + i
    for (let at = 0; at < 8; at++) {
      text[i * 16 + at] = LETTERS.charCodeAt(mixed % 36)
      mixed = (Math.imul(mixed, 0x85ebca6b) ^ (mixed >>> 13)) >>> 0
      text[i * 16 + 8 + at] = LETTERS.charCodeAt(own % 36)
      own = Math.floor(own / 36)
    }
  }
  return new Texts(text, 16)
}

/** Texts of random letters and lengths; short ones come more than once. @param {number} n @param {number} shortest @param {number} longest @param {number} seed */
export function variedKeys(n, shortest, longest, seed) {
  const below = random(seed)
  const text = Buffer.allocUnsafe(n * longest)
  const ends = new Uint32Array(n)
  let end = 0
  for (let i = 0; i < n; i++) {
    for (let left = shortest + below(longest - shortest + 1); left > 0; left--)
      text[end++] = LETTERS.charCodeAt(below(36))
    ends[i] = end
  }
  return new Texts(text, ends)
}

/** Keys of 36 characters that look like UUIDs. @param {number} n @param {number} seed */
export function keys36(n, seed) {
  const below = random(seed)
  const text = Buffer.alloc(n * 36, '-')
  for (let i = 0; i < n; i++) {
    for (let at = 0; at < 36; at++)
      if (at !== 8 && at !== 13 && at !== 18 && at !== 23)
        text[i * 36 + at] = '0123456789abcdef'.charCodeAt(below(16))
  }
  return new Texts(text, 36)
}

const NOISE = 1 << 20
/** @type {Buffer | undefined} */
let noise

/** Random letters, of which a value is a part. @returns {Buffer} */
function letters() {
  if (noise === undefined) {
    const below = random(20_011)
    noise = Buffer.from(Array.from({ length: NOISE }, () => LETTERS.charCodeAt(below(36))))
  }
  return noise
}

/** @param {number} n @param {number} length */
const startOf = (n, length) => (Math.imul(n, 7919) >>> 0) % (NOISE - length)

/** A value that differs from entry to entry. @param {number} n @param {number} length below 1 Mi */
export function textValue(n, length) {
  const at = startOf(n, length)
  return letters().toString('latin1', at, at + length)
}

/** @param {number} n @param {number} length below 1 Mi */
export function bytesValue(n, length) {
  const at = startOf(n, length)
  return letters().subarray(at, at + length)
}

/** A user's profile of four fields. @param {number} n */
export function profile(n) {
  const name = textValue(n, 12)
  return { id: n, name, email: `${name}@example.com`, score: (n % 1000) / 8 }
}

/** Lengths from 1 to a longest. @param {number} n @param {number} longest @param {number} seed */
export function lengths(n, longest, seed) {
  const below = random(seed)
  return Uint8Array.from({ length: n }, () => 1 + below(longest))
}
