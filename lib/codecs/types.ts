/** Marks the codecs of this library, in every instance of it; its value is the codec's name. */
export const codecBrand: unique symbol = Symbol.for('opendiskmap.codec')

declare const keyType: unique symbol
declare const allowedVerbs: unique symbol
declare const viewedType: unique symbol

/**
 * The verbs that a map has only if its value codec allows them. `compareAndSet` needs a codec that gives equal values equal
 * bytes: `native.*`, `str`, `bytes` or `arch`; `increment` needs numbers: `native.*` but `native.bool`.
 */
export type CodecVerb = 'compareAndSet' | 'increment'

/**
 * How keys become bytes. Keys are equal when their bytes are, so a key codec gives equal keys equal bytes: `native.*`,
 * `str`, `bytes` and `primitive` are key codecs, and there are no others.
 */
export interface KeyCodec<K> {
  /** The name that is stored with the map. */
  readonly name: string
  /** @ignore */
  readonly [codecBrand]: string
  /** @ignore Both ways, so that KeyCodec<number> is neither a KeyCodec<number | string> nor the reverse. */
  readonly [keyType]?: (key: K) => K
}

/**
 * How values become bytes, and back. Besides the codecs of this library any object of this shape will do.
 *
 * What `encode` or `decode` throws passes through the map's verb unchanged, and nothing is written. Both may call the
 * map again.
 *
 * @example
 * const point: ValueCodec<{ x: number; y: number }> = {
 *   name: 'point',
 *   encode(value, sink) {
 *     sink.f64(value.x)
 *     sink.f64(value.y)
 *   },
 *   decode: (bytes) => ({ x: bytes.readDoubleLE(0), y: bytes.readDoubleLE(8) }),
 * }
 */
export interface ValueCodec<V, Allows extends CodecVerb = never, Viewed = unknown> {
  /**
   * The name that is stored with the map and compared when it is opened (`ERR_CODEC_MISMATCH`): 1 to 255 bytes of
   * UTF-8. Names of this library's own codecs are taken. A codec whose bytes change needs another name.
   */
  readonly name: string
  /** Bytes that are stored and compared together with the name; at most 64 KiB. Default: none. */
  readonly param?: Uint8Array | undefined
  /**
   * `decode` does not keep its bytes: it then gets memory that the thread uses again and again, instead of a Buffer of
   * its own. It must be done with them before it returns and before it calls any map. Default: false.
   */
  readonly borrows?: boolean | undefined
  /**
   * Writes the value into the sink, or returns its bytes and leaves the sink alone. At most 2^31 − 1 bytes
   * (`ERR_TOO_LARGE`). Returning anything else is `ERR_INVALID_VALUE`.
   */
  encode(value: V, sink: Sink): Uint8Array | void
  /** Reads a value from its bytes. The Buffer may be kept and changed, unless `borrows` is true. */
  decode(bytes: Buffer): V
  /** @ignore Only in the types. The way round that lets a codec which allows more stand in for one that allows less. */
  readonly [allowedVerbs]?: (verb: Allows) => void
  /** @ignore Only in the types: what a view's `value` is, if it is not what `get` gives; unknown: that. */
  readonly [viewedType]?: () => Viewed
}

/**
 * Takes the bytes of one value. It belongs to one call of `encode`; a call that is nested in it has its own, and after
 * it has returned every method throws `ERR_INVALID_ARGUMENT`. Numbers are little-endian and unpadded; one that does not
 * fit its type is `ERR_INVALID_VALUE`.
 */
