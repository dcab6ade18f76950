import type { numberTypes } from '../numbers.js'
import type { Step } from './path.js'

/** The types of a fixed size that a schema is made of. */
export type ScalarName = keyof typeof numberTypes

/** How a type is laid out where it stands: as rkyv archives it, which is C's way with little-endian numbers. */
interface Layout {
  readonly size: number
  readonly align: number
  /** Nothing of it stands elsewhere. */
  readonly flat: boolean
  /** None of its bytes is padding, whatever the value. */
  readonly dense: boolean
  /** How many levels of types there are in it; one that is not made of others has none. */
  readonly depth: number
}

/** A number or a boolean. */
export interface ScalarType extends Layout {
  readonly kind: 'scalar'
  readonly name: ScalarName
}

/** Text of up to eight bytes where it stands; else its length and a pointer. */
export interface StringType extends Layout {
  readonly kind: 'string'
}

/** A pointer and a length; the elements stand elsewhere. */
export interface VecType extends Layout {
  readonly kind: 'vec'
  readonly of: Type
}

/** As a `vec` of u8, for Uint8Arrays. */
export interface BytesType extends Layout {
  readonly kind: 'bytes'
}

/** Elements side by side. */
export interface RowType extends Layout {
  readonly kind: 'row'
  readonly of: Type
  readonly length: number
}

/** A tag, and behind it a value if the tag is 1. */
export interface OptionType extends Layout {
  readonly kind: 'option'
  readonly of: Type
  /** Where the value stands. */
  readonly at: number
}

/** A part of a struct, a tuple or a variant. */
export interface Field {
  /** Its name, or in a tuple its index. */
  readonly name: Step
  readonly type: Type
  readonly at: number
}

/** Fields with names. */
export interface StructType extends Layout {
  readonly kind: 'struct'
  readonly fields: readonly Field[]
}

/** Fields without names. */
export interface TupleType extends Layout {
  readonly kind: 'tuple'
  readonly fields: readonly Field[]
}

/** One alternative of an enum. Its tag is its index; its fields stand behind that. */
export interface Variant {
  readonly name: string
  readonly payload: 'none' | 'tuple' | 'struct'
  readonly fields: readonly Field[]
}

/** A tag, and behind it the fields of its variant. */
export interface EnumType extends Layout {
  readonly kind: 'enum'
  readonly variants: readonly Variant[]
}

export type Type =
  | ScalarType
  | StringType
  | BytesType
  | VecType
  | RowType
  | OptionType
  | StructType
  | TupleType
  | EnumType

/** A field, or a variant, that has no place yet. */
export type Unplaced<T> = Omit<T, 'at'>

const TAG_BYTES = 1

// A relative pointer, or the length beside it.
const WORD = 4

const POINTER = { size: 2 * WORD, align: WORD, flat: false, dense: true } as const

const scalar = (name: ScalarName, size: number): ScalarType => ({
  kind: 'scalar',
  name,
  size,
  align: size,
  flat: true,
  dense: true,
  depth: 0,
})

/** The types that a name alone stands for. */
export const named: ReadonlyMap<string, Type> = new Map<string, Type>([
  ...(
    [
      ['bool', 1],
      ['u8', 1],
      ['u16', 2],
      ['u32', 4],
      ['u64', 8],
      ['i8', 1],
      ['i16', 2],
      ['i32', 4],
      ['i64', 8],
      ['f32', 4],
      ['f64', 8],
    ] as const
  ).map(([name, size]) => [name, scalar(name, size)] as const),
  ['string', { kind: 'string', ...POINTER, depth: 0 }],
  ['bytes', { kind: 'bytes', ...POINTER, depth: 0 }],
])

/** Any number of elements. */
export function vecOf(of: Type): Type {
  if (of.kind === 'scalar' && of.name === 'u8') return named.get('bytes')!
  return { kind: 'vec', of, ...POINTER, depth: of.depth + 1 }
}

/** So many elements. */
export function rowOf(of: Type, length: number): Type {
  const { align, flat, dense } = of
  return {
    kind: 'row',
    of,
    length,
    size: of.size * length,
    align,
    flat,
    dense,
    depth: of.depth + 1,
  }
}

/** A value or none. */
export function optionOf(of: Type): Type {
  const { fields, ...layout } = placed([{ name: 0, type: of }], TAG_BYTES)
  return { kind: 'option', of, at: fields[0]!.at, ...layout, dense: false }
}

/** Fields with names, in this order. */
export function structOf(fields: readonly Unplaced<Field>[]): Type {
  return { kind: 'struct', ...placed(fields, 0) }
}

/** Fields without names, in this order. */
export function tupleOf(types: readonly Type[]): Type {
  return { kind: 'tuple', ...placed(unnamed(types), 0) }
}

/** Fields that have their indexes as names. */
export function unnamed(types: readonly Type[]): Unplaced<Field>[] {
  return types.map((type, name) => ({ name, type }))
}

/** One of several variants. */
export function enumOf(
  given: readonly (Omit<Variant, 'fields'> & { fields: readonly Unplaced<Field>[] })[],
): Type {
  const parts = given.map(({ fields }) => placed(fields, TAG_BYTES))
  const align = Math.max(...parts.map((part) => part.align))
  return {
    kind: 'enum',
    variants: given.map(({ name, payload }, i) => ({ name, payload, fields: parts[i]!.fields })),
    size: roundUp(Math.max(...parts.map(({ size }) => size)), align),
    align,
    flat: parts.every(({ flat }) => flat),
    dense: false,
    depth: Math.max(...parts.map(({ depth }) => depth)),
  }
}

/** Gives each field its place, from a place on, and lays out the whole. */
function placed(
  given: readonly Unplaced<Field>[],
  from: number,
): Layout & { readonly fields: readonly Field[] } {
  let end = from
  let taken = from
  const fields = given.map(({ name, type }) => {
    const at = roundUp(end, type.align)
    end = at + type.size
    taken += type.size
    return { name, type, at }
  })
  const types = given.map(({ type }) => type)
  const align = Math.max(1, ...types.map((type) => type.align))
  const size = roundUp(end, align)
  return {
    fields,
    size,
    align,
    flat: types.every(({ flat }) => flat),
    dense: taken === size && types.every(({ dense }) => dense),
    depth: 1 + Math.max(0, ...types.map(({ depth }) => depth)),
  }
}

function roundUp(length: number, align: number): number {
  return Math.ceil(length / align) * align
}
