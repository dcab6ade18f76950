import { limits } from '../../native.js'
import {
  enumOf,
  named,
  optionOf,
  rowOf,
  structOf,
  tupleOf,
  unnamed,
  vecOf,
  type Field,
  type Type,
  type Unplaced,
  type Variant,
} from './layout.js'
import { BARE, pathText, shorten, type Step } from './path.js'

// The canonical text of a schema, which is stored with the map and compared when it is opened:
//   scalars by name, T[], T[N], T?, {name:T,…}, (T,U), <Name|Name(T,U)|Name{name:T}|…>; no white space.

/** How long the text may be, in bytes. */
export const MOST_TEXT = 65_535

/** How deep types may be nested: structs, enums, tuples, arrays and optionals in each other. */
export const MOST_LEVELS = 64

/** How many elements an array of fixed length may have. */
export const MOST_IN_ROW = 0x7fff_ffff

const MOST_IN_TUPLE = 12
const MOST_VARIANTS = 256

const WORD = /[A-Za-z0-9]+/y
const BARE_NAME = /[A-Za-z_$][A-Za-z0-9_$]*/y
const QUOTED_NAME = /"(?:[^"\\]|\\.)*"/y
const LENGTH = /(?:0|[1-9][0-9]{0,15})(?=\])/y

/** Why a schema cannot be used, and where; never leaves this directory. */
export class Unfit {
  /** A sentence's end: ` at user.home: there is no type …`. */
  readonly message: string

  constructor(path: readonly Step[], reason: string) {
    const where = path.length === 0 ? '' : ` at ${pathText(path)}`
    this.message = `${where}: ${reason}`
  }
}

/** The type that a text stands for. Throws {@link Unfit}. */
export function parse(text: string): Type {
  return new Parser(text).whole()
}

/** The canonical text of a type, which may be longer than what it was parsed from. Throws {@link Unfit}. */
export function canonicalText(type: Type): string {
  const text = print(type)
  checkLength(text)
  return text
}

function checkLength(text: string): void {
  if (Buffer.byteLength(text) > MOST_TEXT) {
    throw new Unfit([], `its text is longer than ${MOST_TEXT} bytes`)
  }
}

function print(type: Type): string {
  switch (type.kind) {
    case 'scalar':
      return type.name
    case 'string':
    case 'bytes':
      return type.kind
    case 'vec':
      return `${print(type.of)}[]`
    case 'row':
      return `${print(type.of)}[${type.length}]`
    case 'option':
      return `${print(type.of)}?`
    case 'struct':
      return printStruct(type.fields)
    case 'tuple':
      return printTuple(type.fields)
    case 'enum':
      return `<${type.variants.map(printVariant).join('|')}>`
  }
}

function printVariant({ name, payload, fields }: Variant): string {
  if (payload === 'none') return printName(name)
  return printName(name) + (payload === 'tuple' ? printTuple(fields) : printStruct(fields))
}

function printStruct(fields: readonly Field[]): string {
  return `{${fields.map(({ name, type }) => `${printName(name as string)}:${print(type)}`).join(',')}}`
}

function printTuple(fields: readonly Field[]): string {
  return `(${fields.map(({ type }) => print(type)).join(',')})`
}

/** A field's or variant's name as it stands in the text. */
export function printName(name: string): string {
  return BARE.test(name) ? name : JSON.stringify(name)
}

class Parser {
  readonly #text: string
  readonly #path: Step[] = []
  #at = 0
  #open = 0

  constructor(text: string) {
    this.#text = text
  }

