import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { compileFunction } from 'node:vm'
import { expect } from 'chai'
import { DiskMap, type ValueCodec } from '../../index.js'

/** The cases for `Map` of es6-shim, as they are published; they take `Map`, chai and mocha from their globals. */
const source = readFileSync(createRequire(import.meta.url).resolve('es6-shim/test/map.js'), 'utf8')

/** One `it` of the suite, under the titles of its `describe`s. */
export interface Case {
  readonly name: string
  /** Throws what the case throws. */
  run(): void
}

type Body = () => void

/** What the suite is run with. */
export interface Subject {
  /** Stands in the place of `Map`. */
  readonly standIn: unknown
  /** Stands in the place of `new Map(…)`, since some maps are opened. */
  make(pairs?: Iterable<[unknown, unknown]>): unknown
}

/** The cases of the suite for a subject. */
export function casesFor({ standIn, make }: Subject): Case[] {
  const cases: Case[] = []
  const titles: string[] = []
  const setUps: Body[] = []
  const describe = (title: string, body: Body): void => {
    const outer = setUps.length
    titles.push(title)
    body()
    titles.pop()
    setUps.length = outer
  }
  const it = (title: string, body: Body): void => {
    const before = [...setUps]
    const run = (): void => [...before, body].forEach((step) => step())
    cases.push({ name: [...titles.slice(1), title].join(' › '), run })
  }
  const globals = {
    Map: standIn,
    make,
    expect,
    describe,
    it: Object.assign(it, { skip: () => {} }),
    // For engines without symbols and the like.
    xit: it,
    beforeEach: (step: Body) => setUps.push(step),
    afterEach: () => {},
    // There is one case of the shim itself, which it skips under this variable.
    process: { env: { NO_ES6_SHIM: '1' } },
  }
  const text = source.replaceAll('new Map(', 'make(')
  compileFunction(text, Object.keys(globals))(...Object.values(globals))
  return cases
}

/** DiskMap, each in a directory of its own. An open and a close wait for the disk, so each serves again once it is emptied. */
export class DiskMaps implements Subject {
  readonly standIn: unknown = DiskMap
  readonly #home: string
  readonly #value: ValueCodec<unknown> | undefined
  readonly #used: DiskMap<unknown, unknown>[] = []
  readonly #free: DiskMap<unknown, unknown>[] = []
  #made = 0

  constructor(home: string, value?: ValueCodec<unknown>) {
    this.#home = home
    this.#value = value
  }

  readonly make = (pairs?: Iterable<[unknown, unknown]>): unknown => {
    const map = this.#free.pop() ?? this.#open()
    this.#used.push(map)
    return pairs === undefined ? map : map.setMany(pairs)
  }

  #open(): DiskMap<unknown, unknown> {
    const options = { shards: 1, flushInterval: false, value: this.#value } as const
    return DiskMap.open(join(this.#home, `${this.#made++}`), options)
  }

  /** Takes the maps of a case back. */
  release(): void {
    for (const map of this.#used.splice(0)) {
      map.clear()
      // One case makes another class of its map.
      if (Object.getPrototypeOf(map) === DiskMap.prototype) this.#free.push(map)
      else map.close()
    }
  }

  /** Closes them all: those that come have other hash keys. */
  renew(): void {
    this.release()
    for (const map of this.#free.splice(0)) map.close()
  }
}

/** A codec under which a value keeps its identity, as in memory, and for as long. */
export function byReference(): ValueCodec<unknown> {
  const values: unknown[] = []
  return {
    name: 'by-reference',
    encode: (value, sink) => sink.u32(values.push(value) - 1),
    decode: (bytes) => values[bytes.readUInt32LE(0)],
  }
}
