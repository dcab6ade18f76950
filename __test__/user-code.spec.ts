import { spawnSync } from 'node:child_process'
import test from 'ava'
import { DiskMap, json, native, str, structured, type ValueCodec } from '../index.js'
import { interrupted } from './helpers/codecs.js'
import { freshPath } from './helpers/dir.js'
import { fails } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'
import { program } from './helpers/program.js'

test('what encode throws passes through every verb unchanged, and nothing is written', (t) => {
  const thrown = Symbol('any value at all')
  let armed = false
  const codec = interrupted({
    encode() {
      if (armed) throw thrown
    },
  })
  const map = freshMap(t, { key: str, value: codec }).set('kept', 'value')
  armed = true
  const verbs = [
    () => map.set('kept', 'x'),
    () => map.set('new', 'x'),
    () => map.update('kept', () => 'x'),
    () => map.getOrInsert('new', 'x'),
    () => map.getOrInsertComputed('new', () => 'x'),
  ]
  for (const verb of verbs) {
    t.throws(verb, { is: thrown, any: true })
  }
  armed = false
  t.deepEqual([...map], [['kept', 'value']])
})

test('what decode throws passes through every verb unchanged, and the map goes on', (t) => {
  const thrown = new Error('mine')
  let armed = true
  const codec = interrupted({
    decode() {
      if (armed) throw thrown
    },
  })
  const map = freshMap(t, { key: str, value: codec }).set('a', 'value')
  const verbs = [
    () => map.get('a'),
    () => map.update('a', () => 'x'),
    () => map.getOrInsert('a', 'x'),
    () => [...map],
    () => map.forEach(() => {}),
  ]
  for (const verb of verbs) t.is(t.throws(verb), thrown)
  t.true(map.has('a'))
  t.is(map.size, 1)
  armed = false
  t.is(map.get('a'), 'value')
})

test('a codec that calls the map again gets what it asked for, and both writes are whole', (t) => {
  let depth = 0
  const again = (): void => {
    if (depth === 3) return
    depth++
    map.set(`inner ${depth}`, `value ${depth}`.repeat(50))
    t.is(map.get(`inner ${depth}`), `value ${depth}`.repeat(50))
    t.is(map.getOrInsert('outer', 'outer value'), 'outer value')
    map.delete('never there')
    for (const key of map.keys()) map.has(key)
    depth--
  }
  const map: DiskMap<string, string> = freshMap(t, {
    key: str,
    value: interrupted({ encode: again, decode: again }),
  })
  map.set('outer', 'outer value')
  t.is(map.get('outer'), 'outer value')
  for (let i = 1; i <= 3; i++) t.is(map.get(`inner ${i}`), `value ${i}`.repeat(50))
  t.deepEqual([...map.keys()].toSorted(), ['inner 1', 'inner 2', 'inner 3', 'outer'])
})

test('a codec that advances the iterator that called it leaves no entry out and mixes none up', (t) => {
  const nested: [string, string][] = []
  let depth = 0
  const decode = (): void => {
    if (depth > 0) return
    depth++
    const { done, value } = iterator.next()
    if (done !== true) nested.push(value)
    depth--
  }
  const map: DiskMap<string, string> = freshMap(t, {
    key: str,
    value: interrupted({ decode }),
    shards: 1,
  })
  for (let i = 0; i < 1000; i++) map.set(`key ${i}`, `value of key ${i} `.padEnd(200, '.'))
  const iterator = map.entries()
  const entries = [...iterator]
  t.is(entries.length + nested.length, 1000)
  for (const [key, value] of [...entries, ...nested]) t.true(value.startsWith(`value of ${key} `))
})

test('getters of a value that call the map again do not disturb it', (t) => {
  for (const codec of [json, structured]) {
    const map = freshMap(t, { key: native.u64, value: codec as ValueCodec<unknown> })
    const value = {
      before: 'b'.repeat(100),
      get inner(): unknown {
        map.set(2n, 'x'.repeat(300))
        return map.get(2n)
      },
      after: 'a'.repeat(100),
    }
    map.set(1n, value)
    t.deepEqual(map.get(1n), {
      before: 'b'.repeat(100),
      inner: 'x'.repeat(300),
      after: 'a'.repeat(100),
    })
    t.is(map.get(2n), 'x'.repeat(300))
    t.is(map.size, 2)
  }
})

test('a codec that closes the map in encode makes the verb ERR_CLOSED, and nothing is written', (t) => {
  const path = freshPath(t)
  let armed = false
  const codec = interrupted({
    encode() {
      if (armed) map.close()
    },
  })
  const map = DiskMap.open(path, { key: str, value: codec }).set('kept', 'value')
  armed = true
  fails(t, 'ERR_CLOSED', () => map.set('new', 'x'))
  armed = false
  const again = DiskMap.open(path, { key: str, value: codec })
  t.deepEqual([...again], [['kept', 'value']])
  again.close()
})

test('a codec that closes the map in decode still gives the value that was read', (t) => {
  const map = freshMap(t, { key: str, value: interrupted({ decode: () => map.close() }) })
  map.set('a', 'value')
  t.is((map as DiskMap<string, string>).get('a'), 'value')
  fails(t, 'ERR_CLOSED', () => map.get('a'))
})

test('a callback of update that closes the map makes it ERR_CLOSED, and nothing is written', (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, { key: str, value: str }).set('a', 'kept')
  fails(t, 'ERR_CLOSED', () =>
    map.update('a', () => {
      map.close()
      return 'x'
    }),
  )
  const again = DiskMap.open(path, { key: str, value: str })
  t.deepEqual([...again], [['a', 'kept']])
  again.close()
})

test('a body of a loop that closes the map ends the loop with ERR_CLOSED', (t) => {
  const map = freshMap(t, { key: native.u32, value: str })
  for (let i = 0; i < 100; i++) map.set(i, 'x')
  let turns = 0
  fails(t, 'ERR_CLOSED', () => {
    for (const key of map.keys()) {
      if (key >= 0) turns++
      map.close()
    }
  })
  t.is(turns, 1)
})

const places = ['encode', 'decode', 'update', 'forEach', 'iterator', 'pending', 'worker-update']
const contended = ['update', 'getOrInsertComputed', 'andModify', 'orInsertWith', 'setMany']
for (const where of places.concat(contended.map((verb) => `contended ${verb}`))) {
  test(`process.exit() in ${where} ends the process at once and leaves the map whole`, (t) => {
    const path = freshPath(t)
    const { status, signal, stderr } = spawnSync(
      process.execPath,
      [program('exits.mjs'), path, where],
      { encoding: 'utf8', timeout: 60_000 },
    )
    t.is(stderr, '')
    t.is(signal, null)
    t.is(status, 7)
    const map = DiskMap.open(path)
    t.is(map.size, 100)
    for (const [key, value] of map) t.is(value, `value ${String(key)}`)
    map.close()
  })
}
