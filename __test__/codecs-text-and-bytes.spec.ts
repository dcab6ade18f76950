import test from 'ava'
import * as fc from 'fast-check'
import { bytes, native, primitive, str, type ValueCodec } from '../index.js'
import { fails } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'

const texts = ['', 'a', 'ÿ', 'Ā', '€', '日本語', '𝒳😀', '\0', '\ufeffbom', '\uffff', 'a'.repeat(70)]

test('str gives back every well-formed string, as key and as value', (t) => {
  const map = freshMap(t, { key: str, value: str })
  for (const text of texts) {
    map.set(text, text)
    t.is(map.get(text), text)
  }
  t.is(map.size, texts.length)
  t.deepEqual([...map.keys()].toSorted(), texts.toSorted())
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      t.is(map.set(text, text).get(text), text)
    }),
  )
})

test('strings of every internal form of V8 are the same keys', (t) => {
  const map = freshMap(t, { key: str, value: str })
  const flat = 'abcdefghijklmnopqrstuvwxyz0123456789'
  const cons = flat.slice(0, 20).concat(flat.slice(20))
  const sliced = `--${flat}--`.slice(2, -2)
  const twoByte = `€${flat}`.slice(1)
  map.set(flat, '1')
  for (const same of [cons, sliced, twoByte, Buffer.from(flat).toString('latin1')]) {
    t.is(map.get(same), '1')
    map.set(same, '1')
  }
  t.is(map.size, 1)
})

test('str gives back long values of one-byte, two-byte and mixed text', (t) => {
  const map = freshMap(t, { key: native.u32, value: str })
  for (const length of [255, 256, 4095, 65_535, 65_536, 262_144, 1_000_001]) {
    for (const unit of ['x', 'é', '日']) {
      const text = `${unit.repeat(length - 1)}!`
      map.set(length, text)
      t.true(map.get(length) === text, `${length} × ${unit}`)
      t.true([...map.values()].includes(text))
    }
    map.clear()
  }
})

test('str does not ask an object for its text', (t) => {
  const map = freshMap(t, { key: str, value: str })
  const object = { toString: () => t.fail() }
  fails(t, 'ERR_INVALID_KEY', () => map.get(object as never))
  fails(t, 'ERR_INVALID_VALUE', () => map.set('a', object as never))
  t.is(map.size, 0)
})

test('bytes gives back every byte, as key and as value, as Buffers', (t) => {
  const map = freshMap(t, { key: bytes, value: bytes })
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 3000 }), (k, v) => {
      map.clear()
      map.set(k, v)
      const [entry] = [...map]
      t.true(Buffer.isBuffer(map.get(k)))
      t.deepEqual(Buffer.from(map.get(k)!), Buffer.from(v))
      t.deepEqual(Buffer.from(entry![0]), Buffer.from(k))
      t.deepEqual(Buffer.from(entry![1]), Buffer.from(v))
    }),
  )
})

test('bytes gives back values of every size around the ways they cross', (t) => {
  const map = freshMap(t, { key: native.u32, value: bytes })
  for (const size of [0, 1, 1023, 1024, 1025, 65_535, 65_536, 262_143, 262_144, 262_145, 1 << 20]) {
    const value = Buffer.alloc(size)
    for (let i = 0; i < size; i += 97) value[i] = i % 256
    map.set(size, value)
    t.true(value.equals(map.get(size)!), `${size}`)
  }
  for (const [size, value] of map) t.is(value.length, size)
})

test('a part of a buffer is stored without the rest', (t) => {
  const map = freshMap(t, { key: bytes, value: bytes })
  const whole = Buffer.from('before-key-value-after')
  map.set(whole.subarray(7, 10), whole.subarray(11, 16))
  t.deepEqual(String(map.get(Buffer.from('key'))), 'value')
  const large = new Uint8Array(100_000).fill(1)
  map.set(Buffer.from('large'), large.subarray(500, 90_000))
  t.is(map.get(Buffer.from('large'))?.length, 89_500)
})

test('bytes takes nothing but Uint8Arrays', (t) => {
  const map = freshMap(t, { key: bytes, value: bytes })
  const wrongs = [
    undefined,
    null,
    'a',
    1,
    [1, 2],
    new ArrayBuffer(2),
    new DataView(new ArrayBuffer(2)),
    new Uint16Array(2),
    new Uint8ClampedArray(2),
    new Int8Array(2),
    Object.create(Uint8Array.prototype) as unknown,
    new Proxy(new Uint8Array(2), {}),
    { length: 1, 0: 1 },
  ]
  for (const wrong of wrongs) {
    fails(t, 'ERR_INVALID_KEY', () => map.set(wrong as never, Buffer.from('v')))
    fails(t, 'ERR_INVALID_VALUE', () => map.set(Buffer.from('k'), wrong as never))
  }
  t.is(map.size, 0)
})

test('get with owned gives bytes in memory of their own, which can be transferred', (t) => {
  for (const value of [bytes, primitive] as ValueCodec<Uint8Array>[]) {
    const map = freshMap(t, { key: str, value })
    for (const length of [0, 1, 100, 5000, 70_000, 300_000]) {
      map.set('k', Buffer.alloc(length, 7))
      const own = map.get('k', { owned: true })!
      t.is(own.buffer.byteLength, length)
      t.deepEqual(Buffer.from(own), Buffer.alloc(length, 7))
      const moved = structuredClone(own, { transfer: [own.buffer as ArrayBuffer] })
      t.is(moved.length, length)
      t.is(map.get('k', { owned: false })?.length, length)
      t.is(map.get('k')?.length, length)
    }
    t.is(map.get('absent', { owned: true }), undefined)
    for (const wrong of [{ owned: 1 }, { own: true }, 5, null, 'owned']) {
      fails(t, 'ERR_INVALID_ARGUMENT', () => map.get('k', wrong as never))
    }
  }
  t.is(freshMap(t, { key: str, value: str }).set('a', 'b').get('a', { owned: true }), 'b')
})
