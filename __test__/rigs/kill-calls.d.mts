/** What a child of the kill rig does. */
export interface Plan {
  readonly seed: number
  /** Part of every value, so that none is ever written twice. */
  readonly round: number
  readonly threads: number
  /** How many calls return before a thread says so. */
  readonly atOnce: number
  /** How the child ends. */
  readonly how: string
  /** After so many calls of the thread that ends it, or so many acknowledged ones. */
  readonly after: number
}

interface CallOf<Map extends string, V> {
  readonly map: Map
  readonly verb: string
  readonly key: string
  readonly value: V
  readonly pairs: [string, V][]
}

export type Call = CallOf<'text', string> | CallOf<'count', bigint>

/** What the calls need of a map of theirs: a DiskMap has it, and Model. */
export interface Verbs<V> {
  get(key: string): V | undefined
  set(key: string, value: V): unknown
  delete(key: string): boolean
  clear(): void
  update(key: string, fn: (old: V | undefined) => V): unknown
  getOrInsert(key: string, value: V): V
  getOrInsertComputed(key: string, fn: (key: string) => V): V
  compareAndSet(key: string, expected: V | undefined, next: V | undefined): boolean
  setMany(pairs: Iterable<readonly [string, V]>): unknown
  deleteMany(keys: Iterable<string>): number
  entry(key: string): {
    insert(value: V): unknown
    orInsert(value: V): unknown
    remove(): unknown
  }
}

export interface Maps {
  readonly text: Verbs<string>
  readonly count: Verbs<bigint> & { increment(key: string, by: bigint): bigint }
}

/** The most threads of a child. */
export const THREADS: number

/** The key that all threads count up. */
export const SHARED: string

/** The keys that only this thread changes: all but the shared one, if it is alone. */
export function owns(thread: number, threads: number): (key: string) => boolean

/** A thread's nth call. */
export function callOf(plan: Plan, thread: number, n: number): Call

/** Makes a call on maps, or on the models that they are compared with. */
export function make(maps: Maps, call: Call): void

/** A Map with the verbs that only a DiskMap has. */
export class Model<V> extends Map<string, V> implements Verbs<V> {
  update(key: string, fn: (old: V | undefined) => V): void
  getOrInsert(key: string, value: V): V
  getOrInsertComputed(key: string, fn: (key: string) => V): V
  compareAndSet(key: string, expected: V | undefined, next: V | undefined): boolean
  setMany(pairs: Iterable<readonly [string, V]>): void
  deleteMany(keys: Iterable<string>): number
  entry(key: string): {
    insert(value: V): unknown
    orInsert(value: V): unknown
    remove(): unknown
  }
}

export class Counts extends Model<bigint> {
  increment(key: string, by: bigint): bigint
}