export interface Sink {
  /** Appends a copy of the bytes. A detached buffer is `ERR_INVALID_VALUE`. */
  bytes(value: Uint8Array): void
  /** Appends text as UTF-8, with no length before it. A lone surrogate is `ERR_INVALID_VALUE`. */
  utf8(value: string): void
  /** Appends text, one byte a character. A character above U+00FF is `ERR_INVALID_VALUE`. */
  latin1(value: string): void
  /** Appends an integer from 0 to 255. */
  u8(value: number): void
  /** Appends an integer from 0 to 65,535. */
  u16(value: number): void
  /** Appends an integer from 0 to 2^32 − 1. */
  u32(value: number): void
  /** Appends a bigint from 0 to 2^64 − 1. */
  u64(value: bigint): void
  /** Appends an integer from −128 to 127. */
  i8(value: number): void
  /** Appends an integer from −32,768 to 32,767. */
  i16(value: number): void
  /** Appends an integer from −2^31 to 2^31 − 1. */
  i32(value: number): void
  /** Appends a bigint from −2^63 to 2^63 − 1. */
  i64(value: bigint): void
  /** Appends a number, rounded to single precision; a finite one that overflows it is `ERR_INVALID_VALUE`. */
  f32(value: number): void
  /** Appends a number. */
  f64(value: number): void
  /** Appends `length` zero bytes and gives them to be filled until `encode` returns. */
  reserve(length: number): Buffer
}

/** A codec of this library that serves keys as well as values. */
export type KeyAndValueCodec<T, Allows extends CodecVerb = never> = KeyCodec<T> &
  ValueCodec<T, Allows>

/** Keys or values that all have one size, at any place. */
export interface Fixed<T> {
  readonly size: number
  /** The tag of the typed arrays that hold just these bytes. */
  readonly array?: string | undefined
  /** Checks and writes. */
  write(view: DataView, at: number, value: T): void
  read(view: DataView, at: number): T
}

/** How the amount of an `increment` crosses. */
export interface Amount<V> {
  /** The addon's number for the type. */
  readonly type: number
  /** Checks the amount, 1 if there is none, and puts it into the scratch where values go. */
  put(by: V | undefined): void
}

/** What the map does with keys. None of it runs a user's code. */
export interface KeyDriver<K> {
  readonly name: string
  /** Keys cross as strings; else packed. */
  readonly text: boolean
  readonly fixed?: Fixed<K>
  /** Checks the key, puts it into the scratch where it crosses packed, and gives what the addon is called with. */
  put(key: K): string | number
  /** Reads a key from a part of a page. */
  read(bytes: Buffer, start: number, end: number): K
}

/** Values that cross as strings. */
export interface TextDriver<V> {
  readonly kind: 'text'
  readonly name: string
  /** Equal values have equal bytes. */
  readonly canonical?: true
  readonly param?: Uint8Array | undefined
  toText(value: V): string
  fromText(text: string): V
}

/** Values that cross as bytes. */
export interface PackedDriver<V> {
  readonly kind: 'packed'
  readonly name: string
  /** Equal values have equal bytes. */
  readonly canonical?: true
  readonly fixed?: Fixed<V>
  readonly amount?: Amount<V> | undefined
  readonly param?: Uint8Array | undefined
  /**
   * Runs whatever code of the user's there is; then puts the bytes into the scratch and gives their length, or gives
   * bytes that nobody changes before the addon is called.
   */
  store(value: V): number | Uint8Array
  /** Reads a value from a part of the scratch or of a page, keeping nothing of it. */
  read(bytes: Buffer, start: number, end: number): V
  /** Reads a value from bytes that are nobody else's. Default: `read`. */
  adopt?(bytes: Buffer): V
  /** Reads a value of this length from the scratch. Default: `read`. */
  load?(length: number): V
  /**
   * Gives what reads parts of a value where they lie, in bytes that are all of it; once these are without length, it throws
   * `ERR_CLOSED`. Default: a view's value is what `read` gives.
   */
  lazy?(bytes: Uint8Array): unknown
}

export type ValueDriver<V> = TextDriver<V> | PackedDriver<V>

/** What stands behind a codec of this library. */
export interface Driver<T> {
  readonly key?: KeyDriver<T>
  readonly value: ValueDriver<T>
  /** Throws if the codec cannot be used in this installation. Default: it always can. */
  check?(): void
}
