import { DiskMapError } from '../../errors.js'
import { scratch, words } from '../../scratch.js'
import { copyOut } from '../bytes.js'
import type { Field, Type, VecType } from './layout.js'
import { enumAt, optionAt, tupleAt, type At, type Parts } from './parts.js'
import { damaged, doubles, scalarReaders, Source, text, vec } from './source.js'

const values: Parts = { of: readerOf, struct: structReader }

// Beyond this V8 makes dictionaries of arrays, and ends the process when there is no room for one.
const MOST_ELEMENTS = 1 << 25

/** What reads values of a type, made once: the bytes from a place to another hold the value, and nothing else. */
export function rootReader(type: Type): (bytes: Uint8Array, start: number, end: number) => unknown {
  const read = readerOf(type)
  return (bytes, start, end) => {
    const at = rootOf(type, start, end)
    return read(new Source(bytes, start, at, true), at)
  }
}

/** The place of the fixed part of a value that has these bytes. */
export function rootOf({ size, align }: Type, start: number, end: number): number {
  const at = end - size
  if (at < start || ((at - start) & (align - 1)) !== 0) throw damaged()
  return at
}

export function readerOf(type: Type): At {
  switch (type.kind) {
    case 'scalar': {
      const read = scalarReaders[type.name]
      return (source, at) => read(source.bytes, at)
    }
    case 'string':
      return text
    case 'bytes':
      return (source, at) => {
        const { from, count } = vec(source, at, 1, 1)
        return copyOut(source.bytes, from, from + count)
      }
    case 'vec':
      return vecReader(type)
    case 'row': {
      const read = rowReader(type.of)
      return (source, at) => read(source, at, type.length)
    }
    case 'option':
      return optionAt(type, values)
    case 'struct':
      return structReader(type.fields)
    case 'tuple':
      return tupleAt(type.fields, values)
    case 'enum':
      return enumAt(type, values)
  }
}

function vecReader({ of }: VecType): At {
  const { size, align, flat } = of
  const read = rowReader(of)
  if (flat) {
    return (source, at) => {
      const { from, count } = vec(source, at, size, align)
      return read(source, from, count)
    }
  }
  return (source, at) => {
    const { low, high } = source
    const { from, count } = vec(source, at, size, align)
    // What the elements point to stands before the first of them.
    source.low = low
    source.high = from
    const row = read(source, from, count)
    source.low = from + count * size
    source.high = high
    return row
  }
}

/** Reads elements that stand side by side. */
export function rowReader(type: Type): (source: Source, at: number, count: number) => unknown[] {
  const { size } = type
  const elements = (count: number): unknown[] => {
    if (count > MOST_ELEMENTS) throw tooMany(count)
    // Array.from would fill it first.
    // oxlint-disable-next-line unicorn/no-new-array
    return new Array<unknown>(count)
  }
  if (type.kind === 'scalar' && type.name === 'f64') {
    return ({ bytes }, at, count) => {
      const row = elements(count)
      // In the scratch, where a single value is read from, a value is aligned as its numbers are.
      const inScratch = bytes === scratch
      const numbers = inScratch ? words.f64 : doubles(bytes, at, count)
      const from = inScratch ? at >>> 3 : 0
      for (let i = 0; i < count; i++) row[i] = numbers[from + i]
      return row
    }
  }
  if (type.kind === 'scalar') {
    const read = scalarReaders[type.name]
    return ({ bytes }, at, count) => {
      const row = elements(count)
      for (let i = 0; i < count; i++) row[i] = read(bytes, at + i * size)
      return row
    }
  }
  const read = readerOf(type)
  return (source, at, count) => {
    const row = elements(count)
    for (let i = 0; i < count; i++) row[i] = read(source, at + i * size)
    return row
  }
}

function tooMany(count: number): DiskMapError {
  return new DiskMapError(
    'ERR_TOO_LARGE',
    `An array of the value has ${count} elements, more than the ${MOST_ELEMENTS} that get makes a JavaScript array of: read it through a view.`,
  )
}

export function structReader(fields: readonly Field[]): At {
  const names = fields.map(({ name }) => name as string)
  const reads = fields.map(({ type }) => readerOf(type))
  const places = fields.map(({ at }) => at)
  const { length } = fields
  const Plain = plainObject()
  const proto = names.indexOf('__proto__')
  return (source, at) => {
    const object = new Plain()
    for (let i = 0; i < length; i++) {
      const value = reads[i]!(source, at + places[i]!)
      // Only an optional is undefined, and is left out then.
      if (value === undefined) continue
      if (i === proto) defineProto(object, value)
      else object[names[i]!] = value
    }
    return object
  }
}

/** A constructor of plain objects: V8 learns from each how long its objects are. */
function plainObject(): new () => Record<string, unknown> {
  function Plain(): void {}
  Plain.prototype = Object.prototype
  return Plain as unknown as new () => Record<string, unknown>
}

/** What an assignment would take for the prototype. */
function defineProto(object: object, value: unknown): void {
  const property = { value, writable: true, enumerable: true, configurable: true }
  Object.defineProperty(object, '__proto__', property)
}
