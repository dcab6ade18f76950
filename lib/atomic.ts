import type { ValueDriver } from './codecs/types.js'
import { badArgument } from './errors.js'
import type { Passed } from './native.js'
import { scratch, VALUE_AT, view } from './scratch.js'
import type { Verbs } from './verbs.js'

/** The types of the verbs that only some value codecs allow. Methods, because a Map's methods are as lenient. */
export interface AtomicVerbs<K, V> {
  compareAndSet(key: K, expected: V | undefined, next: V | undefined): boolean
  increment(key: K, by?: V): V
}

/** The type of `increment` for values that may be numbers; a map opened without codecs does not know its values. */
export type Increment<K, V> = unknown extends V
  ? AtomicVerbs<K, number | bigint>['increment']
  : [V] extends [number | bigint]
    ? AtomicVerbs<K, V>['increment']
    : never

/** Stores a value, or removes the key, if the key has the expected value. */
export function compareAndSet<K, V>(
  { keys, values, unpacked }: Verbs<K, V>,
  key: K,
  expected: V | undefined,
  next: V | undefined,
): boolean {
  if (values.canonical !== true) {
    throw badArgument(
      `compareAndSet needs the value codec native.*, str or bytes, because ${values.name} may give equal values different bytes; use update.`,
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
export function increment<K, V>(
  { keys, values, native }: Verbs<K, V>,
  key: K,
  by: V | undefined,
): V {
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
