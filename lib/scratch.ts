import { limits, native } from './native.js'

// The memory that this thread shares with its addon. Encoders fill it and a call follows at once: no user's code runs
// in between, because such code may call the map again and overwrite it.

const memory = native.scratch()

/** Where a value's bytes start; a key's start at 0. */
export const VALUE_AT = 65_536

/** Bytes for a value; longer ones cross as an array of their own. */
export const VALUE_ROOM: number = limits.scratchBytes - VALUE_AT

/** The scratch as bytes. */
export const scratch: Buffer = Buffer.from(memory)

/** The scratch as numbers; the format is little-endian on every machine. */
export const view: DataView = new DataView(memory)

/** The scratch as words, in the machine's own order. */
export const words: {
  readonly u64: BigUint64Array
  readonly i64: BigInt64Array
  readonly i32: Int32Array
  readonly f64: Float64Array
} = {
  u64: new BigUint64Array(memory),
  i64: new BigInt64Array(memory),
  i32: new Int32Array(memory),
  f64: new Float64Array(memory),
}

/**
 * Index 0: the sequence number of the last `read`, or the one that the next `swap` expects; -1: absent. Index 1: how far
 * the last call for many keys went. From 2 on: what a view is to be made of.
 */
export const meta: Float64Array = new Float64Array(native.meta())
