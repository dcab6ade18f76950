import type { TextDriver } from './codecs/types.js'
import type { Part } from './iterator.js'
import { collect, limits, type Collect } from './native.js'
import { readValue } from './page.js'
import type { Verbs } from './verbs.js'

const FIRST_PAGE = 16_384
const ENTRY_HEADER = 8

/** What an iteration gives, one after the other. */
export interface Entries<T> {
  /** Whether there is another one. */
  turn(): boolean
  /** Gives it. A user's codec may call `turn` and `take` again: by then the place has moved on. */
  take(): T
}

/** The entries of a map, or parts of them. */
export function entriesOf<K, V>(verbs: Verbs<K, V>, part: Part): Entries<unknown> {
  const { keys, values } = verbs
  return keys.text && values.kind === 'text'
    ? new TextEntries(verbs, values, part)
    : new PackedEntries(verbs, part)
}

/** Entries in pages of bytes. */
class PackedEntries<K, V> implements Entries<unknown> {
  readonly #verbs: Verbs<K, V>
  readonly #part: Part
  readonly #fill: (page: Uint8Array) => number
  #page: Buffer
  #at = 0
  #end = 0

  constructor(verbs: Verbs<K, V>, part: Part) {
    this.#verbs = verbs
    this.#part = part
    this.#fill = verbs.native.cursor()
    this.#page = Buffer.allocUnsafeSlow(FIRST_PAGE)
  }

  turn(): boolean {
    if (this.#at < this.#end) return true
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

  take(): unknown {
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

const parts: readonly Part[] = ['keys', 'values', 'entries']

/** Entries whose keys and values are strings on the way, in arrays of them. */
class TextEntries<K, V> implements Entries<unknown> {
  readonly #part: Part
  readonly #next: (collect: Collect) => string[] | undefined
  readonly #fromText: (text: string) => V
  #texts: string[] = []
  #at = 0

  constructor({ native }: Verbs<K, V>, { fromText }: TextDriver<V>, part: Part) {
    this.#part = part
    this.#next = native.textCursor(parts.indexOf(part))
    this.#fromText = fromText
  }

  turn(): boolean {
    if (this.#at < this.#texts.length) return true
    this.#texts = this.#next(collect) ?? []
    this.#at = 0
    return this.#texts.length > 0
  }

  take(): unknown {
    const text = this.#texts[this.#at++]!
    if (this.#part === 'keys') return text
    if (this.#part === 'values') return this.#fromText(text)
    const value = this.#texts[this.#at++]!
    return [text, this.#fromText(value)]
  }
}
