import { endianness } from 'node:os'
import { badArgument, corrupt, describe, invalid } from '../errors.js'
import { VALUE_AT, view, words } from '../scratch.js'
import type { Amount, Driver, Fixed } from './types.js'

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
    write: (view, at, value) =>
      value === value ? view.setFloat32(at, value, true) : canonicalNaN(view, at, true),
    read: (view, at) => view.getFloat32(at, true),
  },
  f64: {
    wants: 'a number',
    fits: (value) => typeof value === 'number',
    size: 8,
    write: (view, at, value) =>
      value === value ? view.setFloat64(at, value, true) : canonicalNaN(view, at, false),
    read: (view, at) => view.getFloat64(at, true),
  },
  bool: {
    wants: 'a boolean',
    fits: (value) => typeof value === 'boolean',
    size: 1,
    write: (view, at, value) => view.setUint8(at, value ? 1 : 0),
    read: (view, at) => {
      const byte = view.getUint8(at)
      if (byte > 1) throw corrupt('native.bool')
      return byte === 1
    },
  },
}

// A page is a Buffer, and one DataView a page would cost more than moving eight bytes.
const cell = new DataView(new ArrayBuffer(8))
const cellBytes = new Uint8Array(cell.buffer)

// Typed arrays that hold what a codec of this type writes, by their tags. Floats do not: a key has one zero and one NaN.
const arrays: { readonly [type in keyof typeof numberTypes]?: string } =
  endianness() === 'LE'
    ? {
        u8: 'Uint8Array',
        u16: 'Uint16Array',
        u32: 'Uint32Array',
        u64: 'BigUint64Array',
        i8: 'Int8Array',
        i16: 'Int16Array',
        i32: 'Int32Array',
        i64: 'BigInt64Array',
      }
    : {}

// The addon's numbers for the types that `increment` knows.
const amounts = ['u8', 'u16', 'u32', 'u64', 'i8', 'i16', 'i32', 'i64', 'f32', 'f64']

/** The driver of a number type. */
export function numberDriver<T>(type: keyof typeof numberTypes): Driver<T> {
  const { wants, size, fits, write, read } = numberTypes[type] as unknown as NumberType<T>
  const name = `native.${type}`
  const isFloat = type === 'f32' || type === 'f64'
  const writeKey = isFloat ? withoutMinusZero(write) : write

  function readAt(bytes: Buffer, start: number, end: number): T {
    if (end - start !== size) throw corrupt(name)
    for (let i = 0; i < size; i++) cellBytes[i] = bytes[start + i]!
    return read(cell, 0)
  }

  const key: Fixed<T> = {
    size,
    array: arrays[type],
    write(view, at, given) {
      if (!fits(given)) throw invalid('key', name, wants, given)
      writeKey(view, at, given)
    },
    read,
  }
  const value: Fixed<T> = {
    size,
    array: arrays[type],
    write(view, at, given) {
      if (!fits(given)) throw invalid('value', name, wants, given)
      write(view, at, given)
    },
    read,
  }

  const cells = wordsOf<T>(type)
  return {
    key: {
      name,
      text: false,
      fixed: key,
      put:
        cells === undefined
          ? (given) => {
              key.write(view, 0, given)
              return size
            }
          : (given) => {
              if (!fits(given)) throw invalid('key', name, wants, given)
              cells[0] = given
              return size
            },
      read: readAt,
    },
    value: {
      kind: 'packed',
      name,
      canonical: true,
      fixed: value,
      amount: amountOf(type),
      store:
        cells === undefined
          ? (given) => {
              value.write(view, VALUE_AT, given)
              return size
            }
          : (given) => {
              if (!fits(given)) throw invalid('value', name, wants, given)
              cells[VALUE_AT / size] = given
              return size
            },
      load:
        cells === undefined
          ? (length) => {
              if (length !== size) throw corrupt(name)
              return read(view, VALUE_AT)
            }
          : (length) => {
              if (length !== size) throw corrupt(name)
              return cells[VALUE_AT / size]!
            },
      read: readAt,
    },
  }
}

/** The scratch as an array of the type: for 64 bits it is several times as fast as the view, which V8 does not inline. */
function wordsOf<T>(type: keyof typeof numberTypes): { [index: number]: T } | undefined {
  const isWord = endianness() === 'LE' && (type === 'u64' || type === 'i64')
  return isWord ? (words[type] as unknown as { [index: number]: T }) : undefined
}

/** As keys, -0 is 0. */
function withoutMinusZero<T>(write: NumberType<T>['write']): NumberType<T>['write'] {
  return (view, at, value) => {
    write(view, at, ((value as unknown as number) + 0) as unknown as T)
  }
}

/** Writes the quiet NaN without a payload, whatever JavaScript's engine would make of NaN. */
function canonicalNaN(view: DataView, at: number, single: boolean): void {
  if (single) {
    view.setUint32(at, 0x7fc0_0000, true)
  } else {
    view.setUint32(at, 0, true)
    view.setUint32(at + 4, 0x7ff8_0000, true)
  }
}

/** How amounts for a type cross: of floats as a double, of integers as 16 bytes. */
function amountOf<T>(type: keyof typeof numberTypes): Amount<T> | undefined {
  const index = amounts.indexOf(type)
  if (index < 0) return undefined
  const put =
    type === 'f32' || type === 'f64' ? putFloat : type === 'u64' || type === 'i64' ? putBig : putInt
  return { type: index, put: put as unknown as Amount<T>['put'] }
}

// Far beyond every type and far within 16 bytes: what is beyond this cannot be told from it.
const MOST = 2n ** 100n

function putFloat(by: number | undefined = 1): void {
  if (typeof by !== 'number') throw badAmount('a number', by)
  view.setFloat64(VALUE_AT, by, true)
}

function putInt(by: number | undefined = 1): void {
  if (!Number.isInteger(by)) throw badAmount('an integer', by)
  putWhole(BigInt(by))
}

function putBig(by: bigint | undefined = 1n): void {
  if (typeof by !== 'bigint') throw badAmount('a bigint', by)
  putWhole(by)
}

function putWhole(by: bigint): void {
  const within = by > MOST ? MOST : by < -MOST ? -MOST : by
  view.setBigInt64(VALUE_AT, within, true)
  view.setBigInt64(VALUE_AT + 8, within >> 64n, true)
}

function badAmount(wants: string, got: unknown): Error {
  return badArgument(`The amount of increment must be ${wants}, not ${describe(got)}.`)
}
