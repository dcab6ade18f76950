import { inspect } from 'node:util'
import test from 'ava'
import * as fc from 'fast-check'
import { array, fixed, optional, pairs, struct, tuple, variants, type ArchView } from '../index.js'
import { archOf, plain } from './helpers/arch.js'
import { fails } from './helpers/errors.js'
import { samplesWithValues } from './helpers/schemas.js'

const schema = struct({
  id: 'u64',
  flag: 'bool',
  name: 'string',
  long: 'string',
  data: 'bytes',
  scores: 'f64[]',
  big: 'u64[]',
  digest: 'u8[4]',
  flags: 'bool[]',
  tags: 'string[]',
  home: struct({ city: 'string', at: tuple('f32', 'f32') }),
  missing: 'string?',
  there: optional(struct({ a: 'u8' })),
  kind: variants({
    none: null,
    circle: 'f64',
    rect: { w: 'f64', h: 'string' },
    line: ['u8', 'u8'],
  }),
  rooms: array(struct({ n: 'u16', doors: 'u16[]' })),
  attributes: pairs('string', fixed('u16', 2)),
})

const value = {
  id: 2n ** 64n - 1n,
  flag: true,
  name: 'Ada',
  long: 'longer than eight bytes, é',
  data: Buffer.from([1, 2, 3]),
  scores: [1.5, NaN, -0],
  big: [1n, 2n ** 64n - 1n],
  digest: [1, 2, 3, 4],
  flags: [true, false],
  tags: ['a', 'long enough to lie elsewhere', ''],
  home: { city: 'Oslo', at: [0.5, 1.5] },
  there: { a: 7 },
  kind: { rect: { w: 1, h: 'high' } },
  rooms: [
    { n: 1, doors: [1, 2] },
    { n: 2, doors: [] },
  ],
  attributes: [
    ['first', [1, 2]],
    ['second', [3, 4]],
  ],
}

const { encode, decode, lazy } = archOf(schema)
const encoded = encode(value)

/** Bytes that begin at this place of memory that is aligned. */
function placed(bytes: Uint8Array, at: number): Buffer {
  const memory = Buffer.from(new ArrayBuffer(bytes.length + at))
  memory.set(bytes, at)
  return memory.subarray(at)
}

const viewOf = (bytes: Uint8Array): ArchView<typeof schema> =>
  lazy(bytes) as ArchView<typeof schema>

test('part by part a view has what get gives, whatever the schema and the value', (t) => {
  fc.assert(
    fc.property(samplesWithValues, fc.nat(8), ({ sample, values }, at) => {
      const { encode, lazy } = archOf(sample.schema)
      for (const value of values) {
        const view = lazy(placed(encode(value), at))
        t.deepEqual(plain(view), value)
        const whole = view as { toObject?: unknown; toArray?: unknown } | null | undefined
        if (typeof whole?.toArray === 'function') t.deepEqual(whole.toArray(), value)
        // A field may have the name of the method.
        if (typeof whole?.toObject === 'function') t.deepEqual(whole.toObject(), value)
      }
    }),
    { numRuns: 400 },
  )
})

test('each field of a view is what the documentation says', (t) => {
  const bytes = placed(encoded, 0)
  const view = viewOf(bytes)
  t.is(view.id, 2n ** 64n - 1n)
  t.is(view.flag, true)
  t.is(view.name, 'Ada')
  t.is(view.long, value.long)
  t.true(Buffer.isBuffer(view.data))
  t.is(view.data.toString('hex'), '010203')
  t.deepEqual(view.scores, new Float64Array(value.scores))
  t.deepEqual(view.big, new BigUint64Array(value.big))
  t.deepEqual(view.digest, new Uint8Array(value.digest))
  t.deepEqual([...view.flags], value.flags)
  t.is(view.tags.length, 3)
  t.is(view.tags.at(1), value.tags[1])
  t.is(view.tags.at(-1), '')
  t.is(view.tags.at(3), undefined)
  t.is(view.tags.at(-4), undefined)
  t.is(view.tags.at(NaN), 'a')
  t.deepEqual([...view.tags], value.tags)
  t.deepEqual(view.tags.toArray(), value.tags)
  t.is(view.home.city, 'Oslo')
  t.deepEqual(view.home.at, [0.5, 1.5])
  t.deepEqual(view.home.toObject(), value.home as never)
  t.is(view.missing, undefined)
  t.is(view.there!.a, 7)
  t.is((view.kind as { rect: { h: string } }).rect.h, 'high')
  t.is(view.rooms.length, 2)
  t.deepEqual(view.rooms.at(0)!.doors, new Uint16Array([1, 2]))
  t.deepEqual(view.rooms.toArray(), value.rooms)
  const attributes: [string, number[]][] = []
  for (const [name, numbers] of view.attributes) attributes.push([name, [...numbers]])
  t.deepEqual(attributes, value.attributes as never)
  t.deepEqual(view.toObject(), decode(encoded) as never)
  t.false('missing' in view.toObject())
})

