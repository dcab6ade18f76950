import { types } from 'node:util'
import { badArgument, describe, DiskMapError } from './errors.js'
import { scratch } from './scratch.js'
import type { Verbs } from './verbs.js'

/** After so many lost races a verb gives up. */
export const ATTEMPTS = 1_000

declare const deleted: unique symbol

// Not a unique symbol: TypeScript widens the result of `() => DELETE` to symbol when it tries the overloads.
/** The type of {@link DELETE}. */
export type Delete = symbol & {
  /** @ignore */
  readonly [deleted]: true
}

/** What the function of `update` returns to remove the key; the same symbol in every copy of the package. */
export const DELETE: Delete = Symbol.for('opendiskmap.DELETE') as Delete

/** What a verb left under a key. */
export interface Modified<V> {
  readonly occupied: boolean
  readonly value: V | undefined
}

/** The verb `update`. */
export function update<K, V>(
  verbs: Verbs<K, V>,
  given: K,
  fn: (value: V | undefined) => V | Delete,
): V | undefined {
  if (typeof fn !== 'function')
    throw badArgument(`The argument of update must be a function, not ${describe(fn)}.`)
  // fn may change a Uint8Array that it was called with.
  return modify(verbs, keep(verbs, given), false, fn).value
}

/** The loop of `update`: read, ask, store if nothing else was stored meanwhile. */
export function modify<K, V>(
  verbs: Verbs<K, V>,
  key: K,
  onlyPresent: boolean,
  fn: (value: V | undefined) => V | Delete,
): Modified<V> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { sequence, value } = verbs.snapshot(key)
    if (onlyPresent && sequence === -1) return { occupied: false, value }
    const next = fn(value)
    if (next === DELETE) {
      if (verbs.swapDelete(key, sequence)) return { occupied: false, value: undefined }
    } else {
      if (next === undefined) throw badResult('undefined; return DELETE to remove the key')
      refusePromise(next)
      if (verbs.swap(key, sequence, next as V)) return { occupied: true, value: next as V }
    }
  }
  throw conflict()
}

/** The value that is there, or else this one. */
export function getOrInsert<K, V>(verbs: Verbs<K, V>, key: K, value: V): V {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const found = verbs.snapshot(key)
    if (found.sequence !== -1) return found.value as V
    if (verbs.swap(key, -1, value)) return value
  }
  throw conflict()
}

/** The value that is there, or else what fn makes of the key; fn is called at most once. */
export function getOrInsertComputed<K, V>(verbs: Verbs<K, V>, given: K, fn: (key: K) => V): V {
  if (typeof fn !== 'function') throw new TypeError(`${describe(fn)} is not a function`)
  const key = keep(verbs, given)
  const found = verbs.snapshot(key)
  if (found.sequence !== -1) return found.value as V
  // As in Map, a function never sees -0.
  const value = fn(Object.is(given, -0) ? (0 as K) : given)
  refusePromise(value)
  return getOrInsert(verbs, key, value)
}

/** A key as it is stored, where no user's code can reach it. */
export function keep<K, V>({ keys }: Verbs<K, V>, key: K): K {
  const passed = keys.put(key)
  // From what was put, because a copy of the key itself would ask it for its length.
  return typeof passed === 'string' ? key : keys.read(scratch, 0, passed)
}

// A codec like json would store `{}` for it.
function refusePromise(value: unknown): void {
  if (types.isPromise(value)) throw badResult('a promise; it must return the value itself')
}

function badResult(what: string): DiskMapError {
  return new DiskMapError('ERR_INVALID_VALUE', `The function returned ${what}.`)
}

/** The error of a verb that lost all its races. */
export function conflict(): DiskMapError {
  return new DiskMapError(
    'ERR_CONFLICT',
    `Another thread wrote the key each of ${ATTEMPTS} times; try again when fewer write it.`,
  )
}
