import { readValue } from '../page.js'
import { scratch, VALUE_AT } from '../scratch.js'
import { archDriver } from './arch/driver.js'
import type { ArchValue, ArchView, Checked } from './arch/infer.js'
import { bytes as bytesDriver, copyOut } from './bytes.js'
import { json as jsonDriver } from './json.js'
import { msgpack as msgpackDriver } from './msgpack.js'
import { numberDriver, numberTypes } from './numbers.js'
import { primitive as primitiveDriver, type Primitive } from './primitive.js'
import { structured as structuredDriver } from './structured.js'
import { str as strDriver } from './text.js'
import { codecBrand } from './types.js'
import type {
  CodecVerb,
  Driver,
  KeyAndValueCodec,
  PackedDriver,
  Sink,
  ValueCodec,
  ValueDriver,
} from './types.js'

/** The drivers of this library's codecs by their stored names. */
export const drivers: Map<string, Driver<unknown>> = new Map()

/** Makes the public codec of a driver. */
function publish<T, Allows extends CodecVerb = never>(
  driver: Driver<T>,
): KeyAndValueCodec<T, Allows> {
  drivers.set(driver.value.name, driver as Driver<unknown>)
  return Object.freeze(codecOf(driver.value))
}

function codecOf<T, Allows extends CodecVerb>(driver: ValueDriver<T>): KeyAndValueCodec<T, Allows> {
  const { name } = driver
  return {
    name,
    [codecBrand]: name,
    encode: (input: T, sink: Sink) => encodeWith(driver, input, sink),
    decode: (input: Buffer) => readValue(driver, input, 0, input.length),
  }
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
 * wrote, an older one may not be able to read. Bun has no such serializer: there opening a map with this codec is
 * `ERR_CODEC_UNAVAILABLE`. Use it as `structured` or as `structured<User>()`.
 */
export const structured: StructuredCodec = typed(structuredDriver)

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

/** A codec that {@link arch} makes. */
export interface ArchCodec<Value, View> extends ValueCodec<Value, 'compareAndSet', View> {
  /** The canonical text of the schema, which is stored with the map. */
  readonly schema: string
}

/** The drivers of the codecs that `arch` has made. */
export const archDrivers: WeakMap<object, PackedDriver<unknown>> = new WeakMap()

/**
 * Values of a schema, in the bytes that rkyv 0.8 gives the same types in Rust: a program in Rust reads them where they lie, and
 * the other way round. `get` gives plain objects; a view of a value reads one field where it lies.
 *
 * | in the schema | in TypeScript |
 * | --- | --- |
 * | `bool` | boolean |
 * | `u8` `u16` `u32` `i8` `i16` `i32` | an integer in the range of the type |
 * | `u64` `i64` | a bigint in the range of the type |
 * | `f32` `f64` | a number; `f32` rounds and refuses what overflows it; there is one NaN, and -0 stays -0 |
 * | `string` | a string without lone surrogates, up to 2^30 − 1 bytes |
 * | `bytes`, `u8[]` | a Uint8Array; what is read is a Buffer of your own |
 * | `T[]`, `T[N]` | an array; a typed array is taken too. `get` makes arrays of up to 2^25 elements |
 * | `T?` | undefined if there is none; a field is then left out. null is taken for undefined |
 * | struct | an object: all fields, and no others, each read once. Classes and getters are taken |
 * | tuple | an array |
 * | variants | `'name'`, or `{ name: value }` for one with a payload |
 *
 * A schema has up to 65,535 bytes of text and 64 levels. It is stored with the map: opened without codecs, the map is as it
 * was made, and with another schema it is `ERR_CODEC_MISMATCH`. Equal values have equal bytes, so `compareAndSet` works.
 *
 * @param schema What {@link struct}, {@link array}, {@link fixed}, {@link optional}, {@link tuple}, {@link pairs} or
 * {@link variants} gave; or a string: a type by its name with `[]`, `[N]` and `?` behind it.
 * @throws {DiskMapError} `ERR_INVALID_ARGUMENT` for a schema that cannot be laid out, with the path of the part. A value that
 * does not fit is `ERR_INVALID_VALUE`, with the path; stored bytes that do not are `ERR_CORRUPT`; `get` of an array beyond its
 * limit is `ERR_TOO_LARGE`.
 * @example
 * const user = struct({ id: 'u32', name: 'string', email: 'string?', scores: 'f64[]' })
 * const users = DiskMap.open('users.odm', { key: native.u64, value: arch(user) })
 * users.set(1n, { id: 1, name: 'Ada', scores: [1.5] })
 */
export function arch<const S>(schema: S & Checked<S>): ArchCodec<ArchValue<S>, ArchView<S>> {
  const driver = archDriver(schema)
  const { name, ...codec } = codecOf(driver)
  const param = Buffer.from(driver.param!)
  const made = Object.freeze({ name, schema: param.toString(), param, ...codec })
  archDrivers.set(made, driver)
  return made as unknown as ArchCodec<ArchValue<S>, ArchView<S>>
}

/** A codec that can be called for the type of its values. */
function typed<C extends ValueCodec<unknown>>(driver: Driver<unknown>): C {
  const { name, ...codec } = publish(driver)
  const call = Object.assign(() => call, codec)
  return Object.freeze(Object.defineProperty(call, 'name', { value: name })) as unknown as C
}
