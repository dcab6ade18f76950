import { badArgument } from '../errors.js'
import {
  bigintFromJson,
  bytesFromText,
  bytesToJson,
  bytesToText,
  numberFromJson,
  numberToJson,
} from './scalars.js'

// Values that JSON has no words for, as objects with one property whose name begins with $. An object of a user's that
// looks like one is put into $object, so nothing can be read as something else.

/** A value that has no tagged form: cyclic, shared in two places, of a class, or nested very deep. */
export class Untold extends Error {}

const MOST_LEVELS = 500

const isTagged = (value: object): boolean => {
  const names = Object.keys(value)
  return names.length === 1 && names[0]!.startsWith('$')
}

/** A value as JSON. Throws {@link Untold}. */
export function toTagged(value: unknown, seen: Set<object> = new Set(), level = 0): unknown {
  switch (typeof value) {
    case 'undefined':
      return { $undefined: true }
    case 'bigint':
      return { $bigint: String(value) }
    case 'number': {
      const json = numberToJson(value)
      return typeof json === 'number' ? json : { $number: json }
    }
    case 'object':
      break
    default:
      return value
  }
  if (value === null) return null
  // A second time it is a cycle, or shared: what is read again would be two.
  if (seen.has(value) || level > MOST_LEVELS) throw new Untold()
  seen.add(value)
  const inner = (part: unknown): unknown => toTagged(part, seen, level + 1)
  switch (Object.getPrototypeOf(value)) {
    case Buffer.prototype:
      return bytesToJson(value as Buffer)
    case Uint8Array.prototype:
      return { $uint8array: bytesToText(value as Uint8Array) }
    case Date.prototype: {
      const time = (value as Date).getTime()
      return { $date: Number.isNaN(time) ? null : (value as Date).toISOString() }
    }
    case RegExp.prototype:
      return { $regexp: [(value as RegExp).source, (value as RegExp).flags] }
    case Map.prototype:
      return { $map: Array.from(value as Map<unknown, unknown>, (pair) => pair.map(inner)) }
    case Set.prototype:
      return { $set: Array.from(value as Set<unknown>, inner) }
    case Array.prototype:
      // Neither holes nor properties.
      if (Object.keys(value).length !== (value as unknown[]).length) throw new Untold()
      return (value as unknown[]).map(inner)
    case Object.prototype: {
      const object = Object.fromEntries(Object.entries(value).map(([k, v]) => [k, inner(v)]))
      return isTagged(value) ? { $object: object } : object
    }
    default:
      throw new Untold()
  }
}

/** The value that {@link toTagged} gave this JSON for; what it does not know, `others` may. */
export function fromTagged(json: unknown, others: (tag: string, of: unknown) => unknown): unknown {
  const inner = (part: unknown): unknown => fromTagged(part, others)
  if (typeof json !== 'object' || json === null) return json
  if (Array.isArray(json)) return json.map(inner)
  if (!isTagged(json)) return fieldsOf(json, inner)
  const [[tag, of]] = Object.entries(json) as [[string, unknown]]
  const read = tags[tag]
  const value = read === undefined ? others(tag, of) : read(of, inner)
  if (value === undefined && tag !== '$undefined') {
    throw badArgument(
      `${JSON.stringify(json).slice(0, 100)} stands for no value; an object that is meant as it is goes into {"$object":…}.`,
    )
  }
  return value
}

function fieldsOf(json: object, inner: (part: unknown) => unknown): object {
  return Object.fromEntries(Object.entries(json).map(([name, part]) => [name, inner(part)]))
}

const isPair = (value: unknown): value is [unknown, unknown] =>
  Array.isArray(value) && value.length === 2

// undefined: the JSON is not what the tag takes.
const tags: Record<string, (of: unknown, inner: (part: unknown) => unknown) => unknown> = {
  $undefined: () => undefined,
  $bigint: (of) => (typeof of === 'string' ? asType('bigint', bigintFromJson(of)) : undefined),
  $number: (of) => asType('number', numberFromJson(of)),
  $bytes: bytesFromText,
  $uint8array(of) {
    const bytes = bytesFromText(of)
    return bytes && new Uint8Array(bytes)
  },
  $date(of) {
    const date = new Date(of === null ? NaN : String(of))
    return of === null || !Number.isNaN(date.getTime()) ? date : undefined
  },
  $regexp(of) {
    try {
      return isPair(of) ? new RegExp(String(of[0]), String(of[1])) : undefined
    } catch {
      return undefined
    }
  },
  $map: (of, inner) =>
    Array.isArray(of) && of.every(isPair)
      ? new Map(of.map(([key, value]) => [inner(key), inner(value)]))
      : undefined,
  $set: (of, inner) => (Array.isArray(of) ? new Set(of.map(inner)) : undefined),
  $object: (of, inner) =>
    typeof of === 'object' && of !== null && !Array.isArray(of) ? fieldsOf(of, inner) : undefined,
}

function asType(type: string, value: unknown): unknown {
  return typeof value === type ? value : undefined
}
