import { isDetached, octetsOf, placesOf } from './codecs/octets.js'
import type { KeyDriver, TextDriver } from './codecs/types.js'
import { keyColumn, valueColumn, type Column, type Part } from './column.js'
import { badArgument, corrupt, describe, DiskMapError } from './errors.js'
import { givePage, PAGE_BYTES, takePage, valueReader, type Page } from './page.js'
import { collect, type NativeMap, type Sizes } from './native.js'
import { meta } from './scratch.js'
import type { Verbs } from './verbs.js'

/** The typed arrays for values of integers; see {@link DiskMap.getManyInto}. */
export type IntegerArray<V> = [V] extends [bigint]
  ? BigUint64Array | BigInt64Array
  : [V] extends [number]
    ? Uint8Array | Uint16Array | Uint32Array | Int8Array | Int16Array | Int32Array
    : never

/** Keys on their way to the engine. */
interface Packed {
  readonly parts: readonly Part[]
  /** Where they stand, if not in the caller's own array. */
  readonly column: Column<never> | undefined
}

/** The values of many keys, in order. */
export function getMany<K, V>(verbs: Verbs<K, V>, given: unknown): (V | undefined)[] {
  const { values } = verbs
  // Between two calls of the addon their code may change or transfer the caller's own array.
  const runsUserCode = values.kind === 'packed' && values.fixed === undefined
  const { parts, column } = pack('getMany', verbs.keys, given, runsUserCode)
  const found: (V | undefined)[] = []
  const out = takePage(0)
  try {
    for (const part of parts) {
      const end = found.length + part.count
      let [bytes, sizes] = [part.bytes, part.sizes]
      do {
        const before = found.length
        const consumed =
          values.kind === 'text'
            ? lookUpTexts(verbs.native, values, bytes, sizes, found)
            : lookUp(verbs, bytes, sizes, out, found)
        bytes = bytes.subarray(consumed)
        if (typeof sizes !== 'number') sizes = sizes.subarray((found.length - before) * 4)
      } while (found.length < end)
    }
    return found
  } finally {
    column?.free()
    givePage(out)
  }
}

/** The values of many keys, put into a typed array of the value codec's numbers; gives how many are there. */
export function getManyInto<K, V>(
  { keys, values, native }: Verbs<K, V>,
  given: unknown,
  into: unknown,
): number {
  const fixed = values.kind === 'packed' ? values.fixed : undefined
  if (fixed?.array === undefined) {
    throw badArgument(
      `getManyInto needs a value codec of integers, native.u8 to native.i64, not ${values.name}; use getMany.`,
    )
  }
  const { size, array } = fixed
  const { parts, column } = pack('getManyInto', keys, given)
  try {
    // After the keys, whose iterable may be a user's code.
    const target = placesOf(into, array)
    if (target === undefined) {
      throw badArgument(
        `The second argument of getManyInto must be a ${array}, not ${describe(into)}.`,
      )
    }
    const [count, room] = [parts.reduce((sum, part) => sum + part.count, 0), target.length / size]
    if (room < count) {
      throw badArgument(
        `The ${array} must have a place for each of the ${count} keys, and has ${room}.`,
      )
    }
    let [found, done] = [0, 0]
    for (const part of parts) {
      const places = target.subarray(done, (done += part.count * size))
      found += fillPlaces(native, part, places, size, values.name)
    }
    return found
  } finally {
    column?.free()
  }
}

/** By way of a page, for the array may be the keys' own, or shared with another thread. */
function fillPlaces(
  native: NativeMap,
  keys: Part,
  places: Uint8Array,
  size: number,
  codec: string,
): number {
  const page = takePage(places.length)
  try {
    const out = page.bytes.subarray(0, places.length)
    out.set(places)
    const found = native.getManyFixed(keys.bytes, keys.sizes, out, size)
    if (found < 0) throw corrupt(codec)
    places.set(out)
    return found
  } finally {
    givePage(page)
  }
}

/** The same for values that cross as strings; a few hundred at a time. */
function lookUpTexts<V>(
  native: NativeMap,
  { name, fromText }: TextDriver<V>,
  keys: Uint8Array,
  sizes: Sizes,
  found: (V | undefined)[],
): number {
  const texts = native.getManyTexts(keys, sizes, collect)
  // Read first: what decodes a text may call the map.
  const consumed = meta[1]!
  if (name === 'str') {
    for (const text of texts) found.push(text as V | undefined)
  } else {
    for (const text of texts) found.push(text === undefined ? undefined : fromText(text))
  }
  return consumed
}

/** Looks up as many keys as there is room for values; gives how many bytes of keys these were. */
function lookUp<K, V>(
  { native, values }: Verbs<K, V>,
  keys: Uint8Array,
  sizes: Sizes,
  out: Page,
  found: (V | undefined)[],
): number {
  let page = out
  let used = native.getMany(keys, sizes, page.bytes)
  // The value is longer than a page, and longer again if somebody stored another one meanwhile.
  while (used < 0) {
    page = takePage(-used)
    used = native.getMany(keys, sizes, page.bytes)
  }
  const consumed = meta[1]!
  const read = valueReader(values)
  for (let at = 0; at < used;) {
    const length = page.view.getInt32(at, true)
    const start = at + 4
    at = start + Math.max(length, 0)
    found.push(length < 0 ? undefined : read(page, start, at))
  }
  return consumed
}

