import type { ValueCodec } from '../../index.js'

/** A codec for strings that does something on its way. */
export function interrupted(on: {
  encode?: (value: string) => void
  decode?: (value: string) => void
}): ValueCodec<string> {
  return {
    name: 'test-interrupted',
    encode(value, sink) {
      sink.utf8(value.slice(0, 1))
      on.encode?.(value)
      sink.utf8(value.slice(1))
    },
    decode(bytes) {
      const value = bytes.toString()
      on.decode?.(value)
      return value
    },
  }
}
