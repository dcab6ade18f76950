import test from 'ava'
import { bytes, DiskMap, primitive, str, type ValueCodec } from '../index.js'
import { fails } from './helpers/errors.js'
import { detached, resizable } from './helpers/memory.js'
import { freshMap } from './helpers/open.js'

const passing: ValueCodec<Uint8Array> = {
  name: 'test-passing',
  encode: (value) => value,
  decode: (buffer) => buffer,
}
const sinking: ValueCodec<Uint8Array> = {
  name: 'test-sinking',
  encode: (value, sink) => sink.bytes(value),
  decode: (buffer) => buffer,
}

for (const codec of [bytes, primitive, passing, sinking] as ValueCodec<Uint8Array>[]) {
  test(`${codec.name}: a detached buffer as value is ERR_INVALID_VALUE and changes nothing`, (t) => {
    const map = freshMap(t, { key: str, value: codec }).set('kept', Buffer.from('v'))
    for (const size of [1, 10, 5000, 500_000]) {
      fails(t, 'ERR_INVALID_VALUE', () => map.set('kept', detached(size)))
      fails(t, 'ERR_INVALID_VALUE', () => map.set('new', detached(size)))
      fails(t, 'ERR_INVALID_VALUE', () => map.update('kept', () => detached(size)))
    }
    t.is(map.size, 1)
    t.is(String(map.get('kept')), 'v')
  })

  test(`${codec.name}: of a resizable buffer, the bytes of the moment are stored`, (t) => {
    const map = freshMap(t, { key: str, value: codec })
    for (const size of [10, 5000, 400_000]) {
      const buffer = resizable(size, 2 * size)
      const tracking = new Uint8Array(buffer).fill(1)
      const part = new Uint8Array(buffer, 2, size - 2)
      map.set('tracking', tracking).set('part', part)
      buffer.resize(2 * size)
      tracking.fill(9)
      t.deepEqual(Buffer.from(map.get('tracking')!), Buffer.alloc(size, 1))
      t.deepEqual(Buffer.from(map.get('part')!), Buffer.alloc(size - 2, 1))
      map.set('tracking', tracking)
      t.is(map.get('tracking')?.length, 2 * size)
      buffer.resize(4)
      map.set('tracking', tracking)
      t.deepEqual(Buffer.from(map.get('tracking')!), Buffer.alloc(4, 9))
      // The part now reaches beyond its buffer.
      fails(t, 'ERR_INVALID_VALUE', () => map.set('part', part))
      buffer.resize(0)
      t.is(map.set('tracking', tracking).get('tracking')?.length, 0)
    }
  })

  test(`${codec.name}: of a shared buffer, the bytes of the moment are stored`, (t) => {
    const map = freshMap(t, { key: str, value: codec })
    for (const size of [10, 5000, 400_000]) {
      const shared = new Uint8Array(new SharedArrayBuffer(size)).fill(1)
      map.set('a', shared)
      shared.fill(2)
      t.deepEqual(Buffer.from(map.get('a')!), Buffer.alloc(size, 1))
    }
  })
}

test('keys of detached, resizable and shared buffers are treated alike', (t) => {
  for (const codec of [bytes, primitive]) {
    const map = freshMap<Uint8Array, string>(t, { key: codec as never, value: str })
    fails(t, 'ERR_INVALID_KEY', () => map.set(detached(4), 'x'))
    fails(t, 'ERR_INVALID_KEY', () => map.get(detached(4)))
    fails(t, 'ERR_INVALID_KEY', () => map.update(detached(4), () => 'x'))
    t.is(map.size, 0)
    const buffer = resizable(4, 8)
    const key = new Uint8Array(buffer).fill(1)
    map.set(key, 'four')
    buffer.resize(8)
    t.is(map.get(key), undefined)
    t.is(map.get(Buffer.alloc(4, 1)), 'four')
    map.set(new Uint8Array(new SharedArrayBuffer(3)), 'three')
    t.is(map.get(Buffer.alloc(3)), 'three')
  }
})

test('subclasses and changed prototypes cannot lie about their bytes', (t) => {
  class Lying extends Uint8Array {
    override get length(): number {
      return 1_000_000
    }
    override get byteLength(): number {
      return 1_000_000
    }
    override get buffer(): ArrayBuffer {
      throw new Error('must not be asked')
    }
    static get [Symbol.species](): never {
      throw new Error('must not be asked')
    }
  }
  const map = freshMap(t, { key: bytes, value: bytes })
  const key = new Lying(3)
  for (const size of [3, 5000]) {
    map.set(key, new Lying(size))
    t.is(map.get(Buffer.alloc(3))?.length, size)
  }
  t.is(map.size, 1)
})

test('nor can keys where the verb keeps one while a function runs', (t) => {
  class Short extends Uint8Array {
    override get length(): number {
      return 2
    }
  }
  class Long extends Uint8Array {
    override get length(): number {
      return 100
    }
  }
  class Other extends Uint8Array {
    override valueOf(): never {
      return 'other' as never
    }
  }
  for (const codec of [bytes, primitive]) {
    const map = freshMap<Uint8Array, string>(t, { key: codec as never, value: str })
    for (const Lying of [Short, Long, Other]) {
      const key = new Lying([1, 2, 3, 4])
      t.is(
        map.update(key, () => 'updated'),
        'updated',
      )
      t.is(
        map.getOrInsertComputed(key, () => 'never'),
        'updated',
      )
      t.is(map.entry(key).insert('inserted'), 'updated')
      t.deepEqual([...map], [[Buffer.of(1, 2, 3, 4), 'inserted']])
      t.is(map.entry(key).remove(), 'inserted')
    }
  }
})

test('the parameter of a codec cannot lie about its bytes either', (t) => {
  class Lying extends Uint8Array {
    override get length(): number {
      return 100
    }
  }
  const codec = (param: Uint8Array): ValueCodec<Uint8Array> => ({ ...passing, param })
  const map = freshMap(t, { key: str, value: codec(new Lying([1, 2, 3])) })
  const { path } = map.handle
  DiskMap.open(path, { key: str, value: codec(Buffer.of(1, 2, 3)) }).close()
  fails(t, 'ERR_INVALID_ARGUMENT', () => freshMap(t, { key: str, value: codec(detached(3)) }))
})