  whole(): Type {
    checkLength(this.#text)
    const type = this.#type()
    if (this.#at < this.#text.length) throw this.#unexpected()
    return type
  }

  #type(): Type {
    let type = this.#checked(this.#base())
    for (;;) {
      if (this.#take('[')) {
        type = this.#checked(this.#take(']') ? vecOf(type) : rowOf(type, this.#length()))
      } else if (this.#take('?')) {
        if (type.kind === 'option') throw this.#unfit('an optional cannot be optional itself')
        type = this.#checked(optionOf(type))
      } else {
        return type
      }
    }
  }

  #base(): Type {
    if (this.#take('{')) return this.#nested(() => structOf(this.#fields()))
    if (this.#take('(')) return this.#nested(() => tupleOf(this.#tuple(2)))
    if (this.#take('<')) return this.#nested(() => enumOf(this.#variants()))
    const word = this.#match(WORD)
    if (word === undefined) throw this.#unexpected()
    const type = named.get(word)
    if (type === undefined) throw this.#unfit(`there is no type ${JSON.stringify(shorten(word))}`)
    return type
  }

  #nested<T>(read: () => T): T {
    // Before the levels of a type can be counted, which is when it has been read.
    if (++this.#open > MOST_LEVELS) throw this.#tooDeep()
    const result = read()
    this.#open--
    return result
  }

  #fields(): Unplaced<Field>[] {
    const fields: Unplaced<Field>[] = []
    const names = new Set<string>()
    if (this.#take('}')) throw this.#unfit('a struct needs at least one field')
    do {
      const name = this.#name(names)
      if (!this.#take(':')) throw this.#unexpected()
      fields.push({ name, type: this.#within(name, () => this.#type()) })
    } while (this.#take(','))
    if (!this.#take('}')) throw this.#unexpected()
    return fields
  }

  #tuple(least: number): Type[] {
    const types: Type[] = []
    if (!this.#take(')')) {
      do types.push(this.#within(types.length, () => this.#type()))
      while (this.#take(','))
      if (!this.#take(')')) throw this.#unexpected()
    }
    if (types.length < least || types.length > MOST_IN_TUPLE) {
      throw this.#unfit(`a tuple has ${least} to ${MOST_IN_TUPLE} elements, not ${types.length}`)
    }
    return types
  }

  #variants(): Parameters<typeof enumOf>[0][number][] {
    const variants: Parameters<typeof enumOf>[0][number][] = []
    const names = new Set<string>()
    if (this.#take('>')) throw this.#unfit('an enum needs at least one variant')
    do {
      const name = this.#name(names)
      variants.push(this.#within(name, () => this.#variant(name)))
    } while (this.#take('|'))
    if (!this.#take('>')) throw this.#unexpected()
    if (variants.length > MOST_VARIANTS) {
      throw this.#unfit(`it has ${variants.length} variants, and ${MOST_VARIANTS} is the most`)
    }
    return variants
  }

  #variant(name: string): Parameters<typeof enumOf>[0][number] {
    if (this.#take('(')) {
      return { name, payload: 'tuple', fields: unnamed(this.#tuple(1)) }
    }
    if (this.#take('{')) {
      return { name, payload: 'struct', fields: this.#fields() }
    }
    return { name, payload: 'none', fields: [] }
  }

  #name(taken: Set<string>): string {
    const name = this.#match(BARE_NAME) ?? this.#quoted()
    if (!name.isWellFormed()) {
      throw this.#unfit(`the name ${JSON.stringify(shorten(name))} has a lone surrogate`)
    }
    if (taken.has(name)) {
      throw this.#unfit(`the name ${JSON.stringify(shorten(name))} stands there twice`)
    }
    taken.add(name)
    return name
  }

  #quoted(): string {
    const quoted = this.#match(QUOTED_NAME)
    if (quoted === undefined) throw this.#unexpected()
    try {
      return JSON.parse(quoted) as string
    } catch {
      throw this.#unfit(`${shorten(quoted)} is no name`)
    }
  }

  #length(): number {
    const digits = this.#match(LENGTH)
    if (digits === undefined) throw this.#unexpected()
    this.#at++
    const length = Number(digits)
    if (length < 1 || length > MOST_IN_ROW) throw this.#unfit(badLength(digits))
    return length
  }

  /** The type, if it has a layout that a value can have. */
  #checked(type: Type): Type {
    if (type.depth > MOST_LEVELS) throw this.#tooDeep()
    if (type.size > limits.maxValueBytes) {
      throw this.#unfit(
        `it takes ${type.size} bytes, and a value has at most ${limits.maxValueBytes}`,
      )
    }
    return type
  }

  #within<T>(step: Step, read: () => T): T {
    this.#path.push(step)
    const result = read()
    this.#path.pop()
    return result
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    this.#at += found?.length ?? 0
    return found
  }

  #tooDeep(): Unfit {
    return this.#unfit(`types are nested more than ${MOST_LEVELS} levels deep`)
  }

  #unexpected(): Unfit {
    const rest = this.#text.slice(this.#at, this.#at + 20)
    const found = rest === '' ? 'its text ends too early' : `${JSON.stringify(rest)} is unexpected`
    return this.#unfit(found)
  }

  #unfit(reason: string): Unfit {
    return new Unfit(this.#path, reason)
  }
}

/** Why an array of fixed length cannot have this one. */
export function badLength(length: string): string {
  return `an array of fixed length has 1 to ${MOST_IN_ROW} elements, not ${length}`
}
