import { measure } from './codecs/octets.js'
import type { Fixed, KeyDriver, ValueDriver } from './codecs/types.js'
import { corrupt, invalid, tooLarge, type Role } from './errors.js'
import { limits } from './native.js'
import { scratch, VALUE_AT } from './scratch.js'

/** How long a page is; what does not fit alone gets one of its own length. */
export const PAGE_BYTES = 262_144

// Up to here a loop over the characters of a string, or over bytes, costs less than a call of Node's own.
const SHORT = 32

/** Memory for many keys or entries, as bytes and as numbers. */
export interface Page {
  readonly bytes: Buffer
  readonly view: DataView
}

// Pages that nobody uses now. One is taken out while it is in use, so that calls of the map inside a codec or an iterable
// get others.
const spares: Page[] = []
const MOST_SPARES = 2

/** A page of at least this length. */
export function takePage(length: number): Page {
  const spare = length <= PAGE_BYTES ? spares.pop() : undefined
  if (spare !== undefined) return spare
  const bytes = Buffer.allocUnsafeSlow(Math.max(length, PAGE_BYTES))
  return { bytes, view: new DataView(bytes.buffer) }
}

/** Gives a page back, which nobody may use any more. */
export function givePage(page: Page): void {
  if (page.bytes.length === PAGE_BYTES && spares.length < MOST_SPARES) spares.push(page)
}

/** A part of a batch, as it crosses. */
export interface Part {
  readonly bytes: Uint8Array
  /** How many keys or entries it has. */
  readonly count: number
}

/** Keys or entries one behind the other, on as many pages as they need. */
export class Pages {
  page: Page = takePage(0)
  /** Where the page's free part begins. */
  at = 0
  /** How many keys or entries are on the page. */
  count = 0
  readonly #full: (Part & { page: Page })[] = []

  /** Makes room for this many bytes in one piece. */
  reserve(length: number): void {
    if (this.at + length <= this.page.bytes.length) return
    // Before anything else, because it fails where memory is short, and a page must be given back once.
    const next = takePage(length)
    if (this.count > 0) this.#full.push(this.#end())
    else givePage(this.page)
    this.page = next
    this.at = 0
    this.count = 0
  }

  /** What was written; at least one part, which may be empty. */
  parts(): Part[] {
    return [...this.#full, this.#end()]
  }

  /** Forgets what was written. */
  clear(): void {
    for (const { page } of this.#full.splice(0)) givePage(page)
    this.at = 0
    this.count = 0
  }

  /** Gives all pages back. */
  free(): void {
    this.clear()
    givePage(this.page)
  }

  #end(): Part & { page: Page } {
    const { page, at, count } = this
    return { page, bytes: page.bytes.subarray(0, at), count }
  }
}

/**
 * Puts one key or value after the other into pages. `prepare` runs whatever code of the user's there is and gives the most
 * bytes that the value may take; `write` follows at once and gives the bytes that it took.
 */
export interface Writer<T> {
  prepare(value: T): number
  write(page: Page, at: number): number
}

/** A writer of keys, for one call of the map. */
export function keyWriter<K>(keys: KeyDriver<K>): Writer<K> {
  const { fixed } = keys
  if (fixed !== undefined) return fixedWriter(fixed)
  if (keys.text) return textWriter('key', keys.name, keys.put as (key: K) => string)
  let length = 0
  return {
    prepare(key) {
      length = keys.put(key) as number
      return length
    },
    write(page, at) {
      copyIn(page, at, 0, length)
      return length
    },
  }
}

/** A writer of values, for one call of the map. */
export function valueWriter<V>(values: ValueDriver<V>): Writer<V> {
  if (values.kind === 'text') {
    return textWriter('value', values.name, values.toText)
  }
  if (values.fixed !== undefined) return fixedWriter(values.fixed)
  const { store } = values
  let stored: number | Uint8Array = 0
  return {
    prepare(value) {
      stored = store(value)
      return typeof stored === 'number' ? stored : measure('value', values.name, stored)
    },
    write(page, at) {
      if (typeof stored === 'number') {
        copyIn(page, at, VALUE_AT, stored)
        return stored
      }
      const length = measure('value', values.name, stored)
      page.bytes.set(stored, at)
      return length
    },
  }
}

function fixedWriter<T>({ size, write }: Fixed<T>): Writer<T> {
  let pending: T
  return {
    prepare(value) {
      pending = value
      return size
    },
    write({ view }, at) {
      write(view, at, pending)
      return size
    },
  }
}

function textWriter<T>(role: Role, codec: string, toText: (value: T) => string): Writer<T> {
  const limit = role === 'key' ? limits.maxKeyBytes : limits.maxValueBytes
  let text = ''
  function checkWellFormed(): void {
    if (text.isWellFormed()) return
    throw invalid(role, codec, 'strings without lone surrogates', text)
  }
  return {
    prepare(value) {
      text = toText(value)
      // The most it can be, as long as that is little; counting costs as much as writing.
      const most = text.length * 3
      const length = most <= limits.maxKeyBytes ? most : Buffer.byteLength(text)
      if (length > limit) {
        checkWellFormed()
        throw tooLarge(role, length, limit)
      }
      return length
    },
    write({ bytes }, at) {
      const written = writeText(bytes, at, text)
      // A lone surrogate has been written as another character, of three bytes.
      if (written !== text.length) checkWellFormed()
      return written
    },
  }
}

function writeText(bytes: Buffer, at: number, text: string): number {
  const { length } = text
  if (length > SHORT) return bytes.write(text, at, 'utf8')
  let all = 0
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i)
    bytes[at + i] = unit
    all |= unit
  }
  return all < 0x80 ? length : bytes.write(text, at, 'utf8')
}

/** Copies a part of the scratch. */
function copyIn({ bytes }: Page, at: number, from: number, length: number): void {
  if (length > SHORT) {
    bytes.set(scratch.subarray(from, from + length), at)
    return
  }
  for (let i = 0; i < length; i++) bytes[at + i] = scratch[from + i]!
}

/** Reads a value from a part of a page. It may run a user's code, and keeps nothing of the page. */
export function readValue<V>(values: ValueDriver<V>, bytes: Buffer, start: number, end: number): V {
  if (values.kind === 'text') return values.fromText(bytes.toString('utf8', start, end))
  return values.read(bytes, start, end)
}

/** A reader of values from pages, for one call of the map. */
export function valueReader<V>(
  values: ValueDriver<V>,
): (page: Page, start: number, end: number) => V {
  const fixed = values.kind === 'packed' ? values.fixed : undefined
  if (fixed === undefined) return ({ bytes }, start, end) => readValue(values, bytes, start, end)
  const { size, read } = fixed
  return ({ view }, start, end) => {
    if (end - start !== size) throw corrupt(values.name)
    return read(view, start)
  }
}
