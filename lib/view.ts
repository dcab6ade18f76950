import { fail } from './errors.js'

/** What stands behind a view: how it ends, and what its bytes mean. */
export interface Viewed<T> {
  /** One look less through the window of this number. */
  endLook(window: number): void
  /** What the codec makes of the bytes. */
  valueOf(bytes: Buffer): T
}

/** For a view that has no window. */
export const NO_WINDOW = -1

const nothing = Buffer.alloc(0)

/**
 * A value where it lies: what `DiskMap.view` gives.
 *
 * The bytes stay what they were, whatever any thread writes to the map, until the view ends: with `view[Symbol.dispose]()`
 * or `using`, with the map's `close`, or when nobody holds the view, its bytes or a part of them any more. A view that has
 * ended has no bytes; a part of them that somebody still holds keeps its contents or has length 0 from then on.
 */
export class View<out T> {
  /**
   * True if the bytes are the map's own pages. False for a copy: of a value at the very end of the log, which is still being
   * written; in Electron and wherever V8 takes no memory but its own; and with `views: 'copy'`.
   */
  readonly zeroCopy: boolean

  readonly #viewed: Viewed<T>
  readonly #window: number
  readonly #length: number
  #bytes: Buffer

  /** @internal */
  constructor(viewed: Viewed<T>, bytes: Buffer, window: number, zeroCopy: boolean) {
    this.#viewed = viewed
    this.#bytes = bytes
    this.#length = bytes.length
    this.#window = window
    this.zeroCopy = zeroCopy
  }

  /**
   * The value's bytes, in place. Of length 0 once the view has ended. What is written to them reaches neither the file nor
   * another thread, but this map's later views of the same value in this thread see it: copy what is to be changed.
   * To post or transfer them, copy them too: `structuredClone` and `postMessage` take the whole memory behind them.
   */
  get bytes(): Buffer {
    return this.#bytes
  }

  /**
   * What the map's codec makes of the bytes; with `arch`, a lazy view of the struct, which reads each field where it lies.
   *
   * @throws {DiskMapError} `ERR_CLOSED` once the view has ended; `ERR_CORRUPT`; or what the codec throws.
   */
  get value(): T {
    if (this.#bytes.length !== this.#length) {
      throw fail(
        'ERR_CLOSED',
        'The view has ended. Use its value before it is disposed or the map closed.',
      )
    }
    return this.#viewed.valueOf(this.#bytes)
  }

  /** Ends the view; a second call does nothing. The segment's room can then be given back. */
  [Symbol.dispose](): void {
    const bytes = this.#bytes
    this.#bytes = nothing
    // Bytes that were detached have no window to look through any more.
    if (this.#window !== NO_WINDOW && bytes.length === this.#length && bytes !== nothing) {
      this.#viewed.endLook(this.#window)
    }
  }
}
