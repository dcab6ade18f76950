import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import * as fc from 'fast-check'
import { unpack } from 'msgpackr'
import { DiskMap, msgpack, native, str } from '../index.js'
import { freshDir, freshPath } from './helpers/dir.js'
import { fails } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'
import { installCopy } from './helpers/package.js'

test('msgpack keeps what its documentation says', (t) => {
  const map = freshMap(t, { key: str, value: msgpack })
  const values: unknown[] = [
    undefined,
    null,
    true,
    NaN,
    -Infinity,
    0.1,
    2 ** 53,
    -(2 ** 31) - 1,
    1n,
    2n ** 64n - 1n,
    -(2n ** 63n),
    'text',
    '日本 😀'.repeat(100),
    new Date(5),
    new Date(-1e14),
    /a+/giu,
    new Set([1, '2', [3]]),
    new TypeError('kept'),
    Buffer.from('bytes'),
    new Uint8Array([1, 2]),
    new Float64Array([1.5, -0, NaN]),
    new BigInt64Array([-1n]),
    new Uint8Array(300_000).fill(3),
    [1, undefined, null, []],
    { nested: { deep: [{ deeper: { a: undefined } }] }, '': 1, constructor: 2 },
    Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`key ${i}`, i])),
    Array.from({ length: 70_000 }, (_, i) => i),
  ]
  for (const value of values) {
    map.set('k', value)
    t.deepEqual(map.get('k'), value)
    t.deepEqual([...map.values()][0], value)
    t.deepEqual(map.getMany(['k']), [value])
  }
})

test('msgpack gives back what JSON and bigints hold, whatever it is', (t) => {
  const map = freshMap(t, { key: native.u8, value: msgpack })
  // What is written as U+FFFD and as `__proto_` stands in the documentation.
  const text = fc.string({ unit: 'grapheme' }).filter((text) => text !== '__proto__')
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      text,
      fc.bigInt(),
      fc.double().map((number) => number + 0),
      fc.boolean(),
      fc.constantFrom(null, undefined),
      fc.array(tie('value')),
      fc.dictionary(text, tie('value'), { noNullPrototype: true }),
      fc.uint8Array().map((array) => Buffer.from(array)),
    ),
  })).value
  fc.assert(
    fc.property(value, (given) => {
      t.deepEqual(map.set(1, given).get(1), given)
    }),
    { numRuns: 500 },
  )
})

test('what JSON can hold is plain MessagePack that any reader understands', (t) => {
  const path = freshPath(t)
  const value = { id: 1, name: 'é', list: [1.5, null, true], nested: { a: {} } }
  DiskMap.open(path, { key: str, value: msgpack }).set('k', value).close()
  let bytes: Buffer | undefined
  msgpack.encode(value, { bytes: (written: Uint8Array) => (bytes = Buffer.from(written)) } as never)
  // A map of four entries (0x84), and no extension (0xc7 to 0xc9, 0xd4 to 0xd8) in it.
  t.is(bytes!.toString('latin1', 0, 4), '\x84\xa2id')
  t.is(
    bytes!.findIndex((byte) => (byte >= 0xc7 && byte <= 0xc9) || (byte >= 0xd4 && byte <= 0xd8)),
    -1,
  )
  t.deepEqual(unpack(bytes!), value)
  t.deepEqual(msgpack.decode(bytes!), value)
})

test('msgpack changes what its documentation says, and nothing else of it', (t) => {
  const map = freshMap(t, { key: str, value: msgpack })
  class Point {
    x = 1
  }
  const pairs: [unknown, unknown][] = [
    [
      new Map<unknown, unknown>([
        ['a', 1],
        [2, 3],
      ]),
      { a: 1, 2: 3 },
    ],
    [new Point(), { x: 1 }],
    [{ toJSON: () => [5] }.toJSON(), [5]],
    [new URL('http://a/b'), 'http://a/b'],
    [-0, 0],
    [`${'x'.repeat(70)}\ud800`, `${'x'.repeat(70)}\ufffd`],
    [JSON.parse('{"__proto__":{"polluted":true}}'), { __proto_: { polluted: true } }],
  ]
  for (const [given, expected] of pairs) t.deepEqual(map.set('k', given).get('k'), expected)
  t.is(({} as { polluted?: boolean }).polluted, undefined)
})

test('functions, symbols and cycles are ERR_INVALID_VALUE, and nothing is written', (t) => {
  const map = freshMap(t, { key: str, value: msgpack }).set('kept', 1)
  const cycle: Record<string, unknown> = {}
  cycle['self'] = [cycle]
  for (const wrong of [() => 1, Symbol('s'), { toJSON() {} }, [Symbol('s')], cycle, Date]) {
    fails(t, 'ERR_INVALID_VALUE', () => map.set('kept', wrong))
    fails(t, 'ERR_INVALID_VALUE', () => map.set('new', wrong))
    fails(t, 'ERR_INVALID_VALUE', () =>
      map.setMany([
        ['new', 1],
        ['kept', wrong],
      ]),
    )
  }
  t.deepEqual([...map], [['kept', 1]])
  t.is(map.set('after', 'fine').get('after'), 'fine')
})

