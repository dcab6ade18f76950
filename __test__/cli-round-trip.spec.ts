import { join } from 'node:path'
import { inspect, isDeepStrictEqual } from 'node:util'
import { deserialize, serialize } from 'node:v8'
import test, { type ExecutionContext } from 'ava'
import * as fc from 'fast-check'
import {
  arch,
  bytes,
  DiskMap,
  json,
  msgpack,
  native,
  primitive,
  str,
  structured,
  type KeyCodec,
  type ValueCodec,
} from '../index.js'
import { formOf } from '../lib/cli/forms.js'
import { cli } from './helpers/cli.js'
import { freshDir } from './helpers/dir.js'
import { samplesWithValues } from './helpers/schemas.js'

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom('', ' ', '\n', '\u2028', '-', '--raw', '{"$bytes":""}', 'true', '42', '"', '\0'),
)
const octets = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array))
const number = fc.oneof(
  fc.double(),
  fc.constantFrom(-0, 0, NaN, Infinity, -Infinity, 2 ** 53, 1e21),
)
const int = (min: number, max: number): fc.Arbitrary<number> =>
  fc.oneof(fc.integer({ min, max }), fc.constantFrom(min, max))
const big = (min: bigint, max: bigint): fc.Arbitrary<bigint> =>
  fc.oneof(fc.bigInt({ min, max }), fc.constantFrom(min, max))

/** The values of each codec that serves keys too. */
const plain: Record<string, fc.Arbitrary<unknown>> = {
  'native.u8': int(0, 0xff),
  'native.u16': int(0, 0xffff),
  'native.u32': int(0, 0xffff_ffff),
  'native.u64': big(0n, 2n ** 64n - 1n),
  'native.i8': int(-0x80, 0x7f),
  'native.i16': int(-0x8000, 0x7fff),
  'native.i32': int(-(2 ** 31), 2 ** 31 - 1),
  'native.i64': big(-(2n ** 63n), 2n ** 63n - 1n),
  'native.f32': fc.oneof(fc.float(), fc.constantFrom(-0, NaN, Infinity, -Infinity)),
  'native.f64': number,
  'native.bool': fc.boolean(),
  str: text,
  bytes: octets,
  primitive: fc.oneof(
    fc.constantFrom(undefined, null, true, false),
    number,
    fc.bigInt(),
    text,
    octets,
  ),
}

const names = fc.oneof(
  fc.constantFrom('$map', '$object', '$bytes', '$', '$stored', '__proto__', 'key', '0'),
  fc.string({ maxLength: 5 }),
)
// Node's own comparison takes two invalid dates for different: they have a test of their own.
const leaf = fc.oneof(plain['primitive']!, fc.date({ noInvalidDate: true }), fc.constant(/a+\/b/gi))
const cyclic: { self?: unknown } = {}
cyclic.self = cyclic
const shared = { once: 1 }
let deep: unknown = 1
for (let i = 0; i < 600; i++) deep = [deep]
// What has no form of its own.
const odd = fc.constantFrom<unknown>(
  cyclic,
  [shared, shared],
  deep,
  new Error('what went wrong'),
  Object('boxed'),
  new Float64Array([1.5, -0]),
  new ArrayBuffer(3),
  // oxlint-disable-next-line no-sparse-arrays
  [1, , 3],
  Object.assign([1], { more: 1 }),
)

const ordinary = fc.letrec<{ part: unknown }>((tie) => {
  const part = tie('part')
  return {
    part: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      leaf,
      fc.array(part, { maxLength: 4 }),
      fc.dictionary(names, part, { maxKeys: 4, noNullPrototype: true }),
      fc.array(fc.tuple(part, part), { maxLength: 3 }).map((pairs) => new Map(pairs)),
      fc.array(part, { maxLength: 3 }).map((parts) => new Set(parts)),
      fc.uint8Array({ maxLength: 9 }),
    ),
  }
}).part

/** What `node:v8` can write; read back, as `get` gives it. */
const anything = fc
  .oneof({ arbitrary: ordinary, weight: 8 }, odd, fc.record({ odd, ordinary }))
  .map((value) => deserialize(serialize(value)) as unknown)

const jsonValue = fc
  .letrec<{ part: unknown }>((tie) => ({
    part: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.jsonValue({ maxDepth: 1 }),
      fc.array(tie('part'), { maxLength: 4 }),
      fc.dictionary(names, tie('part'), { maxKeys: 4, noNullPrototype: true }),
    ),
  }))
  .part.map((value) => JSON.parse(JSON.stringify(value)) as unknown)

/** What msgpackr gives back as it was. */
const packable = fc.oneof(
  jsonValue.map(
    (value) => JSON.parse(JSON.stringify(value).replaceAll('__proto__', 'proto')) as unknown,
  ),
  fc.dictionary(
    names.filter((name) => name !== '__proto__'),
    fc.oneof(
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 90n }),
      octets,
      fc.constantFrom(undefined, NaN, new Set([1, 'a']), new Date(1e12), new Float64Array([1.5])),
    ),
    { noNullPrototype: true },
  ),
)

const none = new Uint8Array(0)

for (const [name, values] of Object.entries({ ...plain, json: jsonValue, structured: anything })) {
  test(`what is written of a value of ${name}, as JSON and alone, is read as the same value`, (t) => {
    const form = formOf(name, none)
    const numRuns = name === 'structured' ? 300 : 100
    fc.assert(
      fc.property(values, (value) => {
        const line = JSON.stringify(form.toJson(value))
        if (line.includes('\n')) return false
        const back = [
          form.fromJson(JSON.parse(line)),
          form.fromText(form.toText(value)),
          form.fromRaw(Buffer.from(form.toRaw(value))),
        ]
        return back.every((read) => isDeepStrictEqual(read, value))
      }),
      { numRuns },
    )
    t.pass()
  })
}

