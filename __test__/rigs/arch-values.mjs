// Values of a schema: drawn at random, and as the JSON of the program `arch` in crates/rigs, which has no bigints, bytes,
// NaN, infinities or -0: these are strings there.
import * as fc from 'fast-check'

/** @typedef {import('../../lib/codecs/arch/layout.js').Type} Type */
/** @typedef {import('../../lib/codecs/arch/layout.js').Field} Field */
/** @typedef {import('../../lib/codecs/arch/layout.js').Variant} Variant */

/** @param {number} min @param {number} max */
const int = (min, max) => fc.oneof(fc.integer({ min, max }), fc.constantFrom(min, max, 0))

/** @param {bigint} min @param {bigint} max */
const big = (min, max) => fc.oneof(fc.bigInt({ min, max }), fc.constantFrom(min, max))

/** Texts of every kind and, around where their form changes, of every length. @type {fc.Arbitrary<string>} */
const texts = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom('', '\ufffd', 'ÿ', '\u0000', ...[7, 8, 9, 63, 64, 65].map((n) => 'x'.repeat(n))),
  fc.string({ minLength: 30, maxLength: 300 }),
)

/** @type {Record<string, fc.Arbitrary<unknown>>} */
const scalars = {
  bool: fc.boolean(),
  u8: int(0, 255),
  u16: int(0, 65_535),
  u32: int(0, 2 ** 32 - 1),
  u64: big(0n, 2n ** 64n - 1n),
  i8: int(-128, 127),
  i16: int(-(2 ** 15), 2 ** 15 - 1),
  i32: int(-(2 ** 31), 2 ** 31 - 1),
  i64: big(-(2n ** 63n), 2n ** 63n - 1n),
  f32: fc.float(),
  f64: fc.double(),
}

/**
 * Values of a type, as `get` gives them.
 * @param {Type} type
 * @returns {fc.Arbitrary<unknown>}
 */
export function valuesOf(type) {
  switch (type.kind) {
    case 'scalar':
      return /** @type {fc.Arbitrary<unknown>} */ (scalars[type.name])
    case 'string':
      return texts
    case 'bytes':
      return fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes))
    case 'vec':
      return fc.array(valuesOf(type.of), { maxLength: 6 })
    case 'row':
      return fc.array(valuesOf(type.of), { minLength: type.length, maxLength: type.length })
    case 'option':
      return fc.option(valuesOf(type.of), { nil: undefined })
    case 'struct':
      return structs(type.fields)
    case 'tuple':
      return tuples(type.fields)
    case 'enum':
      return fc.oneof(...type.variants.map(variants))
  }
}

/** @param {readonly Field[]} fields */
const tuples = (fields) => fc.tuple(...fields.map(({ type }) => valuesOf(type)))

/** @param {readonly Field[]} fields */
const structs = (fields) => tuples(fields).map((values) => present(fields, values))

/** @param {Variant} variant @returns {fc.Arbitrary<unknown>} */
function variants({ name, payload, fields }) {
  if (payload === 'none') return fc.constant(name)
  const held =
    payload === 'struct'
      ? structs(fields)
      : tuples(fields).map((values) => (values.length === 1 ? values[0] : values))
  return held.map((value) => Object.fromEntries([[name, value]]))
}

/** An object of those values that are there. @param {readonly Field[]} fields @param {readonly unknown[]} values */
function present(fields, values) {
  return Object.fromEntries(
    fields.flatMap(({ name, type }, i) =>
      type.kind === 'option' && values[i] === undefined ? [] : [[String(name), values[i]]],
    ),
  )
}

/**
 * The value that a JSON value stands for.
 * @param {Type} type
 * @param {unknown} json
 * @returns {unknown}
 */
export function fromJson(type, json) {
  switch (type.kind) {
    case 'scalar':
      if (type.name === 'u64' || type.name === 'i64') return BigInt(/** @type {string} */ (json))
      // What is a string is NaN, an infinity or -0.
      return type.name === 'bool' ? json : Number(json)
    case 'string':
      return json
    case 'bytes':
      return Buffer.from(/** @type {string} */ (json), 'hex')
    case 'vec':
    case 'row':
      return elements(json).map((element) => fromJson(type.of, element))
    case 'option':
      return json === null ? undefined : fromJson(type.of, json)
    case 'struct':
      return structFromJson(type.fields, json)
    case 'tuple':
      return elements(json).map((element, i) => fromJson(fieldAt(type.fields, i).type, element))
    case 'enum':
      return variantFromJson(type.variants, json)
  }
}

/** @param {readonly Field[]} fields @param {unknown} json */
function structFromJson(fields, json) {
  const object = /** @type {Record<string, unknown>} */ (json)
  const values = fields.map(({ name, type }) => fromJson(type, object[String(name)]))
  return present(fields, values)
}

/** @param {readonly Variant[]} variants @param {unknown} json */
function variantFromJson(variants, json) {
  if (typeof json === 'string') return json
  const [entry] = Object.entries(/** @type {object} */ (json))
  const [name, held] = /** @type {[string, unknown]} */ (entry)
  const { payload, fields } = /** @type {Variant} */ (variants.find((one) => one.name === name))
  if (payload === 'struct') return Object.fromEntries([[name, structFromJson(fields, held)]])
  const parts = fields.length === 1 ? [held] : elements(held)
  const values = parts.map((part, i) => fromJson(fieldAt(fields, i).type, part))
  return Object.fromEntries([[name, values.length === 1 ? values[0] : values]])
}

/** @param {unknown} json @returns {unknown[]} */
function elements(json) {
  if (!Array.isArray(json)) throw new Error(`${JSON.stringify(json)} is no array`)
  return json
}

/** @param {readonly Field[]} fields @param {number} index @returns {Field} */
function fieldAt(fields, index) {
  const field = fields[index]
  if (field === undefined) throw new Error('a tuple is longer than its type')
  return field
}
