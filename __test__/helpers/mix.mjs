/** Mixes numbers to 32 bits. */
export function mix(...parts) {
  let hash = 0x9e37_79b9
  for (const part of parts) {
    hash = Math.imul(hash ^ part, 0x85eb_ca6b)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35)
    hash ^= hash >>> 16
  }
  return hash >>> 0
}
