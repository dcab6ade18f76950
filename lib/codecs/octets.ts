import { invalid, tooLarge, type Role } from '../errors.js'
import { limits } from '../native.js'
import { scratch, VALUE_AT } from '../scratch.js'

// Node's own getters: a subclass, a proxy or a changed prototype cannot lie to them.
const getter = <T>(owner: object, name: PropertyKey): (() => T) =>
  Object.getOwnPropertyDescriptor(owner, name)!.get as () => T
const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object
const tagOf = getter<string | undefined>(typedArray, Symbol.toStringTag)
const lengthOf = getter<number>(typedArray, 'byteLength')
const offsetOf = getter<number>(typedArray, 'byteOffset')
const bufferOf = getter<ArrayBufferLike>(typedArray, 'buffer')
const resizableOf = getter<boolean>(ArrayBuffer.prototype, 'resizable')
const at = Uint8Array.prototype.at

// Up to here a copy into the scratch costs less than handing over the array.
const COPIED = 1024

/** Whether the value is a Uint8Array (a Buffer is one), of whatever realm. */
export function isOctets(value: unknown): value is Uint8Array {
  return tagOf.call(value) === 'Uint8Array'
}

/** The length of a Uint8Array; throws for one whose buffer is detached or shrunk below it. */
export function measure(role: Role, codec: string, value: unknown): number {
  if (!isOctets(value)) throw invalid(role, codec, 'a Uint8Array', value)
  const length = lengthOf.call(value)
  if (length === 0 && isDetached(value)) {
    throw invalid(role, codec, 'a Uint8Array whose buffer is attached', value)
  }
  return length
}

/** Whether the value is a typed array that has lost its elements: its buffer is detached or shrunk below it. */
export function isDetached(value: unknown): boolean {
  if (tagOf.call(value) === undefined) return false
  try {
    at.call(value as Uint8Array, 0)
    return false
  } catch {
    return true
  }
}

/** The bytes of a typed array with this tag, in place; else undefined. */
export function placesOf(value: unknown, tag: string): Uint8Array | undefined {
  if (tagOf.call(value) !== tag || isDetached(value)) return undefined
  return new Uint8Array(bufferOf.call(value), offsetOf.call(value), lengthOf.call(value))
}

/** The same, but a copy where somebody else may change them while the engine reads. */
export function octetsOf(value: unknown, tag: string): Uint8Array | undefined {
  const places = placesOf(value, tag)
  return places === undefined ? undefined : fixed(places)
}

/** Puts a key's bytes into the scratch and gives their length. */
export function placeKey(codec: string, key: Uint8Array, offset = 0): number {
  const length = measure('key', codec, key)
  if (offset + length > limits.maxKeyBytes) {
    throw tooLarge('key', offset + length, limits.maxKeyBytes)
  }
  scratch.set(key, offset)
  // A growable shared buffer can have grown between measuring and copying, and the copy run into the value.
  if (lengthOf.call(key) !== length) {
    throw invalid('key', codec, 'bytes that stay as long as they are', key)
  }
  return length
}

/** Puts a value's bytes into the scratch and gives their length, or gives bytes to be read in place. */
export function placeValue(codec: string, value: unknown): number | Uint8Array {
  const length = measure('value', codec, value)
  const bytes = value as Uint8Array
  if (length <= COPIED) {
    scratch.set(bytes, VALUE_AT)
    return length
  }
  if (length > limits.maxValueBytes) throw tooLarge('value', length, limits.maxValueBytes)
  return fixed(bytes)
}

/** Bytes that neither another thread nor a resize can change under the engine: a copy where that could happen. */
function fixed(bytes: Uint8Array): Uint8Array {
  try {
    if (!resizableOf.call(bufferOf.call(bytes))) return bytes
  } catch {
    // The getter throws for a SharedArrayBuffer.
  }
  return new Uint8Array(bytes)
}
