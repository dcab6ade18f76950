import { createRequire } from 'node:module'
import { spawnSync } from 'node:child_process'
import { isDeepStrictEqual } from 'node:util'
import test from 'ava'
import * as fc from 'fast-check'
import type * as face from '../index.js'
import {
  arch,
  array,
  DiskMap,
  fixed,
  native,
  optional,
  pairs,
  str,
  struct,
  tuple,
  variants,
  type ArchValue,
} from '../index.js'
import { archOf } from './helpers/arch.js'
import { freshPath } from './helpers/dir.js'
import { fails } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'
import { samples, samplesWithValues } from './helpers/schemas.js'

const cjs = createRequire(import.meta.url)('../dist/index.cjs') as typeof face

const profile = struct({ id: 'u32', name: 'string', email: 'string', scores: 'f64[]' })
const ada: ArchValue<typeof profile> = {
  id: 1,
  name: 'Ada',
  email: 'ada@example.org',
  scores: [1.5, -0, NaN],
}

const user = struct({
  id: 'u64',
  name: 'string?',
  home: optional(struct({ city: 'string', at: tuple('f32', 'f32') })),
  kind: variants({ none: null, circle: 'f64', line: ['i8', 'i16'], rect: { w: 'u8', h: 'u16?' } }),
  tags: 'string[]',
  digest: 'u8[4]',
  attributes: pairs('string', 'u32'),
})

test('what a map of a schema was given is what it gives, whatever the schema and the value', (t) => {
  fc.assert(
    fc.property(samplesWithValues, fc.nat(8), ({ sample, values }, at) => {
      const { encode, decode } = archOf(sample.schema)
      for (const value of values) t.deepEqual(decode(encode(value), at), value)
    }),
    { numRuns: 400 },
  )
})

test('equal values have equal bytes: what was read is written as it was', (t) => {
  fc.assert(
    fc.property(samplesWithValues, ({ sample, values }) => {
      const { encode, decode } = archOf(sample.schema)
      for (const value of values) {
        const bytes = encode(value)
        t.deepEqual(encode(decode(bytes)), bytes)
      }
    }),
    { numRuns: 200 },
  )
})

test('nothing that another value left behind is in a value’s bytes', (t) => {
  const padded = struct({ a: 'u8', b: 'u64', c: optional('string'), d: 'bool' })
  const { encode } = archOf(array(padded))
  const value = [{ a: 1, b: 2n, d: true }]
  const before = encode(value)
  encode(
    Array.from({ length: 50 }, () => ({ a: 255, b: 2n ** 64n - 1n, c: 'ÿ'.repeat(9), d: true })),
  )
  t.deepEqual(encode(value), before)
})

test('every verb of a map takes and gives values of its schema', async (t) => {
  const map = freshMap(t, { key: str, value: arch(profile) })
  const other = { ...ada, id: 2 }
  t.deepEqual(map.set('a', ada).get('a'), ada)
  t.deepEqual(await map.getAsync('a'), ada)
  t.deepEqual(map.getMany(['a', 'b']), [ada, undefined])
  const stored = [...map.setMany([['b', other]]).values()]
  t.deepEqual(
    stored.toSorted((one, two) => one.id - two.id),
    [ada, other],
  )
  t.deepEqual(
    map.update('a', (old) => ({ ...old!, id: 3 })),
    { ...ada, id: 3 },
  )
  t.deepEqual(map.entry('a').value, { ...ada, id: 3 })
  t.deepEqual(map.getOrInsert('c', ada), ada)
  t.true(map.compareAndSet('c', { ...ada, scores: [1.5, -0, NaN] }, other))
  t.false(map.compareAndSet('c', { ...other, name: 'Bob' }, ada))
  t.true(map.compareAndSet('d', undefined, ada))
  t.deepEqual(map.get('c'), other)
  fails(t, 'ERR_INVALID_ARGUMENT', () => (map as unknown as DiskMap<string, number>).increment('a'))
})

test('values longer than the memory that they cross in, than a page, and than a file of the log', (t) => {
  const map = freshMap(t, {
    key: str,
    value: arch(struct({ text: 'string', bytes: 'bytes', list: 'u32[]', names: 'string[]' })),
  })
  for (const length of [0, 100, 1024, 70_000, 300_000, 1_000_000]) {
    const value = {
      text: 'é'.repeat(length),
      bytes: Buffer.alloc(length, 7),
      list: Array.from({ length }, (_, i) => i),
      names: Array.from({ length: length / 10 }, (_, i) => `the name ${i}`),
    }
    const key = `${length}`
    // A list of a million takes AVA's own comparison many seconds.
    for (const found of [
      map.set(key, value).get(key),
      map.getMany([key])[0],
      map.entry(key).value,
    ]) {
      t.true(isDeepStrictEqual(found, value))
    }
  }
})

