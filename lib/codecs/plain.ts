import { scratch, VALUE_AT, view } from '../scratch.js'

// A serializer is an object that is made for one value, and costs several times as much as everything else that a call
// does. The commonest values are written and read here in V8's own form, so that either reads what the other wrote. The
// format is V8's, of src/objects/value-serializer.cc; its header has a version, and what has another one, or is
// anything else, is left to V8.

const MARK = 0xff
const VERSION = 15
const AT = VALUE_AT + 2
const LONGEST = 8192

const UNDEFINED = 0x5f
const NULL = 0x30
const TRUE = 0x54
const FALSE = 0x46
const INT32 = 0x49
const DOUBLE = 0x4e
const ONE_BYTE_STRING = 0x22

/** Given where the bytes are for V8. */
export const NOT_PLAIN: unique symbol = Symbol('not plain')

/** Puts a value into the scratch and gives its length; 0: it is one for V8. */
export function placePlain(value: unknown): number {
  switch (typeof value) {
    case 'string':
      return value.length <= LONGEST ? placeText(value) : 0
    case 'number':
      return placeNumber(value)
    case 'boolean':
      return placeTag(value ? TRUE : FALSE)
    case 'undefined':
      return placeTag(UNDEFINED)
    default:
      return value === null ? placeTag(NULL) : 0
  }
}

function placeTag(tag: number): 3 {
  scratch[VALUE_AT] = MARK
  scratch[VALUE_AT + 1] = VERSION
  scratch[AT] = tag
  return 3
}

/** What is not ASCII has another form, or another length, than its UTF-8. */
function placeText(value: string): number {
  placeTag(ONE_BYTE_STRING)
  const start = placeVarint(value.length)
  const written = scratch.write(value, start, 'utf8')
  return written === value.length ? start + written - VALUE_AT : 0
}

function placeNumber(value: number): number {
  // As an integer of 32 bits, which -0 is not.
  if (value === value << 0 && !Object.is(value, -0)) {
    placeTag(INT32)
    return placeVarint(((value << 1) ^ (value >> 31)) >>> 0) - VALUE_AT
  }
  placeTag(DOUBLE)
  view.setFloat64(AT + 1, value, true)
  return 11
}

/** Seven bits a byte, the lowest first; gives where the next byte goes. */
function placeVarint(value: number): number {
  let at = AT + 1
  let rest = value
  for (; rest > 127; rest >>>= 7) scratch[at++] = (rest & 127) | 128
  scratch[at++] = rest
  return at
}

/** Reads a value from its bytes. */
export function readPlain(bytes: Buffer, start: number, end: number): unknown {
  if (end - start < 3 || bytes[start] !== MARK || bytes[start + 1] !== VERSION) return NOT_PLAIN
  const at = start + 3
  switch (bytes[start + 2]) {
    case ONE_BYTE_STRING:
      return readText(bytes, at, end)
    case INT32:
      return readInteger(bytes, at, end)
    case DOUBLE:
      return end - at === 8 ? bytes.readDoubleLE(at) : NOT_PLAIN
    case TRUE:
      return at === end ? true : NOT_PLAIN
    case FALSE:
      return at === end ? false : NOT_PLAIN
    case UNDEFINED:
      return at === end ? undefined : NOT_PLAIN
    case NULL:
      return at === end ? null : NOT_PLAIN
    default:
      return NOT_PLAIN
  }
}

/** Of a length that takes one or two bytes. */
function readText(bytes: Buffer, from: number, end: number): string | typeof NOT_PLAIN {
  let at = from
  let length = bytes[at++]!
  if (length > 127) length = (length & 127) | (bytes[at++]! << 7)
  return at + length === end ? bytes.toString('latin1', at, end) : NOT_PLAIN
}

function readInteger(bytes: Buffer, from: number, end: number): number | typeof NOT_PLAIN {
  let value = 0
  for (let at = from, shift = 0; at < end && shift < 35; at++, shift += 7) {
    const byte = bytes[at]!
    value |= (byte & 127) << shift
    if (byte < 128) return at + 1 === end ? (value >>> 1) ^ -(value & 1) : NOT_PLAIN
  }
  return NOT_PLAIN
}
