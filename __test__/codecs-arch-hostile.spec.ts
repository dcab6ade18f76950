import test from 'ava'
import * as fc from 'fast-check'
import { DiskMap, DiskMapError, struct, variants } from '../index.js'
import { archOf, forged, plain } from './helpers/arch.js'
import { fails, rejects } from './helpers/errors.js'
import { samplesWithValues } from './helpers/schemas.js'

/** What may have happened to bytes. */
const damage = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at: fc.nat(), bit: fc.nat(7) }),
  fc.record({ kind: fc.constant('set' as const), at: fc.nat(), byte: fc.nat(255) }),
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat() }),
  fc.record({ kind: fc.constant('behead' as const), at: fc.nat() }),
  fc.record({ kind: fc.constant('append' as const), bytes: fc.uint8Array({ maxLength: 20 }) }),
  fc.record({ kind: fc.constant('replace' as const), bytes: fc.uint8Array({ maxLength: 80 }) }),
)

type Damage = typeof damage extends fc.Arbitrary<infer How> ? How : never

function damaged(bytes: Buffer, how: Damage): Buffer {
  const changed = Buffer.from(bytes)
  switch (how.kind) {
    case 'flip':
      changed[how.at % changed.length]! ^= 1 << how.bit
      return changed
    case 'set':
      changed[how.at % changed.length] = how.byte
      return changed
    case 'cut':
      return changed.subarray(0, how.at % (changed.length + 1))
    case 'behead':
      return changed.subarray(how.at % (changed.length + 1))
    case 'append':
      return Buffer.concat([changed, how.bytes])
    case 'replace':
      return Buffer.from(how.bytes)
  }
}

/** Whether it ended in a value; anything but ERR_CORRUPT is thrown on. */
function reads(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch (error) {
    if (!(error instanceof DiskMapError) || error.code !== 'ERR_CORRUPT') throw error
    return false
  }
}

/** What a view gives of all of it at once; a field may have the name of the method. */
function whole(view: unknown): unknown {
  const { toObject, toArray } = (view ?? {}) as Record<string, unknown>
  const all = toObject ?? toArray
  return typeof all === 'function' ? all.call(view) : view
}

test('damaged bytes are a value or ERR_CORRUPT, and nothing else, read at once or part by part', (t) => {
  let [read, torn] = [0, 0]
  fc.assert(
    fc.property(
      samplesWithValues,
      fc.array(damage, { minLength: 1, maxLength: 3 }),
      (given, hows) => {
        const { encode, decode, lazy } = archOf(given.sample.schema)
        for (const value of given.values) {
          const bytes = hows.reduce(damaged, encode(value))
          if (reads(() => decode(bytes))) read++
          else torn++
          reads(() => plain(lazy(bytes)))
          reads(() => whole(lazy(bytes)))
        }
      },
    ),
    { numRuns: 1000 },
  )
  t.true(read > 100 && torn > 100, `${read} were read, ${torn} were not`)
})

test('what can be read of damaged bytes is the same at once and part by part', (t) => {
  fc.assert(
    fc.property(samplesWithValues, damage, (given, how) => {
      const { encode, decode, lazy } = archOf(given.sample.schema)
      for (const value of given.values) {
        const bytes = damaged(encode(value), how)
        let found: unknown
        if (reads(() => (found = decode(bytes)))) t.deepEqual(plain(lazy(bytes)), found)
      }
    }),
    { numRuns: 500 },
  )
})

const u32 = (...numbers: number[]): string => {
  const bytes = Buffer.alloc(numbers.length * 4)
  for (const [i, number] of numbers.entries()) bytes.writeInt32LE(number | 0, i * 4)
  return bytes.toString('hex')
}

