import test from 'ava'
import * as fc from 'fast-check'
import { DiskMap, DiskMapError } from '../index.js'
import { fail } from '../lib/errors.js'
import { BYTES, native as addon, TEXT } from '../lib/native.js'
import { freshPath } from './helpers/dir.js'

const codecs = [
  ...['u8', 'u16', 'u32', 'u64', 'i8', 'i16', 'i32', 'i64', 'f32', 'f64', 'bool'].map(
    (type) => `native.${type}`,
  ),
  'str',
  'bytes',
  'primitive',
  'json',
  'structured',
  'msgpack',
]

/** Bytes from anywhere, bytes that begin as an encoding does, and encodings with something changed. */
const stored = fc.oneof(
  fc.uint8Array({ maxLength: 80 }),
  fc.uint8Array({ maxLength: 40 }).map((rest) => Uint8Array.of(0xff, 0x0f, ...rest)),
  fc
    .tuple(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 20 }))
    .map(([tag, rest]) => Uint8Array.of(tag, ...rest)),
  fc.tuple(fc.json(), fc.nat(), fc.nat(255)).map(([text, at, byte]) => {
    const bytes = new TextEncoder().encode(text)
    bytes[at % bytes.length] = byte
    return bytes
  }),
)

for (const codec of codecs) {
  test(`bytes that ${codec} did not write are a value or ERR_CORRUPT, and nothing else`, (t) => {
    const none = new Uint8Array(0)
    const options = {
      create: true,
      readOnly: false,
      keyCodec: 'str',
      keyParam: none,
      valueParam: none,
    }
    fc.assert(
      fc.property(fc.array(stored, { minLength: 100, maxLength: 200 }), (values) => {
        const path = freshPath(t)
        const raw = addon.open(path, { ...options, valueCodec: codec }, fail)
        const verbs = raw.bind(TEXT, BYTES)
        values.forEach((bytes, index) => verbs.set(`${index}`, Buffer.from(bytes)))
        verbs.close()
        const map = DiskMap.open<string, unknown>(path)
        for (let index = 0; index < values.length; index++) {
          try {
            if (map.get(`${index}`) === undefined && !map.has(`${index}`)) return false
          } catch (error) {
            if (!(error instanceof DiskMapError) || error.code !== 'ERR_CORRUPT') throw error
          }
        }
        map.close()
        return true
      }),
      { numRuns: 2 },
    )
    t.pass()
  })
}
