import { corrupt, DiskMapError, invalid, type DiskMapErrorCode } from '../errors.js'
import type { TextDriver } from './types.js'

const wants = 'what JSON.stringify can write'

// JSON.stringify runs toJSON and getters, and what those throw must pass through: only its own words, of V8
// and of Bun's engine, for a cycle, a bigint and an over-long result tell its errors from theirs.
function refusal(error: unknown): unknown {
  if (error instanceof TypeError) {
    if (/^Converting circular structure to JSON|cyclic structures/.test(error.message)) {
      return refused('ERR_INVALID_VALUE', 'The value codec json takes no cycles.', error)
    }
    if (/serialize a? ?BigInt/.test(error.message)) {
      return refused('ERR_INVALID_VALUE', 'The value codec json takes no bigints.', error)
    }
  }
  if (error instanceof RangeError && error.message === 'Invalid string length') {
    return refused('ERR_TOO_LARGE', 'The value is longer as JSON than a string can be.', error)
  }
  return error
}

function refused(code: DiskMapErrorCode, message: string, cause: unknown): DiskMapError {
  return new DiskMapError(code, message, { cause })
}

/** Values as JSON text. */
export const json: TextDriver<unknown> = {
  kind: 'text',
  name: 'json',
  toText(value) {
    let text: string | undefined
    try {
      text = JSON.stringify(value)
    } catch (error) {
      throw refusal(error)
    }
    if (text === undefined) throw invalid('value', 'json', wants, value)
    return text
  },
  fromText(text) {
    try {
      return JSON.parse(text) as unknown
    } catch (error) {
      throw corrupt('json', error)
    }
  },
}