test('bytes and numbers of a view lie in its bytes where alignment allows, and else in a copy', (t) => {
  const aligned = placed(encoded, 0)
  const view = viewOf(aligned)
  for (const part of [view.data, view.scores, view.big, view.digest, view.rooms.at(0)!.doors]) {
    t.is(part.buffer, aligned.buffer)
  }
  const scores = view.scores
  aligned.fill(0, scores.byteOffset, scores.byteOffset + 8)
  t.is(scores[0], 0)
  const odd = placed(encoded, 1)
  const copied = viewOf(odd)
  t.is(copied.data.buffer, odd.buffer)
  t.is(copied.digest.buffer, odd.buffer)
  t.not(copied.scores.buffer, odd.buffer)
  t.deepEqual(copied.scores, new Float64Array(value.scores))
  t.deepEqual(copied.big, new BigUint64Array(value.big))
  t.deepEqual(copied.rooms.at(0)!.doors, new Uint16Array([1, 2]))
})

test('a field is read when it is asked for: what else is damaged does not matter', (t) => {
  const bytes = placed(encoded, 0)
  const at = bytes.indexOf('Oslo')
  // The beginning of a character, and the end of the text.
  bytes[at] = 0xc3
  bytes[at + 1] = 0xff
  const view = viewOf(bytes)
  t.is(view.name, 'Ada')
  t.is(view.home.at[0], 0.5)
  fails(t, 'ERR_CORRUPT', () => view.home.city)
  fails(t, 'ERR_CORRUPT', () => view.toObject())
  t.is(view.long, value.long)
})

test('one class serves all views of a schema, and names its fields', (t) => {
  const [one, two] = [viewOf(encoded), viewOf(Buffer.from(encoded))]
  t.is(Object.getPrototypeOf(one), Object.getPrototypeOf(two))
  t.deepEqual(Object.keys(one), [])
  const names: string[] = []
  for (const name in one) names.push(name)
  t.deepEqual(names, [
    ...Object.keys(value).slice(0, 11),
    'missing',
    ...Object.keys(value).slice(11),
  ])
  t.throws(() => ((one as { name: string }).name = 'x'), { instanceOf: TypeError })
})

test('a view shows itself as the value, to console.log and to JSON', (t) => {
  const { encode, lazy } = archOf(struct({ a: 'u8', list: array(struct({ b: 'string?' })) }))
  const value = { a: 1, list: [{ b: 'x' }, {}] }
  const view = lazy(encode(value)) as { list: unknown }
  t.is(inspect(view), inspect(value))
  t.is(inspect(view.list), inspect(value.list))
  t.is(JSON.stringify(view), JSON.stringify(value))
})

test('a view whose memory was taken away is ERR_CLOSED in all of its parts', (t) => {
  const bytes = placed(encoded, 0)
  const view = viewOf(bytes)
  const { home, tags, rooms, there, scores, data, attributes } = view
  const room = rooms.at(0)!
  const iterator = tags[Symbol.iterator]()
  iterator.next()
  structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] })
  t.is(bytes.length, 0)
  for (const name of [...Object.keys(value), 'missing']) {
    const error = fails(t, 'ERR_CLOSED', () => view[name as keyof typeof view])
    t.regex(error.message, /^The view has ended/)
  }
  const parts = [
    () => view.toObject(),
    () => home.city,
    () => home.toObject(),
    () => tags.at(0),
    () => tags.toArray(),
    () => [...tags],
    () => iterator.next(),
    () => room.doors,
    () => there!.a,
    () => attributes.at(1),
    () => JSON.stringify(view),
    () => lazy(bytes),
  ]
  for (const part of parts) fails(t, 'ERR_CLOSED', part)
  t.is(scores.length, 0)
  t.is(data.length, 0)
  t.regex(inspect(view), /The view has ended/)
  t.is(tags.at(99), undefined)
})
