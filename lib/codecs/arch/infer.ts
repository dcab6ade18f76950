// What schemas say about their values, for the compiler alone.
import type { Schema } from './schema.js'

/** What a `bool`, a number, a `string` and `bytes` are in TypeScript: for `get` and `set`. */
interface Scalars {
  bool: boolean
  u8: number
  u16: number
  u32: number
  u64: bigint
  i8: number
  i16: number
  i32: number
  i64: bigint
  f32: number
  f64: number
  string: string
  bytes: Uint8Array
}

/** The names of the types that are not made of others. */
export type SchemaName = keyof Scalars

/** The same in a view, where it is not the same. */
interface ScalarViews extends Omit<Scalars, 'bytes'> {
  bytes: Buffer
}

/** Arrays of numbers in a view. */
interface Columns {
  u8: Uint8Array
  u16: Uint16Array
  u32: Uint32Array
  u64: BigUint64Array
  i8: Int8Array
  i16: Int16Array
  i32: Int32Array
  i64: BigInt64Array
  f32: Float32Array
  f64: Float64Array
}

/** An array in a view whose elements are read when they are asked for. */
export interface ArchArray<View, Value> extends Iterable<View> {
  /** How many elements there are. */
  readonly length: number
  /** The element at an index, from the end if it is negative; undefined if there is none. */
  at(index: number): View | undefined
  /** All elements, as `get` gives them. */
  toArray(): Value[]
}

/** A struct in a view: a field is read when it is asked for. */
export type ArchStruct<Fields, Value> = Readonly<Fields> & {
  /** The struct as `get` gives it. */
  toObject(): Value
}

/** What a value and its view are. */
interface Pair<Value = unknown, View = unknown> {
  value: Value
  view: View
}

/** A type by its name, or by the name and what follows it: `f64`, `f64[]`, `string?`, `u8[16]`, `f64[]?`. */
type OfText<Text extends string> = string extends Text
  ? Pair
  : Text extends SchemaName
    ? Pair<Scalars[Text], ScalarViews[Text]>
    : Text extends `${infer Name extends SchemaName}[]${infer Rest}`
      ? After<ArrayOf<Name>, Rest>
      : Text extends `${infer Name extends SchemaName}[${number}]${infer Rest}`
        ? After<RowOf<Name>, Rest>
        : Text extends `${infer Name extends SchemaName}?${infer Rest}`
          ? Rest extends `?${string}`
            ? never
            : After<Optional<OfText<Name>>, Rest>
          : never

/** The type that what follows makes of a type. */
type After<P extends Pair, Text extends string> = Text extends ''
  ? P
  : Text extends `[]${infer Rest}`
    ? After<ListOf<P>, Rest>
    : Text extends `[${number}]${infer Rest}`
      ? After<ListOf<P>, Rest>
      : Text extends `?${infer Rest}`
        ? Rest extends `?${string}`
          ? never
          : After<Optional<P>, Rest>
        : never

type Optional<P extends Pair> = Pair<P['value'] | undefined, P['view'] | undefined>
type ListOf<P extends Pair> = Pair<P['value'][], ArchArray<P['view'], P['value']>>

/** Any number of elements. */
type ArrayOf<Name extends SchemaName> = Name extends 'u8' ? Pair<Uint8Array, Buffer> : RowOf<Name>

/** So many elements. */
type RowOf<Name extends SchemaName> = Name extends keyof Columns
  ? Pair<Scalars[Name][], Columns[Name]>
  : ListOf<OfText<Name>>

/** What a schema, or a string in its place, says. */
type Of<S> = S extends string
  ? OfText<S>
  : S extends Schema<infer Value, infer View>
    ? Pair<Value, View>
    : never

/**
 * The values of a schema: `type User = ArchValue<typeof user>`. What is optional may be left out.
 */
export type ArchValue<S> = Of<S>['value']

/** What `map.view(key).value` is on a map of a schema: `ArchView<typeof user>`. */
export type ArchView<S> = Of<S>['view']

