import { native } from './native.js'

const SLAB = 65_536
/** So that numbers in a copy lie as they do in the map. */
const ALIGN = 16

/** Memory for values that views copy. All of it can be taken back at once, when the map is closed. */
export class Copies {
  #slabs: WeakRef<ArrayBuffer>[] = []
  #sweepAt = 64
  #slab: ArrayBuffer | undefined
  #used = 0

  /** Bytes to fill, which nobody else has. */
  take(length: number): Buffer {
    if (length > SLAB / 4) return Buffer.from(this.#make(length), 0, length)
    // Somebody may have transferred it.
    if (this.#slab?.byteLength !== SLAB || this.#used + length > SLAB) {
      this.#slab = this.#make(SLAB)
      this.#used = 0
    }
    const bytes = Buffer.from(this.#slab, this.#used, length)
    this.#used += Math.ceil(length / ALIGN) * ALIGN
    return bytes
  }

  #make(length: number): ArrayBuffer {
    if (this.#slabs.length >= this.#sweepAt) {
      this.#slabs = this.#slabs.filter((slab) => slab.deref() !== undefined)
      this.#sweepAt = Math.max(64, 2 * this.#slabs.length)
    }
    const slab = new ArrayBuffer(length)
    this.#slabs.push(new WeakRef(slab))
    return slab
  }

  /** Leaves all of it with length 0. */
  end(): void {
    for (const slab of this.#slabs) {
      const buffer = slab.deref()
      if (buffer !== undefined) native.detach(buffer)
    }
    this.#slabs = []
    this.#slab = undefined
  }
}
