import { inspect, type InspectOptions } from 'node:util'
import { bufferOver } from '../../buffer.js'
import { DiskMapError } from '../../errors.js'
import { isDetached } from '../octets.js'
import { columns } from './columns.js'
import type { Field, Type } from './layout.js'
import { enumAt, optionAt, tupleAt, type At, type Parts } from './parts.js'
import { rootOf, rowReader, structReader } from './reader.js'
import { copied, damaged, scalarReaders, Source, text, vec } from './source.js'

const views: Parts = { of: lookerOf, struct: structLooker }

/** What gives views of values of a type, made once. */
export function rootViewer(type: Type): (bytes: Uint8Array) => unknown {
  const look = lookerOf(type)
  return (bytes) => {
    const source = sourceOf(bytes)
    return look(source, rootOf(type, 0, bytes.length))
  }
}

/** The bytes of a view, of which each part is read by itself. */
function sourceOf(bytes: Uint8Array): Source {
  // No value is without bytes.
  if (bytes.length === 0) throw isDetached(bytes) ? ended() : damaged()
  return new Source(bytes, 0, bytes.length, false)
}

/** Throws if the memory of a view has been taken away, which leaves nothing of its bytes. */
function check({ bytes }: Source): void {
  if (bytes.length === 0) throw ended()
}

function ended(): DiskMapError {
  return new DiskMapError(
    'ERR_CLOSED',
    'The view has ended: its map was closed, or it was disposed of and its memory is freed. Make another, or use get.',
  )
}

function lookerOf(type: Type): At {
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
        const { buffer, byteOffset } = source.bytes
        return bufferOver(buffer, byteOffset + from, count)
      }
    case 'vec': {
      const { size, align } = type.of
      const look = rowLooker(type.of)
      return (source, at) => {
        const { from, count } = vec(source, at, size, align)
        return look(source, from, count)
      }
    }
    case 'row': {
      const look = rowLooker(type.of)
      return (source, at) => look(source, at, type.length)
    }
    case 'option':
      return optionAt(type, views)
    case 'struct':
      return structLooker(type.fields)
    case 'tuple':
      return tupleAt(type.fields, views)
    case 'enum':
      return enumAt(type, views)
  }
}

function rowLooker(type: Type): (source: Source, at: number, count: number) => unknown {
  if (type.kind === 'scalar' && type.name !== 'bool') {
    const Column = columns[type.name]
    const { size } = type
    return ({ bytes }, at, count) => {
      const address = bytes.byteOffset + at
      if (address % size === 0) return new Column(bytes.buffer, address, count)
      return new Column(copied(bytes, at, count * size))
    }
  }
  const { size } = type
  const look = lookerOf(type)
  const read = rowReader(type)
  return (source, at, count) => new LazyArray(source, at, count, size, look, read)
}

function structLooker(fields: readonly Field[]): At {
  const Struct = LazyStruct.of(fields)
  return (source, at) => new Struct(source, at)
}

/** Elements that are read when they are asked for. */
class LazyArray {
  readonly #length: number
  readonly #source: Source
  readonly #at: number
  readonly #size: number
  readonly #look: At
  readonly #read: ReturnType<typeof rowReader>

  constructor(
    source: Source,
    at: number,
    count: number,
    size: number,
    look: At,
    read: ReturnType<typeof rowReader>,
  ) {
    this.#length = count
    this.#source = source
    this.#at = at
    this.#size = size
    this.#look = look
    this.#read = read
  }

  get length(): number {
    return this.#length
  }

  at(index: number): unknown {
    const given = Math.trunc(index) || 0
    const i = given < 0 ? given + this.#length : given
    if (i < 0 || i >= this.#length) return undefined
    check(this.#source)
    return this.#look(this.#source, this.#at + i * this.#size)
  }

  *[Symbol.iterator](): Generator<unknown, undefined> {
    for (let i = 0; i < this.#length; i++) yield this.at(i)
  }

  toArray(): unknown[] {
    return this.#read(whole(this.#source, this.#at), this.#at, this.#length)
  }

  toJSON(): unknown[] {
    return this.toArray()
  }

  [inspect.custom](_: number, options: InspectOptions): string {
    return show(() => this.toArray(), options)
  }
}

/** Fields that are read when they are asked for; for each struct a class is made, once, that has their getters. */
class LazyStruct {
  readonly #source: Source
  readonly #at: number

  constructor(source: Source, at: number) {
    this.#source = source
    this.#at = at
  }

  /** The class for these fields. */
  static of(fields: readonly Field[]): typeof LazyStruct {
    const Struct = class View extends LazyStruct {}
    const read = structReader(fields)
    const toObject = (view: LazyStruct): unknown => read(whole(view.#source, view.#at), view.#at)
    define(Struct, 'toObject', {
      value(this: LazyStruct) {
        return toObject(this)
      },
    })
    define(Struct, 'toJSON', {
      value(this: LazyStruct) {
        return toObject(this)
      },
    })
    define(Struct, inspect.custom, {
      value(this: LazyStruct, _: number, options: InspectOptions) {
        return show(() => toObject(this), options)
      },
    })
    // Last, because a field hides a method of its name.
    for (const { name, type, at: place } of fields) {
      const look = lookerOf(type)
      define(Struct, name as string, {
        get(this: LazyStruct) {
          const source = this.#source
          check(source)
          return look(source, this.#at + place)
        },
        enumerable: true,
      })
    }
    return Struct
  }
}

function define(Struct: typeof LazyStruct, name: PropertyKey, what: PropertyDescriptor): void {
  Object.defineProperty(Struct.prototype, name, { configurable: true, ...what })
}

/** The same bytes, for reading all that is in a part of them. */
function whole(source: Source, at: number): Source {
  check(source)
  return new Source(source.bytes, 0, at, true)
}

/** What console.log shows of a view. */
function show(read: () => unknown, options: InspectOptions): string {
  try {
    return inspect(read(), options)
  } catch (error) {
    return `[${(error as Error).message}]`
  }
}
