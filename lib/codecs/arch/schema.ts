import { badArgument, describe } from '../../errors.js'
import type {
  ArchValue,
  ArchView,
  ArrayValue,
  ArrayView,
  Checked,
  CheckedFields,
  CheckedParts,
  CheckedVariants,
  EnumValue,
  EnumView,
  PairsValue,
  PairsView,
  RowView,
  StructValue,
  StructView,
  TupleValue,
  TupleView,
} from './infer.js'
import { shorten, type Step } from './path.js'
import { badLength, MOST_IN_ROW, MOST_LEVELS, MOST_TEXT, printName, Unfit } from './text.js'

// Schemas are put together without being looked at, and checked by `arch` as a whole: only there the path of a part is
// known. What builders are given is copied at once, so that no schema can hold itself.

/** Marks schemas, of both emits of this package; its value is the definition. */
export const schemaBrand: unique symbol = Symbol.for('opendiskmap.schema')

declare const valueType: unique symbol
declare const viewType: unique symbol

/**
 * What `struct`, `array`, `fixed`, `optional`, `tuple`, `pairs` and `variants` give: a type of values for {@link arch}.
 * Frozen, and of no use but to be part of another or to be given to `arch`. {@link ArchValue} has the type of its values.
 */
export interface Schema<Value = unknown, View = unknown> {
  /** @ignore */
  readonly [schemaBrand]: unknown
  /** @ignore Only in the types. */
  readonly [valueType]?: () => Value
  /** @ignore Only in the types. */
  readonly [viewType]?: () => View
}

/** What stands for a part of a schema: a schema, or a string. Checked where it is used. */
type Part = unknown

type Entries = readonly (readonly [name: string, part: Part])[]

/** What a variant holds. */
type Payload =
  | { readonly kind: 'none' }
  | { readonly kind: 'tuple'; readonly parts: readonly Part[] }
  | { readonly kind: 'struct'; readonly fields: Entries }

/** What a builder was given. */
type Definition =
  | { readonly kind: 'array' | 'optional'; readonly of: Part }
  | { readonly kind: 'fixed'; readonly of: Part; readonly length: unknown }
  | { readonly kind: 'tuple'; readonly parts: readonly Part[] }
  | { readonly kind: 'struct'; readonly fields: Entries }
  | { readonly kind: 'variants'; readonly variants: readonly (readonly [string, Payload])[] }

function schema<Value, View>(definition: Definition): Schema<Value, View> {
  return Object.freeze({ [schemaBrand]: Object.freeze(definition) })
}

/**
 * A struct: named fields in this order, at least one. What is optional may be left out of a value, and is then left out of
 * what `get` gives. Names that are whole numbers stand first, as JavaScript orders them.
 *
 * @param fields A schema for each name: one of these builders', or a string as `'u32'`, `'string?'`, `'f64[]'`, `'u8[16]'`.
 * @throws {DiskMapError} `ERR_INVALID_ARGUMENT` for what is no object; all else is checked by {@link arch}.
 * @example
 * const user = struct({ id: 'u32', name: 'string', email: 'string?', home: struct({ city: 'string' }) })
 * type User = ArchValue<typeof user>
 */
export function struct<const Fields extends object>(
  fields: Fields & CheckedFields<Fields>,
): Schema<StructValue<Fields>, StructView<Fields>> {
  return schema({ kind: 'struct', fields: entriesOf('struct', fields) })
}

/** Any number of elements; `array('u8')` is `'bytes'`. As a string: `T[]`. */
export function array<const S>(element: S & Checked<S>): Schema<ArrayValue<S>, ArrayView<S>> {
  return schema({ kind: 'array', of: element })
}

/** An array of so many elements, from 1 to 2^31 − 1, which stand where it stands. As a string: `T[N]`. */
export function fixed<const S>(
  element: S & Checked<S>,
  length: number,
): Schema<ArchValue<S>[], RowView<S>> {
  return schema({ kind: 'fixed', of: element, length })
}

/** A value or undefined; null is taken for that. Not of what is optional itself. As a string: `T?`. */
export function optional<const S>(
  value: S & Checked<S>,
): Schema<ArchValue<S> | undefined, ArchView<S> | undefined> {
  return schema({ kind: 'optional', of: value })
}

/** An array of 2 to 12 elements, each of a type of its own. */
export function tuple<const Types extends readonly unknown[]>(
  ...types: Types & CheckedParts<Types>
): Schema<TupleValue<Types>, TupleView<Types>> {
  return schema({ kind: 'tuple', parts: Object.freeze([...types]) })
}

/** An array of pairs, to hold the entries of a map: `new Map(value)` has them. The same as `array(tuple(key, value))`. */
export function pairs<const Key, const Value>(
  key: Key & Checked<Key>,
  value: Value & Checked<Value>,
): Schema<PairsValue<Key, Value>, PairsView<Key, Value>> {
  const pair = schema({ kind: 'tuple', parts: Object.freeze([key, value]) })
  return schema({ kind: 'array', of: pair })
}

