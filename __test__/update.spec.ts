import test from 'ava'
import { bytes, DELETE, json, native, primitive, str, type ValueCodec } from '../index.js'
import { fails } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'

test('update gives the value or undefined, and stores and returns what the function returns', (t) => {
  const map = freshMap(t, { key: str, value: native.u32 })
  t.is(
    map.update('a', (old) => {
      t.is(old, undefined)
      return 1
    }),
    1,
  )
  t.is(
    map.update('a', (old) => (old ?? 0) + 1),
    2,
  )
  t.is(map.get('a'), 2)
})

test('update works with every kind of codec and with values larger than the scratch', (t) => {
  const texts = freshMap(t, { key: bytes, value: str })
  texts.set(Buffer.from('k'), 'x'.repeat(1_000_000))
  texts.update(Buffer.from('k'), (old) => `${old}y`)
  t.is(texts.get(Buffer.from('k'))?.length, 1_000_001)

  const blobs = freshMap(t, { key: primitive, value: bytes })
  blobs.set(1n, Buffer.alloc(700_000, 1))
  blobs.update(1n, (old) => Buffer.concat([old!, Buffer.from([2])]))
  t.is(blobs.get(1n)?.length, 700_001)
  t.is(blobs.get(1n)?.[700_000], 2)

  const objects = freshMap(t, { key: native.f64, value: json<{ n: number }>() })
  objects.update(-0, (old) => ({ n: (old?.n ?? 0) + 1 }))
  objects.update(0, (old) => ({ n: (old?.n ?? 0) + 1 }))
  t.deepEqual(objects.get(0), { n: 2 })
})

test('DELETE removes the key', (t) => {
  const map = freshMap(t, { key: str, value: str }).set('a', '1')
  t.is(
    map.update('a', () => DELETE),
    undefined,
  )
  t.false(map.has('a'))
  map.update('never there', () => DELETE)
  t.is(map.size, 0)
})

test('a function that returns undefined or a promise changes nothing', (t) => {
  for (const value of [primitive, json]) {
    const map = freshMap<string, unknown>(t, { key: str, value: value as ValueCodec<unknown> })
    map.set('a', 'kept')
    fails(t, 'ERR_INVALID_VALUE', () => map.update('a', () => undefined))
    fails(t, 'ERR_INVALID_VALUE', () => map.update('a', async () => 'later'))
    fails(t, 'ERR_INVALID_VALUE', () => map.update('b', () => undefined))
    fails(t, 'ERR_INVALID_VALUE', () => map.getOrInsertComputed('b', async () => 'later'))
    fails(t, 'ERR_INVALID_VALUE', () => map.entry('b').orInsertWith(async () => 'later'))
    t.deepEqual([...map], [['a', 'kept']])
  }
})

test('what the function throws passes through and changes nothing', (t) => {
  const map = freshMap(t, { key: str, value: str }).set('a', 'kept')
  const thrown = { not: 'an error' }
  const throwing = (): never => {
    throw thrown
  }
  for (const verb of [
    () => map.update('a', throwing),
    () => map.update('b', throwing),
    () => map.getOrInsertComputed('b', throwing),
  ]) {
    t.throws(verb, { is: thrown, any: true })
  }
  t.deepEqual([...map], [['a', 'kept']])
})

test('a write between reading and storing makes update ask again', (t) => {
  const map = freshMap(t, { key: str, value: native.u32 }).set('a', 1)
  const olds: unknown[] = []
  const result = map.update('a', (old) => {
    olds.push(old)
    // Equal bytes, but another write: update compares records, not values.
    if (olds.length === 1) map.set('a', 1)
    if (olds.length === 2) map.set('a', 5)
    if (olds.length === 3) map.delete('a')
    return (old ?? 100) + 1
  })
  t.deepEqual(olds, [1, 1, 5, undefined])
  t.is(result, 101)
  t.is(map.get('a'), 101)
})

test('DELETE loses to a write between reading and removing', (t) => {
  const map = freshMap(t, { key: str, value: native.u32 }).set('a', 1)
  let calls = 0
  map.update('a', (old) => {
    if (calls++ === 0) map.set('a', 2)
    return old === 1 ? DELETE : old! * 10
  })
  t.is(map.get('a'), 20)
})

test('ERR_CONFLICT comes after exactly 1,000 lost races', (t) => {
  const map = freshMap(t, { key: str, value: native.u32 })
  let calls = 0
  fails(t, 'ERR_CONFLICT', () =>
    map.update('a', () => {
      map.set('a', ++calls)
      return 0
    }),
  )
  t.is(calls, 1000)
  t.is(map.get('a'), 1000)
})

test('update of one key inside update of another stores both', (t) => {
  const map = freshMap(t, { key: native.u64, value: native.u64 })
  map.update(1n, () => {
    map.update(2n, () => 22n)
    return 11n
  })
  t.is(map.get(1n), 11n)
  t.is(map.get(2n), 22n)
})

test('getOrInsertComputed of one key inside that of another, or of itself, stores each once', (t) => {
  const map = freshMap(t, { key: str, value: str })
  const outer = map.getOrInsertComputed('a', () => {
    t.is(
      map.getOrInsertComputed('b', () => 'inner'),
      'inner',
    )
    return map.getOrInsertComputed('a', () => 'from within') + ', not this'
  })
  t.is(outer, 'from within')
  t.deepEqual(map.getMany(['a', 'b']), ['from within', 'inner'])
})

test('a Uint8Array key that the function changes is still the key that was given', (t) => {
  const map = freshMap(t, { key: bytes, value: str })
  const key = Buffer.from('before')
  map.update(key, () => {
    key.write('after!')
    return 'v'
  })
  t.is(map.get(Buffer.from('before')), 'v')
  t.is(map.size, 1)
})

test('update of something that is not a function is ERR_INVALID_ARGUMENT', (t) => {
  const map = freshMap(t, { key: str, value: str })
  for (const wrong of [undefined, null, 'x', 1]) {
    fails(t, 'ERR_INVALID_ARGUMENT', () => map.update('a', wrong as never))
  }
})

test('getOrInsert stores only what is not there, and returns what is', (t) => {
  const map = freshMap(t, { key: str, value: primitive })
  t.is(map.getOrInsert('a', 1), 1)
  t.is(map.getOrInsert('a', 2), 1)
  t.is(map.get('a'), 1)
  map.set('b', undefined)
  t.is(map.getOrInsert('b', 2), undefined)
})

test('getOrInsertComputed calls its function at most once, with a canonical key', (t) => {
  const map = freshMap(t, { key: native.f64, value: native.f64 })
  const keys: number[] = []
  const compute = (key: number): number => keys.push(key) * 10
  t.is(map.getOrInsertComputed(-0, compute), 10)
  t.is(map.getOrInsertComputed(0, compute), 10)
  t.deepEqual(keys, [0])
  t.throws(() => map.getOrInsertComputed(1, undefined as never), { instanceOf: TypeError })
})

test('getOrInsertComputed keeps what was stored while its function ran', (t) => {
  const map = freshMap(t, { key: str, value: str })
  const value = map.getOrInsertComputed('a', () => {
    map.set('a', 'first')
    return 'second'
  })
  t.is(value, 'first')
  t.is(map.get('a'), 'first')
})
