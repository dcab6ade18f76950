import type { KeyDriver, PackedDriver, TextDriver, ValueDriver } from './codecs/types.js'
import { BYTES, PACKED, TEXT, type NativeHandle, type NativeMap } from './native.js'
import { meta, scratch, VALUE_AT, VALUE_ROOM } from './scratch.js'

/** What a key held at one moment. */
export interface Snapshot<V> {
  /** The record's number, -1 if there was none: `swap` succeeds while it is the same. */
  readonly sequence: number
  readonly value: V | undefined
}

/**
 * The verbs of one map, bound once to its codecs. Each runs the user's code first, if there is any, then fills the
 * scratch, then calls the addon; it takes what is in the scratch before any other code runs.
 */
export interface Verbs<K, V> {
  get(key: K): V | undefined
  has(key: K): boolean
  set(key: K, value: V): void
  delete(key: K): boolean
  /** The value and its number. */
  snapshot(key: K): Snapshot<V>
  /** Stores if the key's number is still this one; gives whether it was. */
  swap(key: K, sequence: number, value: V): boolean
  swapDelete(key: K, sequence: number): boolean
  readonly keys: KeyDriver<K>
  readonly values: ValueDriver<V>
  readonly native: NativeMap
  /** As `native`, for values that cross as strings or arrays. */
  readonly unpacked: NativeMap
  /** Set by `close`, for iterators that still have entries at hand. */
  closed: boolean
}

/** Binds a map's verbs to its codecs. */
export function bindVerbs<K, V>(
  handle: NativeHandle,
  keys: KeyDriver<K>,
  values: ValueDriver<V>,
): Verbs<K, V> {
  return values.kind === 'text' ? bindText(handle, keys, values) : bindPacked(handle, keys, values)
}

function bindText<K, V>(
  handle: NativeHandle,
  keys: KeyDriver<K>,
  values: TextDriver<V>,
): Verbs<K, V> {
  const native = handle.bind(keys.text ? TEXT : PACKED, TEXT)
  const { put } = keys
  const { toText, fromText } = values
  const get = native.get as (key: string | number) => string | undefined
  const { set, swap } = native
  // Text that is the value itself adds nothing to the addon's call.
  const plain = get as unknown as (key: string | number) => V | undefined

  return {
    ...bindKeys(native, keys),
    unpacked: native,
    values,
    get:
      values.name === 'str'
        ? (key) => plain(put(key))
        : (key) => {
            const text = get(put(key))
            return text === undefined ? undefined : fromText(text)
          },
    set(key, value) {
      const text = toText(value)
      set(put(key), text)
    },
    snapshot(key) {
      const length = native.read(put(key))
      const sequence = meta[0]!
      if (length < 0) return { sequence, value: undefined }
      const text =
        length <= VALUE_ROOM
          ? scratch.toString('utf8', VALUE_AT, VALUE_AT + length)
          : take(native, length).toString('utf8')
      return { sequence, value: fromText(text) }
    },
    swap(key, sequence, value) {
      const text = toText(value)
      const passed = put(key)
      meta[0] = sequence
      return swap(passed, text)
    },
  }
}

function bindPacked<K, V>(
  handle: NativeHandle,
  keys: KeyDriver<K>,
  values: PackedDriver<V>,
): Verbs<K, V> {
  const lane = keys.text ? TEXT : PACKED
  const native = handle.bind(lane, PACKED)
  const large = handle.bind(lane, BYTES)
  const { put } = keys
  const { store } = values
  const get = native.get as (key: string | number) => number
  const { set, swap } = native
  const load = values.load ?? loader(native, values)

  return {
    ...bindKeys(native, keys),
    unpacked: large,
    values,
    get(key) {
      const length = get(put(key))
      return length < 0 ? undefined : load(length)
    },
    set(key, value) {
      const stored = store(value)
      if (typeof stored === 'number') set(put(key), stored)
      else large.set(put(key), stored)
    },
    snapshot(key) {
      const length = native.read(put(key))
      const sequence = meta[0]!
      return { sequence, value: length < 0 ? undefined : load(length) }
    },
    swap(key, sequence, value) {
      const stored = store(value)
      const passed = put(key)
      meta[0] = sequence
      return typeof stored === 'number' ? swap(passed, stored) : large.swap(passed, stored)
    },
  }
}

/** The verbs that know nothing of values. */
function bindKeys<K>(
  native: NativeMap,
  keys: KeyDriver<K>,
): Pick<Verbs<K, unknown>, 'native' | 'closed' | 'keys' | 'has' | 'delete' | 'swapDelete'> {
  const { put } = keys
  const { has, delete: remove, swapDelete } = native
  return {
    native,
    closed: false,
    keys,
    has: (key: K): boolean => has(put(key)),
    delete: (key: K): boolean => remove(put(key)),
    swapDelete(key: K, sequence: number): boolean {
      const passed = put(key)
      meta[0] = sequence
      return swapDelete(passed)
    },
  }
}

/** Reads the value that the last call left in the scratch, or that it holds ready because it is too long for it. */
function loader<V>(native: NativeMap, values: PackedDriver<V>): (length: number) => V {
  const { read } = values
  return (length) =>
    length <= VALUE_ROOM
      ? read(scratch, VALUE_AT, VALUE_AT + length)
      : adopt(values, take(native, length))
}

/** Reads a value from bytes that are nobody else's. */
export function adopt<V>(values: PackedDriver<V>, bytes: Buffer): V {
  return values.adopt === undefined ? values.read(bytes, 0, bytes.length) : values.adopt(bytes)
}

function take(native: NativeMap, length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length)
  native.take(bytes)
  return bytes
}
