import { isDeepStrictEqual } from 'node:util'
import test from 'ava'
import * as fc from 'fast-check'
import {
  arch,
  bytes,
  DiskMapError,
  json,
  msgpack,
  native,
  primitive,
  str,
  structured,
  type DiskMap,
  type ValueCodec,
} from '../index.js'
import { detached, resizable } from './helpers/memory.js'
import { freshMap } from './helpers/open.js'

const own: ValueCodec<unknown> = {
  name: 'test-own',
  encode(value, sink) {
    if (typeof value !== 'string') throw new TypeError('only strings')
    sink.utf8(value)
  },
  decode: (bytes) => bytes.toString(),
}

const keyCodecs = [...Object.values(native), str, bytes, primitive]
const schemas = ['string?', 'f64', 'i64[]', 'bytes'] as const
const ofSchemas = schemas.map((schema) => arch(schema as 'u8'))
const valueCodecs = [...keyCodecs, json, msgpack, structured, ...ofSchemas, own]

class Liar extends Uint8Array {
  override get length(): number {
    return 2
  }
}

// What one codec takes another refuses.
const anything = fc.oneof(
  fc.constantFrom<unknown>(undefined, null, true, false, {}, [], Symbol('s'), () => 1),
  fc.constantFrom(0, -0, NaN, Infinity, 0.1, 1, 255, 256, -129, 2 ** 32, 1e300),
  fc.constantFrom(0n, 1n, -1n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n, -(2n ** 200n)),
  fc.constantFrom(
    '',
    'a',
    'b',
    'ab',
    '\0',
    'é',
    '\u{1f600}',
    '\ud800',
    'a\udfff',
    '\ud83d',
    '\ude00',
  ),
  fc.constantFrom(31, 32, 33, 65_534, 65_535, 65_536, 70_000).map((length) => 'x'.repeat(length)),
  fc.constantFrom(32_767, 32_768).map((length) => 'é'.repeat(length)),
  fc.constant(`${'x'.repeat(70_000)}\ud800`),
  fc.constantFrom(0, 1, 1024, 1025, 65_535, 65_536).map((length) => new Uint8Array(length).fill(7)),
  fc.constantFrom(new Liar([1, 2, 3, 4]), new Uint8Array(resizable(4, 8)), detached(4)),
)

/** Values by their odds: nearly all of a list must be taken, or nothing is ever stored. */
function listOf(likely: fc.Arbitrary<unknown>): fc.Arbitrary<unknown[]> {
  const mixed = fc.oneof({ arbitrary: likely, weight: 30 }, { arbitrary: anything, weight: 1 })
  return fc.array(fc.oneof(likely, mixed), { maxLength: 12 })
}

const taken: Record<string, fc.Arbitrary<unknown>> = {
  str: fc.oneof(
    fc.string({ maxLength: 3 }),
    fc.string({ unit: fc.constantFrom('a', 'é', '\u{1f600}'), minLength: 2, maxLength: 2 }),
    fc.constantFrom('x'.repeat(65_535), 'é'.repeat(32_767), ''),
  ),
  bytes: fc.uint8Array({ maxLength: 2 }),
  'native.bool': fc.boolean(),
  'native.u64': fc.bigInt(0n, 2n ** 64n - 1n),
  'native.i64': fc.bigInt(-9n, 9n),
  'native.f64': fc.oneof(fc.double(), fc.constantFrom(-0, 0, NaN)),
  'native.f32': fc.constantFrom(-0, 0, NaN, 0.1, 1),
  'test-own': fc.oneof(
    fc.string(),
    fc.constantFrom(70_000, 262_136, 262_144).map((n) => 'y'.repeat(n)),
  ),
}
const taking = { given: undefined }
const small = fc.integer({ min: 0, max: 9 })

/** What a call gives, or the code of its error. */
function outcome(call: () => unknown): unknown {
  try {
    return { given: call() }
  } catch (error) {
    return error instanceof DiskMapError ? error.code : error
  }
}

for (const [i, key] of keyCodecs.entries()) {
  test(`batches with keys of ${key.name} do and refuse what single verbs do, in turn`, (t) => {
    // Every codec for values, over all the codecs for keys, a few times.
    for (const value of valueCodecs.filter((_, j) => (i + j) % 3 === 0)) {
      const options = { key, value } as never
      const [many, single] = [freshMap(t, options), freshMap(t, options)] as DiskMap<
        unknown,
        unknown
      >[]
      const keys = listOf(taken[key.name] ?? small)
      const values = listOf(taken[value.name] ?? small)
      const same = (batch: () => unknown, loop: () => unknown, what: string): void => {
        const [left, right] = [outcome(batch), outcome(loop)]
        if (!isDeepStrictEqual(left, right)) t.deepEqual(left, right, `${value.name}: ${what}`)
      }
      fc.assert(
        fc.property(fc.array(fc.tuple(keys, values), { maxLength: 5 }), (run) => {
          many!.clear()
          single!.clear()
          for (const [keys, values] of run) {
            const pairs = keys
              .slice(0, values.length)
              .map((key, i): [unknown, unknown] => [key, values[i]])
            const before = many!.size
            const stored = outcome(() => void many!.setMany(pairs))
            const expected = pairs.map(([key, value]) => [
              outcome(() => void single!.set(key, value)),
              outcome(() => void single!.has(key)),
            ])
            // Of a pair that is refused twice, either side may be told.
            const refused = expected.find(([set]) => !isDeepStrictEqual(set, taking))
            if (!(refused ?? [taking]).some((one) => isDeepStrictEqual(one, stored))) {
              t.deepEqual(stored, refused?.[0], `${value.name}: setMany`)
            }
            if (refused !== undefined) {
              t.is(many!.size, before)
              many!.clear()
              single!.clear()
            }
            t.is(many!.size, single!.size)
            same(
              () => many!.getMany(keys),
              () => keys.map((key) => single!.get(key)),
              'getMany',
            )
            same(
              () => many!.hasMany(keys),
              () => keys.map((key) => single!.has(key)),
              'hasMany',
            )
            const removed = keys.slice(0, 3)
            same(
              () => many!.deleteMany(removed),
              () => removed.filter((key) => single!.has(key) && single!.delete(key)).length,
              'deleteMany',
            )
            if (many!.size === single!.size) continue
            // A key that was refused ended the loop halfway.
            many!.clear()
            single!.clear()
          }
        }),
        { numRuns: 25 },
      )
    }
    t.pass()
  })
}
