import { badArgument, describe } from './errors.js'
import {
  ATTEMPTS,
  conflict,
  getOrInsert,
  getOrInsertComputed,
  keep,
  modify,
  type Delete,
} from './update.js'
import type { Verbs } from './verbs.js'

/**
 * What a map held under a key when {@link DiskMap.entry} was called. It holds no lock, and by the time it is looked at
 * another thread may have written the key: its verbs do not trust it, each looks at the map again and is atomic by itself.
 *
 * @example
 * map.entry('visits').andModify((count) => count + 1).orInsert(1)
 */
export class Entry<K, V> {
  /** Whether the key was there. */
  readonly occupied: boolean
  /** The key as it is stored. */
  readonly key: K
  /** The value that was there, or undefined. */
  readonly value: V | undefined
  readonly #verbs: Verbs<K, V>
  // Whoever has the entry may change the bytes of `key`.
  readonly #key: K

  /** @param kept A key that no user's code can reach. */
  /** @internal */
  constructor(verbs: Verbs<K, V>, kept: K, occupied: boolean, value: V | undefined) {
    this.#verbs = verbs
    this.#key = kept
    this.occupied = occupied
    this.key = keep(verbs, kept)
    this.value = value
  }

  /**
   * Stores a value, and returns the one that it replaced, or undefined.
   *
   * @throws {DiskMapError} `ERR_CONFLICT` if another thread wrote the key 1,000 times meanwhile.
   */
  insert(value: V): V | undefined {
    const verbs = this.#verbs
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const found = verbs.snapshot(this.#key)
      if (verbs.swap(this.#key, found.sequence, value)) return found.value
    }
    throw conflict()
  }

  /**
   * Stores a value if the key is absent now, and returns what is there then: the value that was, or this one.
   *
   * @throws {DiskMapError} `ERR_CONFLICT` if the key came and went 1,000 times meanwhile.
   */
  orInsert(value: V): V {
    return getOrInsert(this.#verbs, this.#key, value)
  }

  /**
   * Stores what fn makes of the key if it is absent now, and returns what is there then. fn is called at most once; if the
   * key is stored while it runs, that value stays and is returned. What fn throws passes through and changes nothing.
   *
   * @throws {DiskMapError} `ERR_CONFLICT` if the key came and went 1,000 times meanwhile; `ERR_INVALID_VALUE` if fn returns
   * a promise; `ERR_INVALID_ARGUMENT` if fn is not a function.
   */
  orInsertWith(fn: (key: K) => V): V {
    checkFunction('orInsertWith', fn)
    return getOrInsertComputed(this.#verbs, keep(this.#verbs, this.#key), fn)
  }

  /**
   * {@link DiskMap.update} if the key is there now: stores what fn makes of its value, or removes the key for `DELETE`. fn
   * may run several times; what it throws passes through and changes nothing.
   *
   * @returns A new Entry, of what was stored, or of the key's absence.
   * @throws {DiskMapError} `ERR_CONFLICT` after 1,000 lost races; `ERR_INVALID_VALUE` if fn returns undefined or a promise;
   * `ERR_INVALID_ARGUMENT` if fn is not a function.
   */
  andModify(fn: (value: V) => V | Delete): Entry<K, V> {
    checkFunction('andModify', fn)
    const known = fn as (value: V | undefined) => V | Delete
    const { occupied, value } = modify(this.#verbs, this.#key, true, known)
    return new Entry(this.#verbs, this.#key, occupied, value)
  }

  /**
   * Removes the key, and returns the value that it had, or undefined.
   *
   * @throws {DiskMapError} `ERR_CONFLICT` if another thread wrote the key 1,000 times meanwhile.
   */
  remove(): V | undefined {
    const verbs = this.#verbs
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const found = verbs.snapshot(this.#key)
      if (found.sequence === -1 || verbs.swapDelete(this.#key, found.sequence)) return found.value
    }
    throw conflict()
  }
}

/** Looks a key up for its entry. */
export function entry<K, V>(verbs: Verbs<K, V>, given: K): Entry<K, V> {
  const key = keep(verbs, given)
  const { sequence, value } = verbs.snapshot(key)
  return new Entry(verbs, key, sequence !== -1, value)
}

function checkFunction(verb: string, fn: unknown): void {
  if (typeof fn !== 'function') {
    throw badArgument(`The argument of ${verb} must be a function, not ${describe(fn)}.`)
  }
}
