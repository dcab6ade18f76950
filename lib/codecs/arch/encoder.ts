import { tooLarge } from '../../errors.js'
import { limits } from '../../native.js'
import { scratch, VALUE_AT, VALUE_ROOM, words as scratchWords } from '../../scratch.js'
import { Misfit } from './misfit.js'

const FIRST_CHUNK = 4096
const LARGEST_SPARE = 1 << 22

// Up to here a loop costs less than a call of Node's own.
const LOOPED_WORDS = 128
const LOOPED_TEXT = 32

// Up to here it is cheaper to make room for the most that a text can take than to count.
const UNCOUNTED_TEXT = 65_536

/** Text up to here stands where its length would. */
export const INLINE_TEXT = 8

/** Memory that grows: its first `used` bytes are written. */
export class Chunk {
  bytes!: Buffer
  view!: DataView
  words!: Int32Array
  used = 0

  constructor() {
    this.#adopt(Buffer.allocUnsafeSlow(FIRST_CHUNK))
  }

  /** Takes room for so many bytes and gives its place; zeros stand between that and what was used. */
  take(length: number, align: number): number {
    const { used } = this
    const start = used + (-used & (align - 1))
    const end = start + length
    if (end > this.bytes.length) this.#grow(end)
    for (let i = used; i < start; i++) this.bytes[i] = 0
    this.used = end
    return start
  }

  /** As `take`, of zeros. */
  takeZeros(length: number, align: number): number {
    const start = this.take(length, align)
    if (align < 4 || length > 4 * LOOPED_WORDS) {
      this.bytes.fill(0, start, start + length)
    } else {
      const { words } = this
      const end = (start + length + 3) >>> 2
      for (let i = start >>> 2; i < end; i++) words[i] = 0
    }
    return start
  }

  /** Makes room for so many bytes behind those that are used. */
  reserve(length: number): void {
    if (this.used + length > this.bytes.length) this.#grow(this.used + length)
  }

  /** Appends a text as UTF-8 and gives its length. */
  text(value: string): number {
    const { length } = value
    const most = length * 3
    const isShort = length <= UNCOUNTED_TEXT && this.used + most <= limits.maxValueBytes
    this.reserve(isShort ? most : Buffer.byteLength(value))
    const { bytes, used } = this
    let written = 0
    if (length <= LOOPED_TEXT) {
      for (; written < length; written++) {
        const code = value.charCodeAt(written)
        if (code > 0x7f) break
        bytes[used + written] = code
      }
    }
    if (written < length) {
      written = bytes.write(value, used, 'utf8')
      // A lone surrogate has been written as another character.
      if (written !== length && !value.isWellFormed()) {
        throw new Misfit('text without lone surrogates', ', not this string')
      }
    }
    this.used = used + written
    return written
  }

  #grow(least: number): void {
    if (least > limits.maxValueBytes) throw tooLarge('value', least, limits.maxValueBytes)
    const { bytes, used } = this
    const length = Math.max(least, Math.min(bytes.length * 2, limits.maxValueBytes))
    // Whole words, because that is how it is cleared and moved.
    this.#adopt(Buffer.allocUnsafeSlow(Math.ceil(length / 8) * 8))
    bytes.copy(this.bytes, 0, 0, used)
  }

  #adopt(bytes: Buffer): void {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer)
    this.words = new Int32Array(bytes.buffer)
  }
}

/**
 * What one value is written with. rkyv writes what a thing points to before the thing itself: of what points anywhere the
 * fixed part is put together on the stack, and moved behind the rest when that is written. Only then its place is known, and
 * its pointers, which have the places they lead to until then, are made relative.
 */
export class Encoder {
  /** What is written for good. */
  readonly out: Chunk = new Chunk()
  /** Fixed parts that are being put together. */
  readonly stack: Chunk = new Chunk()
  readonly #pointers: number[] = []
  #count = 0

  /** How many pointers there are on the stack. */
  get pointers(): number {
    return this.#count
  }

  /** Puts a pointer to a place of the output at a place of the stack. */
  point(at: number, target: number): void {
    this.stack.view.setInt32(at, target, true)
    this.#pointers[this.#count++] = at
  }

  /** Moves what is on top of the stack, with its pointers from the given one on, to the output; gives its place there. */
  settle(from: number, length: number, align: number, pointers: number): number {
    const { out, stack } = this
    const start = out.take(length, align)
    move(stack, from, length, out.words, out.bytes, start)
    const shift = start - from
    for (let i = pointers; i < this.#count; i++) {
      const place = this.#pointers[i]! + shift
      out.view.setInt32(place, out.view.getInt32(place, true) - place, true)
    }
    this.#count = pointers
    stack.used = from
    return start
  }

  /** Whether it is of a size that is kept for the next value. */
  reset(): boolean {
    const { out, stack } = this
    out.used = 0
    stack.used = 0
    this.#count = 0
    return out.bytes.length + stack.bytes.length <= LARGEST_SPARE
  }
}

/** Copies whole words. */
function move(
  from: Chunk,
  at: number,
  length: number,
  words: Int32Array,
  bytes: Buffer,
  to: number,
): void {
  if (length > 4 * LOOPED_WORDS) {
    bytes.set(from.bytes.subarray(at, at + length), to)
    return
  }
  const source = from.words
  const end = (at + length + 3) >>> 2
  for (let i = at >>> 2, j = to >>> 2; i < end; i++, j++) words[j] = source[i]!
}

// The last encoder that was done: nested calls, which getters of a value may make, find it taken and make their own.
let spare: Encoder | undefined

/**
 * Encodes a value with what `write` does; puts the bytes into the scratch and gives their length, or gives bytes that are
 * nobody else's.
 */
export function encode(
  write: (encoder: Encoder, value: unknown) => void,
  value: unknown,
): number | Uint8Array {
  const encoder = spare ?? new Encoder()
  spare = undefined
  try {
    write(encoder, value)
    const { out } = encoder
    const length = out.used
    if (length > limits.maxValueBytes) throw tooLarge('value', length, limits.maxValueBytes)
    if (length > VALUE_ROOM) return Buffer.from(out.bytes.subarray(0, length))
    move(out, 0, length, scratchWords.i32, scratch, VALUE_AT)
    return length
  } catch (error) {
    throw error instanceof Misfit ? error.error() : error
  } finally {
    if (encoder.reset()) spare = encoder
  }
}
