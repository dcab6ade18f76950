import test from 'ava'
import {
  arch,
  bytes,
  json,
  msgpack,
  native,
  primitive,
  str,
  struct,
  structured,
  type DiskMap,
  type KeyCodec,
  type ValueCodec,
} from '../index.js'
import { detached } from './helpers/memory.js'
import { fails, rejects } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'

/** A codec with one value that it takes, and those that it must refuse. */
interface Refusal {
  readonly codec: unknown
  readonly good: unknown
  readonly wrongs: readonly unknown[]
}

const lone = ['\ud800', 'a\udc00', '\udc00\ud800', `${'x'.repeat(300)}\ud83d`]
const noNumbers = ['1', '', true, null, {}, [1], Symbol('s'), () => 1]
const integer = (codec: unknown, min: number, max: number): Refusal => ({
  codec,
  good: 1,
  wrongs: [min - 1, max + 1, 0.5, NaN, Infinity, -Infinity, 1n, ...noNumbers],
})
const bigint = (codec: unknown, min: bigint, max: bigint): Refusal => ({
  codec,
  good: 1n,
  wrongs: [min - 1n, max + 1n, 2n ** 70n, -(2n ** 70n), 1, NaN, ...noNumbers],
})

const keys: Record<string, Refusal> = {
  'native.u8': integer(native.u8, 0, 255),
  'native.u16': integer(native.u16, 0, 65_535),
  'native.u32': integer(native.u32, 0, 2 ** 32 - 1),
  'native.u64': bigint(native.u64, 0n, 2n ** 64n - 1n),
  'native.i8': integer(native.i8, -128, 127),
  'native.i16': integer(native.i16, -32_768, 32_767),
  'native.i32': integer(native.i32, -(2 ** 31), 2 ** 31 - 1),
  'native.i64': bigint(native.i64, -(2n ** 63n), 2n ** 63n - 1n),
  'native.f32': {
    codec: native.f32,
    good: 1.5,
    wrongs: [2 ** 128, -Number.MAX_VALUE, 1n, ...noNumbers],
  },
  'native.f64': { codec: native.f64, good: 1.5, wrongs: [1n, ...noNumbers] },
  'native.bool': { codec: native.bool, good: true, wrongs: [0, 1, 'true', null, {}] },
  str: {
    codec: str,
    good: 'good',
    wrongs: [...lone, 1, 1n, true, null, {}, ['a'], new String('a'), Buffer.from('a'), Symbol('s')],
  },
  bytes: {
    codec: bytes,
    good: Buffer.from('good'),
    wrongs: ['a', 1, null, [1], new ArrayBuffer(2), new Uint16Array(2), { length: 1 }, detached(3)],
  },
  primitive: {
    codec: primitive,
    good: 'good',
    wrongs: [...lone, {}, [], Symbol('s'), () => 1, new Date(), new Uint16Array(1), detached(3)],
  },
}

const cycle: { self?: unknown } = {}
cycle.self = [cycle]
const values: Record<string, Refusal> = {
  ...keys,
  json: { codec: json, good: [1], wrongs: [() => 1, Symbol('s'), 1n, { n: [1n] }, cycle] },
  structured: { codec: structured, good: [1], wrongs: [() => 1, Symbol('s'), { f() {} }] },
  msgpack: { codec: msgpack, good: [1], wrongs: [() => 1, Symbol('s'), { f() {} }, cycle] },
  arch: {
    codec: arch(struct({ list: 'u8[]', text: 'string?' })),
    good: { list: Buffer.from([1]) },
    wrongs: [...lone, null, 1, 1n, [], {}, cycle, { list: [1] }, { list: detached(3) }],
  },
}

for (const [name, { codec, good, wrongs }] of Object.entries(keys)) {
  test(`what is no key of ${name} is ERR_INVALID_KEY in every verb, before anything is written`, async (t) => {
    const numbers = freshMap(t, { key: codec as KeyCodec<unknown>, value: native.u8 })
    numbers.set(good, 7)
    const unasked = (): never => t.fail('fn must not be called') as never
    const all = name === 'primitive' ? wrongs : [undefined, ...wrongs]
    for (const wrong of all) {
      const verbs = {
        get: () => numbers.get(wrong),
        has: () => numbers.has(wrong),
        set: () => numbers.set(wrong, 1),
        delete: () => numbers.delete(wrong),
        getOrInsert: () => numbers.getOrInsert(wrong, 1),
        getOrInsertComputed: () => numbers.getOrInsertComputed(wrong, unasked),
        entry: () => numbers.entry(wrong),
        update: () => numbers.update(wrong, unasked),
        compareAndSet: () => numbers.compareAndSet(wrong, undefined, 1),
        increment: () => numbers.increment(wrong),
        getMany: () => numbers.getMany([good, wrong]),
        hasMany: () => numbers.hasMany([good, wrong]),
        setMany: () =>
          numbers.setMany([
            [good, 1],
            [wrong, 1],
          ]),
        deleteMany: () => numbers.deleteMany([good, wrong]),
      }
      for (const [verb, call] of Object.entries(verbs)) fails(t, 'ERR_INVALID_KEY', call, verb)
      await rejects(t, 'ERR_INVALID_KEY', numbers.getAsync(wrong), 'getAsync')
    }
    t.deepEqual([...numbers], [[good, 7]])
  })
}

for (const [name, { codec, good, wrongs }] of Object.entries(values)) {
  test(`what is no value of ${name} is ERR_INVALID_VALUE in every verb, before anything is written`, (t) => {
    const map: DiskMap<string, unknown> = freshMap<string, unknown>(t, {
      key: str,
      value: codec as ValueCodec<unknown>,
    })
    map.set('kept', good)
    const takesUndefined = ['primitive', 'structured', 'msgpack'].includes(name)
    const all = takesUndefined ? wrongs : [undefined, ...wrongs]
    for (const wrong of all) {
      const verbs: Record<string, () => unknown> = {
        set: () => map.set('kept', wrong),
        'set of a new key': () => map.set('new', wrong),
        getOrInsert: () => map.getOrInsert('new', wrong),
        getOrInsertComputed: () => map.getOrInsertComputed('new', () => wrong),
        update: () => map.update('kept', () => wrong),
        'update of a new key': () => map.update('new', () => wrong),
        insert: () => map.entry('kept').insert(wrong),
        orInsert: () => map.entry('new').orInsert(wrong),
        orInsertWith: () => map.entry('new').orInsertWith(() => wrong),
        andModify: () => map.entry('kept').andModify(() => wrong),
        setMany: () =>
          map.setMany([
            ['new', good],
            ['kept', wrong],
          ]),
      }
      // Where undefined is a value's absence, and for the codecs that have the verb.
      if (
        wrong !== undefined &&
        (name.startsWith('native.') || name === 'str' || name === 'bytes')
      ) {
        verbs['compareAndSet'] = () => map.compareAndSet('kept', good, wrong)
        verbs['compareAndSet with a wrong expectation'] = () =>
          map.compareAndSet('kept', wrong, good)
      }
      for (const [verb, call] of Object.entries(verbs)) fails(t, 'ERR_INVALID_VALUE', call, verb)
    }
    t.deepEqual([...map], [['kept', good]])
  })
}
