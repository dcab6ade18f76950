import { fail } from './errors.js'
import { limits } from './native.js'
import { readValue } from './page.js'
import type { Verbs } from './verbs.js'

const FIRST_PAGE = 16_384
const ENTRY_HEADER = 8

/** Which part of an entry an iterator gives. */
export type Part = 'keys' | 'values' | 'entries'

/** Node 20 has it under no name. */
export const iteratorPrototype = Object.getPrototypeOf(
  Object.getPrototypeOf([][Symbol.iterator]()),
) as object

/**
 * Gives each key that is there throughout exactly once, whatever other threads write meanwhile; of keys that come, go or
 * change, what was there when their part of the map was reached. Pages of entries are copied out, so that nothing in the map
 * waits for an iterator.
 */
export class EntryIterator<K, V, T> {
  static {
    // Iterator.prototype, which Node 20 does not have by name; helpers like `map` come with it where they exist.
    Object.setPrototypeOf(this.prototype, iteratorPrototype)
    Object.defineProperty(this.prototype, Symbol.toStringTag, {
      value: 'DiskMap Iterator',
      configurable: true,
    })
  }

  readonly #verbs: Verbs<K, V>
  readonly #part: Part
  readonly #fill: (page: Uint8Array) => number
  #page: Buffer
  #at = 0
  #end = 0
  #done = false

  constructor(verbs: Verbs<K, V>, part: Part) {
    this.#verbs = verbs
    this.#part = part
    this.#fill = verbs.native.cursor()
    this.#page = Buffer.allocUnsafeSlow(FIRST_PAGE)
  }

  next(): IteratorResult<T, undefined> {
    if (this.#done) return { done: true, value: undefined }
    try {
      if (this.#verbs.closed) throw fail('ERR_CLOSED', 'The map was closed; open it again.')
      if (this.#at === this.#end && !this.#turn()) {
        this.#finish()
        return { done: true, value: undefined }
      }
      return { done: false, value: this.#take() as T }
    } catch (error) {
      this.#finish()
      throw error
    }
  }

  #finish(): void {
    this.#done = true
    this.#page = Buffer.alloc(0)
  }

  /** Gets the next page; false at the end. */
  #turn(): boolean {
    // Whoever comes back for a second page is likely to want them all.
    if (this.#end > 0 && this.#page.length < limits.pageBytes) {
      this.#page = Buffer.allocUnsafeSlow(limits.pageBytes)
    }
    let used = this.#fill(this.#page)
    while (used < 0) {
      this.#page = Buffer.allocUnsafeSlow(Math.max(-used, limits.pageBytes))
      used = this.#fill(this.#page)
    }
    this.#at = 0
    this.#end = used
    return used > 0
  }

  /** Reads one entry. A user's codec may call `next`: by then the place has moved on and the key is read. */
  #take(): unknown {
    const page = this.#page
    const { keys, values } = this.#verbs
    const start = this.#at + ENTRY_HEADER
    const middle = start + page.readUInt32LE(this.#at)
    const end = middle + page.readUInt32LE(this.#at + 4)
    this.#at = end
    const key = this.#part === 'values' ? undefined : keys.read(page, start, middle)
    if (this.#part === 'keys') return key
    const value = readValue(values, page, middle, end)
    return this.#part === 'values' ? value : [key, value]
  }
}