test('a map opens with its stored schema, and works as with the one that was given', (t) => {
  const path = freshPath(t)
  const value: ArchValue<typeof user> = {
    id: 1n,
    home: { city: 'Oslo', at: [59.5, 10.75] },
    kind: { rect: { w: 1, h: 2 } },
    tags: ['', 'long enough to lie elsewhere'],
    digest: [1, 2, 3, 4],
    attributes: [['a', 1]],
  }
  DiskMap.open(path, { key: native.u8, value: arch(user) })
    .set(1, value)
    .close()
  const map = DiskMap.open<number, typeof value>(path)
  t.deepEqual(map.get(1), value)
  t.deepEqual(map.set(2, { ...value, id: 2n }).get(2), { ...value, id: 2n })
  fails(t, 'ERR_INVALID_VALUE', () => map.set(2, { ...value, id: 2 } as never))
  t.true(map.compareAndSet(2, { ...value, id: 2n }, value))
  map.close()
  DiskMap.open(path, { key: native.u8, value: arch(user) }).close()
  DiskMap.open(path, { key: native.u8 }).close()
  const again = arch(user)
  t.is(again.schema, arch(user).schema)
})

test('another schema is ERR_CODEC_MISMATCH with both texts, and so is any change of one', (t) => {
  const path = freshPath(t)
  const made = { id: 'u32', name: 'string' } as const
  DiskMap.open(path, { key: str, value: arch(struct(made)) })
    .set('a', { id: 1, name: 'b' })
    .close()
  const changed = [
    struct({ ...made, note: 'string?' }),
    struct({ id: 'u32' }),
    struct({ name: 'string', id: 'u32' }),
    struct({ id: 'u32', label: 'string' }),
    struct({ id: 'u64', name: 'string' }),
    struct({ id: 'u32', name: 'string?' }),
    array(struct(made)),
  ]
  for (const schema of changed) {
    const codec = arch(schema as never)
    const { message } = fails(t, 'ERR_CODEC_MISMATCH', () =>
      DiskMap.open(path, { key: str, value: codec }),
    )
    t.true(message.includes(`'${codec.schema}'`), message)
    t.true(message.includes("'{id:u32,name:string}'"), message)
  }
  for (const value of [str, native.u32]) {
    fails(t, 'ERR_CODEC_MISMATCH', () => DiskMap.open(path, { key: str, value: value as never }))
  }
  t.deepEqual(DiskMap.open(path).get('a'), { id: 1, name: 'b' })
})

test('a map is moved to another schema by a copy of it', (t) => {
  const from = DiskMap.open(freshPath(t), { key: str, value: arch(struct({ id: 'u32' })) })
  from.set('a', { id: 1 }).set('b', { id: 2 })
  const to = DiskMap.open(freshPath(t), {
    key: str,
    value: arch(struct({ id: 'u32', note: 'string?' })),
  })
  for (const [key, value] of from) to.set(key, { ...value, note: `of ${value.id}` })
  t.deepEqual(to.get('b'), { id: 2, note: 'of 2' })
  t.is(to.size, 2)
  from.close()
  to.close()
})

test('schemas and codecs of one emit serve the other', (t) => {
  const path = freshPath(t)
  const mixed = struct({ home: cjs.struct({ city: 'string' }), list: cjs.array('u16') })
  DiskMap.open(path, { key: cjs.str, value: arch(mixed) })
    .set('a', { home: { city: 'Rom' }, list: [1] })
    .close()
  const map = cjs.DiskMap.open(path, { key: str, value: arch(mixed) })
  t.deepEqual(map.get('a'), { home: { city: 'Rom' }, list: [1] })
  map.close()
  DiskMap.open(path, { key: str, value: cjs.arch(mixed) }).close()
})

test('a codec of a schema can be used inside one’s own', (t) => {
  const codec = arch(profile)
  const map = freshMap(t, {
    key: str,
    value: {
      name: 'test-of-a-schema',
      encode: (value: ArchValue<typeof profile>, sink) => codec.encode(value, sink),
      decode: (bytes) => codec.decode(bytes),
    },
  })
  t.deepEqual(map.set('a', ada).get('a'), ada)
})