/** Says that a string is no type, where the compiler would say nothing. */
type NoType<S extends string> = `there is no type '${S}'`

/** The schema itself, if it is one. */
export type Checked<S> = S extends string
  ? [OfText<S>] extends [never]
    ? NoType<S>
    : S
  : S extends Schema
    ? S
    : Schema | SchemaName

/** The schemas themselves, if they are some. */
export type CheckedFields<Fields> = { readonly [Name in keyof Fields]: Checked<Fields[Name]> }

/** The same of a tuple's. */
export type CheckedParts<Types extends readonly unknown[]> = {
  readonly [Index in keyof Types]: Checked<Types[Index]>
}

type Names<Fields, Optional extends boolean> = {
  [Name in keyof Fields]: undefined extends ArchValue<Fields[Name]>
    ? Optional extends true
      ? Name
      : never
    : Optional extends true
      ? never
      : Name
}[keyof Fields]

type Flat<T> = { [Name in keyof T]: T[Name] }

/** An object of these fields. */
export type StructValue<Fields> = Flat<
  { -readonly [Name in Names<Fields, false>]: ArchValue<Fields[Name]> } & {
    -readonly [Name in Names<Fields, true>]?: ArchValue<Fields[Name]>
  }
>

/** The same in a view. */
export type StructView<Fields> = ArchStruct<
  { readonly [Name in keyof Fields]: ArchView<Fields[Name]> },
  StructValue<Fields>
>

export type TupleValue<Types extends readonly unknown[]> = {
  -readonly [Index in keyof Types]: ArchValue<Types[Index]>
}
export type TupleView<Types extends readonly unknown[]> = {
  readonly [Index in keyof Types]: ArchView<Types[Index]>
}

export type ArrayValue<S> = S extends 'u8' ? Uint8Array : ArchValue<S>[]
export type ArrayView<S> = S extends 'u8' ? Buffer : RowView<S>
export type RowView<S> = S extends keyof Columns ? Columns[S] : ArchArray<ArchView<S>, ArchValue<S>>

/** Arrays of pairs that stand for a map. */
export type PairsValue<Key, Value> = [ArchValue<Key>, ArchValue<Value>][]
export type PairsView<Key, Value> = ArchArray<
  readonly [ArchView<Key>, ArchView<Value>],
  [ArchValue<Key>, ArchValue<Value>]
>

/** The values of one variant, from what `variants` was given for it. */
type VariantValue<Name, Payload> = Payload extends null
  ? Name
  : Name extends string
    ? { [N in Name]: PayloadValue<Payload> }
    : never
type PayloadValue<Payload> = Payload extends string | Schema
  ? ArchValue<Payload>
  : Payload extends readonly [infer Only]
    ? ArchValue<Only>
    : Payload extends readonly unknown[]
      ? TupleValue<Payload>
      : StructValue<Payload>

type VariantView<Name, Payload> = Payload extends null
  ? Name
  : Name extends string
    ? { readonly [N in Name]: PayloadView<Payload> }
    : never
type PayloadView<Payload> = Payload extends string | Schema
  ? ArchView<Payload>
  : Payload extends readonly [infer Only]
    ? ArchView<Only>
    : Payload extends readonly unknown[]
      ? TupleView<Payload>
      : StructView<Payload>

export type EnumValue<Variants> = {
  [Name in keyof Variants]: VariantValue<Name, Variants[Name]>
}[keyof Variants]
export type EnumView<Variants> = {
  [Name in keyof Variants]: VariantView<Name, Variants[Name]>
}[keyof Variants]

/** What `variants` may be given for a variant, if it is that. */
export type CheckedVariants<Variants> = {
  readonly [Name in keyof Variants]: Variants[Name] extends null
    ? null
    : Variants[Name] extends string | Schema
      ? Checked<Variants[Name]>
      : Variants[Name] extends readonly unknown[]
        ? CheckedParts<Variants[Name]>
        : CheckedFields<Variants[Name]>
}
