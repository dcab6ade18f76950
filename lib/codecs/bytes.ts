import { placeKey, placeValue } from './octets.js'
import type { Driver } from './types.js'

/** A part of a page or of the scratch as a Buffer of the user's own. */
export function copyOut(bytes: Uint8Array, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafe(end - start)
  // A third faster than Buffer's own copy.
  copy.set(new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start))
  return copy
}

/** Bytes as they are. */
export const bytes: Driver<Uint8Array> = {
  key: {
    name: 'bytes',
    text: false,
    put: (key) => placeKey('bytes', key),
    read: copyOut,
  },
  value: {
    kind: 'packed',
    name: 'bytes',
    canonical: true,
    store: (value) => placeValue('bytes', value),
    read: copyOut,
    adopt: (value) => value,
  },
}
