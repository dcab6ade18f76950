import test from 'ava'
import * as fc from 'fast-check'
import {
  arch,
  array,
  DiskMap,
  DiskMapError,
  fixed,
  optional,
  pairs,
  str,
  struct,
  tuple,
  variants,
} from '../index.js'
import { storedArchDriver } from '../lib/codecs/arch/driver.js'
import { archOf, forged } from './helpers/arch.js'
import { fails } from './helpers/errors.js'
import { samplesWithValues } from './helpers/schemas.js'

// What the compiler would refuse is what these tests are about.
const loose = { struct, array, fixed, optional, tuple, variants, arch } as unknown as {
  readonly [name in 'struct' | 'array' | 'optional' | 'variants' | 'arch']: (of: unknown) => unknown
} & {
  readonly fixed: (of: unknown, length: unknown) => unknown
  readonly tuple: (...of: unknown[]) => unknown
}

test('the canonical text names types, and quotes the names that are not plain', (t) => {
  const schema = struct({
    id: 'u32',
    name: 'string',
    email: 'string',
    scores: 'f64[]',
    home: optional(struct({ city: 'string' })),
    kind: variants({ none: null, circle: 'f64', rect: { w: 'f64', h: 'f64' } }),
    attrs: pairs('string', 'u32'),
    'two words': tuple('u8[4]', 'u8[]'),
    'ü"\n': array('u8'),
    $_1: fixed('u8?', 2),
  })
  t.is(
    archOf(schema).text,
    '{id:u32,name:string,email:string,scores:f64[],home:{city:string}?,kind:<none|circle(f64)|rect{w:f64,h:f64}>,' +
      'attrs:(string,u32)[],"two words":(u8[4],bytes),"ü\\"\\n":bytes,$_1:u8?[2]}',
  )
  t.is(arch(schema).schema, archOf(schema).text)
  t.is(arch(struct({ b: 'u8', 1: 'u16' })).schema, '{"1":u16,b:u8}', 'whole numbers come first')
})

const nested = (levels: number): unknown =>
  levels === 0 ? 'u8' : loose.struct({ a: nested(levels - 1) })

let doubled: unknown = struct({ a: 'u8', b: 'u8' })
for (let i = 0; i < 40; i++) doubled = loose.struct({ a: doubled, b: doubled })

const bad: [schema: unknown, message: string][] = [
  ['f65', ': there is no type "f65"'],
  ['', ': there is no type ""'],
  ['u8, u8', ': there is no type "u8, u8"'],
  ['{a:u8}', ': there is no type "{a:u8}"'],
  [5, 'not 5'],
  [null, 'not null'],
  [undefined, 'not undefined'],
  [{ a: 'u8' }, 'not an object'],
  ['u8??', ': an optional cannot be optional itself'],
  [loose.optional('u8?'), ': an optional cannot be optional itself'],
  ['u8[0]', ': an array of fixed length has 1 to 2147483647 elements, not 0'],
  ['u8[01]', ': "01]" is unexpected'],
  ['u8[99999999999]', 'not 99999999999'],
  ['u64[2147483647]', ': it takes 17179869176 bytes, and a value has at most 2147483647'],
  ['u8[2000000000][2000000000]', ': it takes 4000000000000000000 bytes'],
  [loose.fixed('u8', 0), 'elements, not 0'],
  [loose.fixed('u8', 1.5), 'elements, not 1.5'],
  [loose.fixed('u8', '2'), 'elements, not a string'],
  [loose.fixed('u8', 2 ** 31), 'elements, not 2147483648'],
  [loose.tuple('u8'), ': a tuple has 2 to 12 elements, not 1'],
  [loose.tuple(...Array.from({ length: 13 }, () => 'u8')), 'not 13'],
  [loose.struct({}), ': a struct needs at least one field'],
  [loose.variants({}), ': an enum needs at least one variant'],
  [loose.variants({ a: [] }), ' at a: a tuple has 1 to 12 elements, not 0'],
  [loose.variants({ a: {} }), ' at a: a struct needs at least one field'],
  [
    loose.variants(Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`v${i}`, null]))),
    'it has 257 variants, and 256 is the most',
  ],
  [
    loose.struct({ user: loose.struct({ home: loose.struct({ city: 'sting' }) }) }),
    ' at user.home.city: there is no type "sting"',
  ],
  [
    loose.struct({ list: loose.array(loose.struct({ a: 'u9' })) }),
    ' at list.a: there is no type "u9"',
  ],
  [loose.struct({ pair: loose.tuple('u8', undefined) }), ' at pair[1]: '],
  [
    loose.struct({ k: loose.variants({ rect: { w: 'u8', h: 'h8' } }) }),
    ' at k.rect.h: there is no type "h8"',
  ],
  [loose.struct({ 'a b': 'x' }), ' at ["a b"]: there is no type "x"'],
  [
    loose.struct({ big: loose.fixed('u8', 2 ** 31 - 1), more: 'u8' }),
    ': it takes 2147483648 bytes',
  ],
  [loose.struct({ '\ud800': 'u8' }), 'has a lone surrogate'],
  [nested(65), ': types are nested more than 64 levels deep'],
  [`u8${'[]'.repeat(66)}`, ': types are nested more than 64 levels deep'],
  [doubled, 'its text is longer than 65535 bytes'],
  [loose.struct({ ['x'.repeat(65_600)]: 'u8' }), 'its text is longer than 65535 bytes'],
  [
    loose.struct(Object.fromEntries(Array.from({ length: 9000 }, (_, i) => [`f${i}`, 'u8[]']))),
    'its text is longer than 65535 bytes',
  ],
]

