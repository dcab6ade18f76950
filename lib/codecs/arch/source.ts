import { isUtf8 } from 'node:buffer'
import { corrupt } from '../../errors.js'
import type { ScalarName } from './layout.js'
import { NAME } from './misfit.js'

// Up to here putting a string together costs less than a call of Node's own.
const SHORT_TEXT = 12

const { fromCharCode } = String

const cell = new DataView(new ArrayBuffer(8))
const cellBytes = new Uint8Array(cell.buffer)
const floats = new Float64Array(cell.buffer)
const halves = new Float32Array(cell.buffer)
const words = new BigUint64Array(cell.buffer)
const signed = new BigInt64Array(cell.buffer)

const { utf8Slice } = Buffer.prototype as unknown as {
  utf8Slice(this: Uint8Array, start: number, end: number): string
}

/** The error for bytes that no encoder has written. */
export function damaged(): Error {
  return corrupt(NAME)
}

/**
 * The bytes of one value. What is read as a whole is read in the order in which it was written: what a thing points to stands
 * before the thing, and behind what was pointed to before. So no byte is read twice, and a few of them, with many pointers to
 * one place and that level upon level, do not make a world. rkyv takes the same and nothing else.
 */
export class Source {
  readonly bytes: Uint8Array
  /** Where the value begins. */
  readonly start: number
  /** From where to where the next pointer may lead; moved by who reads a value as a whole. */
  low: number
  high: number
  readonly #isWhole: boolean

  constructor(bytes: Uint8Array, start: number, high: number, isWhole: boolean) {
    this.bytes = bytes
    this.start = start
    this.low = start
    this.high = high
    this.#isWhole = isWhole
  }

  /** The place that a pointer leads to, `offset` being counted from `at`, and so many bytes there being wanted. */
  follow(at: number, offset: number, length: number, align: number): number {
    const target = at + offset
    const end = target + length
    const isOdd = ((target - this.start) & (align - 1)) !== 0
    if (target < this.low || end > this.high || end > at || isOdd) throw damaged()
    if (this.#isWhole) this.low = end
    return target
  }
}

export function u32(bytes: Uint8Array, at: number): number {
  return i32(bytes, at) >>> 0
}

export function i32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

function load(bytes: Uint8Array, at: number, size: number): void {
  for (let i = 0; i < size; i++) cellBytes[i] = bytes[at + i]!
}

/** What reads each scalar type at a place that is known to lie in the bytes. */
export const scalarReaders: {
  readonly [name in ScalarName]: (bytes: Uint8Array, at: number) => unknown
} = {
  bool(bytes, at) {
    const byte = bytes[at]!
    if (byte > 1) throw damaged()
    return byte === 1
  },
  u8: (bytes, at) => bytes[at]!,
  u16: (bytes, at) => bytes[at]! | (bytes[at + 1]! << 8),
  u32,
  u64(bytes, at) {
    load(bytes, at, 8)
    return words[0]!
  },
  i8: (bytes, at) => (bytes[at]! << 24) >> 24,
  i16: (bytes, at) => ((bytes[at]! << 16) | (bytes[at + 1]! << 24)) >> 16,
  i32,
  i64(bytes, at) {
    load(bytes, at, 8)
    return signed[0]!
  },
  f32(bytes, at) {
    load(bytes, at, 4)
    return halves[0]!
  },
  f64(bytes, at) {
    load(bytes, at, 8)
    return floats[0]!
  },
}

/** So many doubles from a place on. */
export function doubles(bytes: Uint8Array, at: number, count: number): ArrayLike<number> {
  const address = bytes.byteOffset + at
  if (address % 8 === 0) return new Float64Array(bytes.buffer, address, count)
  return new Float64Array(copied(bytes, at, count * 8))
}

/** Bytes from a place on, in memory of their own. */
export function copied(bytes: Uint8Array, at: number, length: number): ArrayBuffer {
  const copy = new Uint8Array(length)
  copy.set(bytes.subarray(at, at + length))
  return copy.buffer
}

/** The text whose fixed part stands at a place. */
export function text(source: Source, at: number): string {
  const { bytes } = source
  const first = bytes[at]!
  if ((first & 0xc0) !== 0x80) {
    let end = at
    while (end < at + 8 && bytes[end] !== 0xff) end++
    return utf8(bytes, at, end - at)
  }
  const marked = u32(bytes, at)
  const length = (marked & 0x3f) | ((marked & ~0xff) >>> 2)
  if (length <= 8) throw damaged()
  return utf8(bytes, source.follow(at, i32(bytes, at + 4), length, 1), length)
}

/** The place and the length of what the fixed part of an array at a place leads to. */
export function vec(
  source: Source,
  at: number,
  size: number,
  align: number,
): { from: number; count: number } {
  const count = u32(source.bytes, at + 4)
  return { from: source.follow(at, i32(source.bytes, at), count * size, align), count }
}

function utf8(bytes: Uint8Array, from: number, length: number): string {
  if (length <= SHORT_TEXT) {
    const text = ascii(bytes, from, Math.min(length, 8))
    const rest = length > 8 ? ascii(bytes, from + 8, length - 8) : ''
    if (text !== undefined && rest !== undefined) return text + rest
  }
  const end = from + length
  const text = utf8Slice.call(bytes, from, end)
  // What is no UTF-8 has become this character, which text may also have of its own.
  if (text.includes('\ufffd') && !isUtf8(bytes.subarray(from, end))) throw damaged()
  return text
}

/** Text of up to eight characters; undefined if one of them is not of ASCII. */
function ascii(bytes: Uint8Array, at: number, length: number): string | undefined {
  const a = length > 0 ? bytes[at]! : 0
  const b = length > 1 ? bytes[at + 1]! : 0
  const c = length > 2 ? bytes[at + 2]! : 0
  const d = length > 3 ? bytes[at + 3]! : 0
  const e = length > 4 ? bytes[at + 4]! : 0
  const f = length > 5 ? bytes[at + 5]! : 0
  const g = length > 6 ? bytes[at + 6]! : 0
  const h = length > 7 ? bytes[at + 7]! : 0
  if ((a | b | c | d | e | f | g | h) > 0x7f) return undefined
  switch (length) {
    case 0:
      return ''
    case 1:
      return fromCharCode(a)
    case 2:
      return fromCharCode(a, b)
    case 3:
      return fromCharCode(a, b, c)
    case 4:
      return fromCharCode(a, b, c, d)
    case 5:
      return fromCharCode(a, b, c, d, e)
    case 6:
      return fromCharCode(a, b, c, d, e, f)
    case 7:
      return fromCharCode(a, b, c, d, e, f, g)
    default:
      return fromCharCode(a, b, c, d, e, f, g, h)
  }
}
