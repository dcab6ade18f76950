import { readValue } from '../page.js'
import { scratch, VALUE_AT } from '../scratch.js'
import { bytes as bytesDriver, copyOut } from './bytes.js'
import { json as jsonDriver } from './json.js'
import { msgpack as msgpackDriver } from './msgpack.js'
import { numberDriver, numberTypes } from './numbers.js'
import { primitive as primitiveDriver, type Primitive } from './primitive.js'
import { structured as structuredDriver } from './structured.js'
import { str as strDriver } from './text.js'
import { codecBrand } from './types.js'
import type { CodecVerb, Driver, KeyAndValueCodec, Sink, ValueCodec, ValueDriver } from './types.js'

/** The drivers of this library's codecs by their stored names. */
export const drivers: Map<string, Driver<unknown>> = new Map()

/** Makes the public codec of a driver. */
function publish<T, Allows extends CodecVerb = never>(
  driver: Driver<T>,
): KeyAndValueCodec<T, Allows> {
  const { value } = driver
  const { name } = value
  drivers.set(name, driver as Driver<unknown>)
  return Object.freeze({
    name,
    [codecBrand]: name,
    encode: (input: T, sink: Sink) => encodeWith(value, input, sink),
    decode: (input: Buffer) => readValue(value, input, 0, input.length),
  })
}

function encodeWith<T>(driver: ValueDriver<T>, value: T, sink: Sink): void {
  if (driver.kind === 'text') {
    sink.utf8(driver.toText(value))
    return
  }
  const stored = driver.store(value)
  // The sink may be the caller's own: it must not get hold of the scratch.
  sink.bytes(typeof stored === 'number' ? copyOut(scratch, VALUE_AT, VALUE_AT + stored) : stored)
}

/** A codec for numbers of a fixed size. */
export type NumberCodec<T extends number | bigint> = KeyAndValueCodec<T, CodecVerb>

/** Codecs for numbers and booleans of a fixed size, by their names in Rust. */
export interface NativeCodecs {
  /** Integers from 0 to 255. */
  readonly u8: NumberCodec<number>
  /** Integers from 0 to 65,535. */
  readonly u16: NumberCodec<number>
  /** Integers from 0 to 2^32 − 1. */
  readonly u32: NumberCodec<number>
  /** bigints from 0n to 2^64 − 1. */
  readonly u64: NumberCodec<bigint>
  /** Integers from −128 to 127. */
  readonly i8: NumberCodec<number>
  /** Integers from −32,768 to 32,767. */
  readonly i16: NumberCodec<number>
  /** Integers from −2^31 to 2^31 − 1. */
  readonly i32: NumberCodec<number>
  /** bigints from −2^63 to 2^63 − 1. */
  readonly i64: NumberCodec<bigint>
  /** Numbers, rounded to single precision; a finite one that overflows it is refused. */
  readonly f32: NumberCodec<number>
  /** Numbers. There is one NaN, and as a key -0 is 0, as in `Map`; a value keeps its -0. */
  readonly f64: NumberCodec<number>
  /** Booleans. */
  readonly bool: KeyAndValueCodec<boolean, 'compareAndSet'>
}

/**
 * Numbers of a fixed size, as keys and as values. Another type, a fraction or a number out of range is
 * `ERR_INVALID_KEY` or `ERR_INVALID_VALUE`.
 */
export const native: NativeCodecs = Object.freeze(
  Object.fromEntries(
    Object.keys(numberTypes).map((type) => [
      type,
      publish(numberDriver(type as keyof typeof numberTypes)),
    ]),
  ),
) as unknown as NativeCodecs

/** Strings, stored as UTF-8. Lone surrogates are `ERR_INVALID_KEY` or `ERR_INVALID_VALUE`. */
export const str: KeyAndValueCodec<string, 'compareAndSet'> = publish(strDriver)

/**
 * Bytes: any Uint8Array is taken, and what is read is a Buffer of your own. A detached buffer is `ERR_INVALID_KEY` or
 * `ERR_INVALID_VALUE`; of a resizable or shared one, the bytes of the moment are stored.
 */
export const bytes: KeyAndValueCodec<Uint8Array, 'compareAndSet'> = publish(bytesDriver)

/**
 * Primitive values and bytes, stored with their type: undefined, null, booleans, numbers, bigints, strings and
 * Uint8Arrays (read as Buffers). `1`, `1n` and `'1'` are three keys; the key -0 is 0 and there is one NaN. One byte
 * longer than the value alone. Anything else is `ERR_INVALID_KEY` or `ERR_INVALID_VALUE`.
 */
export const primitive: KeyAndValueCodec<Primitive> = publish(primitiveDriver)

/** The codec `json`; calling it gives the same codec with the type of its values. */
export interface JsonCodec extends ValueCodec<unknown> {
  /** The same codec for values of one type, which is not checked. */
  <T>(): ValueCodec<T>
  readonly name: string
}

/**
 * Values as JSON text, by the rules of JSON.stringify and JSON.parse: `toJSON` is called; a Date comes back as a string;
 * NaN and infinities become null; undefined, functions and symbols are left out of objects and become null in arrays;
 * Map and Set become `{}`; -0 becomes 0; `__proto__` is a property like any other. A bare undefined, function or symbol,
 * a bigint and a cycle are `ERR_INVALID_VALUE`. Use it as `json` or as `json<User>()`.
 */
export const json: JsonCodec = typed({ value: jsonDriver })

/** The codec `structured`; calling it gives the same codec with the type of its values. */
export interface StructuredCodec extends ValueCodec<unknown> {
  /** The same codec for values of one type, which is not checked. */
  <T>(): ValueCodec<T>
  readonly name: string
}

/**
 * Values as node:v8 serializes them: what `structuredClone` can copy (Map, Set, Date, RegExp, bigints, cycles, typed
 * arrays, errors), bytes included. What it cannot, as functions and symbols, is `ERR_INVALID_VALUE`. What a newer Node
 * wrote, an older one may not be able to read. Use it as `structured` or as `structured<User>()`.
 */
export const structured: StructuredCodec = typed({ value: structuredDriver })

/** The codec `msgpack`; calling it gives the same codec with the type of its values. */
export interface MsgpackCodec extends ValueCodec<unknown> {
  /** The same codec for values of one type, which is not checked. */
  <T>(): ValueCodec<T>
  readonly name: string
}

/**
 * Values as MessagePack, by the package msgpackr, which you install beside this one (`npm install msgpackr@2`); opening a
 * map with this codec where it is missing is `ERR_CODEC_UNAVAILABLE`. What JSON can hold is plain MessagePack that other
 * languages read; Date is its timestamp, bytes its binary, undefined and everything else below an extension.
 *
 * It also keeps NaN and infinities, bigints, Date, Set, RegExp, Error, typed arrays. `toJSON` of a class is called; a Map
 * comes back as an object, as do instances of classes; -0 becomes 0; lone surrogates become U+FFFD; a property `__proto__`
 * comes back as `__proto_`. Functions (also a `toJSON` of a plain object), symbols and cycles are `ERR_INVALID_VALUE`. Use it
 * as `msgpack` or as `msgpack<User>()`.
 */
export const msgpack: MsgpackCodec = typed(msgpackDriver)

/** A codec that can be called for the type of its values. */
function typed<C extends ValueCodec<unknown>>(driver: Driver<unknown>): C {
  const { name, ...codec } = publish(driver)
  const call = Object.assign(() => call, codec)
  return Object.freeze(Object.defineProperty(call, 'name', { value: name })) as unknown as C
}
