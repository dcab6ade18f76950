import { fail } from './errors.js'
import { entriesOf, type Entries } from './entries.js'
import type { Verbs } from './verbs.js'

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
  /** Undefined once it has ended. */
  #entries: Entries<T> | undefined

  constructor(verbs: Verbs<K, V>, part: Part) {
    this.#verbs = verbs
    this.#entries = entriesOf(verbs, part) as Entries<T>
  }

  next(): IteratorResult<T, undefined> {
    const entries = this.#entries
    if (entries === undefined) return { done: true, value: undefined }
    try {
      if (this.#verbs.closed) throw fail('ERR_CLOSED', 'The map was closed; open it again.')
      if (entries.turn()) return { done: false, value: entries.take() }
      this.#entries = undefined
      return { done: true, value: undefined }
    } catch (error) {
      this.#entries = undefined
      throw error
    }
  }
}
