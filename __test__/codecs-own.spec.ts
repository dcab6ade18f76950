import test from 'ava'
import { DiskMap, json, native, str, type Sink, type ValueCodec } from '../index.js'
import { freshPath } from './helpers/dir.js'
import { fails } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'

interface Point {
  x: number
  y: number
  label: string
}

const point: ValueCodec<Point> = {
  name: 'test-point',
  encode(value, sink) {
    sink.f64(value.x)
    sink.f64(value.y)
    sink.utf8(value.label)
  },
  decode: (bytes) => ({
    x: bytes.readDoubleLE(0),
    y: bytes.readDoubleLE(8),
    label: bytes.toString('utf8', 16),
  }),
}

/** A codec whose values are what this function writes, read back as hex. */
function written(write: (sink: Sink) => Uint8Array | void): ValueCodec<string> {
  return {
    name: 'test-written',
    encode: (_, sink) => write(sink),
    decode: (b) => b.toString('hex'),
  }
}

test('a codec of one’s own stores what it writes into its sink', (t) => {
  const map = freshMap(t, { key: str, value: point })
  map.set('a', { x: 1, y: -2.5, label: 'ä' })
  t.deepEqual(map.get('a'), { x: 1, y: -2.5, label: 'ä' })
  t.deepEqual([...map.values()], [{ x: 1, y: -2.5, label: 'ä' }])
  map.update('a', (old) => ({ ...old!, label: 'x'.repeat(500_000) }))
  t.is(map.get('a')?.label.length, 500_000)
})

test('a codec may return its bytes instead', (t) => {
  const map = freshMap(t, { key: str, value: written(() => new Uint8Array([1, 2, 3])) })
  t.is(map.set('a', '').get('a'), '010203')
})

test('every method of the sink writes its bytes', (t) => {
  const codec = written((sink) => {
    sink.bytes(Buffer.from([0xaa, 0xbb]))
    sink.utf8('é')
    sink.latin1('é')
    sink.u8(1)
    sink.u16(2)
    sink.u32(3)
    sink.u64(4n)
    sink.i8(-1)
    sink.i16(-2)
    sink.i32(-3)
    sink.i64(-4n)
    sink.f32(1)
    sink.f64(1)
    const room = sink.reserve(3)
    sink.u8(0xee)
    room[1] = 0xcc
  })
  const map = freshMap(t, { key: str, value: codec })
  t.is(
    map.set('a', '').get('a'),
    'aabb' +
      'c3a9' +
      'e9' +
      '01' +
      '0200' +
      '03000000' +
      '0400000000000000' +
      'ff' +
      'feff' +
      'fdffffff' +
      'fcffffffffffffff' +
      '0000803f' +
      '000000000000f03f' +
      '00cc00' +
      'ee',
  )
})

test('a sink grows to any size, and reserved parts stay where they are', (t) => {
  const pieces = 200
  const size = 5000
  const codec: ValueCodec<number> = {
    name: 'test-growing',
    encode(value, sink) {
      const length = sink.reserve(4)
      for (let i = 0; i < pieces; i++) sink.bytes(Buffer.alloc(size, (value + i) % 256))
      length.writeUInt32LE(pieces * size)
    },
    decode(bytes) {
      for (let i = 0; i < pieces; i++) {
        const part = bytes.subarray(4 + i * size, 4 + (i + 1) * size)
        if (!part.equals(Buffer.alloc(size, (bytes[4]! + i) % 256))) throw new Error(`piece ${i}`)
      }
      return bytes.readUInt32LE(0)
    },
  }
  const map = freshMap(t, { key: str, value: codec })
  t.is(map.set('a', 1).get('a'), pieces * size)
  t.is(map.set('a', 2).get('a'), pieces * size)
})

test('a sink refuses what does not fit, and nothing is written', (t) => {
  const wrongs: ((sink: Sink) => void)[] = [
    (sink) => sink.u8(256),
    (sink) => sink.u16(-1),
    (sink) => sink.u32(0.5),
    (sink) => sink.u64(2n ** 64n),
    (sink) => sink.u64(1 as never),
    (sink) => sink.i8(128),
    (sink) => sink.i16(NaN),
    (sink) => sink.i32(2 ** 31),
    (sink) => sink.i64(2n ** 63n),
    (sink) => sink.f32(1e300),
    (sink) => sink.f64('1' as never),
    (sink) => sink.utf8('\ud800'),
    (sink) => sink.utf8(1 as never),
    (sink) => sink.latin1('Ā'),
    (sink) => sink.bytes('a' as never),
    (sink) => void sink.reserve(-1),
    (sink) => void sink.reserve(1.5),
  ]
  for (const wrong of wrongs) {
    const map = freshMap(t, { key: str, value: written(wrong) })
    fails(t, 'ERR_INVALID_VALUE', () => map.set('a', ''), String(wrong))
    t.is(map.size, 0)
  }
  const map = freshMap(t, { key: str, value: written((sink) => void sink.reserve(2 ** 31)) })
  fails(t, 'ERR_TOO_LARGE', () => map.set('a', ''))
  t.is(map.size, 0)
})