test('what a getter or toJSON throws passes through', (t) => {
  const map = freshMap(t, { key: str, value: msgpack })
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

test('getters of a value that store other values do not disturb it', (t) => {
  const map = freshMap(t, { key: native.u64, value: msgpack })
  const value = {
    before: 'b'.repeat(100),
    get inner(): unknown {
      map.set(2n, { long: 'x'.repeat(30_000), list: [1, 2, 3] })
      return map.get(2n)
    },
    after: 'a'.repeat(100),
  }
  const expected = {
    before: 'b'.repeat(100),
    inner: { long: 'x'.repeat(30_000), list: [1, 2, 3] },
    after: 'a'.repeat(100),
  }
  t.deepEqual(map.set(1n, value).get(1n), expected)
  t.deepEqual(map.setMany([[3n, value]]).get(3n), expected)
  t.deepEqual(map.get(2n), expected.inner)
})

test('bytes in a msgpack value are a copy of its own', (t) => {
  const map = freshMap(t, { key: str, value: msgpack<{ bytes: Buffer }>() })
  const bytes = Buffer.from('abc')
  map.set('k', { bytes })
  bytes.fill(0)
  const first = map.get('k')!
  map.get('k')!.bytes.fill(1)
  map.getMany(['k'])[0]!.bytes.fill(2)
  t.is(first.bytes.toString(), 'abc')
  t.is(map.get('k')!.bytes.toString(), 'abc')
})

test('msgpack can be called for the type of its values, and is the same codec', (t) => {
  t.is(msgpack<Date>(), msgpack as never)
  t.is(msgpack.name, 'msgpack')
})

test('a map of msgpack opens with its stored codecs, and with no other', (t) => {
  const path = freshPath(t)
  DiskMap.open(path, { key: str, value: msgpack<number[]>() }).set('a', [1]).close()
  const map = DiskMap.open<string, number[]>(path)
  t.deepEqual(map.get('a'), [1])
  map.close()
  fails(t, 'ERR_CODEC_MISMATCH', () => DiskMap.open(path, { key: str, value: str }))
})

test('without msgpackr the codec is ERR_CODEC_UNAVAILABLE and says what to install', (t) => {
  const dir = freshDir(t)
  installCopy(dir)
  const path = join(dir, 'made.odm')
  DiskMap.open(path, { key: str, value: msgpack }).set('a', 1).close()
  const body = `
const report = (open) => {
  try {
    open()
    console.log('it opened')
  } catch (error) {
    console.log(error instanceof DiskMapError, error.code, /npm install msgpackr/.test(error.message))
  }
}
report(() => DiskMap.open('new.odm', { key: str, value: msgpack }))
report(() => DiskMap.open('new.odm', { key: str, value: msgpack() }))
report(() => DiskMap.open('made.odm'))
report(() => msgpack.encode(1, { bytes() {} }))
report(() => msgpack.decode(Buffer.from([1])))
console.log(DiskMap.open('other.odm', { key: str, value: str }).set('a', 'all else works').get('a'))
`
  const names = '{ DiskMap, DiskMapError, msgpack, str }'
  writeFileSync(join(dir, 'a.mjs'), `import ${names} from 'opendiskmap'\n${body}`)
  writeFileSync(join(dir, 'b.cjs'), `const ${names} = require('opendiskmap')\n${body}`)
  for (const name of ['a.mjs', 'b.cjs']) {
    const { stdout, stderr } = spawnSync(process.execPath, [name], { cwd: dir, encoding: 'utf8' })
    t.is(stdout, `${'true ERR_CODEC_UNAVAILABLE true\n'.repeat(5)}all else works\n`, stderr)
    t.false(existsSync(join(dir, 'new.odm')))
  }
})

test('msgpackr is loaded when the codec is first used, and not before', (t) => {
  const path = freshPath(t)
  const program = `
import { createRequire } from 'node:module'
import { DiskMap, msgpack, str } from ${JSON.stringify(new URL('../index.js', import.meta.url).href)}
const { cache } = createRequire(import.meta.url)
const loaded = () => console.log(Object.keys(cache).some((file) => file.includes('msgpackr')))
msgpack()
DiskMap.open(${JSON.stringify(`${path} of text`)}, { key: str, value: str }).set('a', '1').close()
loaded()
DiskMap.open(${JSON.stringify(path)}, { key: str, value: msgpack }).close()
loaded()
`
  const argv = ['--input-type=module', '--eval', program]
  const { stdout, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8' })
  t.is(stdout, 'false\ntrue\n', stderr)
})