test('what is left out, undefined or null is absent, and left out of what is read', (t) => {
  const map = freshMap(t, { key: str, value: arch(struct({ a: 'u8?', b: 'string[]?', c: 'u8' })) })
  for (const value of [{ c: 1 }, { a: undefined, c: 1 }, { a: null, b: null, c: 1 }]) {
    t.deepEqual(map.set('k', value as { c: number }).get('k'), { c: 1 })
  }
  t.deepEqual(Object.keys(map.get('k')!), ['c'])
  t.deepEqual(map.set('k', { a: 0, b: [], c: 1 }).get('k'), { a: 0, b: [], c: 1 })
})

test('fields with the names of what every object has are fields like any other', (t) => {
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'] as const
  const schema = struct(
    Object.fromEntries(names.map((name) => [name, 'u8?' as const])) as { [name: string]: 'u8?' },
  )
  const { encode, decode } = archOf(schema)
  t.deepEqual(decode(encode({})), {})
  const value = Object.fromEntries(names.map((name, i) => [name, i]))
  t.deepEqual(decode(encode(value)), value)
  t.is(Object.getPrototypeOf(decode(encode(value))), Object.prototype)
})

test('typed arrays are taken for arrays of numbers, whatever holds them', (t) => {
  const schema = struct({ floats: 'f64[]', halves: 'f32[2]', bytes: 'u8[3]', big: 'i64[]' })
  const { encode, decode } = archOf(schema)
  const expected = { floats: [1.5, NaN, -0], halves: [0.5, NaN], bytes: [1, 2, 3], big: [-1n] }
  const oddNaN = new BigUint64Array([0xfff8_dead_beef_0001n])
  const floats = new Float64Array([1.5, new Float64Array(oddNaN.buffer)[0]!, -0])
  const value = {
    floats,
    halves: new Float32Array([0.5, NaN]),
    bytes: new Uint8Array([1, 2, 3]),
    big: new BigInt64Array([-1n]),
  }
  t.deepEqual(decode(encode(value)), expected)
  t.deepEqual(encode(value), encode(expected), 'there is one NaN')
  const offset = new Float64Array(new ArrayBuffer(80), 8, 2).fill(2.5)
  const shared = new Float64Array(new SharedArrayBuffer(16)).fill(3)
  const others = [offset, shared, new Float32Array([1, 2]), new Int8Array([-1, 1])]
  for (const floats of others) {
    const found = decode(encode({ ...value, floats })) as { floats: number[] }
    t.deepEqual(found.floats, Array.from<number>(floats))
  }
  fails(t, 'ERR_INVALID_VALUE', () => encode({ ...value, bytes: new Int8Array([1, -2, 3]) }))
  fails(t, 'ERR_INVALID_VALUE', () => encode({ ...value, big: new Float64Array(1) }))
  fails(t, 'ERR_INVALID_VALUE', () =>
    encode({ ...value, floats: new DataView(new ArrayBuffer(8)) }),
  )
  structuredClone(floats.buffer, { transfer: [floats.buffer as ArrayBuffer] })
  fails(t, 'ERR_INVALID_VALUE', () => encode(value))
})

test('a growing shared buffer can be given, and the bytes of the moment are stored', (t) => {
  const { encode, decode } = archOf(struct({ bytes: 'bytes', list: 'u16[]' }))
  // Older than what the types here know.
  const Growable = SharedArrayBuffer as unknown as new (
    length: number,
    options: object,
  ) => SharedArrayBuffer & { grow(length: number): void }
  const buffer = new Growable(4, { maxByteLength: 4096 })
  const value = { bytes: new Uint8Array(buffer).fill(1), list: new Uint16Array(buffer) }
  t.deepEqual(decode(encode(value)), { bytes: Buffer.from([1, 1, 1, 1]), list: [257, 257] })
  buffer.grow(6)
  t.deepEqual(decode(encode(value)), {
    bytes: Buffer.from([1, 1, 1, 1, 0, 0]),
    list: [257, 257, 0],
  })
})

test('instances of classes with getters are taken, and each property is read once', (t) => {
  const reads: string[] = []
  class Point {
    get x(): number {
      reads.push('x')
      return 1
    }
    get y(): number[] {
      reads.push('y')
      return [2]
    }
  }
  const proxied = new Proxy([3], {
    get(target, name, receiver) {
      reads.push(String(name))
      return Reflect.get(target, name, receiver) as unknown
    },
  })
  const point = struct({ x: 'u8', y: 'u8[1]' })
  const { encode, decode } = archOf(struct({ point, list: 'f64[]' }))
  const value = { point: new Point(), list: proxied }
  t.deepEqual(decode(encode(value)), { point: { x: 1, y: [2] }, list: [3] })
  t.deepEqual(reads, ['x', 'y', 'length', '0'])
})

