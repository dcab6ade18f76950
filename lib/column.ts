import { measure } from './codecs/octets.js'
import type { Fixed, KeyDriver, ValueDriver } from './codecs/types.js'
import { invalid, tooLarge, type Role } from './errors.js'
import { limits, type Sizes } from './native.js'
import { givePage, PAGE_BYTES, takePage, type Page } from './page.js'
import { scratch, VALUE_AT } from './scratch.js'

// A part has no more entries, however short they are, so that a page has a byte for each.
const MOST = 65_536

// A string's UTF-8 ends within so many bytes of where there is no room for more of it.
const LONGEST_CHARACTER = 4

// Up to here a loop over the bytes costs less than a call of Node's own.
const SHORT = 32

/** Keys or values side by side, as they cross. */
export interface Part {
  readonly bytes: Uint8Array
  readonly sizes: Sizes
  readonly count: number
}

/**
 * Keys or values on their way to the engine. For each, in this order: `prepare` runs whatever code of the user's there is
 * and gives how much room it takes; if that much does not fit, `cut` ends the part; `write` takes it in.
 */
export abstract class Column<T> {
  readonly #full: Page[] = []
  #page: Page | undefined
  /** Room that was taken. */
  protected used = 0
  protected count = 0

  abstract prepare(value: T): number
  abstract write(): void
  protected abstract end(): Part

  fits(room: number): boolean {
    // What is longer than a page stands alone.
    return this.count === 0 || (this.used + room <= PAGE_BYTES && this.count < MOST)
  }

  /** What was written since the last cut; may be nothing. */
  cut(): Part {
    const part = this.end()
    this.#full.push(this.page)
    this.#page = undefined
    this.used = 0
    this.count = 0
    return part
  }

  /** Gives all pages back: no part may be used any more. */
  free(): void {
    for (const page of this.#full.splice(0)) givePage(page)
    if (this.#page !== undefined) givePage(this.#page)
    this.#page = undefined
  }

  protected get page(): Page {
    this.#page ??= takePage(0)
    return this.#page
  }

  /** A page of at least this length instead of the one at hand, on which nothing is yet. */
  protected exchange(length: number): Page {
    const { page } = this
    if (length <= page.bytes.length) return page
    // Taken first, because that fails where memory is short, and a page must be given back once.
    this.#page = takePage(length)
    givePage(page)
    return this.#page
  }
}

class FixedColumn<T> extends Column<T> {
  readonly #fixed: Fixed<T>
  #pending: T | undefined

  constructor(fixed: Fixed<T>) {
    super()
    this.#fixed = fixed
  }

  prepare(value: T): number {
    this.#pending = value
    return this.#fixed.size
  }

  write(): void {
    this.#fixed.write(this.page.view, this.used, this.#pending as T)
    this.used += this.#fixed.size
    this.count++
  }

  protected end(): Part {
    const { page, used, count } = this
    return { bytes: page.bytes.subarray(0, used), sizes: this.#fixed.size, count }
  }
}

/** Texts are put together first: one long string is written at a fraction of the cost of many short ones. */
class TextColumn<T> extends Column<T> {
  readonly #role: Role
  readonly #codec: string
  readonly #toText: (value: T) => string
  #pending = ''
  #texts: string[] = []

  constructor(role: Role, codec: string, toText: (value: T) => string) {
    super()
    this.#role = role
    this.#codec = codec
    this.#toText = toText
  }

  prepare(value: T): number {
    const text = this.#toText(value)
    const limit = this.#role === 'key' ? limits.maxKeyBytes : limits.maxValueBytes
    // The most it can be, as long as that is little; counting costs as much as writing.
    const most = text.length * 3
    const length = most <= limits.maxKeyBytes ? most : Buffer.byteLength(text)
    if (length > limit) {
      this.#checkWellFormed(text)
      throw tooLarge(this.#role, length, limit)
    }
    this.#pending = text
    return text.length
  }

  write(): void {
    this.#texts.push(this.#pending)
    this.used += this.#pending.length
    this.count++
  }

  protected end(): Part {
    const texts = this.#texts
    this.#texts = []
    const sizes = new Uint32Array(texts.length)
    const all = texts.join('')
    // With room to spare, text that is not ASCII cannot end just where ASCII would.
    const page = this.exchange(all.length + LONGEST_CHARACTER)
    let used = page.bytes.write(all, 0, 'utf8')
    if (used === all.length) texts.forEach((text, i) => (sizes[i] = text.length))
    else used = this.#writeEach(texts, sizes)
    return { bytes: this.page.bytes.subarray(0, used), sizes: octets(sizes), count: texts.length }
  }

  #writeEach(texts: readonly string[], sizes: Uint32Array): number {
    let length = 0
    for (const text of texts) length += Buffer.byteLength(text)
    const { bytes } = this.exchange(length)
    let used = 0
    for (const [i, text] of texts.entries()) {
      const size = bytes.write(text, used, 'utf8')
      // A lone surrogate has been written as another character, of three bytes.
      if (size !== text.length) this.#checkWellFormed(text)
      sizes[i] = size
      used += size
    }
    return used
  }

  #checkWellFormed(text: string): void {
    if (text.isWellFormed()) return
    throw invalid(this.#role, this.#codec, 'strings without lone surrogates', text)
  }
}

/** What a codec puts into the scratch, or gives as bytes. */
class PackedColumn<T> extends Column<T> {
  readonly #from: number
  readonly #store: (value: T) => number | Uint8Array
  readonly #measure: (bytes: Uint8Array) => number
  #pending: number | Uint8Array = 0
  #length = 0
  #sizes: number[] = []

  constructor(role: Role, codec: string, store: (value: T) => number | Uint8Array) {
    super()
    this.#from = role === 'key' ? 0 : VALUE_AT
    this.#store = store
    this.#measure = (bytes) => measure(role, codec, bytes)
  }

  prepare(value: T): number {
    const stored = this.#store(value)
    this.#length = typeof stored === 'number' ? stored : this.#measure(stored)
    this.#pending = stored
    return this.#length
  }

  write(): void {
    const [stored, length, at] = [this.#pending, this.#length, this.used]
    const { bytes } = at === 0 ? this.exchange(length) : this.page
    if (typeof stored !== 'number') {
      bytes.set(stored, at)
    } else if (length > SHORT) {
      bytes.set(scratch.subarray(this.#from, this.#from + length), at)
    } else {
      for (let i = 0; i < length; i++) bytes[at + i] = scratch[this.#from + i]!
    }
    this.#sizes.push(length)
    this.used += length
    this.count++
  }

  protected end(): Part {
    const sizes = Uint32Array.from(this.#sizes)
    this.#sizes = []
    const { page, used, count } = this
    return { bytes: page.bytes.subarray(0, used), sizes: octets(sizes), count }
  }
}

// The format is little-endian, and so is every machine that this is built for.
function octets({ buffer }: Uint32Array): Uint8Array {
  return new Uint8Array(buffer)
}

/** A column of keys, for one call of the map. */
export function keyColumn<K>(keys: KeyDriver<K>): Column<K> {
  if (keys.fixed !== undefined) return new FixedColumn(keys.fixed)
  if (keys.text) return new TextColumn('key', keys.name, keys.put as (key: K) => string)
  return new PackedColumn('key', keys.name, keys.put as (key: K) => number)
}

/** A column of values, for one call of the map. */
export function valueColumn<V>(values: ValueDriver<V>): Column<V> {
  if (values.kind === 'text') return new TextColumn('value', values.name, values.toText)
  if (values.fixed !== undefined) return new FixedColumn(values.fixed)
  return new PackedColumn('value', values.name, values.store)
}
