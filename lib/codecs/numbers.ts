import { corrupt, invalid } from '../errors.js'
import { VALUE_AT, view } from '../scratch.js'
import type { Driver } from './types.js'

/** One number type: what fits it, and its little-endian bytes. */
export interface NumberType<T> {
  readonly wants: string
  readonly size: number
  fits(value: T): boolean
  write(view: DataView, at: number, value: T): void
  read(view: DataView, at: number): T
}

const int = (min: number, max: number): Pick<NumberType<number>, 'wants' | 'fits'> => ({
  wants: `an integer from ${min} to ${max}`,
  fits: (value) => Number.isInteger(value) && value >= min && value <= max,
})

/** The number types by the names that sinks use for them too. */
export const numberTypes: {
  readonly [name in 'u8' | 'u16' | 'u32' | 'i8' | 'i16' | 'i32' | 'f32' | 'f64']: NumberType<number>
} & { readonly [name in 'u64' | 'i64']: NumberType<bigint> } & {
  readonly bool: NumberType<boolean>
} = {
  u8: {
    ...int(0, 0xff),
    size: 1,
    write: (view, at, value) => view.setUint8(at, value),
    read: (view, at) => view.getUint8(at),
  },
  u16: {
    ...int(0, 0xffff),
    size: 2,
    write: (view, at, value) => view.setUint16(at, value, true),
    read: (view, at) => view.getUint16(at, true),
  },
  u32: {
    wants: 'an integer from 0 to 4294967295',
    fits: (value) => typeof value === 'number' && value >>> 0 === value,
    size: 4,
    write: (view, at, value) => view.setUint32(at, value, true),
    read: (view, at) => view.getUint32(at, true),
  },
  u64: {
    wants: 'a bigint from 0n to 18446744073709551615n',
    fits: (value) => typeof value === 'bigint' && BigInt.asUintN(64, value) === value,
    size: 8,
    write: (view, at, value) => view.setBigUint64(at, value, true),
    read: (view, at) => view.getBigUint64(at, true),
  },
  i8: {
    ...int(-0x80, 0x7f),
    size: 1,
    write: (view, at, value) => view.setInt8(at, value),
    read: (view, at) => view.getInt8(at),
  },
  i16: {
    ...int(-0x8000, 0x7fff),
    size: 2,
    write: (view, at, value) => view.setInt16(at, value, true),
    read: (view, at) => view.getInt16(at, true),
  },
  i32: {
    wants: 'an integer from -2147483648 to 2147483647',
    fits: (value) => typeof value === 'number' && (value | 0) === value,
    size: 4,
    write: (view, at, value) => view.setInt32(at, value, true),
    read: (view, at) => view.getInt32(at, true),
  },
  i64: {
    wants: 'a bigint from -9223372036854775808n to 9223372036854775807n',
    fits: (value) => typeof value === 'bigint' && BigInt.asIntN(64, value) === value,
    size: 8,
    write: (view, at, value) => view.setBigInt64(at, value, true),
    read: (view, at) => view.getBigInt64(at, true),
  },
  f32: {
    wants: 'a number that single precision can hold',
    fits: (value) =>
      typeof value === 'number' && (Number.isFinite(Math.fround(value)) || !Number.isFinite(value)),
    size: 4,
    write: (view, at, value) => view.setFloat32(at, value, true),
    read: (view, at) => view.getFloat32(at, true),
  },
  f64: {
    wants: 'a number',
    fits: (value) => typeof value === 'number',
    size: 8,
    write: (view, at, value) => view.setFloat64(at, value, true),
    read: (view, at) => view.getFloat64(at, true),
  },
  bool: {
    wants: 'a boolean',
    fits: (value) => typeof value === 'boolean',
    size: 1,
    write: (view, at, value) => view.setUint8(at, value ? 1 : 0),
    read: (view, at) => view.getUint8(at) !== 0,
  },
}

// A page is a Buffer, and one DataView a page would cost more than moving eight bytes.
const cell = new DataView(new ArrayBuffer(8))
const cellBytes = new Uint8Array(cell.buffer)

/** The driver of a number type. */
export function numberDriver<T>(type: keyof typeof numberTypes): Driver<T> {
  const { wants, size, fits, write, read } = numberTypes[type] as unknown as NumberType<T>
  const name = `native.${type}`

  function readAt(bytes: Buffer, start: number, end: number): T {
    if (end - start !== size) throw corrupt(name)
    for (let i = 0; i < size; i++) cellBytes[i] = bytes[start + i]!
    return read(cell, 0)
  }

  const writeKey = type === 'f32' || type === 'f64' ? canonicalFloat(write) : write

  return {
    key: {
      name,
      text: false,
      put(key) {
        if (!fits(key)) throw invalid('key', name, wants, key)
        writeKey(view, 0, key)
        return size
      },
      read: readAt,
      keep: (key) => key,
    },
    value: {
      kind: 'packed',
      name,
      store(value) {
        if (!fits(value)) throw invalid('value', name, wants, value)
        write(view, VALUE_AT, value)
        return size
      },
      read: readAt,
      load(length) {
        if (length !== size) throw corrupt(name)
        return read(view, VALUE_AT)
      },
    },
  }
}

/** As keys, -0 is 0, and a NaN of whatever bits is the same NaN. */
function canonicalFloat<T>(write: NumberType<T>['write']): NumberType<T>['write'] {
  const writeNumber = write as unknown as NumberType<number>['write']
  return (view, at, value) => {
    const number = value as unknown as number
    if (number !== number) canonicalNaN(view, at, writeNumber === numberTypes.f32.write)
    else writeNumber(view, at, number + 0)
  }
}

/** Writes the quiet NaN without a payload, whatever the engine would make of NaN. */
export function canonicalNaN(view: DataView, at: number, single: boolean): void {
  if (single) {
    view.setUint32(at, 0x7fc0_0000, true)
  } else {
    view.setUint32(at, 0, true)
    view.setUint32(at + 4, 0x7ff8_0000, true)
  }
}