test('getters of a value that use maps, this one too, do not disturb it', (t) => {
  const schema = struct({ before: 'string', inner: 'string[]', after: array(profile) })
  const map = freshMap(t, { key: native.u64, value: arch(schema) })
  const small = freshMap(t, { key: native.u64, value: arch('f64[]') })
  const rest = { inner: ['x'.repeat(30_000), 'y'.repeat(9)], after: [ada, ada] }
  let depth = 0
  const value = {
    before: 'b'.repeat(100),
    get inner(): string[] {
      if (++depth < 5) map.set(2n, value)
      small.set(1n, [1, 2, 3])
      map.setMany([[3n, { before: 'n', ...rest }]])
      map.compareAndSet(4n, undefined, { before: 'n', ...rest })
      t.deepEqual(small.get(1n), [1, 2, 3])
      t.deepEqual(map.get(3n), { before: 'n', ...rest })
      return rest.inner
    },
    get after(): ArchValue<typeof profile>[] {
      map.set(5n, { before: 'n', ...rest })
      return rest.after
    },
  }
  const expected = { before: 'b'.repeat(100), ...rest }
  t.deepEqual(map.set(1n, value).get(1n), expected)
  depth = 0
  t.deepEqual(map.setMany([[6n, value]]).get(6n), expected)
  for (const key of [2n, 6n]) t.deepEqual(map.get(key), expected)
  for (const key of [3n, 4n, 5n]) t.deepEqual(map.get(key), { before: 'n', ...rest })
})

test('what a getter throws passes through, at any depth, and what was begun is forgotten', (t) => {
  const thrown = new Error('mine')
  const map = freshMap(t, { key: str, value: arch(array(profile)) }).set('kept', [ada])
  const broken = {
    ...ada,
    get email(): string {
      throw thrown
    },
  }
  t.is(
    t.throws(() => map.set('kept', [ada, broken])),
    thrown,
  )
  t.deepEqual([...map], [['kept', [ada]]])
  t.deepEqual(map.set('after', [ada, ada]).get('after'), [ada, ada])
})

const misfits: [schema: unknown, value: unknown, path: string][] = [
  ['bool', 1, 'a boolean, not 1'],
  ['u8', 256, 'an integer from 0 to 255, not 256'],
  ['i16', -32_769, 'an integer from -32768'],
  ['u32', 1.5, 'not 1.5'],
  ['u32', 1n, 'not 1n'],
  ['u64', 1, 'a bigint from 0n'],
  ['u64', -1n, 'not -1n'],
  ['i64', 2n ** 63n, 'a bigint'],
  ['f32', 1e300, 'single precision'],
  ['f64', '1', 'a number, not a string'],
  ['string', 5, 'a string, not 5'],
  ['string', '\ud800', 'lone surrogates'],
  ['string', `${'é'.repeat(100)}\udc00`, 'lone surrogates'],
  ['bytes', [1], 'a Uint8Array'],
  ['bytes', 'text', 'a Uint8Array'],
  ['f64[]', 'text', 'an array, not a string'],
  ['f64[]', { length: 1 }, 'an array, not an object'],
  ['f64[]', [1, undefined, 3], 'at [1], not undefined'],
  ['u8[2]', [1], 'an array of 2, not of 1'],
  ['u8[2]', new Uint8Array(3), 'an array of 2, not of 3'],
  [tuple('u8', 'u8'), [1, 2, 3], 'an array of 2, not of 3'],
  [tuple('u8', 'string'), [1, 2], 'a string at [1], not 2'],
  [profile, null, 'an object, not null'],
  [profile, 'text', 'an object, not a string'],
  [profile, { ...ada, name: undefined }, 'a string at name, not undefined'],
  [profile, { ...ada, scores: [1, 'x'] }, 'a number at scores[1], not a string'],
  [profile, { ...ada, extra: 1 }, 'no field at extra'],
  [user, { home: { city: 5 } }, 'at id, not undefined'],
  [
    struct({ user: struct({ home: struct({ city: 'string?' }) }) }),
    { user: { home: { city: 5 } } },
    'a string at user.home.city, not 5',
  ],
  [
    struct({ 'a b': pairs('string', 'u8') }),
    {
      'a b': [
        ['x', 1],
        ['y', -1],
      ],
    },
    'at ["a b"][1][1], not -1',
  ],
  [fixed(struct({ a: 'u8' }), 2), [{ a: 1 }, { a: 'x' }], 'at [1].a, not a string'],
  [
    struct({ k: variants({ none: null, circle: 'f64' }) }),
    { k: 'circle' },
    "a variant of 'none' or { circle: … } at k, not a string",
  ],
  [
    struct({ k: variants({ none: null, circle: 'f64' }) }),
    { k: { none: 1 } },
    'at k, not an object',
  ],
  [
    struct({ k: variants({ none: null, circle: 'f64' }) }),
    { k: { circle: 1, none: 1 } },
    'at k, not an object',
  ],
  [struct({ k: variants({ none: null, circle: 'f64' }) }), { k: {} }, 'at k, not an object'],
  [
    struct({ k: variants({ none: null, circle: 'f64' }) }),
    { k: { circle: 'x' } },
    'at k.circle, not a string',
  ],
  [variants({ rect: { w: 'u8' }, line: ['u8', 'u8'] }), { rect: { w: 256 } }, 'at rect.w, not 256'],
  [variants({ rect: { w: 'u8' }, line: ['u8', 'u8'] }), { line: [1, 256] }, 'at line[1], not 256'],
]