const lies: [what: string, schema: unknown, hex: string][] = [
  ['no bytes', 'u8', ''],
  ['too few bytes', 'u32', '010203'],
  ['a root that is not aligned', 'u32', '0001020304'],
  ['a boolean of 2', 'bool', '02'],
  ['an optional of 2', 'u8?', '0201'],
  ['a variant that is not there', variants({ a: null, b: null }), '02'],
  ['a string before the start', 'string', u32(0x8a, -1)],
  ['a string behind itself', 'string', u32(0x8a, 8)],
  ['a string over itself', 'string', `${'61'.repeat(8)}${u32(0x8a, -8)}`],
  ['a string longer than all there is', 'string', `${'61'.repeat(8)}${u32(0xffff_ffbf, -8)}`],
  ['a long string that is short', 'string', `${'61'.repeat(8)}${u32(0x88, -8)}`],
  ['a short string that is no UTF-8', 'string', '61c3ffffffffffff'],
  ['a long string that is no UTF-8', 'string', `${'61'.repeat(11)}c3${u32(0x8c, -12)}`],
  ['an overlong form', 'string', '61c080ffffffffff'],
  ['a surrogate', 'string', '61eda080ffffffff'],
  ['an array before the start', 'u8[]', u32(-1, 1)],
  ['an array of the pointer itself', 'u32[]', u32(0, 1)],
  ['an array longer than all there is', 'u16[]', u32(1, -4, 0x7fff_ffff)],
  ['an array of 2^32 − 1', 'u64[]', u32(0, 0, -8, -1)],
  ['bytes of 2^32 − 1', 'bytes', u32(-4, -1)],
  ['an array that is not aligned', 'u32[]', u32(1, 2, -7, 1)],
  ['elements over each other', 'bytes[]', u32(0, -4, 4, -12, 4, -16, 2)],
]

for (const [what, schema, hex] of lies) {
  test(`a value with a lie in it is ERR_CORRUPT: ${what}`, (t) => {
    const { decode, lazy } = archOf(schema)
    fails(t, 'ERR_CORRUPT', () => decode(Buffer.from(hex, 'hex')))
    // A view has no part in what other parts read.
    if (what !== 'elements over each other') {
      fails(t, 'ERR_CORRUPT', () => plain(lazy(Buffer.from(hex, 'hex'))))
    }
  })
}

test('many pointers to one place, and that level upon level, do not make a world of a few bytes', (t) => {
  const levels = 40
  const { decode, lazy } = archOf(`u32${'[]'.repeat(levels)}`)
  // Two numbers; then level by level two arrays, both of all that the level below has.
  const parts = [u32(1, 2)]
  for (let level = 1; level < levels; level++) {
    const size = level === 1 ? 8 : 16
    parts.push(u32(-size, 2, -size - 8, 2))
  }
  parts.push(u32(-16, 2))
  const bytes = Buffer.from(parts.join(''), 'hex')
  t.is(bytes.length, 8 + 39 * 16 + 8)
  fails(t, 'ERR_CORRUPT', () => decode(bytes))
  let view = lazy(bytes) as { length: number; at(index: number): unknown; toArray(): unknown }
  fails(t, 'ERR_CORRUPT', () => view.toArray())
  for (let level = 1; level < levels; level++) {
    t.is(view.length, 2)
    view = view.at(1) as typeof view
  }
  t.deepEqual(view as unknown, new Uint32Array([1, 2]))
})

test('a length that the bytes do not have makes no array of it', (t) => {
  const { decode } = archOf(struct({ list: 'u8?[]', texts: 'string[]' }))
  const before = process.memoryUsage().rss
  for (const count of [1000, 1e6, 2 ** 31 - 1, 2 ** 32 - 1]) {
    fails(t, 'ERR_CORRUPT', () => decode(Buffer.from(u32(-0, count, -8, count), 'hex')))
  }
  t.true(process.memoryUsage().rss - before < 100e6)
})

test('every verb that reads finds a damaged value to be one, and the others whole', async (t) => {
  const { text, encode } = archOf(struct({ name: 'string', list: 'f64[]' }))
  const good = { name: 'a name of some length', list: [1, 2] }
  const bytes = encode(good)
  const bad = Buffer.from(bytes)
  bad.writeInt32LE(4, bytes.length - 8)
  const path = forged(t, Buffer.from(text), { good: bytes, bad, short: bytes.subarray(0, 7) })
  const map = DiskMap.open<string, unknown>(path)
  for (const key of ['bad', 'short']) {
    fails(t, 'ERR_CORRUPT', () => map.get(key))
    fails(t, 'ERR_CORRUPT', () => map.getMany(['good', key]))
    fails(t, 'ERR_CORRUPT', () => map.entry(key))
    fails(t, 'ERR_CORRUPT', () => map.update(key, () => good))
    await rejects(t, 'ERR_CORRUPT', map.getAsync(key))
  }
  fails(t, 'ERR_CORRUPT', () => [...map.values()])
  t.deepEqual(map.get('good'), good)
  t.deepEqual(map.set('bad', good).set('short', good).get('bad'), good)
  t.deepEqual([...map.values()], [good, good, good])
  map.close()
})