test('what encode returns must be nothing or bytes, and not both bytes and a filled sink', (t) => {
  for (const wrong of [null, 'text', 1, {}, [1], new Uint16Array(1), Promise.resolve()]) {
    const map = freshMap(t, { key: str, value: written(() => wrong as never) })
    fails(t, 'ERR_INVALID_VALUE', () => map.set('a', ''))
    t.is(map.size, 0)
  }
  const both = written((sink) => {
    sink.u8(1)
    return new Uint8Array(1)
  })
  const map = freshMap(t, { key: str, value: both })
  fails(t, 'ERR_INVALID_VALUE', () => map.set('a', ''))
})

test('a sink ends with its call of encode', (t) => {
  let kept: Sink | undefined
  let room: Buffer | undefined
  const map = freshMap(t, {
    key: str,
    value: written((sink) => {
      kept ??= sink
      room ??= sink.reserve(2)
      sink.u8(7)
    }),
  })
  map.set('a', '')
  fails(t, 'ERR_INVALID_ARGUMENT', () => kept!.u8(1))
  fails(t, 'ERR_INVALID_ARGUMENT', () => kept!.reserve(1))
  map.set('b', '')
  room!.fill(0xff)
  t.is(map.get('a'), '000007')
  t.is(map.get('b'), '07')
})

test('a nested call gets a sink of its own', (t) => {
  const inner = freshMap(t, { key: str, value: point })
  const outer = freshMap(t, {
    key: str,
    value: written((sink) => {
      sink.u8(1)
      inner.set('in', { x: 1, y: 2, label: 'inner' })
      sink.u8(2)
      inner.set('in', { x: 3, y: 4, label: inner.get('in')!.label })
      sink.u8(3)
    }),
  })
  t.is(outer.set('out', '').get('out'), '010203')
  t.deepEqual(inner.get('in'), { x: 3, y: 4, label: 'inner' })
})

test('the codecs of this library can be used inside one’s own', (t) => {
  const codec: ValueCodec<{ id: bigint; data: unknown }> = {
    name: 'test-composed',
    encode(value, sink) {
      native.u64.encode(value.id, sink)
      json.encode(value.data, sink)
    },
    decode: (bytes) => ({
      id: native.u64.decode(bytes.subarray(0, 8)),
      data: json.decode(bytes.subarray(8)),
    }),
  }
  const map = freshMap(t, { key: str, value: codec })
  const value = { id: 5n, data: { a: [1, 'ü'] } }
  t.deepEqual(map.set('a', value).get('a'), value)
})

/** A codec for strings that keeps all bytes that it was ever given. */
function keeping(borrows: boolean): { codec: ValueCodec<string>; kept: Buffer[] } {
  const kept: Buffer[] = []
  const codec: ValueCodec<string> = {
    name: 'test-keeping',
    borrows,
    encode: (value, sink) => sink.utf8(value),
    decode: (bytes) => {
      kept.push(bytes)
      return bytes.toString()
    },
  }
  return { codec, kept }
}

test('decode gets a Buffer that it may keep and change', async (t) => {
  const { codec, kept } = keeping(false)
  const map = freshMap(t, { key: str, value: codec })
  // Shorter and longer than the memory that values cross in, and long enough for a file of its own.
  const values = ['', 'aaaa', 'bbbb', 'c'.repeat(1025), 'd'.repeat(70_000), 'e'.repeat(300_000)]
  for (const [n, value] of values.entries()) map.set(`${n}`, value)
  const keys = [...values.keys()].map(String)
  const found = [...keys.map((key) => map.get(key)), ...map.getMany(keys)]
  for (const key of keys) found.push(await map.getAsync(key))
  for (const key of keys) found.push(map.entry(key).value)
  t.deepEqual(found, [...values, ...values, ...values, ...values])
  found.push(...map.values())
  t.deepEqual(kept.map(String), found)
  for (const bytes of kept) {
    t.true(Buffer.isBuffer(bytes))
    bytes.fill(0xff)
  }
  for (const [n, value] of values.entries()) t.is(map.get(`${n}`), value)
})

test('with borrows, decode reads the same bytes in memory that is used again', (t) => {
  const { codec, kept } = keeping(true)
  const map = freshMap(t, { key: str, value: codec })
  map.set('a', 'aaaa').set('b', 'bbbb').set('c', 'c'.repeat(1_000_000))
  t.is(map.get('a'), 'aaaa')
  t.is(map.get('b'), 'bbbb')
  t.is(kept[0]!.buffer, kept[1]!.buffer)
  t.is(String(kept[0]), 'bbbb', 'what it keeps is overwritten')
  t.is(map.get('c')?.length, 1_000_000)
  t.deepEqual(map.getMany(['a', 'b']), ['aaaa', 'bbbb'])
  t.deepEqual(
    [...map.values()].map((value) => value.length).toSorted((x, y) => x - y),
    [4, 4, 1_000_000],
  )
})

