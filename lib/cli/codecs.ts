import { canonicalText, parse, Unfit } from '../codecs/arch/text.js'
import { drivers } from '../codecs/index.js'
import { codecBrand, type KeyCodec, type ValueCodec } from '../codecs/types.js'
import type { StoredCodecs } from '../native.js'

// oxlint-disable-next-line typescript/no-explicit-any
export type AnyCodec = KeyCodec<any> & ValueCodec<any>

/** Names as users state them: without `native.`. */
const short = (name: string): string => name.replace('native.', '')

/** The codec that a user names; a string: why there is none. */
export function codecOf(role: 'key' | 'value', stated: string): AnyCodec | string {
  if (role === 'value' && stated.startsWith('arch:')) return archOf(stated.slice(5))
  const fit = [...drivers].filter(([, driver]) => role === 'value' || driver.key !== undefined)
  const found = fit.find(([name]) => name === stated || short(name) === stated)
  if (found !== undefined) return branded(found[0], undefined)
  const names = fit.map(([name]) => short(name)).join(', ')
  return `It is one of ${names}${role === 'value' ? ', arch:SCHEMA' : ''}.`
}

function archOf(text: string): AnyCodec | string {
  // White space within quotes is part of a name.
  const bare = text.replaceAll(/"(?:[^"\\]|\\.)*"|\s+/g, (part) => (part[0] === '"' ? part : ''))
  try {
    return branded('arch', Buffer.from(canonicalText(parse(bare))))
  } catch (error) {
    if (error instanceof Unfit) return `The schema cannot be used${error.message}.`
    throw error
  }
}

/** What `open` takes for the library's own codec of this name. */
function branded(name: string, param: Uint8Array | undefined): AnyCodec {
  return { name, param, [codecBrand]: name } as AnyCodec
}

/** What opens the values of a map whose codec is its user's own: their bytes. */
export function foreign({ value: name, valueParam: param }: StoredCodecs): AnyCodec | undefined {
  if (name === 'arch' || drivers.has(name)) return undefined
  const raw: ValueCodec<Uint8Array> = { name, param, encode: same, decode: same }
  return raw as AnyCodec
}

const same = <T>(bytes: T): T => bytes

/** A codec as a user states it. */
export function statedAs(name: string, param: Uint8Array): string {
  return name === 'arch' ? `arch:${Buffer.from(param).toString()}` : short(name)
}