test('an invalid date is read as one', (t) => {
  const form = formOf('structured', none)
  const read = form.fromText(form.toText(new Date(NaN))) as Date
  t.true(read instanceof Date && Number.isNaN(read.getTime()))
})

test('what looks like a tag and is none is refused', (t) => {
  const form = formOf('structured', none)
  const wrong =
    `{"$bigint":"x"} {"$bigint":1.5} {"$number":"1"} {"$bytes":"a"} {"$bytes":1} {"$date":"x"}
    {"$regexp":"a"} {"$regexp":["(","g"]} {"$map":{}} {"$map":[[1]]} {"$set":1} {"$object":1} {"$object":[]}
    {"$other":1} {"$stored":"?"} {"$stored":""} {"$":1} [{"$constructor":1}] {"a":{"$x":1}}`.split(
      /\s+/,
    )
  for (const line of wrong) {
    const error = t.throws(() => form.fromJson(JSON.parse(line)), undefined, line)
    t.regex((error as { code?: string }).code!, /^ERR_(INVALID_ARGUMENT|CORRUPT)$/, line)
  }
  t.deepEqual(form.fromJson({ $a: 1, b: 2 }), { $a: 1, b: 2 })
})

test('what is written of a value of a schema is read as the same value', (t) => {
  fc.assert(
    fc.property(samplesWithValues, ({ sample, values }) => {
      const form = formOf('arch', Buffer.from(sample.text))
      for (const value of values) {
        const line = JSON.stringify(form.toJson(value))
        const read = stored(sample.schema, form.fromJson(JSON.parse(line)))
        if (!isDeepStrictEqual(read, value)) return false
      }
      return true
    }),
  )
  t.pass()
})

/** A value as its codec gives it back. */
function stored(schema: unknown, value: unknown): unknown {
  const codec = arch(schema as never) as ValueCodec<unknown>
  let written: Uint8Array = none
  codec.encode(value, { bytes: (bytes: Uint8Array) => (written = bytes) } as never)
  return codec.decode(Buffer.from(written))
}

/** Dumps a map, loads that into a new one, and compares the two. */
async function carried(
  t: ExecutionContext,
  key: KeyCodec<never>,
  value: ValueCodec<never>,
  pairs: readonly (readonly [unknown, unknown])[],
): Promise<void> {
  const dir = freshDir(t)
  const from = join(dir, 'from')
  const map = DiskMap.open<unknown, unknown>(from, { key, value, shards: 1 } as never)
  const expected = new Map(map.setMany(pairs))
  map.close()
  const codecs = JSON.parse((await cli(['stats', '--json', from])).out) as Record<string, string>
  const dumped = await cli(['dump', from])
  t.is(dumped.status, 0, dumped.err)
  t.is(dumped.out.split('\n').length, expected.size + 1)
  const to = join(dir, 'to')
  const options = ['--key-codec', codecs['keyCodec']!, '--value-codec', codecs['valueCodec']!]
  const loaded = await cli(['load', ...options, to], dumped.bytes)
  t.is(loaded.err, '')
  const copy = DiskMap.open<unknown, unknown>(to, { key, value } as never)
  for (const [key, value] of expected) {
    // Not by what tells the two apart, which takes very long for some.
    t.true(isDeepStrictEqual(copy.get(key), value), inspect(value).slice(0, 200))
  }
  t.is(copy.size, expected.size)
  copy.close()
}

const builtin: Record<string, unknown> = { str, bytes, primitive, json, structured, msgpack }
const codecNamed = (name: string): never =>
  (builtin[name] ?? native[name.slice(7) as keyof typeof native]) as never

test('load makes of a dump an equal map, under every codec of keys and of values', async (t) => {
  const valued = { ...plain, json: jsonValue, structured: anything, msgpack: packable }
  const keyNames = Object.keys(plain)
  const all = Object.entries(valued).map(([name, values], i) => {
    const keyName = keyNames[i % keyNames.length]!
    const pairs = fc.sample(fc.tuple(plain[keyName]!, values), { numRuns: 60 })
    return carried(t, codecNamed(keyName), codecNamed(name), pairs)
  })
  await Promise.all(all)
})

test('load makes of a dump an equal map under schemas, which stats names as load takes them', async (t) => {
  for (const { sample, values } of fc.sample(samplesWithValues, 6)) {
    const pairs = values.map((value, i) => [String(i), value] as const)
    await carried(t, str as never, arch(sample.schema as never) as never, pairs)
  }
})

test('values of a codec of one’s own are dumped, and loaded into such a map, as the bytes that are stored', async (t) => {
  const dir = freshDir(t)
  const value: ValueCodec<string> = {
    name: 'test-own',
    encode: (text, sink) => sink.utf8(text),
    decode: String,
  }
  const [from, to] = [join(dir, 'from'), join(dir, 'to')]
  DiskMap.open(from, { key: str, value }).set('a', 'né').close()
  DiskMap.open(to, { key: str, value }).close()
  const { out } = await cli(['dump', from])
  t.is(out, '{"key":"a","value":{"$bytes":"bsOp"}}\n')
  t.is((await cli(['load', to], out)).status, 0)
  t.is((await cli(['get', '--raw', to, 'a'])).out, 'né')
  const map = DiskMap.open(to, { key: str, value })
  t.is(map.get('a'), 'né')
  map.close()
})
