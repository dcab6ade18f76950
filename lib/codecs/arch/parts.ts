import type { EnumType, Field, OptionType, Type } from './layout.js'
import { damaged, type Source } from './source.js'

/** Gives what has its fixed part at a place that is known to lie in the bytes: the value itself, or a view of it. */
export type At = (source: Source, at: number) => unknown

/** What gives values, or views of them, of a type and of named fields. */
export interface Parts {
  of(type: Type): At
  struct(fields: readonly Field[]): At
}

/** An optional: undefined, or what it holds. */
export function optionAt({ of, at: place }: OptionType, parts: Parts): At {
  const read = parts.of(of)
  return (source, at) => {
    const tag = source.bytes[at]!
    if (tag > 1) throw damaged()
    return tag === 0 ? undefined : read(source, at + place)
  }
}

/** A tuple, as an array. */
export function tupleAt(fields: readonly Field[], parts: Parts): At {
  const reads = fields.map(({ type }) => parts.of(type))
  const places = fields.map(({ at }) => at)
  return (source, at) => {
    const elements: unknown[] = []
    for (let i = 0; i < reads.length; i++) elements.push(reads[i]!(source, at + places[i]!))
    return elements
  }
}

/** A variant: its name, or an object with the name as its only property. */
export function enumAt({ variants }: EnumType, parts: Parts): At {
  const reads = variants.map(({ name, payload, fields }): At => {
    if (payload === 'none') return () => name
    const read = payloadAt(payload, fields, parts)
    return (source, at) => ({ [name]: read(source, at) })
  })
  return (source, at) => {
    const read = reads[source.bytes[at]!]
    if (read === undefined) throw damaged()
    return read(source, at)
  }
}

function payloadAt(payload: 'tuple' | 'struct', fields: readonly Field[], parts: Parts): At {
  if (payload === 'struct') return parts.struct(fields)
  if (fields.length > 1) return tupleAt(fields, parts)
  const { type, at: place } = fields[0]!
  const read = parts.of(type)
  return (source, at) => read(source, at + place)
}
