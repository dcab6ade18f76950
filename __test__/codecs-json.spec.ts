import test from 'ava'
import * as fc from 'fast-check'
import { json, str } from '../index.js'
import { fails } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'

test('json keeps what JSON.stringify and JSON.parse keep', (t) => {
  const map = freshMap(t, { key: str, value: json })
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      t.deepEqual(map.set('k', value).get('k'), JSON.parse(JSON.stringify(value)))
    }),
  )
  const date = new Date(0)
  map.set('k', { date, gone: undefined, none: [undefined, NaN], map: new Map([[1, 2]]), zero: -0 })
  t.deepEqual(map.get('k'), { date: date.toJSON(), none: [null, null], map: {}, zero: 0 })
  t.is(map.set('k', { toJSON: () => 'mine' }).get('k'), 'mine')
  t.is(map.set('k', '\ud800').get('k'), '\ud800')
})

test('json refuses a bare undefined, function and symbol, bigints and cycles', (t) => {
  const map = freshMap(t, { key: str, value: json }).set('kept', 1)
  const cycle: { self?: unknown } = {}
  cycle.self = { deep: [cycle] }
  for (const wrong of [undefined, () => 1, Symbol('s'), 1n, { n: [1n] }, cycle, { toJSON() {} }]) {
    fails(t, 'ERR_INVALID_VALUE', () => map.set('kept', wrong))
    fails(t, 'ERR_INVALID_VALUE', () => map.set('new', wrong))
    fails(t, 'ERR_INVALID_VALUE', () => map.update('kept', () => wrong))
  }
  t.deepEqual([...map], [['kept', 1]])
})

test('what toJSON or a getter throws passes through, and nothing is written', (t) => {
  const map = freshMap(t, { key: str, value: json }).set('kept', 1)
  const thrown = new TypeError('mine')
  const value = {
    toJSON(): never {
      throw thrown
    },
  }
  t.is(
    t.throws(() => map.set('kept', value)),
    thrown,
  )
  t.deepEqual([...map], [['kept', 1]])
})

test('__proto__ in JSON is an own property and nothing else', (t) => {
  const map = freshMap(t, { key: str, value: json })
  const given = JSON.parse('{"__proto__":{"polluted":true},"a":1}') as object
  for (const key of ['__proto__', 'constructor', 'toString']) {
    map.set(key, given)
    const value = map.get(key) as Record<string, unknown>
    t.true(Object.hasOwn(value, '__proto__'))
    t.is(Object.getPrototypeOf(value), Object.prototype)
    t.is(value['polluted'], undefined)
    t.is(({} as Record<string, unknown>)['polluted'], undefined)
    t.deepEqual(Object.keys(value), ['__proto__', 'a'])
  }
  t.is(map.size, 3)
})

test('json can be called for the type of its values, and is the same codec', (t) => {
  interface User {
    name: string
  }
  t.is(json<User>(), json as never)
  t.is(json.name, 'json')
  const map = freshMap(t, { key: str, value: json<User>() })
  t.is(map.set('a', { name: 'Ada' }).get('a')?.name, 'Ada')
})
