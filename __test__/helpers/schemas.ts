import * as fc from 'fast-check'
import { array, fixed, optional, pairs, struct, tuple, variants } from '../../index.js'
import { parse } from '../../lib/codecs/arch/text.js'
import { valuesOf } from '../rigs/arch-values.mjs'

/** A schema and its canonical text, put together apart from each other. */
export interface Sample {
  readonly schema: unknown
  readonly text: string
}

// What they are made of is not known to the compiler here.
const builders = { array, fixed, optional, pairs, struct, tuple, variants } as unknown as {
  readonly [name in 'array' | 'optional' | 'struct' | 'variants']: (of: unknown) => unknown
} & {
  readonly fixed: (of: unknown, length: number) => unknown
  readonly pairs: (key: unknown, value: unknown) => unknown
  readonly tuple: (...of: unknown[]) => unknown
}

const scalar: fc.Arbitrary<Sample> = fc
  .constantFrom('bool', 'u8', 'u16', 'u32', 'u64', 'i8', 'i16', 'i32', 'i64', 'f32', 'f64')
  .chain((text) => fc.constantFrom(text, 'string', 'bytes'))
  .map((text) => ({ schema: text, text }))

/** Names of fields and variants that JavaScript does not put in another order. */
const names = fc.oneof(
  fc.constantFrom('a', 'id', 'name', 'constructor', 'toString', '__proto__', 'length', 'toObject'),
  fc.string({ unit: 'grapheme', maxLength: 6 }).filter((name) => !/^(?:0|[1-9][0-9]*)$/.test(name)),
)

const printName = (name: string): string =>
  /^[A-Za-z_$][A-Za-z0-9_$]*$/.test(name) ? name : JSON.stringify(name)

const arrayOf = ({ schema, text }: Sample): Sample => ({
  schema: builders.array(schema),
  text: text === 'u8' ? 'bytes' : `${text}[]`,
})

const optionalOf = (sample: Sample): Sample =>
  sample.text.endsWith('?')
    ? sample
    : { schema: builders.optional(sample.schema), text: `${sample.text}?` }

const tupleText = (parts: readonly Sample[]): string =>
  `(${parts.map(({ text }) => text).join(',')})`

const tupleOf = (parts: readonly Sample[]): Sample => ({
  schema: builders.tuple(...parts.map(({ schema }) => schema)),
  text: tupleText(parts),
})

type Fields = readonly (readonly [string, Sample])[]

const structText = (fields: Fields): string =>
  `{${fields.map(([name, { text }]) => `${printName(name)}:${text}`).join(',')}}`

const schemasOf = (fields: Fields): object =>
  Object.fromEntries(fields.map(([name, { schema }]) => [name, schema]))

type Shape = 'none' | readonly Sample[] | { readonly fields: Fields }

function variantsOf(shapes: readonly (readonly [string, Shape])[]): Sample {
  const parts = shapes.map(([name, shape]): Sample => {
    const text = printName(name)
    if (shape === 'none') return { schema: null, text }
    if ('fields' in shape) {
      return { schema: schemasOf(shape.fields), text: text + structText(shape.fields) }
    }
    const schemas = shape.map(({ schema }) => schema)
    return {
      schema: schemas.length === 1 ? schemas[0] : schemas,
      text: text + tupleText(shape),
    }
  })
  return {
    schema: builders.variants(
      Object.fromEntries(shapes.map(([name], i) => [name, parts[i]!.schema])),
    ),
    text: `<${parts.map(({ text }) => text).join('|')}>`,
  }
}

function fieldsOf(part: fc.Arbitrary<Sample>): fc.Arbitrary<Fields> {
  const selector = ([name]: readonly [string, Sample]): string => name
  return fc.uniqueArray(fc.tuple(names, part), { minLength: 1, maxLength: 5, selector })
}

/** Schemas of every kind, some levels deep. */
export const samples: fc.Arbitrary<Sample> = fc.letrec<{ part: Sample }>((tie) => {
  const part = tie('part')
  const shape: fc.Arbitrary<Shape> = fc.oneof(
    fc.constant('none' as const),
    fc.array(part, { minLength: 1, maxLength: 3 }),
    fieldsOf(part).map((fields) => ({ fields })),
  )
  const selector = ([name]: readonly [string, Shape]): string => name
  return {
    part: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      scalar,
      part.map(arrayOf),
      fc.tuple(part, fc.integer({ min: 1, max: 4 })).map(([{ schema, text }, length]) => ({
        schema: builders.fixed(schema, length),
        text: `${text}[${length}]`,
      })),
      part.map(optionalOf),
      fc.array(part, { minLength: 2, maxLength: 4 }).map(tupleOf),
      fc.tuple(part, part).map(([key, value]) => ({
        schema: builders.pairs(key.schema, value.schema),
        text: `${tupleText([key, value])}[]`,
      })),
      fieldsOf(part).map((fields) => ({
        schema: builders.struct(schemasOf(fields)),
        text: structText(fields),
      })),
      fc
        .uniqueArray(fc.tuple(names, shape), { minLength: 1, maxLength: 4, selector })
        .map(variantsOf),
    ),
  }
}).part

/** A schema and some of its values, as `get` gives them. */
export const samplesWithValues: fc.Arbitrary<{ sample: Sample; values: unknown[] }> = samples.chain(
  (sample) =>
    fc
      .array(valuesOf(parse(sample.text)), { minLength: 1, maxLength: 5 })
      .map((values) => ({ sample, values })),
)
