import test from 'ava'
import { str, structured } from '../index.js'
import { fails } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'

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
