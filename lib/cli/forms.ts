import { parse } from '../codecs/arch/text.js'
import { msgpack, structured } from '../codecs/index.js'
import type { Sink, ValueCodec } from '../codecs/types.js'
import { badArgument } from '../errors.js'
import {
  bigintFromJson,
  bytesFromJson,
  bytesFromText,
  bytesToJson,
  bytesToText,
  numberFromJson,
  numberFromText,
  numberToJson,
} from './scalars.js'
import { schemaFromJson, schemaToJson } from './schema-json.js'
import { fromTagged, toTagged, Untold } from './tagged.js'

/** How the keys or values of a codec are written: in a line of JSON, and alone, as an argument or on a line. */
export interface Form {
  toJson(value: unknown): unknown
  /** What JSON stands for. What is none of the codec's values comes back as it is: the map refuses it. */
  fromJson(json: unknown): unknown
  toText(value: unknown): string
  fromText(text: string): unknown
  /** The value that has just these bytes, or its text. */
  fromRaw(bytes: Buffer): unknown
  toRaw(value: unknown): Uint8Array | string
}

const same = (value: unknown): unknown => value

/** The form of a codec by what is stored with the map. */
export function formOf(name: string, param: Uint8Array): Form {
  switch (name) {
    case 'str':
      return form({ toJson: same, fromJson: same, toText: String, fromText: same })
    case 'json':
      return form({ toJson: same, fromJson: same })
    case 'native.bool':
      return form({ toJson: same, fromJson: same, fromText: booleanFromText })
    case 'native.u64':
    case 'native.i64':
      return form({
        toJson: String,
        fromJson: bigintFromJson,
        toText: String,
        fromText: bigintFromJson,
      })
    case 'primitive':
      return form({ ...tagged(undefined), fromText: looseFromText })
    case 'structured':
      return form(tagged(structured))
    case 'msgpack':
      return form(tagged(msgpack))
    case 'arch': {
      const type = parse(Buffer.from(param).toString())
      return form({
        toJson: (value) => schemaToJson(type, value),
        fromJson: (json) => schemaFromJson(type, json),
      })
    }
  }
  if (name.startsWith('native.')) {
    return form({
      toJson: (value) => numberToJson(value as number),
      fromJson: numberFromJson,
      toText: (value) => String(numberToJson(value as number)),
      fromText: numberFromText,
    })
  }
  // `bytes`, and a codec that is not one of this library's: its bytes as they are stored.
  return {
    toJson: (value) => bytesToJson(value as Uint8Array),
    fromJson: bytesFromJson,
    toText: (value) => bytesToText(value as Uint8Array),
    fromText: (text) => bytesFromText(text) ?? text,
    toRaw: (value) => value as Uint8Array,
    fromRaw: (bytes) => bytes,
  }
}

function form(
  given: Pick<Form, 'toJson' | 'fromJson'> & Partial<Pick<Form, 'toText' | 'fromText'>>,
): Form {
  const toText = given.toText ?? ((value) => JSON.stringify(given.toJson(value)))
  const fromText = given.fromText ?? ((text) => given.fromJson(parseJson(text)))
  return { ...given, toText, fromText, toRaw: toText, fromRaw: (bytes) => fromText(utf8(bytes)) }
}

/** JSON for values of any type; `codec` writes what has none as the bytes that are stored for it. */
function tagged(codec: ValueCodec<unknown> | undefined): Pick<Form, 'toJson' | 'fromJson'> {
  return {
    toJson(value) {
      try {
        return toTagged(value)
      } catch (error) {
        if (!(error instanceof Untold) || codec === undefined) throw error
        let stored = ''
        const sink = { bytes: (bytes: Uint8Array) => void (stored = bytesToText(bytes)) }
        codec.encode(value, sink as Sink)
        return { $stored: stored }
      }
    },
    fromJson: (json) =>
      fromTagged(json, (tag, of) => {
        const bytes = tag === '$stored' ? bytesFromText(of) : undefined
        return bytes && codec?.decode(bytes)
      }),
  }
}

function booleanFromText(text: string): unknown {
  return text === 'true' || (text === 'false' ? false : text)
}

/** JSON where it is some; else the text itself, so that a word needs no quotes. */
function looseFromText(text: string): unknown {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return text
  }
  return tagged(undefined).fromJson(json)
}

/** Parses JSON that a user wrote. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw badArgument(`${(error as Error).message.replaceAll(/\s+/g, ' ')}.`)
  }
}

/** Text that a user wrote, as UTF-8. */
export function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw badArgument('The input is not UTF-8.')
  }
}
