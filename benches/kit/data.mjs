// Numbers drawn at random and orders of access, the same for every engine and every run.

/** A xorshift generator: the same numbers in every process. @param {number} seed */
export function random(seed) {
  let state = seed | 0 || 1
  /** @param {number} below at most 2^32 */
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

/** 64-bit numbers, all different: the finalizer of splitmix64 over a counter. @param {number} from @param {number} n */
export function mixedNumbers(from, n) {
  const numbers = new BigUint64Array(n)
  for (let i = 0; i < n; i++) {
    let mixed = BigInt.asUintN(64, BigInt(from + i + 1) * 0x9e3779b97f4a7c15n)
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n)
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn)
    numbers[i] = mixed ^ (mixed >> 31n)
  }
  return numbers
}

/** Items of an array in an order. @template T @param {ArrayLike<T>} items @param {Uint32Array} order @returns {T[]} */
export const inOrder = (items, order) => Array.from(order, (n) => /** @type {T} */ (items[n]))

/** Skew of YCSB's zipfian workloads. */
const THETA = 0.99

/**
 * Draws items 0 to n - 1 with zipfian frequencies, the popular ones spread over all items.
 *
 * Algorithm: J. Gray et al., "Quickly Generating Billion-Record Synthetic Databases", SIGMOD 1994, as YCSB's
 * ZipfianGenerator has it. YCSB spreads the ranks by a hash, which lets some collide; here a permutation does it.
 * @param {number} n @param {number} seed
 * @returns {() => number}
 */
export function zipfian(n, seed) {
  let zeta = 0
  for (let rank = 1; rank <= n; rank++) zeta += 1 / rank ** THETA
  const zeta2 = 1 + 0.5 ** THETA
  const alpha = 1 / (1 - THETA)
  const eta = (1 - (2 / n) ** (1 - THETA)) / (1 - zeta2 / zeta)
  // The permutation is the same for all seeds: all threads like the same items.
  const items = shuffled(n, 97)
  const below = random(seed)
  return () => {
    const u = below(2 ** 32) / 2 ** 32
    const uz = u * zeta
    const rank =
      uz < 1 ? 0 : uz < zeta2 ? 1 : Math.min(n - 1, Math.floor(n * (eta * u - eta + 1) ** alpha))
    return items[rank] ?? 0
  }
}
