import { isUtf8 } from 'node:buffer'
import { corrupt } from '../../errors.js'
import type { ScalarName } from './layout.js'
import { NAME } from './misfit.js'

// Up to here putting a string together costs less than a call of Node's own.
const LOOPED_TEXT = 12

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
 * The bytes of one value, from `start` on. What a pointer leads to is checked to lie before it. A pass over the whole value
 * has no more bytes to spend than there are: else many pointers to one place, and that some levels deep, would make a world
 * of a few bytes.
 */
export class Source {
  readonly bytes: Uint8Array
  readonly start: number
  #left: number

  constructor(bytes: Uint8Array, start: number, left: number) {
    this.bytes = bytes
    this.start = start
    this.#left = left
  }

  /** The place that a pointer leads to, `offset` being counted from `at`, and so many bytes there being wanted. */
  follow(at: number, offset: number, length: number, align: number): number {
    const target = at + offset
    this.#left -= length
    if (
      target < this.start ||
      target + length > at ||
      ((target - this.start) & (align - 1)) !== 0 ||
      this.#left < 0
    ) {
      throw damaged()
    }
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
  const end = from + length
  let at = from
  if (length <= LOOPED_TEXT) {
    let text = ''
    for (; at < end; at++) {
      const code = bytes[at]!
      if (code > 0x7f) break
      text += String.fromCharCode(code)
    }
    if (at === end) return text
  }
  const text = utf8Slice.call(bytes, from, end)
  // What is no UTF-8 has become this character, which text may also have of its own.
  if (text.includes('\ufffd') && !isUtf8(bytes.subarray(from, end))) throw damaged()
  return text
}
