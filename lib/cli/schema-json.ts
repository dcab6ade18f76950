import type { Field, Type } from '../codecs/arch/layout.js'
import {
  bigintFromJson,
  bytesFromJson,
  bytesToJson,
  numberFromJson,
  numberToJson,
} from './scalars.js'

/** A value of a schema as JSON: 64-bit integers are strings, bytes `{"$bytes":…}`, an absent optional is null. */
export function schemaToJson(type: Type, value: unknown): unknown {
  return walk(type, value, (leaf, part) => {
    if (leaf === 'bytes') return bytesToJson(part as Uint8Array)
    if (typeof part === 'bigint') return String(part)
    return typeof part === 'number' ? numberToJson(part) : part
  })
}

/** The value that JSON stands for. What does not fit the schema stays as it is, for the codec to name. */
export function schemaFromJson(type: Type, json: unknown): unknown {
  return walk(type, json, (leaf, part) => {
    if (leaf === 'bytes') return bytesFromJson(part)
    if (leaf === 'u64' || leaf === 'i64') return bigintFromJson(part)
    return leaf === 'f32' || leaf === 'f64' ? numberFromJson(part) : part
  })
}

/** What becomes of a number, a boolean or bytes. */
type Leaf = (name: string, part: unknown) => unknown

function walk(type: Type, value: unknown, leaf: Leaf): unknown {
  switch (type.kind) {
    case 'scalar':
      return leaf(type.name, value)
    case 'string':
      return value
    case 'bytes':
      return leaf('bytes', value)
    case 'vec':
    case 'row':
      return Array.isArray(value) ? value.map((part) => walk(type.of, part, leaf)) : value
    case 'option':
      return value === undefined || value === null ? null : walk(type.of, value, leaf)
    case 'struct':
      return walkFields(type.fields, value, leaf)
    case 'tuple':
      return walkParts(type.fields, value, leaf)
    case 'enum': {
      if (typeof value !== 'object' || value === null) return value
      const named = Object.entries(value).map(([name, part]) => {
        const variant = type.variants.find((variant) => variant.name === name)
        if (variant === undefined || variant.payload === 'none') return [name, part]
        const { payload, fields } = variant
        if (payload === 'struct') return [name, walkFields(fields, part, leaf)]
        if (fields.length > 1) return [name, walkParts(fields, part, leaf)]
        return [name, walk(fields[0]!.type, part, leaf)]
      })
      return Object.fromEntries(named)
    }
  }
}

function walkFields(fields: readonly Field[], value: unknown, leaf: Leaf): unknown {
  if (typeof value !== 'object' || value === null) return value
  const types = new Map(fields.map(({ name, type }) => [name, type]))
  return Object.fromEntries(
    Object.entries(value).map(([name, part]) => {
      const type = types.get(name)
      return [name, type === undefined ? part : walk(type, part, leaf)]
    }),
  )
}

function walkParts(fields: readonly Field[], value: unknown, leaf: Leaf): unknown {
  if (!Array.isArray(value)) return value
  return value.map((part, i) => {
    const type = fields[i]?.type
    return type === undefined ? part : walk(type, part, leaf)
  })
}
