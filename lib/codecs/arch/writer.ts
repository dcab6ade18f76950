import { types } from 'node:util'
import { isDetached, octetsOf } from '../octets.js'
import { numberTypes, type NumberType } from '../numbers.js'
import { columns, type ColumnName } from './columns.js'
import { INLINE_TEXT, type Chunk, type Encoder } from './encoder.js'
import type { EnumType, Field, OptionType, RowType, ScalarType, Type, VecType } from './layout.js'
import { Misfit, misfit, within } from './misfit.js'
import { shorten } from './path.js'

/** Writes a value at a place of a chunk, and what it points to behind what the encoder has put out. */
type Write = (encoder: Encoder, chunk: Chunk, at: number, value: unknown) => void

/** Writes so many elements from a place on. */
type Fill = (
  encoder: Encoder,
  chunk: Chunk,
  at: number,
  elements: ArrayLike<unknown>,
  count: number,
) => void

// What rkyv can hold in a string whose length it marks in two of 32 bits.
const LONGEST_TEXT = 2 ** 30 - 1

/** What writes the values of a type, made once. */
export function rootWriter(type: Type): (encoder: Encoder, value: unknown) => void {
  const { size, align, flat } = type
  const write = writerOf(type)
  if (flat)
    return (encoder, value) =>
      write(encoder, encoder.out, encoder.out.takeZeros(size, align), value)
  return (encoder, value) => {
    const at = encoder.stack.takeZeros(size, 8)
    write(encoder, encoder.stack, at, value)
    encoder.settle(at, size, align, 0)
  }
}

function writerOf(type: Type): Write {
  switch (type.kind) {
    case 'scalar':
      return scalarWriter(type)
    case 'string':
      return writeText
    case 'bytes':
      return writeBytes
    case 'vec':
      return vecWriter(type)
    case 'row':
      return rowWriter(type)
    case 'option':
      return optionWriter(type)
    case 'struct':
      return structWriter(type.fields)
    case 'tuple':
      return tupleWriter(type.fields)
    case 'enum':
      return enumWriter(type)
  }
}

function scalarWriter({ name }: ScalarType): Write {
  const { fits, write, wants } = numberTypes[name] as NumberType<unknown>
  return (_, chunk, at, value) => {
    if (!fits(value)) throw misfit(wants, value)
    write(chunk.view, at, value)
  }
}

function writeText(encoder: Encoder, chunk: Chunk, at: number, value: unknown): void {
  if (typeof value !== 'string') throw misfit('a string', value)
  const { out } = encoder
  const start = out.used
  const length = out.text(value)
  if (length <= INLINE_TEXT) {
    const { bytes } = chunk
    for (let i = 0; i < length; i++) bytes[at + i] = out.bytes[start + i]!
    for (let i = length; i < INLINE_TEXT; i++) bytes[at + i] = 0xff
    out.used = start
    return
  }
  if (length > LONGEST_TEXT) {
    throw new Misfit(`text of at most ${LONGEST_TEXT} bytes`, `, not of ${length}`)
  }
  // The two highest bits of the first byte, which no text begins with, tell it from text that stands here.
  chunk.view.setUint32(at, (length & 0x3f) | 0x80 | ((length & ~0x3f) << 2), true)
  // The pointer counts from the place of the length.
  encoder.point(at + 4, start + 4)
}

function writeBytes(encoder: Encoder, chunk: Chunk, at: number, value: unknown): void {
  const bytes = octetsOf(value, 'Uint8Array')
  if (bytes === undefined) throw misfit('a Uint8Array whose buffer is attached', value)
  const { length } = bytes
  const start = encoder.out.take(length, 1)
  encoder.out.bytes.set(bytes, start)
  chunk.view.setUint32(at + 4, length, true)
  encoder.point(at, start)
}

function vecWriter({ of }: VecType): Write {
  const { size, align, flat, dense } = of
  const fill = fillOf(of)
  if (flat) {
    return (encoder, chunk, at, value) => {
      const elements = elementsOf(value)
      const count = countOf(elements)
      const { out } = encoder
      const length = count * size
      const start = dense ? out.take(length, align) : out.takeZeros(length, align)
      fill(encoder, out, start, elements, count)
      chunk.view.setUint32(at + 4, count, true)
      encoder.point(at, start)
    }
  }
  return (encoder, chunk, at, value) => {
    const elements = elementsOf(value)
    const count = countOf(elements)
    const { pointers } = encoder
    const from = encoder.stack.takeZeros(count * size, 8)
    fill(encoder, encoder.stack, from, elements, count)
    const start = encoder.settle(from, count * size, align, pointers)
    chunk.view.setUint32(at + 4, count, true)
    encoder.point(at, start)
  }
}

function rowWriter({ of, length }: RowType): Write {
  const fill = fillOf(of)
  return (encoder, chunk, at, value) => {
    const elements = elementsOf(value)
    const count = countOf(elements)
    if (count !== length) throw new Misfit(`an array of ${length}`, `, not of ${count}`)
    fill(encoder, chunk, at, elements, count)
  }
}

function fillOf(type: Type): Fill {
  if (type.kind === 'scalar' && type.name !== 'bool') return columnFill(type.name)
  const { size } = type
  const write = writerOf(type)
  return (encoder, chunk, at, elements, count) => {
    let i = 0
    try {
      for (; i < count; i++) write(encoder, chunk, at + i * size, elements[i])
    } catch (error) {
      throw within(i, error)
    }
  }
}