for (const [index, [schema, message]] of bad.entries()) {
  test(`a schema that cannot be laid out is ERR_INVALID_ARGUMENT, ${index}: ${message}`, (t) => {
    const error = fails(t, 'ERR_INVALID_ARGUMENT', () => loose.arch(schema))
    t.true(error.message.includes(message), error.message)
    t.true(error.message.length < 1000)
  })
}

test('what a builder is given must be an object, and no schema', (t) => {
  for (const wrong of [undefined, null, 5, 'u8', struct({ a: 'u8' })]) {
    fails(t, 'ERR_INVALID_ARGUMENT', () => loose.struct(wrong))
    fails(t, 'ERR_INVALID_ARGUMENT', () => loose.variants(wrong))
  }
})

test('a schema is what it was when it was made: it cannot be changed, nor hold itself', (t) => {
  const fields: Record<string, unknown> = { a: 'u8' }
  const types = ['u8', 'u16']
  const made = [loose.struct(fields), loose.tuple(...types), loose.variants({ k: types })]
  const before = made.map((schema) => archOf(schema).text)
  fields['self'] = made[0]
  types.push('u32')
  t.deepEqual(
    made.map((schema) => archOf(schema).text),
    before,
  )
  t.true(made.every((schema) => Object.isFrozen(schema)))
})

test('a cycle that is forged by hand is refused', (t) => {
  const forged: Record<PropertyKey, unknown> = {}
  forged[Symbol.for('opendiskmap.schema')] = { kind: 'array', of: forged }
  fails(t, 'ERR_INVALID_ARGUMENT', () => loose.arch(forged))
  fails(t, 'ERR_INVALID_ARGUMENT', () =>
    loose.arch({ [Symbol.for('opendiskmap.schema')]: undefined }),
  )
})