/** Whether each of many keys is there, in order. */
export function hasMany<K, V>({ keys, native }: Verbs<K, V>, given: unknown): boolean[] {
  const { parts, column } = pack('hasMany', keys, given)
  const found: boolean[] = []
  const out = takePage(0)
  try {
    for (const { bytes, sizes, count } of parts) {
      native.hasMany(bytes, sizes, out.bytes)
      for (let i = 0; i < count; i++) found.push(out.bytes[i] === 1)
    }
    return found
  } finally {
    column?.free()
    givePage(out)
  }
}

/** Removes many keys; gives how many were there. */
export function deleteMany<K, V>({ keys, native }: Verbs<K, V>, given: unknown): number {
  const { parts, column } = pack('deleteMany', keys, given)
  let removed = 0
  let done = 0
  try {
    for (const { bytes, sizes, count } of parts) {
      meta[1] = 0
      removed += native.deleteMany(bytes, sizes)
      done += count
    }
    return removed
  } catch (error) {
    throw midway(error, `The first ${done + meta[1]!} keys are removed.`)
  } finally {
    column?.free()
  }
}

/** Stores many pairs, once all of them are encoded. */
export function setMany<K, V>({ keys, values, native }: Verbs<K, V>, given: unknown): void {
  const pairs = iterable('setMany', 'pairs of a key and a value', given)
  const [left, right] = [keyColumn(keys), valueColumn(values)]
  const parts: [Part, Part][] = []
  try {
    for (const pair of pairs) {
      checkPair(pair)
      const [key, value] = [pair[0] as K, pair[1] as V]
      // The value first: that may run a user's code, and from there on nothing may.
      const [valueRoom, keyRoom] = [right.prepare(value), left.prepare(key)]
      if (!left.fits(keyRoom) || !right.fits(valueRoom)) parts.push([left.cut(), right.cut()])
      left.write()
      right.write()
    }
    parts.push([left.cut(), right.cut()])
    let stored = 0
    try {
      for (const [key, value] of parts) {
        meta[1] = 0
        stored += native.setMany(key.bytes, key.sizes, value.bytes, value.sizes)
      }
    } catch (error) {
      stored += meta[1]!
      throw midway(error, `The first ${stored} pairs are stored.`, { stored })
    }
  } finally {
    left.free()
    right.free()
  }
}

/**
 * Packs keys, all before the first is used: what refuses one of them changes nothing. A typed array that is not copied is
 * read where it lies.
 */
function pack<K>(verb: string, keys: KeyDriver<K>, given: unknown, copies = false): Packed {
  const { fixed } = keys
  const bytes = fixed?.array === undefined ? undefined : octetsOf(given, fixed.array)
  if (fixed !== undefined && bytes !== undefined) {
    const own = copies ? bytes.slice() : bytes
    return { parts: slices(own, fixed.size), column: undefined }
  }
  const column = keyColumn(keys)
  const parts: Part[] = []
  try {
    for (const key of iterable(verb, 'keys', given) as Iterable<K>) {
      if (!column.fits(column.prepare(key))) parts.push(column.cut())
      column.write()
    }
    parts.push(column.cut())
    return { parts, column: column as Column<never> }
  } catch (error) {
    column.free()
    throw error
  }
}

function slices(bytes: Uint8Array, size: number): Part[] {
  const parts: Part[] = []
  for (let from = 0; from === 0 || from < bytes.length; from += PAGE_BYTES) {
    const part = bytes.subarray(from, from + PAGE_BYTES)
    parts.push({ bytes: part, sizes: size, count: part.length / size })
  }
  return parts
}

function iterable(verb: string, what: string, given: unknown): Iterable<unknown> {
  const method = (given as Partial<Iterable<unknown>> | null | undefined)?.[Symbol.iterator]
  if (typeof method === 'function' && !isDetached(given)) return given as Iterable<unknown>
  throw badArgument(
    `The argument of ${verb} must be an iterable of ${what}, not ${describe(given)}.`,
  )
}

function checkPair(pair: unknown): asserts pair is { readonly 0: unknown; readonly 1: unknown } {
  if (Array.isArray(pair) && pair.length >= 2) return
  if (typeof pair === 'object' && pair !== null && 0 in pair && 1 in pair) return
  throw badArgument(
    `A pair for setMany must be an array of a key and a value, not ${describe(pair)}.`,
  )
}

/** The engine's error with a sentence that says how far a batch went. */
function midway(error: unknown, sentence: string, facts: { stored?: number } = {}): unknown {
  if (!(error instanceof DiskMapError)) return error
  const options = error.cause === undefined ? undefined : { cause: error.cause }
  return Object.assign(new DiskMapError(error.code, `${error.message} ${sentence}`, options), facts)
}
