type Constructor = new (memory: ArrayBufferLike, at: number, length: number) => Buffer

// The class of all Buffers, where there is one behind the function: that function's own construction is deprecated.
const species = (Buffer as unknown as { readonly [Symbol.species]?: unknown })[Symbol.species] as
  Constructor | undefined
const Own =
  typeof species === 'function' &&
  (species as unknown) !== Buffer &&
  species.prototype === Buffer.prototype
    ? species
    : undefined

/** A Buffer over a part of other memory. `Buffer.from` gives the same and takes four times as long. */
export const bufferOver: (memory: ArrayBufferLike, at: number, length: number) => Buffer =
  Own === undefined
    ? (memory, at, length) => Buffer.from(memory as ArrayBuffer, at, length)
    : (memory, at, length) => new Own(memory, at, length)
