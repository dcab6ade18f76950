import optional from '../../optional.cjs'
import { corrupt, DiskMapError, invalid } from '../errors.js'
import { copyOut } from './bytes.js'
import { placeValue } from './octets.js'
import type { Driver } from './types.js'

const name = 'msgpack'
const wants = 'what msgpackr can write'

/** What is used of a Packr of msgpackr. */
interface Packr {
  pack(value: unknown): Uint8Array
  unpack(bytes: Uint8Array): unknown
}

let packr: Packr | undefined

/** Loads msgpackr when it is first needed. */
function load(): Packr {
  if (packr !== undefined) return packr
  try {
    const { Packr } = optional.msgpackr() as { Packr: new (options: object) => Packr }
    packr = new Packr({
      // Objects as maps, as any reader of MessagePack expects, of any number of properties.
      useRecords: false,
      variableMapSize: true,
      // Without it a typed array is written as other bytes than its own.
      moreTypes: true,
      writeFunction(value: unknown) {
        throw invalid('value', name, wants, value)
      },
    })
    return packr
  } catch (error) {
    throw new DiskMapError(
      'ERR_CODEC_UNAVAILABLE',
      'The codec msgpack needs the package msgpackr: install it with npm install msgpackr@2.',
      { cause: error },
    )
  }
}

// Getters and toJSON run inside pack, and what they throw must pass through: only its own words tell msgpackr's errors
// from theirs. It does not look for cycles.
function refusal(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { message } = error
  if (error instanceof RangeError && message.startsWith('Maximum call stack size exceeded')) {
    return refused('takes no cycles and nothing nested that deep', error)
  }
  if (message === 'Unknown type: symbol') return refused('takes no symbols', error)
  if (message === 'Packed buffer would be larger than maximum buffer size') {
    const sentence = 'The value is longer as MessagePack than a buffer can be.'
    return new DiskMapError('ERR_TOO_LARGE', sentence, { cause: error })
  }
  return error
}

function refused(what: string, cause: unknown): DiskMapError {
  return new DiskMapError('ERR_INVALID_VALUE', `The value codec ${name} ${what}.`, { cause })
}

// Bytes in the value come out as parts of these, so they are the value's own.
function adopt(bytes: Buffer): unknown {
  const unpacker = load()
  try {
    return unpacker.unpack(bytes)
  } catch (error) {
    throw corrupt(name, error)
  }
}

/** Values as MessagePack. */
export const msgpack: Driver<unknown> = {
  value: {
    kind: 'packed',
    name,
    store(value) {
      const packer = load()
      let packed: Uint8Array
      try {
        packed = packer.pack(value)
      } catch (error) {
        throw refusal(error)
      }
      return placeValue(name, packed)
    },
    read: (bytes, start, end) => adopt(copyOut(bytes, start, end)),
    adopt,
  },
  check: load,
}
