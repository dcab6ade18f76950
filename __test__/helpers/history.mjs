// The writes of the kill test. What a thread writes follows from the seed and the number of the write alone, so that
// the child needs to say nothing but how many it has done.

// Keys that each thread has to itself.
const KEYS = 120

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

function sizeOf(bits) {
  // Mostly small, sometimes a few pages, now and then an extent of its own.
  if (bits % 400 === 0) return 300_000
  if (bits % 20 === 0) return 2_000 + (bits % 7_000)
  return 10 + (bits % 300)
}

export function write(seed, thread, n, alone) {
  const bits = mix(seed, thread, n)
  const key = `${thread}:${mix(bits, 1) % KEYS}`
  const mark = `${thread}/${n}/`
  const value = mark.repeat(1 + Math.floor(sizeOf(mix(bits, 2)) / mark.length))
  const choice = mix(bits, 3) % 1000
  if (alone && choice < 3) return { kind: 'clear', key, value }
  if (choice < 200) return { kind: 'delete', key, value }
  return { kind: choice < 400 ? 'update' : 'set', key, value }
}

export function updated(old, value) {
  return `${(old ?? 'new').slice(0, 20)}>${value}`
}

export function apply(map, { kind, key, value }) {
  if (kind === 'clear') map.clear()
  else if (kind === 'delete') map.delete(key)
  else if (kind === 'set') map.set(key, value)
  else if ('update' in map) map.update(key, (old) => updated(old, value))
  else map.set(key, updated(map.get(key), value))
}