for (const [index, [schema, value, message]] of misfits.entries()) {
  test(`a value that does not fit is refused with its path, ${index}: ${message}`, (t) => {
    const map = freshMap<string, unknown>(t, { key: str, value: arch(schema as never) as never })
    for (const verb of [
      () => map.set('k', value),
      () => map.setMany([['k', value]]),
      () => map.getOrInsert('k', value),
      () => map.compareAndSet('k', undefined, value),
    ]) {
      const error = fails(t, 'ERR_INVALID_VALUE', verb)
      t.true(error.message.includes(message), error.message)
    }
    t.is(map.size, 0)
  })
}

test('a proxy that lies about the length of an array is refused', (t) => {
  const { encode } = archOf('u8?[]')
  for (const length of [-1, 1.5, NaN, '2', 2 ** 32, undefined]) {
    const lying = new Proxy([], { get: (_, name) => (name === 'length' ? length : undefined) })
    fails(t, 'ERR_INVALID_VALUE', () => encode(lying))
  }
})

test('an array that changes while it is written is stored as it was counted, or refused', (t) => {
  const { encode, decode } = archOf(array('u8?'))
  const shrinking: unknown[] = [1, 2, 3]
  Object.defineProperty(shrinking, 0, {
    get() {
      shrinking.length = 1
      return 7
    },
  })
  t.deepEqual(decode(encode(shrinking)), [7, undefined, undefined])
  const growing: unknown[] = [1, 2]
  Object.defineProperty(growing, 0, {
    get() {
      growing.push(9)
      return 7
    },
  })
  t.deepEqual(decode(encode(growing)), [7, 2])
})

test('a value longer than 2^31 − 1 bytes is ERR_TOO_LARGE, before there is memory for it', (t) => {
  const { encode } = archOf(array(fixed('u64', 1 << 20)))
  fails(t, 'ERR_TOO_LARGE', () => encode(Array.from({ length: 1000 })))
})

test('codecs of schemas need no code from strings', (t) => {
  const program = `
import { arch, array, DiskMap, native, optional, pairs, str, struct, variants } from ${JSON.stringify(new URL('../index.js', import.meta.url).href)}
import { archDriver } from ${JSON.stringify(new URL('../lib/codecs/arch/driver.js', import.meta.url).href)}
try {
  new Function('return 1')
  console.log('code from strings is allowed')
} catch {}
const kind = variants({ none: null, circle: 'f64', rect: { w: 'u8' } })
const schema = struct({ id: 'u32', name: 'string', kind, list: 'f64[]', home: optional(struct({ city: 'string' })), of: pairs('string', 'u8') })
const path = ${JSON.stringify(freshPath(t))}
const value = { id: 1, name: 'é'.repeat(20), kind: { rect: { w: 1 } }, list: [1.5], home: { city: 'Rom' }, of: [['a', 1]] }
DiskMap.open(path, { key: str, value: arch(schema) }).set('a', value).close()
console.log(JSON.stringify(DiskMap.open(path).get('a')) === JSON.stringify(value))
let bytes
arch(array(schema)).encode([value], { bytes: (written) => (bytes = written) })
const view = archDriver(array(schema)).lazy(bytes)
console.log(view.at(0).home.city === 'Rom' && JSON.stringify(view) === JSON.stringify([value]))
`
  const flags = [
    '--disallow-code-generation-from-strings',
    '--input-type=module',
    '--eval',
    program,
  ]
  const { stdout, stderr } = spawnSync(process.execPath, flags, { encoding: 'utf8' })
  t.is(stdout, 'true\ntrue\n', stderr)
})

test('the canonical text of a schema is what the documentation says, whatever the schema', (t) => {
  fc.assert(
    fc.property(samples, ({ schema, text }) => {
      t.is(archOf(schema).text, text)
    }),
    { numRuns: 500 },
  )
})