test('a codec that transfers the bytes it borrowed, or the sink’s, harms nobody', (t) => {
  const codec: ValueCodec<string> = {
    name: 'test-transferring',
    borrows: true,
    encode(value, sink) {
      const room = sink.reserve(value.length)
      room.write(value)
      if (value.startsWith('t'))
        structuredClone(room.buffer, { transfer: [room.buffer as ArrayBuffer] })
    },
    decode(bytes) {
      const text = bytes.toString()
      structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] })
      return text
    },
  }
  const map = freshMap(t, { key: str, value: codec })
  for (let i = 0; i < 100; i++) {
    fails(t, 'ERR_INVALID_VALUE', () => map.set('gone', 'transferred'))
    map.set(`${i}`, `kept ${i}`)
    t.is(map.get(`${i}`), `kept ${i}`)
  }
  t.deepEqual(
    [...map.values()].toSorted(),
    Array.from({ length: 100 }, (_, i) => `kept ${i}`).toSorted(),
  )
})

test('encode and decode are called as methods of the codec, and are read once', (t) => {
  class Counting implements ValueCodec<string> {
    name = 'test-method'
    count = 0
    encode(value: string, sink: Sink): void {
      this.count++
      sink.utf8(value)
    }
    decode(bytes: Buffer): string {
      return `${bytes.toString()}${this.count}`
    }
  }
  const codec = new Counting()
  const map = freshMap(t, { key: str, value: codec })
  codec.encode = () => t.fail()
  t.is(map.set('a', 'x').get('a'), 'x1')
})

test('the name and the parameter of a codec are stored and checked', (t) => {
  const path = freshPath(t)
  const made = (name: string, param?: Uint8Array): ValueCodec<string> => ({
    name,
    param,
    encode: (value, sink) => sink.utf8(value),
    decode: String,
  })
  DiskMap.open(path, { key: str, value: made('mine', Buffer.from('v1')) }).close()
  const other = fails(t, 'ERR_CODEC_MISMATCH', () =>
    DiskMap.open(path, { key: str, value: made('yours', Buffer.from('v1')) }),
  )
  t.regex(other.message, /mine/)
  fails(t, 'ERR_CODEC_MISMATCH', () => DiskMap.open(path, { key: str, value: made('mine') }))
  fails(t, 'ERR_CODEC_MISMATCH', () =>
    DiskMap.open(path, { key: str, value: made('mine', Buffer.from('v2')) }),
  )
  fails(t, 'ERR_CODEC_MISMATCH', () => DiskMap.open(path, { key: str, value: str }))
  const unknown = fails(t, 'ERR_CODEC_MISMATCH', () => DiskMap.open(path))
  t.regex(unknown.message, /mine/)
  DiskMap.open(path, { key: str, value: made('mine', Buffer.from('v1')) }).close()
})

test('names up to 255 bytes and parameters up to 64 KiB are taken, and not one more', (t) => {
  const codec = (name: string, param?: Uint8Array): ValueCodec<string> => ({
    name,
    param,
    encode: (value, sink) => sink.utf8(value),
    decode: String,
  })
  const open = (value: ValueCodec<string>): void => {
    const map = freshMap(t, { key: str, value })
    t.is(map.set('a', 'b').get('a'), 'b')
    map.close()
  }
  open(codec('n'.repeat(255)))
  open(codec('é'.repeat(127)))
  open(codec('p', Buffer.alloc(65_536, 1)))
  fails(t, 'ERR_INVALID_ARGUMENT', () => open(codec('n'.repeat(256))))
  fails(t, 'ERR_INVALID_ARGUMENT', () => open(codec('é'.repeat(128))))
  fails(t, 'ERR_INVALID_ARGUMENT', () => open(codec('p', Buffer.alloc(65_537))))
})

test('a codec that is not one is ERR_INVALID_ARGUMENT', (t) => {
  const encode = (): Uint8Array => new Uint8Array(1)
  const decode = (): number => 1
  const wrongs: unknown[] = [
    null,
    'str',
    {},
    { name: 'a', encode },
    { name: 'a', decode },
    { name: '', encode, decode },
    { name: '\ud800', encode, decode },
    { name: 1, encode, decode },
    { name: 'str', encode, decode },
    { name: 'native.u8', encode, decode },
    { name: 'msgpack', encode, decode },
    { name: 'arch', encode, decode },
    { name: 'a', encode, decode, borrows: 1 },
    { name: 'a', encode, decode, param: 'text' },
  ]
  for (const value of wrongs) {
    fails(t, 'ERR_INVALID_ARGUMENT', () => freshMap(t, { key: str, value: value as never }))
  }
  for (const key of [json, point, { name: 'k', encode, decode }, 'str', null]) {
    fails(t, 'ERR_INVALID_ARGUMENT', () => freshMap(t, { key: key as never, value: str }))
  }
})
