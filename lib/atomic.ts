import type { CodecVerb, ValueDriver } from './codecs/types.js'
import { badArgument } from './errors.js'
import type { Passed } from './native.js'
import { scratch, VALUE_AT, view } from './scratch.js'
import type { Verbs } from './verbs.js'

// Methods, because a Map's methods are as lenient in what they take.
interface Signatures<K, V> {
  compareAndSet(key: K, expected: V | undefined, next: V | undefined): boolean
  increment(key: K, by?: V): V
}

/** The type of `increment` for values that may be numbers; a map opened without codecs does not know its values. */
type Increment<K, V> = unknown extends V
  ? Signatures<K, number | bigint>['increment']
  : [V] extends [number | bigint]
    ? Signatures<K, V>['increment']
    : never

/** The verbs that a map has if its value codec allows them; else their types are `never`. */
export interface AtomicVerbs<K, V, Allows extends CodecVerb> {
  /**
   * Stores `next` if the key has the value `expected`, and gives whether it had. `undefined` means absent: as `expected`
   * the key must not be there, as `next` it is removed. Values are compared by their bytes: -0 is not 0, and NaN is NaN.
   *
   * Only for the value codecs `native.*`, `str`, `bytes` and `arch`; with others its type is `never`, and calling it is
   * `ERR_INVALID_ARGUMENT`.
   *
   * @param key The key.
   * @param expected The value that the key must have, or undefined.
   * @param next The value to store, or undefined.
   * @throws {DiskMapError} `ERR_INVALID_VALUE` or `ERR_TOO_LARGE` for either value, before anything is compared.
   * @example
   * if (!jobs.compareAndSet('job 1', 'waiting', 'running')) console.log('somebody else took it')
   */
  readonly compareAndSet: Allows extends 'compareAndSet' ? Signatures<K, V>['compareAndSet'] : never

  /**
   * Adds to a number and returns the sum; a key that is not there counts as 0. Many threads may do so at once, and no
   * increment is lost.
   *
   * Only for the value codecs `native.u8` to `native.f64`; with others its type is `never`, and calling it is
   * `ERR_INVALID_ARGUMENT`.
   *
   * @param key The key.
   * @param by The amount: a bigint for `native.u64` and `native.i64`, an integer for smaller integers, any number for
   * floats (whose sum is rounded). It may be negative for every type. Default: 1.
   * @throws {DiskMapError} `ERR_INVALID_ARGUMENT` for an amount of another type or with a fraction; `ERR_INVALID_VALUE`
   * for a sum outside of the type, or an infinite one of finite floats. Nothing is changed then.
   * @example
   * const visits = counts.increment('visits')
   */
  readonly increment: Allows extends 'increment' ? Increment<K, V> : never
}

/** Defines the verbs on a prototype, because a method that a class declares cannot have the type never. */
export function defineAtomicVerbs<M extends object>(
  prototype: M,
  verbsOf: (map: M) => Verbs<unknown, unknown>,
): void {
  const verbs: Signatures<unknown, unknown> & ThisType<M> = {
    compareAndSet(key, expected, next) {
      return compareAndSet(verbsOf(this), key, expected, next)
    },
    increment(key, by) {
      return increment(verbsOf(this), key, by)
    },
  }
  for (const [name, value] of Object.entries(verbs)) {
    Object.defineProperty(prototype, name, { value, configurable: true, writable: true })
  }
}

/** Stores a value, or removes the key, if the key has the expected value. */
function compareAndSet<K, V>(
  { keys, values, unpacked }: Verbs<K, V>,
  key: K,
  expected: V | undefined,
  next: V | undefined,
): boolean {
  if (values.canonical !== true) {
    throw badArgument(
      `compareAndSet needs the value codec native.*, str, bytes or arch, because ${values.name} may give equal values different bytes; use update.`,
    )
  }
  const before = pass(values, expected)
  const after = pass(values, next)
  return unpacked.compareAndSet(keys.put(key), before, after)
}

function pass<V>(values: ValueDriver<V>, value: V | undefined): Passed | undefined {
  if (value === undefined) return undefined
  if (values.kind === 'text') return values.toText(value)
  const stored = values.store(value)
  // Two values cross at once, and the scratch has room for one.
  return typeof stored === 'number'
    ? Buffer.from(scratch.subarray(VALUE_AT, VALUE_AT + stored))
    : stored
}

/** Adds to a number; gives the sum. */
function increment<K, V>({ keys, values, native }: Verbs<K, V>, key: K, by: V | undefined): V {
  const { amount, fixed } = values.kind === 'packed' ? values : {}
  if (amount === undefined || fixed === undefined) {
    throw badArgument(
      `increment needs a value codec for numbers, native.u8 to native.f64, not ${values.name}; use update.`,
    )
  }
  amount.put(by)
  native.increment(keys.put(key), amount.type)
  return fixed.read(view, VALUE_AT)
}
