import { bufferOver } from './buffer.js'
import { Copies } from './copies.js'
import { badArgument, describe } from './errors.js'
import { native, type NativeMap } from './native.js'
import { readValue } from './page.js'
import { meta, scratch, VALUE_AT, VALUE_ROOM } from './scratch.js'
import { NO_WINDOW, View, type Viewed } from './view.js'
import type { Verbs } from './verbs.js'

/** How a map's views show values; see `DiskMapOptions`. */
export type ViewMode = 'auto' | 'copy'

/** What a view's `value` is: what the codec says, else what `get` gives. */
export type Shown<V, Viewed> = unknown extends Viewed ? V : Viewed

// What the addon's `view` gives besides the number of a window, and where in `meta` it says more.
/** No such key, or the end of an iteration. */
export const MISS = -1
const COPIED = -2
const AT = 2
const LENGTH = 3
const OPENED = 4
const ASKED = 5
/** Of the key that an iteration left in the scratch. */
export const KEY_LENGTH = 6

/** Whether this thread's V8 takes memory that is not its own; asked once. */
let canShow: boolean | undefined

/** The views of this thread's maps that show files. */
const showing = new Set<WeakRef<Views<unknown, unknown, unknown>>>()

/** Called by the addon when something was freed that a window may show. */
function relinquish(): void {
  for (const reference of showing) {
    const views = reference.deref()
    if (views === undefined) showing.delete(reference)
    else views.relinquish()
  }
}

/**
 * The views of one map. For each segment or long value that they show there is one ArrayBuffer, which is not kept alive
 * here: every Buffer on it does that, and when V8 collects it the file is let go. When the map wants a file's room back and no
 * view of it is left undisposed, the ArrayBuffer is detached.
 */
export class Views<K, V, T> implements Viewed<T> {
  readonly #verbs: Verbs<K, V>
  readonly #native: NativeMap
  readonly #put: (key: K) => string | number
  /** By the numbers of their windows. */
  readonly #buffers: (WeakRef<ArrayBuffer> | undefined)[] = []
  /** Those that a view was made of in this turn of the event loop. A WeakRef keeps what it gave as long, and costs more to ask. */
  #used: (ArrayBuffer | undefined)[] = []
  readonly #forget = (): void => {
    this.#used = []
  }
  readonly #copies: Copies

  constructor(verbs: Verbs<K, V>, mode: ViewMode) {
    this.#verbs = verbs
    this.#native = verbs.native
    this.#put = verbs.keys.put
    this.#copies = new Copies(verbs.native)
    if (mode === 'auto' && (canShow ??= native.canShow())) {
      this.#native.openViews(relinquish)
      showing.add(new WeakRef(this as unknown as Views<unknown, unknown, unknown>))
    }
  }

  /** The value of a key in place, or undefined. */
  view(key: K): View<T> | undefined {
    const found = this.#native.view(this.#put(key))
    return found === MISS ? undefined : (this.seen(found) ?? this.#copy(key))
  }

  /** What the addon has found; undefined if it must be looked up again, to be copied. */
  seen(found: number | ArrayBuffer): View<T> | undefined {
    const at = meta[AT]!
    const length = meta[LENGTH]!
    if (typeof found === 'number') {
      if (found === COPIED) return this.#copied(length)
      return found < 0 ? undefined : this.#show(found, at, length)
    }
    return this.#opened(found, at, length)
  }

  #show(window: number, at: number, length: number): View<T> | undefined {
    const buffer = this.#used[window] ?? this.#use(window)
    // Collected, but the file is not let go yet; or somebody has transferred it.
    if (buffer === undefined || buffer.byteLength === 0) {
      const renewed = this.#native.renewView(window)
      return renewed === undefined ? undefined : this.#opened(renewed, at, length)
    }
    return this.#over(buffer, window, at, length)
  }

  #use(window: number): ArrayBuffer | undefined {
    const buffer = this.#buffers[window]?.deref()
    if (buffer !== undefined) this.#remember(window, buffer)
    return buffer
  }

  #remember(window: number, buffer: ArrayBuffer): void {
    if (this.#used.length === 0) queueMicrotask(this.#forget)
    this.#used[window] = buffer
  }

  /** An ArrayBuffer that the addon has just made. */
  #opened(buffer: ArrayBuffer, at: number, length: number): View<T> {
    const window = meta[OPENED]!
    this.#buffers[window] = new WeakRef(buffer)
    this.#remember(window, buffer)
    return this.#over(buffer, window, at, length)
  }

  #over(buffer: ArrayBuffer, window: number, at: number, length: number): View<T> {
    const bytes = bufferOver(buffer, at, length)
    if (meta[ASKED] !== 0) {
      meta[ASKED] = 0
      this.relinquish()
    }
    if (length > 0) return new View(this, bytes, window, true)
    this.endLook(window)
    return new View(this, bytes, NO_WINDOW, true)
  }

  /** A value that the last call left in the scratch, or to be taken. */
  #copied(length: number): View<T> {
    const bytes = this.#copies.take(length)
    if (length <= VALUE_ROOM) scratch.copy(bytes, 0, VALUE_AT, VALUE_AT + length)
    else this.#native.take(bytes)
    return new View(this, bytes, NO_WINDOW, false)
  }

  #copy(key: K): View<T> | undefined {
    const length = this.#native.read(this.#put(key))
    return length < 0 ? undefined : this.#copied(length)
  }

  endLook(window: number): void {
    if (!this.#verbs.closed && this.#native.endView(window)) this.#detach(window)
  }

  valueOf(bytes: Buffer): T {
    const { values } = this.#verbs
    const lazy = values.kind === 'packed' && values.lazy !== undefined
    return (lazy ? values.lazy!(bytes) : readValue(values, bytes, 0, bytes.length)) as T
  }

  /** Lets go of what was freed and nobody looks at. */
  relinquish(): void {
    if (this.#verbs.closed) return
    for (
      let window = this.#native.nextIdle(0);
      window >= 0;
      window = this.#native.nextIdle(window + 1)
    ) {
      this.#detach(window)
    }
  }

  #detach(window: number): void {
    const buffer = this.#buffers[window]?.deref()
    this.#buffers[window] = undefined
    if (this.#used[window] !== undefined) this.#used[window] = undefined
    if (buffer !== undefined) native.detach(buffer)
  }

  /** Ends all views, at the map's close. */
  end(): void {
    for (const window of this.#buffers.keys()) this.#detach(window)
    this.#copies.end()
  }
}

/** The views of many keys, in order. */
export function viewMany<K, V, T>(views: Views<K, V, T>, keys: unknown): (View<T> | undefined)[] {
  if (typeof (keys as Partial<Iterable<K>> | null | undefined)?.[Symbol.iterator] !== 'function') {
    throw badArgument(`viewMany takes an iterable of keys, not ${describe(keys)}.`)
  }
  const found: (View<T> | undefined)[] = []
  try {
    for (const key of keys as Iterable<K>) found.push(views.view(key))
    return found
  } catch (error) {
    for (const view of found) view?.[Symbol.dispose]()
    throw error
  }
}

/** Calls fn with a key's bytes, in a view that ends with the call. */
export function read<K, V, T, R>(
  views: Views<K, V, T>,
  key: K,
  fn: (bytes: Buffer, view: View<T>) => R,
): R | undefined {
  if (typeof fn !== 'function') {
    throw badArgument(`read takes a function of the bytes, not ${describe(fn)}.`)
  }
  const view = views.view(key)
  if (view === undefined) return undefined
  try {
    return fn(view.bytes, view)
  } finally {
    view[Symbol.dispose]()
  }
}