/** Numbers: a typed array of just these is copied. */
function columnFill(name: ColumnName): Fill {
  const { fits, write, wants, size, read } = numberTypes[name] as NumberType<unknown>
  const tag = columns[name].name
  const isDouble = name === 'f64'
  const hasNaN = isDouble || name === 'f32'

  function copy(chunk: Chunk, at: number, elements: ArrayLike<unknown>, count: number): boolean {
    const bytes = octetsOf(elements, tag)
    if (bytes === undefined) return false
    if (bytes.length !== count * size)
      throw misfit('an array that stays as long as it is', elements)
    chunk.bytes.set(bytes, at)
    if (!hasNaN) return true
    for (let i = 0, place = at; i < count; i++, place += size) {
      const number = read(chunk.view, place)
      if (number !== number) write(chunk.view, place, number)
    }
    return true
  }

  return (_, chunk, at, elements, count) => {
    if (!Array.isArray(elements) && copy(chunk, at, elements, count)) return
    const { view } = chunk
    for (let i = 0; i < count; i++) {
      const value = elements[i]
      // What is mostly there; half of the time goes into calling what is not known here.
      if (isDouble && typeof value === 'number' && value === value) {
        view.setFloat64(at + i * size, value, true)
        continue
      }
      if (!fits(value)) throw within(i, misfit(wants, value))
      write(view, at + i * size, value)
    }
  }
}

const typedLength = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype) as object,
  'length',
)!.get!

/** The value, if it is an array or a typed one. */
function elementsOf(value: unknown): ArrayLike<unknown> {
  if (!Array.isArray(value) && !types.isTypedArray(value)) throw misfit('an array', value)
  return value as ArrayLike<unknown>
}

/** How many elements there are. A proxy of an array may say anything. */
function countOf(elements: ArrayLike<unknown>): number {
  if (!Array.isArray(elements)) {
    const count = typedLength.call(elements) as number
    if (count === 0 && isDetached(elements))
      throw misfit('an array whose buffer is attached', elements)
    return count
  }
  const { length } = elements
  if (!(length >>> 0 === length)) throw misfit('an array with a length', elements)
  return length
}

function optionWriter({ of, at: place }: OptionType): Write {
  const write = writerOf(of)
  return (encoder, chunk, at, value) => {
    if (value === undefined || value === null) return
    chunk.bytes[at] = 1
    write(encoder, chunk, at + place, value)
  }
}

function tupleWriter(fields: readonly Field[]): Write {
  const writes = fields.map(({ type }) => writerOf(type))
  const places = fields.map(({ at }) => at)
  const { length } = fields
  return (encoder, chunk, at, value) => {
    const elements = elementsOf(value)
    const count = countOf(elements)
    if (count !== length) throw new Misfit(`an array of ${length}`, `, not of ${count}`)
    let i = 0
    try {
      for (; i < length; i++) writes[i]!(encoder, chunk, at + places[i]!, elements[i])
    } catch (error) {
      throw within(i, error)
    }
  }
}

function structWriter(fields: readonly Field[]): Write {
  const names = fields.map(({ name }) => name as string)
  const writes = fields.map(({ type }) => writerOf(type))
  const places = fields.map(({ at }) => at)
  const known = new Set(names)
  // What every object has is no field of it, if the object does not have it itself.
  const inherited = names.map((name) => name in Object.prototype)
  const { length } = fields
  return (encoder, chunk, at, value) => {
    if (typeof value !== 'object' || value === null) throw misfit('an object', value)
    let expected = 0
    for (const name in value) {
      // Mostly they come in the order of the schema.
      if (name !== names[expected++] && !known.has(name) && Object.hasOwn(value, name)) {
        throw within(name, new Misfit('no field', ', which its schema does not have'))
      }
    }
    let i = 0
    try {
      for (; i < length; i++) {
        const name = names[i]!
        const isThere = !inherited[i]! || Object.hasOwn(value, name)
        const field = isThere ? (value as Record<string, unknown>)[name] : undefined
        writes[i]!(encoder, chunk, at + places[i]!, field)
      }
    } catch (error) {
      throw within(names[i]!, error)
    }
  }
}

function enumWriter({ variants }: EnumType): Write {
  const tags = new Map(variants.map(({ name }, tag) => [name, tag]))
  const writes = variants.map(({ payload, fields }): Write | undefined => {
    if (payload === 'none') return undefined
    if (payload === 'struct') return structWriter(fields)
    if (fields.length > 1) return tupleWriter(fields)
    const write = writerOf(fields[0]!.type)
    const place = fields[0]!.at
    return (encoder, chunk, at, value) => write(encoder, chunk, at + place, value)
  })
  const forms = variants.map(({ name, payload }) =>
    payload === 'none' ? `'${name}'` : `{ ${name}: … }`,
  )
  const wants = `a variant of ${shorten(forms.join(' or '))}`
  return (encoder, chunk, at, value) => {
    if (typeof value === 'string') {
      const tag = tags.get(value)
      if (tag === undefined || writes[tag] !== undefined) throw misfit(wants, value)
      chunk.bytes[at] = tag
      return
    }
    if (typeof value !== 'object' || value === null) throw misfit(wants, value)
    const names = Object.keys(value)
    const name = names[0]!
    const tag = tags.get(name)
    const write = tag === undefined ? undefined : writes[tag]
    if (names.length !== 1 || write === undefined) throw misfit(wants, value)
    chunk.bytes[at] = tag!
    try {
      write(encoder, chunk, at, (value as Record<string, unknown>)[name])
    } catch (error) {
      throw within(name, error)
    }
  }
}
