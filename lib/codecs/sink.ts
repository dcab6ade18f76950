import { badArgument, invalid, tooLarge } from '../errors.js'
import { limits } from '../native.js'
import { measure } from './octets.js'
import { numberTypes, type NumberType } from './numbers.js'
import type { Sink } from './types.js'

const FIRST_CHUNK = 4096
const LARGEST_SPARE = 65_536

interface Chunk {
  readonly bytes: Buffer
  readonly view: DataView
}

function chunkOf(size: number): Chunk {
  const bytes = Buffer.allocUnsafeSlow(size)
  return { bytes, view: new DataView(bytes.buffer) }
}

// The first chunk of an ended sink, for the next one: nested calls find it taken and make their own.
let spare: Chunk | undefined

/** Collects one value. Bytes never move once they are in a chunk, because `reserve` hands out parts of it. */
export class ValueSink implements Sink {
  readonly #codec: string
  #full: Buffer[] = []
  #chunk: Chunk
  #used = 0
  #total = 0
  #reserved = false
  #live = true

  constructor(codec: string) {
    this.#codec = codec
    this.#chunk = spare ?? chunkOf(FIRST_CHUNK)
    spare = undefined
  }

  bytes(value: Uint8Array): void {
    const length = measure('value', this.#codec, value)
    const at = this.#take(length)
    this.#chunk.bytes.set(value, at)
  }

  utf8(value: string): void {
    if (typeof value !== 'string' || !value.isWellFormed()) {
      throw invalid('value', this.#codec, 'text without lone surrogates', value)
    }
    const at = this.#take(Buffer.byteLength(value))
    this.#chunk.bytes.write(value, at, 'utf8')
  }

  latin1(value: string): void {
    // oxlint-disable-next-line no-control-regex
    if (typeof value !== 'string' || !/^[\u0000-\u00ff]*$/.test(value)) {
      throw invalid('value', this.#codec, 'text of characters up to U+00FF', value)
    }
    const at = this.#take(value.length)
    this.#chunk.bytes.write(value, at, 'latin1')
  }

  u8(value: number): void {
    this.#number(numberTypes.u8, value)
  }

  u16(value: number): void {
    this.#number(numberTypes.u16, value)
  }

  u32(value: number): void {
    this.#number(numberTypes.u32, value)
  }

  u64(value: bigint): void {
    this.#number(numberTypes.u64, value)
  }

  i8(value: number): void {
    this.#number(numberTypes.i8, value)
  }

  i16(value: number): void {
    this.#number(numberTypes.i16, value)
  }

  i32(value: number): void {
    this.#number(numberTypes.i32, value)
  }

  i64(value: bigint): void {
    this.#number(numberTypes.i64, value)
  }

  f32(value: number): void {
    this.#number(numberTypes.f32, value)
  }

  f64(value: number): void {
    this.#number(numberTypes.f64, value)
  }

  reserve(length: number): Buffer {
    if (!Number.isInteger(length) || length < 0) {
      throw invalid('value', this.#codec, 'a whole number of bytes to reserve', length)
    }
    const at = this.#take(length)
    this.#reserved = true
    return this.#chunk.bytes.subarray(at, at + length).fill(0)
  }

  /** Whether anything was written. */
  get empty(): boolean {
    return this.#total === 0
  }

  /** Ends the sink; what was written is forgotten. */
  stop(): void {
    this.#live = false
  }

  /** Ends the sink and gives its bytes, which stay as they are until the next sink is made. */
  end(): Buffer {
    this.#live = false
    const chunk = this.#chunk
    if (this.#reserved && [...this.#full, chunk.bytes].some((bytes) => bytes.length === 0))
      throw this.#transferred()
    // A Buffer given by `reserve` may be kept: its chunk must not serve another value.
    if (!this.#reserved && chunk.bytes.length <= LARGEST_SPARE) spare = chunk
    const last = chunk.bytes.subarray(0, this.#used)
    return this.#full.length === 0 ? last : Buffer.concat([...this.#full, last], this.#total)
  }

  /** What `reserve` gives has an ArrayBuffer, and a codec can transfer that away. */
  #transferred(): Error {
    return invalid('value', this.#codec, 'reserved bytes that stay attached', this.#chunk.bytes)
  }

  #number<T>(type: NumberType<T>, value: T): void {
    if (!type.fits(value)) throw invalid('value', this.#codec, type.wants, value)
    const at = this.#take(type.size)
    type.write(this.#chunk.view, at, value)
  }

  /** Makes room for so many bytes in one piece and gives their place in the chunk. */
  #take(length: number): number {
    if (!this.#live) throw badArgument('The sink is used after encode has returned; it ends there.')
    if (this.#chunk.bytes.length === 0) throw this.#transferred()
    const total = this.#total + length
    if (total > limits.maxValueBytes) throw tooLarge('value', total, limits.maxValueBytes)
    if (this.#used + length > this.#chunk.bytes.length) {
      if (this.#used > 0) this.#full.push(this.#chunk.bytes.subarray(0, this.#used))
      this.#chunk = chunkOf(Math.max(length, Math.min(this.#chunk.bytes.length * 2, 1 << 26)))
      this.#used = 0
    }
    const at = this.#used
    this.#used += length
    this.#total = total
    return at
  }
}
