import { DiskMapError } from '../errors.js'
import { copyOut } from './bytes.js'
import { isOctets, placeValue } from './octets.js'
import { ValueSink } from './sink.js'
import type { PackedDriver, ValueCodec } from './types.js'

const LENT = 65_536

// What codecs that borrow are shown. Never the scratch itself: its ArrayBuffer would come along, and a transfer of it
// would free memory that the addon writes to.
let lent = Buffer.alloc(0)

function lend(bytes: Buffer, start: number, end: number): Buffer {
  const length = end - start
  if (length > LENT) return copyOut(bytes, start, end)
  // Empty at first, and if it was transferred.
  if (lent.length === 0) lent = Buffer.allocUnsafeSlow(LENT)
  const part = lent.subarray(0, length)
  bytes.copy(part, 0, start, end)
  return part
}

/** A user's codec as it was when the map was opened: a getter must not change it in the middle of the map's life. */
export interface CheckedCodec<V> {
  readonly name: string
  readonly param: Uint8Array | undefined
  readonly borrows: boolean
  readonly encode: ValueCodec<V>['encode']
  readonly decode: ValueCodec<V>['decode']
}

/** The driver of a codec that a user wrote; its functions are called as methods of the codec. */
export function customDriver<V>(codec: ValueCodec<V>, checked: CheckedCodec<V>): PackedDriver<V> {
  const { name, param, borrows, encode, decode } = checked

  function encoded(value: V): Uint8Array {
    const sink = new ValueSink(name)
    let returned: unknown
    try {
      returned = encode.call(codec, value, sink)
    } catch (error) {
      sink.stop()
      throw error
    }
    const written = sink.end()
    if (returned === undefined) return written
    if (!isOctets(returned) || !sink.empty) {
      throw new DiskMapError(
        'ERR_INVALID_VALUE',
        `The function encode of the value codec ${name} must fill its sink or return a Uint8Array, and not both.`,
      )
    }
    return returned
  }

  return {
    kind: 'packed',
    name,
    param,
    store: (value) => placeValue(name, encoded(value)),
    read: borrows
      ? (bytes, start, end) => decode.call(codec, lend(bytes, start, end))
      : (bytes, start, end) => decode.call(codec, copyOut(bytes, start, end)),
    adopt: (bytes) => decode.call(codec, bytes),
  }
}
