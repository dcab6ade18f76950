import { fail } from './errors.js'
import { iteratorPrototype } from './iterator.js'
import { meta, scratch } from './scratch.js'
import type { View } from './view.js'
import type { Verbs } from './verbs.js'
import { KEY_LENGTH, MISS, type Views } from './views.js'

/** As `EntryIterator`, with the values in place. */
export class ViewIterator<K, V, T> {
  static {
    Object.setPrototypeOf(this.prototype, iteratorPrototype)
    Object.defineProperty(this.prototype, Symbol.toStringTag, {
      value: 'DiskMap View Iterator',
      configurable: true,
    })
  }

  readonly #verbs: Verbs<K, V>
  readonly #views: Views<K, V, T>
  #step: (() => number | ArrayBuffer) | undefined

  constructor(verbs: Verbs<K, V>, views: Views<K, V, T>) {
    this.#verbs = verbs
    this.#views = views
    this.#step = verbs.native.viewCursor()
  }

  next(): IteratorResult<[K, View<T>], undefined> {
    while (this.#step !== undefined) {
      try {
        if (this.#verbs.closed) throw fail('ERR_CLOSED', 'The map was closed; open it again.')
        const found = this.#step()
        if (found === MISS) break
        // Before the view is made: a copy is taken from the same scratch.
        const key = this.#verbs.keys.read(scratch, 0, meta[KEY_LENGTH]!)
        const view = this.#views.seen(found) ?? this.#views.view(key)
        // One that could not be shown, and is gone by now.
        if (view !== undefined) return { done: false, value: [key, view] }
      } catch (error) {
        this.#step = undefined
        throw error
      }
    }
    this.#step = undefined
    return { done: true, value: undefined }
  }

  /** For a loop that is left: what the iteration holds is let go. */
  return(value?: unknown): IteratorResult<[K, View<T>], undefined> {
    this.#step = undefined
    return { done: true, value: value as undefined }
  }
}
