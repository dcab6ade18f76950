/** A Uint8Array whose buffer is gone. */
export function detached(size: number): Uint8Array {
  const array = new Uint8Array(size).fill(1)
  structuredClone(array.buffer, { transfer: [array.buffer] })
  return array
}

// TypeScript's es2023 does not know resizable buffers yet.
/** A buffer that can change its size. */
export interface Resizable extends ArrayBuffer {
  resize(size: number): void
}

/** A buffer of this size that can grow. */
export function resizable(size: number, max: number): Resizable {
  const Constructor = ArrayBuffer as unknown as new (size: number, options: object) => Resizable
  return new Constructor(size, { maxByteLength: max })
}
