import test from 'ava'
import { array, fixed, optional, struct, tuple, variants } from '../index.js'
import { archOf } from './helpers/arch.js'

// Worked out by hand from what rkyv 0.8 does; codecs-arch-rkyv.spec.ts has what it did.

const long = '0123456789'
const longHex = Buffer.from(long).toString('hex')

/** `-12` is the 32 bits of a relative pointer. */
const pointer = (offset: number): string => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(offset)
  return bytes.toString('hex')
}

const shape = variants({ none: null, circle: 'f64', rect: { w: 'u8', h: 'u16' } })

const layouts: [what: string, schema: unknown, value: unknown, hex: string[]][] = [
  ['numbers are little-endian', 'u32', 0x01020304, ['04030201']],
  ['u64', 'u64', 0x0102030405060708n, ['0807060504030201']],
  ['f64', 'f64', 1, ['000000000000f03f']],
  ['NaN is the quiet one', 'f64', NaN, ['000000000000f87f']],
  ['NaN of f32', 'f32', NaN, ['0000c07f']],
  [
    'a struct is aligned as in C',
    struct({ a: 'u8', b: 'u32' }),
    { a: 1, b: 2 },
    ['01000000', '02000000'],
  ],
  [
    'and ends at its alignment',
    struct({ a: 'u32', b: 'u8' }),
    { a: 1, b: 2 },
    ['01000000', '02000000'],
  ],
  ['a tuple likewise', tuple('u8', 'u64'), [1, 2n], ['0100000000000000', '0200000000000000']],
  ['an empty string', 'string', '', ['ffffffffffffffff']],
  ['a short string stands in place', 'string', 'hi', ['6869ffffffffffff']],
  ['up to eight bytes', 'string', '01234567', ['3031323334353637']],
  ['in UTF-8', 'string', 'éé', ['c3a9c3a9ffffffff']],
  [
    'nine stand before it',
    'string',
    '012345678',
    ['303132333435363738', '000000', '89000000', pointer(-12)],
  ],
  [
    'four of two, and one',
    'string',
    'éééé1',
    ['c3a9c3a9c3a9c3a931', '000000', '89000000', pointer(-12)],
  ],
  [
    'from 64 on the length has a gap',
    'string',
    'x'.repeat(64),
    ['78'.repeat(64), '80010000', pointer(-64)],
  ],
  ['of two bits', 'string', 'x'.repeat(65), ['78'.repeat(65), '000000', '81010000', pointer(-68)]],
  [
    'an array stands before its pointer and length',
    'u16[]',
    [1, 2, 3],
    ['010002000300', '0000', pointer(-8), '03000000'],
  ],
  ['an empty one has the place where it would be', 'f64[]', [], [pointer(0), '00000000']],
  [
    'which is aligned',
    struct({ s: 'string', v: 'f64[]' }),
    { s: long, v: [] },
    [longHex, '000000000000', '8a000000', pointer(-16), pointer(-8), '00000000'],
  ],
  ['bytes', 'bytes', Buffer.from([1, 2, 3]), ['010203', '00', pointer(-4), '03000000']],
  [
    'what elements point to stands before all of them',
    'string[]',
    ['a', long],
    [longHex, '0000', '61ffffffffffffff', '8a000000', pointer(-20), pointer(-16), '02000000'],
  ],
  [
    'arrays of arrays',
    'u16[][]',
    [[1], [2, 3]],
    [
      '0100',
      '02000300',
      '0000',
      pointer(-8),
      '01000000',
      pointer(-14),
      '02000000',
      pointer(-16),
      '02000000',
    ],
  ],
  ['an array of fixed length stands in place', 'u16[3]', [1, 2, 3], ['010002000300']],
  [
    'of what points elsewhere too',
    fixed('string', 2),
    [long, 'a'],
    [longHex, '0000', '8a000000', pointer(-12), '61ffffffffffffff'],
  ],
  ['no value is zeros', 'u32?', undefined, ['0000000000000000']],
  ['a value has 1 before it', 'u32?', 7, ['01000000', '07000000']],
  [
    'an optional of what points elsewhere',
    'string?',
    long,
    [longHex, '0000', '01000000', '8a000000', pointer(-16)],
  ],
  ['a variant is its number', shape, 'none', ['0000000000000000', '0000000000000000']],
  ['with a value behind it', shape, { circle: 1 }, ['0100000000000000', '000000000000f03f']],
  [
    'or fields, each aligned',
    shape,
    { rect: { w: 1, h: 2 } },
    ['02010200', '00000000', '0000000000000000'],
  ],
  ['one without any payload has a byte', variants({ a: null, b: null }), 'b', ['01']],
  [
    'structs in an array',
    array(struct({ a: 'u8', b: 'u16' })),
    [
      { a: 1, b: 2 },
      { a: 3, b: 4 },
    ],
    ['01000200', '03000400', pointer(-8), '02000000'],
  ],
  [
    'the profile of the documentation',
    struct({ id: 'u32', name: 'string', email: 'string', scores: 'f64[]' }),
    { id: 7, name: 'Ada', email: 'ada@example.org', scores: [1, -2] },
    [
      Buffer.from('ada@example.org').toString('hex'),
      '00',
      '000000000000f03f',
      '00000000000000c0',
      '07000000',
      '416461ffffffffff',
      '8f000000',
      pointer(-44),
      pointer(-36),
      '02000000',
    ],
  ],
  [
    'an optional struct with all of it',
    optional(struct({ n: 'u8', list: 'string[]' })),
    { n: 1, list: [long] },
    [longHex, '0000', '8a000000', pointer(-12), '01000000', '01000000', pointer(-16), '01000000'],
  ],
]

for (const [what, schema, value, hex] of layouts) {
  test(`the bytes of rkyv: ${what}`, (t) => {
    const { encode, decode } = archOf(schema)
    const bytes = encode(value)
    t.is(bytes.toString('hex'), hex.join(''))
    t.deepEqual(decode(bytes), value)
  })
}
