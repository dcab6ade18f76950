import { corrupt, invalid, tooLarge, type Role } from '../errors.js'
import { limits } from '../native.js'
import { scratch, VALUE_AT, VALUE_ROOM, view } from '../scratch.js'
import { copyOut } from './bytes.js'
import { isOctets, measure, placeKey } from './octets.js'
import { numberTypes } from './numbers.js'
import type { Driver } from './types.js'

/** What the codec `primitive` stores. */
export type Primitive = undefined | null | boolean | number | bigint | string | Uint8Array

// The first byte. What follows a number is its eight bytes, what follows a bigint the shortest little-endian
// magnitude, what follows a string its UTF-8, what follows bytes the bytes.
const UNDEFINED = 0
const NULL = 1
const FALSE = 2
const TRUE = 3
const NUMBER = 4
const NATURAL = 5
const NEGATIVE = 6
const STRING = 7
const BYTES = 8

const name = 'primitive'
const wants = 'undefined, null, a boolean, number, bigint, string or Uint8Array'

/** Writes a fixed-size value at a place of the scratch and gives its length, or 0 for a kind that varies in size. */
function writeSmall(value: Primitive, at: number, canonical: boolean): number {
  switch (typeof value) {
    case 'undefined':
      scratch[at] = UNDEFINED
      return 1
    case 'boolean':
      scratch[at] = value ? TRUE : FALSE
      return 1
    case 'number':
      scratch[at] = NUMBER
      numberTypes.f64.write(view, at + 1, canonical ? value + 0 : value)
      return 9
    default:
      if (value !== null) return 0
      scratch[at] = NULL
      return 1
  }
}

function wellFormed(role: Role, text: string): string {
  if (!text.isWellFormed()) throw invalid(role, name, 'strings without lone surrogates', text)
  return text
}

/** A bigint's tag and magnitude. */
function bigintBytes(value: bigint): Buffer {
  const magnitude = value < 0n ? -value : value
  let hex = magnitude === 0n ? '' : magnitude.toString(16)
  if (hex.length % 2 === 1) hex = `0${hex}`
  const bytes = Buffer.from(`${hex}00`, 'hex').reverse()
  bytes[0] = value < 0n ? NEGATIVE : NATURAL
  return bytes
}

function readBigint(bytes: Buffer, start: number, end: number): bigint {
  if (start === end) return 0n
  const magnitude = copyOut(bytes, start, end).reverse()
  return BigInt(`0x${magnitude.toString('hex')}`)
}

function putKey(key: Primitive): number {
  const small = writeSmall(key, 0, true)
  if (small !== 0) return small
  if (typeof key === 'string') {
    const length = 1 + (key.length * 3 < limits.maxKeyBytes ? 0 : Buffer.byteLength(key))
    if (length > limits.maxKeyBytes) throw tooLarge('key', length, limits.maxKeyBytes)
    scratch[0] = STRING
    return 1 + scratch.write(wellFormed('key', key), 1, limits.maxKeyBytes, 'utf8')
  }
  if (typeof key === 'bigint') return placeKey(name, bigintBytes(key))
  if (!isOctets(key)) throw invalid('key', name, wants, key)
  const length = placeKey(name, key, 1)
  scratch[0] = BYTES
  return 1 + length
}

function storeValue(value: Primitive): number | Uint8Array {
  const small = writeSmall(value, VALUE_AT, false)
  if (small !== 0) return small
  if (typeof value === 'string') {
    wellFormed('value', value)
    if (value.length * 3 < VALUE_ROOM) {
      scratch[VALUE_AT] = STRING
      return 1 + scratch.write(value, VALUE_AT + 1, VALUE_ROOM - 1, 'utf8')
    }
    const bytes = large(Buffer.byteLength(value), STRING)
    bytes.write(value, 1, 'utf8')
    return bytes
  }
  if (typeof value === 'bigint') return bigintBytes(value)
  if (!isOctets(value)) throw invalid('value', name, wants, value)
  const length = measure('value', name, value)
  if (length < VALUE_ROOM) {
    scratch[VALUE_AT] = BYTES
    scratch.set(value, VALUE_AT + 1)
    return 1 + length
  }
  const bytes = large(length, BYTES)
  bytes.set(value, 1)
  return bytes
}

/** A Buffer for a tag and this many bytes. */
function large(length: number, tag: number): Buffer {
  if (length + 1 > limits.maxValueBytes) throw tooLarge('value', length + 1, limits.maxValueBytes)
  const bytes = Buffer.allocUnsafe(length + 1)
  bytes[0] = tag
  return bytes
}

function read(bytes: Buffer, start: number, end: number): Primitive {
  const tag = start < end ? bytes[start] : -1
  const first = start + 1
  switch (tag) {
    case NATURAL:
      return readBigint(bytes, first, end)
    case NEGATIVE:
      return -readBigint(bytes, first, end)
    case STRING:
      return bytes.toString('utf8', first, end)
    case BYTES:
      return copyOut(bytes, first, end)
    case NUMBER:
      if (end - first !== 8) throw corrupt(name)
      return bytes.readDoubleLE(first)
  }
  if (end === first) {
    switch (tag) {
      case UNDEFINED:
        return undefined
      case NULL:
        return null
      case FALSE:
        return false
      case TRUE:
        return true
    }
  }
  throw corrupt(name)
}

/** Primitive values with their type: `1`, `1n` and `'1'` are three keys. */
export const primitive: Driver<Primitive> = {
  key: { name, text: false, put: putKey, read },
  value: { kind: 'packed', name, store: storeValue, read },
}
