import { statfsSync } from 'node:fs'
import { freemem, tmpdir } from 'node:os'
import test from 'ava'
import { bytes, json, native, primitive, str, structured, type ValueCodec } from '../index.js'
import { fails } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'

const KEY_LIMIT = 65_535
const VALUE_LIMIT = 2 ** 31 - 1

test('a key of bytes has at most 65,535 bytes', (t) => {
  const map = freshMap(t, { key: bytes, value: native.u8 })
  for (const size of [KEY_LIMIT - 1, KEY_LIMIT]) {
    const key = Buffer.alloc(size, 1)
    t.is(map.set(key, 1).get(key), 1)
    t.true(map.has(key))
  }
  for (const size of [KEY_LIMIT + 1, KEY_LIMIT + 2, 1 << 20]) {
    const key = Buffer.alloc(size, 1)
    fails(t, 'ERR_TOO_LARGE', () => map.set(key, 1))
    fails(t, 'ERR_TOO_LARGE', () => map.get(key))
    fails(t, 'ERR_TOO_LARGE', () => map.has(key))
    fails(t, 'ERR_TOO_LARGE', () => map.delete(key))
    fails(t, 'ERR_TOO_LARGE', () => map.update(key, () => 1))
  }
  t.is(map.size, 2)
  t.deepEqual([...map.keys()].map((key) => key.length).toSorted(), [KEY_LIMIT - 1, KEY_LIMIT])
})

test('a key of text has at most 65,535 bytes of UTF-8', (t) => {
  const map = freshMap(t, { key: str, value: native.u8 })
  const fitting = ['x'.repeat(KEY_LIMIT), `${'é'.repeat(32_767)}x`, '日'.repeat(21_845)]
  for (const key of fitting) t.is(map.set(key, 1).get(key), 1)
  const long = ['x'.repeat(KEY_LIMIT + 1), 'é'.repeat(32_768), `${'日'.repeat(21_845)}x`]
  for (const key of [...long, 'x'.repeat(10_000_000)]) {
    fails(t, 'ERR_TOO_LARGE', () => map.set(key, 1))
    fails(t, 'ERR_TOO_LARGE', () => map.get(key))
    fails(t, 'ERR_TOO_LARGE', () => map.has(key))
    fails(t, 'ERR_TOO_LARGE', () => map.delete(key))
  }
  t.is(map.size, 3)
  for (const key of map.keys()) t.true(fitting.includes(key))
})

test('a primitive key has at most 65,534 bytes and its kind', (t) => {
  const map = freshMap(t, { key: primitive, value: native.u8 })
  const fitting = [
    'x'.repeat(KEY_LIMIT - 1),
    'é'.repeat(32_767),
    Buffer.alloc(KEY_LIMIT - 1),
    (1n << (8n * 65_534n)) - 1n,
  ]
  for (const key of fitting) t.is(map.set(key, 1).get(key), 1)
  const long = [
    'x'.repeat(KEY_LIMIT),
    `${'é'.repeat(32_767)}x`,
    Buffer.alloc(KEY_LIMIT),
    1n << (8n * 65_534n),
    -(1n << (8n * 65_534n)),
  ]
  for (const key of long) {
    fails(t, 'ERR_TOO_LARGE', () => map.set(key, 1))
    fails(t, 'ERR_TOO_LARGE', () => map.get(key))
  }
  t.is(map.size, fitting.length)
})

test('the empty key and the empty value are a key and a value', (t) => {
  const texts = freshMap(t, { key: str, value: str })
  t.is(texts.set('', '').get(''), '')
  t.true(texts.has(''))
  t.deepEqual([...texts], [['', '']])
  const blobs = freshMap(t, { key: bytes, value: bytes })
  t.is(blobs.set(new Uint8Array(), new Uint8Array()).get(Buffer.alloc(0))?.length, 0)
  t.is([...blobs].length, 1)
  t.true(blobs.delete(Buffer.alloc(0)))
})

test('values around the sizes where they change their place are kept', (t) => {
  const map = freshMap(t, { key: native.u32, value: bytes })
  const around = [256 << 10, 64 << 10, 1 << 20, 16 << 20]
  for (const middle of around) {
    for (const size of [middle - 1, middle, middle + 1]) {
      const value = Buffer.alloc(size, size % 255)
      map.set(size, value)
      t.true(value.equals(map.get(size)!), `${size}`)
    }
  }
  t.is(map.size, 12)
})

test('a value of one byte more than 2^31 − 1 is ERR_TOO_LARGE, whatever its codec', (t) => {
  if (freemem() < 6 * 2 ** 30) {
    t.pass('not enough memory here')
    return
  }
  // Untouched pages of zeros cost no memory.
  const large = Buffer.alloc(VALUE_LIMIT + 1)
  const blobs = freshMap(t, { key: str, value: bytes })
  fails(t, 'ERR_TOO_LARGE', () => blobs.set('a', large))
  fails(t, 'ERR_TOO_LARGE', () => blobs.update('a', () => large))
  t.is(blobs.size, 0)
  const values = freshMap(t, { key: str, value: primitive })
  fails(t, 'ERR_TOO_LARGE', () => values.set('a', large.subarray(1)))
  t.is(values.size, 0)
  const returning: ValueCodec<number> = { name: 'test-large', encode: () => large, decode: () => 0 }
  fails(t, 'ERR_TOO_LARGE', () => freshMap(t, { key: str, value: returning }).set('a', 1))
  const writing: ValueCodec<number> = {
    name: 'test-large',
    encode: (_, sink) => sink.bytes(large),
    decode: () => 0,
  }
  fails(t, 'ERR_TOO_LARGE', () => freshMap(t, { key: str, value: writing }).set('a', 1))
})

test('a value of 2^31 − 1 bytes is kept', (t) => {
  const { bavail, bsize } = statfsSync(tmpdir())
  if (freemem() < 8 * 2 ** 30 || bavail * bsize < 8 * 2 ** 30) {
    t.pass('not enough room here')
    return
  }
  t.timeout(300_000)
  const map = freshMap(t, { key: str, value: bytes })
  const value = Buffer.alloc(VALUE_LIMIT)
  value[0] = 1
  value[VALUE_LIMIT - 1] = 2
  map.set('a', value)
  const found = map.get('a')!
  t.is(found.length, VALUE_LIMIT)
  t.is(found[0], 1)
  t.is(found[VALUE_LIMIT - 1], 2)
})

test('structured values have no smaller limit of their own', (t) => {
  const map = freshMap(t, { key: str, value: structured<{ blob: Buffer; text: string }>() })
  const value = { blob: Buffer.alloc(20 << 20, 5), text: 'é'.repeat(1 << 20) }
  const found = map.set('a', value).get('a')!
  t.true(found.blob.equals(value.blob))
  t.true(found.text === value.text)
})

test('a value that is longer as JSON than a string can be is ERR_TOO_LARGE, and changes nothing', (t) => {
  if (freemem() < 4 * 2 ** 30) {
    t.pass('not enough memory here')
    return
  }
  const map = freshMap(t, { key: str, value: json }).set('a', 'kept')
  const texts = Array<string>(5).fill('x'.repeat(2 ** 27))
  fails(t, 'ERR_TOO_LARGE', () => map.set('a', texts))
  t.deepEqual([...map], [['a', 'kept']])
})
