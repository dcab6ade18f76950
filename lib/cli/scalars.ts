// Numbers and bytes as JSON, by a codec that knows what they are. What does not fit comes back as it was: the codec then says
// what it takes.

const INTEGER = /^-?\d+$/
const DECIMAL = /^-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?$/

/** A number as JSON, which has no NaN, infinities and -0: these are strings. */
export function numberToJson(value: number): number | string {
  if (Object.is(value, -0)) return '-0'
  return Number.isFinite(value) ? value : String(value)
}

export function numberFromJson(json: unknown): unknown {
  switch (json) {
    case 'NaN':
    case 'Infinity':
    case '-Infinity':
    case '-0':
      return Number(json)
    default:
      return json
  }
}

/** The number that a text stands for, or the text. */
export function numberFromText(text: string): unknown {
  return DECIMAL.test(text) ? Number(text) : numberFromJson(text)
}

/** Integers of 64 bits are strings, since JSON's numbers are doubles; a number that is exact is taken too. */
export function bigintFromJson(json: unknown): unknown {
  const isExact = typeof json === 'string' ? INTEGER.test(json) : Number.isSafeInteger(json)
  return isExact ? BigInt(json as string | number) : json
}

/** The bytes of a base64 text, or undefined. */
export function bytesFromText(text: unknown): Buffer | undefined {
  if (typeof text !== 'string') return undefined
  const bytes = Buffer.from(text, 'base64')
  // Buffer skips what is not base64.
  return bytes.toString('base64') === text ? bytes : undefined
}

/** Bytes as base64. */
export function bytesToText({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString('base64')
}

export function bytesToJson(bytes: Uint8Array): object {
  return { $bytes: bytesToText(bytes) }
}

export function bytesFromJson(json: unknown): unknown {
  return bytesFromText((json as { $bytes?: unknown } | null)?.$bytes) ?? json
}