test('64 levels are taken, and as many fields and variants as there may be', (t) => {
  const sixtyFour = archOf(nested(64))
  let value: unknown = 7
  for (let i = 0; i < 64; i++) value = { a: value }
  t.deepEqual(sixtyFour.decode(sixtyFour.encode(value)), value)
  const arrays = archOf(`u16${'[]'.repeat(64)}`)
  let list: unknown = 7
  for (let i = 0; i < 64; i++) list = [list]
  t.deepEqual(arrays.decode(arrays.encode(list)), list)

  const names = Array.from({ length: 256 }, (_, i) => `v${i}`)
  const last = archOf(loose.variants(Object.fromEntries(names.map((name) => [name, null]))))
  t.is(last.decode(last.encode('v255')), 'v255')
  const many = Object.fromEntries(Array.from({ length: 6000 }, (_, i) => [`f${i}`, 'u8']))
  const wide = archOf(loose.struct(many))
  const values = Object.fromEntries(Object.keys(many).map((name, i) => [name, i % 256]))
  t.deepEqual(wide.decode(wide.encode(values)), values)
  const twelve = archOf(loose.tuple(...Array.from({ length: 12 }, () => 'u8')))
  const threes = Array.from({ length: 12 }, () => 3)
  t.deepEqual(twelve.decode(twelve.encode(threes)), threes)
})

test('from its text a schema is what it was: the same text, the same bytes, the same values', (t) => {
  fc.assert(
    fc.property(samplesWithValues, ({ sample, values }) => {
      const stored = storedArchDriver(Buffer.from(sample.text))
      t.is(String(stored.param), sample.text)
      const { encode } = archOf(sample.schema)
      for (const value of values) {
        const bytes = encode(value)
        t.deepEqual(stored.read(bytes, 0, bytes.length), value)
      }
    }),
    { numRuns: 200 },
  )
})

/** Texts that begin as a schema does, and are none. */
const texts = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'{}()<>[]?,:|"\\u8f64 ax1'), maxLength: 40 }),
  fc
    .tuple(samplesWithValues, fc.nat(), fc.string({ maxLength: 2 }))
    .map(([{ sample }, at, put]) => {
      const place = at % sample.text.length
      return sample.text.slice(0, place) + put + sample.text.slice(place + 1)
    }),
)

test('any text is a schema or is refused, at once and with nothing but a DiskMapError', (t) => {
  fc.assert(
    fc.property(texts, (text) => {
      try {
        const given = Buffer.from(text)
        t.deepEqual(storedArchDriver(given).param, given)
      } catch (error) {
        if (!(error instanceof DiskMapError)) throw error
        t.is(error.code, 'ERR_CODEC_MISMATCH')
      }
    }),
    { numRuns: 2000 },
  )
})

const hostile: [what: string, text: string | Uint8Array][] = [
  ['nothing', ''],
  ['no UTF-8', Uint8Array.of(0xff, 0xfe)],
  ['a type of somebody’s own', 'my-program::Settings/1'],
  ['open brackets', '{a:'.repeat(20_000)],
  ['brackets of other kinds', '(u8,'.repeat(16_000)],
  ['variants within variants', '<a('.repeat(20_000)],
  ['arrays of arrays of arrays', `u8${'[]'.repeat(32_000)}`],
  ['rows of rows of rows', `u8${'[9999]'.repeat(10_000)}`],
  ['a quote that does not end', `{"${'\\"'.repeat(30_000)}`],
  ['more than a value can hold', '{a:u64[2147483647],b:u64[2147483647]}'],
  ['the longest name', `{${'x'.repeat(65_000)}:u9}`],
  ['65,536 bytes', `{${'x'.repeat(65_531)}:u8}`],
  ['a name twice', '{a:u8,a:u16}'],
  ['a variant twice', '<a|b|a>'],
  ['white space', '{a: u8}'],
  ['another way to write a name', '{"a":u8}'],
  ['another way to write bytes', 'u8[]'],
  ['something behind it', 'u8}'],
]

for (const [what, text] of hostile) {
  test(`a stored schema that cannot be read is ERR_CODEC_MISMATCH and shown: ${what}`, (t) => {
    const path = forged(t, Buffer.from(text as string))
    const error = fails(t, 'ERR_CODEC_MISMATCH', () => DiskMap.open(path))
    t.true(error.message.length < 1500, error.message)
    // Whoever has a codec for it says so.
    fails(t, 'ERR_CODEC_MISMATCH', () => DiskMap.open(path, { key: str, value: str }))
  })
}
