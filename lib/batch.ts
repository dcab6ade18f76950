import { isDetached, octetsOf } from './codecs/octets.js'
import type { KeyDriver } from './codecs/types.js'
import { badArgument, describe, DiskMapError } from './errors.js'
import { limits } from './native.js'
import {
  givePage,
  keyWriter,
  PAGE_BYTES,
  Pages,
  takePage,
  valueReader,
  valueWriter,
  type Page,
  type Part,
} from './page.js'
import { meta } from './scratch.js'
import type { Verbs } from './verbs.js'

// A string's UTF-8 ends within so many bytes of where there is no room for more of it.
const LONGEST_CHARACTER = 4

/** Keys packed for the addon. */
interface Packed {
  readonly parts: readonly Part[]
  /** The size of each key, or 0 if each stands behind its length. */
  readonly size: number
  /** Where they stand, if not in the caller's own array. */
  readonly pages: Pages | undefined
}

/** The values of many keys, in order. */
export function getMany<K, V>(verbs: Verbs<K, V>, given: unknown): (V | undefined)[] {
  const { values } = verbs
  // Between two calls of the addon their code may change or transfer the caller's own array.
  const runsUserCode = values.kind === 'packed' && values.fixed === undefined
  const { parts, size, pages } = pack('getMany', verbs.keys, given, runsUserCode)
  const found: (V | undefined)[] = []
  const out = takePage(0)
  try {
    for (const { bytes } of parts) {
      let rest = bytes
      do {
        rest = rest.subarray(lookUp(verbs, rest, size, out, found))
      } while (rest.length > 0)
    }
    return found
  } finally {
    pages?.free()
    givePage(out)
  }
}

/** Looks up as many keys as there is room for values; gives how many bytes of keys these were. */
function lookUp<K, V>(
  { native, values }: Verbs<K, V>,
  keys: Uint8Array,
  size: number,
  out: Page,
  found: (V | undefined)[],
): number {
  let page = out
  let used = native.getMany(keys, size, page.bytes)
  // The value is longer than a page, and longer again if somebody stored another one meanwhile.
  while (used < 0) {
    page = takePage(-used)
    used = native.getMany(keys, size, page.bytes)
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
  const { parts, size, pages } = pack('hasMany', keys, given)
  const found: boolean[] = []
  const out = takePage(0)
  try {
    for (const { bytes, count } of parts) {
      native.hasMany(bytes, size, out.bytes)
      for (let i = 0; i < count; i++) found.push(out.bytes[i] === 1)
    }
    return found
  } finally {
    pages?.free()
    givePage(out)
  }
}

/** Removes many keys; gives how many were there. */
export function deleteMany<K, V>({ keys, native }: Verbs<K, V>, given: unknown): number {
  const { parts, size, pages } = pack('deleteMany', keys, given)
  let removed = 0
  let done = 0
  try {
    for (const { bytes, count } of parts) {
      meta[1] = 0
      removed += native.deleteMany(bytes, size)
      done += count
    }
    return removed
  } catch (error) {
    throw midway(error, `The first ${done + meta[1]!} keys are removed.`)
  } finally {
    pages?.free()
  }
}

/** Stores many pairs, once all of them are encoded. */
export function setMany<K, V>({ keys, values, native }: Verbs<K, V>, given: unknown): void {
  const pairs = iterable('pairs of a key and a value', 'setMany', given)
  const pages = new Pages()
  let stored = 0
  try {
    const key = keyWriter(keys)
    const value = valueWriter(values)
    for (const pair of pairs) {
      checkPair(pair)
      const [left, right] = [pair[0] as K, pair[1] as V]
      // The value first: that may run a user's code, and from there on nothing may.
      const room = value.prepare(right)
      pages.reserve(8 + room + key.prepare(left))
      const { page, at } = pages
      const middle = at + 8 + key.write(page, at + 8)
      const end = middle + value.write(page, middle)
      page.view.setUint32(at, middle - at - 8, true)
      page.view.setUint32(at + 4, end - middle, true)
      pages.at = end
      pages.count++
    }
    const parts = pages.parts()
    try {
      for (const { bytes } of parts) {
        meta[1] = 0
        stored += native.setMany(bytes)
      }
    } catch (error) {
      stored += meta[1]!
      throw midway(error, `The first ${stored} pairs are stored.`, { stored })
    }
  } finally {
    pages.free()
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
    return {
      size: fixed.size,
      parts: slices(copies ? bytes.slice() : bytes, fixed.size),
      pages: undefined,
    }
  }
  const found = iterable('keys', verb, given) as Iterable<K>
  const pages = new Pages()
  try {
    const list = keys.text ? [...found] : found
    const size = keys.text ? packText(list as unknown[], pages) : (fixed?.size ?? 0)
    if (!keys.text || size === 0) packEach(keys, list, size, pages)
    return { size, parts: pages.parts(), pages }
  } catch (error) {
    pages.free()
    throw error
  }
}

function packEach<K>(keys: KeyDriver<K>, given: Iterable<K>, size: number, pages: Pages): void {
  const writer = keyWriter(keys)
  const head = size === 0 ? 4 : 0
  for (const key of given) {
    pages.reserve(head + writer.prepare(key))
    const { page, at } = pages
    const length = writer.write(page, at + head)
    if (head > 0) page.view.setUint32(at, length, true)
    pages.at = at + head + length
    pages.count++
  }
}

/**
 * Packs strings of ASCII and of one length in one go, at a third of the cost of one by one, and gives the length; 0 if they
 * are something else.
 */
function packText(keys: unknown[], pages: Pages): number {
  const size = commonLength(keys)
  if (size === 0 || size > limits.maxKeyBytes) return 0
  const perPage = Math.floor((PAGE_BYTES - LONGEST_CHARACTER) / size)
  for (let from = 0; from < keys.length; from += perPage) {
    const part = keys.slice(from, from + perPage)
    const text = part.join('')
    // With room to spare, text that is not ASCII cannot end just where ASCII would.
    pages.reserve(text.length + LONGEST_CHARACTER)
    if (pages.page.bytes.write(text, pages.at, 'utf8') !== text.length) {
      pages.clear()
      return 0
    }
    pages.at += text.length
    pages.count += part.length
  }
  return size
}

/** The length that all strings have, or 0. */
function commonLength(keys: unknown[]): number {
  const [first] = keys
  if (typeof first !== 'string') return 0
  for (const key of keys) {
    if (typeof key !== 'string' || key.length !== first.length) return 0
  }
  return first.length
}

function slices(bytes: Uint8Array, size: number): Part[] {
  const parts: Part[] = []
  for (let from = 0; from === 0 || from < bytes.length; from += PAGE_BYTES) {
    const part = bytes.subarray(from, from + PAGE_BYTES)
    parts.push({ bytes: part, count: part.length / size })
  }
  return parts
}

function iterable(what: string, verb: string, given: unknown): Iterable<unknown> {
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