/**
 * One of 1 to 256 variants, as an enum of Rust. For each name: `null` if there is nothing else to it, a schema or string for
 * one value, an array of 1 to 12 for several, an object for fields with names. A value is the name itself, or an object with
 * the name as its only property.
 *
 * @throws {DiskMapError} `ERR_INVALID_ARGUMENT` for what is no object; all else is checked by {@link arch}.
 * @example
 * const shape = variants({ none: null, circle: 'f64', line: ['f64', 'f64'], rect: { w: 'f64', h: 'f64' } })
 * const values: ArchValue<typeof shape>[] = ['none', { circle: 1 }, { line: [1, 2] }, { rect: { w: 1, h: 2 } }]
 */
export function variants<const Variants extends object>(
  variants: Variants & CheckedVariants<Variants>,
): Schema<EnumValue<Variants>, EnumView<Variants>> {
  const given = entriesOf('variants', variants)
  return schema({
    kind: 'variants',
    variants: Object.freeze(given.map(([name, payload]) => [name, payloadOf(payload)] as const)),
  })
}

function payloadOf(given: unknown): Payload {
  if (given === null) return { kind: 'none' }
  if (Array.isArray(given)) return { kind: 'tuple', parts: [...(given as unknown[])] }
  if (typeof given === 'object' && !(schemaBrand in given)) {
    return { kind: 'struct', fields: entriesOf('variants', given) }
  }
  return { kind: 'tuple', parts: [given] }
}

function entriesOf(builder: string, given: unknown): Entries {
  if (typeof given === 'object' && given !== null && !(schemaBrand in given)) {
    return Object.freeze(Object.entries(given))
  }
  const got = typeof given === 'object' && given !== null ? 'a schema' : describe(given)
  throw badArgument(
    `The argument of ${builder} must be an object with a schema for each name, not ${got}.`,
  )
}

/** The text of a schema, not yet canonical and not checked but for what a text cannot hold. Throws {@link Unfit}. */
export function definitionText(given: unknown): string {
  return new Writer().part(given)
}

// A type of a fixed size, and what makes arrays and optionals of it: nothing else may come into the text by a string.
const SHORT = /^[A-Za-z0-9]+(?:\[[0-9]*\]|\?)*$/

class Writer {
  readonly #path: Step[] = []
  #levels = 0
  #length = 0

  part(given: unknown): string {
    if (typeof given === 'string') {
      if (!SHORT.test(given)) {
        throw this.#unfit(`there is no type ${JSON.stringify(shorten(given))}`)
      }
      return this.#counted(given)
    }
    if (typeof given !== 'object' || given === null || !(schemaBrand in given)) {
      throw this.#unfit(
        `a schema is a string or what struct, array, fixed, optional, tuple, pairs and variants give, not ${describe(given)}`,
      )
    }
    // What nests this deep may be without end: a cycle cannot be built, but it can be forged.
    if (++this.#levels > MOST_LEVELS) {
      throw this.#unfit(`types are nested more than ${MOST_LEVELS} levels deep`)
    }
    const text = this.#definition((given as Schema)[schemaBrand] as Definition | undefined)
    this.#levels--
    return text
  }

  #definition(definition: Definition | undefined): string {
    switch (definition?.kind) {
      case 'array':
        return `${this.part(definition.of)}[]`
      case 'optional':
        return `${this.part(definition.of)}?`
      case 'fixed':
        return `${this.part(definition.of)}[${this.#row(definition.length)}]`
      case 'tuple':
        return this.#tuple(definition.parts)
      case 'struct':
        return this.#struct(definition.fields)
      case 'variants':
        return `<${definition.variants.map((variant) => this.#variant(...variant)).join('|')}>`
      default:
        throw this.#unfit('the schema is of another version of this package')
    }
  }

  #row(length: unknown): string {
    if (!Number.isInteger(length) || (length as number) < 1 || (length as number) > MOST_IN_ROW) {
      throw this.#unfit(badLength(describe(length)))
    }
    return String(length)
  }

  #tuple(parts: readonly unknown[]): string {
    return `(${parts.map((part, i) => this.#within(i, part)).join(',')})`
  }

  #struct(fields: Entries): string {
    const texts = fields.map(([name, part]) => `${this.#name(name)}:${this.#within(name, part)}`)
    return `{${texts.join(',')}}`
  }

  #variant(name: string, payload: Payload): string {
    const text = this.#name(name)
    this.#path.push(name)
    const rest =
      payload.kind === 'none'
        ? ''
        : payload.kind === 'tuple'
          ? this.#tuple(payload.parts)
          : this.#struct(payload.fields)
    this.#path.pop()
    return text + rest
  }

  #name(name: string): string {
    return this.#counted(printName(name))
  }

  #within(step: Step, part: unknown): string {
    this.#path.push(step)
    const text = this.part(part)
    this.#path.pop()
    return text
  }

  // A schema that is part of another twice, and that of a third, has a text that is soon too long to be written at all.
  #counted(text: string): string {
    this.#length += text.length
    if (this.#length > MOST_TEXT) throw this.#unfit(`its text is longer than ${MOST_TEXT} bytes`)
    return text
  }

  #unfit(reason: string): Unfit {
    return new Unfit(this.#path, reason)
  }
}
