import type { DefaultSerializer } from 'node:v8'
import optional from '../../optional.cjs'
import { corrupt, DiskMapError } from '../errors.js'
import { placeValue } from './octets.js'
import { NOT_PLAIN, placePlain, readPlain } from './plain.js'
import type { Driver } from './types.js'

const name = 'structured'

let Serializer: (new () => DefaultSerializer) | undefined

/** A serializer, which Bun has not. */
function makeSerializer(): DefaultSerializer {
  try {
    Serializer ??= defineSerializer()
    return new Serializer()
  } catch (error) {
    throw new DiskMapError(
      'ERR_CODEC_UNAVAILABLE',
      'The codec structured needs the serializer of V8, which this runtime does not have: take json or msgpack.',
      { cause: error },
    )
  }
}

// Node asks the serializer itself for the error of a value that cannot be cloned, so that it need not be told from
// what a getter of the value throws.
function defineSerializer(): new () => DefaultSerializer {
  return class extends optional.v8().DefaultSerializer {
    _getDataCloneError(message: string): DiskMapError {
      const sentence = `The value codec ${name} cannot clone: ${message}`
      return new DiskMapError('ERR_INVALID_VALUE', sentence)
    }
  }
}

// Deno does not ask: there its words must do.
function refusal(error: unknown): unknown {
  const asks = !('Deno' in globalThis)
  if (asks || !(error instanceof Error) || !/could not be cloned\.?$/.test(error.message))
    return error
  const sentence = `The value codec ${name} cannot clone: ${error.message}`
  return new DiskMapError('ERR_INVALID_VALUE', sentence, { cause: error })
}

function adopt(bytes: Buffer): unknown {
  const { DefaultDeserializer } = optional.v8()
  try {
    const deserializer = new DefaultDeserializer(bytes)
    deserializer.readHeader()
    return deserializer.readValue() as unknown
  } catch (error) {
    throw corrupt(name, error)
  }
}

/** Values as node:v8 serializes them. */
export const structured: Driver<unknown> = {
  check: makeSerializer,
  value: {
    kind: 'packed',
    name,
    store(value) {
      const length = placePlain(value)
      if (length > 0) return length
      const serializer = makeSerializer()
      serializer.writeHeader()
      try {
        serializer.writeValue(value)
      } catch (error) {
        throw refusal(error)
      }
      return placeValue(name, serializer.releaseBuffer())
    },
    // Typed arrays in the value come out as views of these bytes, so they are a copy of the value's own, outside of
    // Buffer's pool.
    read(bytes, start, end) {
      const plain = readPlain(bytes, start, end)
      if (plain !== NOT_PLAIN) return plain
      const copy = Buffer.allocUnsafeSlow(end - start)
      bytes.copy(copy, 0, start, end)
      return adopt(copy)
    },
    adopt,
  },
}
