// Packages that only the comparison needs. They live in a folder of their own and may be missing.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const folder = new URL('../compare/', import.meta.url)

/** @type {(name: string) => any} */
export const peer = createRequire(new URL('package.json', folder))

/** The version that is installed. @param {string} name */
export function peerVersion(name) {
  const file = new URL(`node_modules/${name}/package.json`, folder)
  return /** @type {string} */ (JSON.parse(readFileSync(file, 'utf8')).version)
}

/** A u64 in eight bytes, in the order of the numbers. @param {bigint} n */
export function u64Bytes(n) {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigUInt64BE(n)
  return bytes
}

/** @param {Buffer} bytes */
export const u64Of = (bytes) => bytes.readBigUInt64BE(0)

/** @template T @param {T} value */
const same = (value) => value

/** @type {{ encoding: 'utf8', encode: (value: any) => any, decode: (stored: any) => any }} */
const object = { encoding: 'utf8', encode: JSON.stringify, decode: JSON.parse }

/**
 * How keys and values become the strings and Buffers that level and rocksdb take.
 * @type {Record<import('./index.mjs').Kind['value'], { encoding: 'utf8' | 'buffer', encode: (value: any) => any, decode: (stored: any) => any }>}
 */
export const codings = {
  text: { encoding: 'utf8', encode: same, decode: same },
  u64: { encoding: 'buffer', encode: u64Bytes, decode: u64Of },
  bytes: { encoding: 'buffer', encode: same, decode: same },
  object,
  wide: object,
  profile: object,
}
