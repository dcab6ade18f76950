import { deserialize, serialize } from 'node:v8'
import test from 'ava'
import * as fc from 'fast-check'
import { str, structured } from '../index.js'
import { structured as codec } from '../lib/codecs/structured.js'
import { scratch, VALUE_AT } from '../lib/scratch.js'
import type { PackedDriver } from '../lib/codecs/types.js'
import { fails } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'

const driver = codec.value as PackedDriver<unknown>

test('structured keeps what structuredClone keeps', (t) => {
  const map = freshMap(t, { key: str, value: structured })
  const cycle: Record<string, unknown> = { name: 'cycle' }
  cycle['self'] = cycle
  const values: unknown[] = [
    undefined,
    null,
    -0,
    NaN,
    2n ** 100n,
    'text',
    '\ud800',
    new Date(5),
    /a+/giu,
    new Map<unknown, unknown>([[{ a: 1 }, new Set([1, '2'])]]),
    [1, undefined, null],
    new Error('kept'),
    Buffer.from('bytes'),
    new Float64Array([1, -0, NaN]),
    new BigInt64Array([-1n]),
    new Uint8Array(300_000).fill(3),
    { nested: { deep: [{ deeper: new Map() }] } },
    Object(1n),
  ]
  for (const value of values) {
    map.set('k', value)
    t.deepEqual(map.get('k'), value)
    t.deepEqual([...map.values()][0], value)
  }
  const back = map.set('k', cycle).get('k') as typeof cycle
  t.is(back['self'], back)
})

test('what needs no serializer is written so that V8 reads it, and read as V8 writes it', (t) => {
  const value = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.string({ maxLength: 300 }).map((text) => text.repeat(40)),
    fc.integer(),
    fc.double(),
    fc.constantFrom<unknown>(true, false, null, undefined),
    fc.constantFrom('', 'é', '\ud800', 'x'.repeat(127), 'x'.repeat(128)),
    fc.constantFrom(-0, NaN, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 2 ** 53),
  )
  fc.assert(
    fc.property(value, fc.nat(9), (given, before) => {
      const placed = driver.store(given)
      const stored =
        typeof placed === 'number'
          ? Buffer.from(scratch.subarray(VALUE_AT, VALUE_AT + placed))
          : Buffer.from(placed)
      const own = serialize(given)
      t.deepEqual(deserialize(stored), given)
      // V8 writes a whole number in one of two ways, which only it can tell apart.
      if (typeof given !== 'number') t.deepEqual(stored, own)
      // At any place, as in a page, with something else around it.
      const page = Buffer.concat([Buffer.alloc(before, 0xff), own, Buffer.from('~')])
      t.deepEqual(driver.read(page, before, before + own.length), given)
    }),
  )
})

test('a plain value with bytes too many or too few is what V8 makes of it', (t) => {
  const made = (read: () => unknown): unknown => {
    try {
      return { value: read() }
    } catch {
      return 'refused'
    }
  }
  for (const value of ['text', 'x'.repeat(200), 5, 300, 1.5, true, undefined, null]) {
    const own = serialize(value)
    for (let length = 0; length <= own.length; length++) {
      const cut = own.subarray(0, length)
      t.deepEqual(
        made(() => driver.read(cut, 0, length)),
        made(() => deserialize(cut)),
      )
    }
    const longer = Buffer.concat([own, own])
    t.deepEqual(driver.read(longer, 0, longer.length), value)
  }
})

test('a typed array in a structured value is a copy with memory of its own', (t) => {
  const map = freshMap(t, { key: str, value: structured<{ floats: Float64Array }>() })
  const floats = new Float64Array([1, 2, 3])
  map.set('k', { floats })
  const first = map.get('k')!.floats
  first[0] = 99
  floats[1] = 99
  t.deepEqual([...map.get('k')!.floats], [1, 2, 3])
})

test('structured refuses what cannot be cloned, and writes nothing', (t) => {
  const map = freshMap(t, { key: str, value: structured }).set('kept', 1)
  for (const wrong of [
    () => 1,
    Symbol('s'),
    { f() {} },
    [Symbol('s')],
    new WeakMap(),
    Promise.resolve(),
  ]) {
    fails(t, 'ERR_INVALID_VALUE', () => map.set('kept', wrong))
    fails(t, 'ERR_INVALID_VALUE', () => map.set('new', wrong))
  }
  t.deepEqual([...map], [['kept', 1]])
})

test('what a getter throws passes through', (t) => {
  const map = freshMap(t, { key: str, value: structured })
  const thrown = new Error('mine')
  const value = {
    get broken(): never {
      throw thrown
    },
  }
  t.is(
    t.throws(() => map.set('k', value)),
    thrown,
  )
  t.is(map.size, 0)
})

test('__proto__ in a structured value is an own property and nothing else', (t) => {
  const map = freshMap(t, { key: str, value: structured })
  map.set('k', JSON.parse('{"__proto__":{"polluted":true}}'))
  const value = map.get('k') as Record<string, unknown>
  t.true(Object.hasOwn(value, '__proto__'))
  t.is(Object.getPrototypeOf(value), Object.prototype)
  t.is(value['polluted'], undefined)
})

test('structured can be called for the type of its values, and is the same codec', (t) => {
  t.is(structured<Date>(), structured as never)
  t.is(structured.name, 'structured')
})
