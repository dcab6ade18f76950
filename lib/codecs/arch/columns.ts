import type { ScalarName } from './layout.js'

/** The types of numbers. */
export type ColumnName = Exclude<ScalarName, 'bool'>

interface ColumnType {
  readonly name: string
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): ArrayLike<unknown>
}

/** The typed arrays that hold what arrays of numbers do; the format is little-endian, and so is every machine. */
export const columns: { readonly [name in ColumnName]: ColumnType } = {
  u8: Uint8Array,
  u16: Uint16Array,
  u32: Uint32Array,
  u64: BigUint64Array,
  i8: Int8Array,
  i16: Int16Array,
  i32: Int32Array,
  i64: BigInt64Array,
  f32: Float32Array,
  f64: Float64Array,
}
