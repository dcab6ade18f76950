import { bufferOver } from './buffer.js'
import type { NativeMap } from './native.js'

const SLAB = 65_536
/** So that numbers in a copy lie as they do in the map. */
const ALIGN = 16

/**
 * Memory for values that views copy. All of it can be taken back at once, when the map is closed; the addon knows it, since
 * a WeakRef would keep it alive until the running job ends.
 */
export class Copies {
  readonly #native: NativeMap
  #slab: ArrayBuffer | undefined
  #used = 0

  constructor(native: NativeMap) {
    this.#native = native
  }

  /** Bytes to fill, which nobody else has. */
  take(length: number): Buffer {
    if (length > SLAB / 4) return bufferOver(this.#make(length), 0, length)
    // Somebody may have transferred it.
    if (this.#slab?.byteLength !== SLAB || this.#used + length > SLAB) {
      this.#slab = this.#make(SLAB)
      this.#used = 0
    }
    const bytes = bufferOver(this.#slab, this.#used, length)
    this.#used += Math.ceil(length / ALIGN) * ALIGN
    return bytes
  }

  #make(length: number): ArrayBuffer {
    const slab = Buffer.allocUnsafeSlow(length).buffer as ArrayBuffer
    this.#native.trackCopy(slab)
    return slab
  }

  /** Leaves all of it with length 0. */
  end(): void {
    this.#native.detachCopies()
    this.#slab = undefined
  }
}
