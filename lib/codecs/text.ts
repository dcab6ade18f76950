import { invalid } from '../errors.js'
import type { Driver } from './types.js'

function check(role: 'key' | 'value', value: unknown): string {
  if (typeof value !== 'string') throw invalid(role, 'str', 'a string', value)
  return value
}

/** Strings as UTF-8. The addon refuses lone surrogates and over-long text where it converts them anyway. */
export const str: Driver<string> = {
  key: {
    name: 'str',
    text: true,
    put: (key) => check('key', key),
    read: (bytes, start, end) => bytes.toString('utf8', start, end),
  },
  value: {
    kind: 'text',
    name: 'str',
    canonical: true,
    toText: (value) => check('value', value),
    fromText: (text) => text,
  },
}
