import { isOctets } from './codecs/octets.js'
import { checkNames, flag } from './options.js'

/** Options of {@link DiskMap.get}. */
export interface GetOptions {
  /**
   * Bytes come in an ArrayBuffer of their own, which can be transferred to another thread. Else short ones share the memory of
   * Node's Buffer pool, as `Buffer.from` does. Default: false.
   */
  owned?: boolean | undefined
}

const known: ReadonlySet<PropertyKey> = new Set<keyof GetOptions>(['owned'])

/** A value as the options ask for it; what is not bytes is the caller's own anyway. */
export function asAsked<V>(value: V, options: GetOptions): V {
  const { owned } = checkNames(options, known) as GetOptions
  if (!flag('owned', owned, false) || !isOctets(value)) return value
  if (value.byteLength === value.buffer.byteLength) return value
  const own = Buffer.allocUnsafeSlow(value.byteLength)
  own.set(value)
  return own as unknown as V
}
