// Keys, values and orders of access, the same for every engine and every run.
const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** A xorshift generator: the same numbers in every process. @param {number} seed */
export function random(seed) {
  let state = seed | 0 || 1
  /** @param {number} below */
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** Numbers 0 to n - 1, shuffled. @param {number} n @param {number} seed */
export function shuffled(n, seed) {
  const order = Uint32Array.from({ length: n }, (_, i) => i)
  const below = random(seed)
  for (let i = n - 1; i > 0; i--) {
    const j = below(i + 1)
    const swapped = order[i] ?? 0
    order[i] = order[j] ?? 0
    order[j] = swapped
  }
  return order
}

/**
 * The text of many keys of 16 characters: 8 spread by a mixing step, 8 that make them unique.
 * @param {number} n
 */
export function keyText(n) {
  const text = Buffer.allocUnsafe(n * 16)
  for (let i = 0; i < n; i++) {
    let mixed = Math.imul(i + 1, 0x9e3779b1) >>> 0
    let own = i
    for (let at = 0; at < 8; at++) {
      text[i * 16 + at] = LETTERS.charCodeAt(mixed % 36)
      mixed = (Math.imul(mixed, 0x85ebca6b) ^ (mixed >>> 13)) >>> 0
      text[i * 16 + 8 + at] = LETTERS.charCodeAt(own % 36)
      own = Math.floor(own / 36)
    }
  }
  return text
}

/** One key, as a string of its own. @param {Buffer} text @param {number} n */
export const keyAt = (text, n) => text.toString('latin1', n * 16, n * 16 + 16)

/**
 * Key strings that nobody has hashed yet, as a server's are that it just parsed.
 * @param {Buffer} text
 * @param {Uint32Array} order
 */
export function freshKeys(text, order) {
  return Array.from(order, (n) => keyAt(text, n))
}

/** 100 characters that differ from entry to entry. @param {number} n */
export function value100(n) {
  return `${n}:`.padEnd(100, 'value ')
}
