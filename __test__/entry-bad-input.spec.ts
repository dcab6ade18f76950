import test from 'ava'
import { DiskMap, native, str, type Entry, type Sink, type ValueCodec } from '../index.js'
import { interrupted } from './helpers/codecs.js'
import { freshPath } from './helpers/dir.js'
import { fails } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'

const losing = {
  insert: (entry: Entry<string, string>) => entry.insert('mine'),
  andModify: (entry: Entry<string, string>) => entry.andModify(() => 'mine'),
}
for (const [name, verb] of Object.entries(losing)) {
  test(`ERR_CONFLICT comes after exactly 1,000 lost races of ${name}`, (t) => {
    let races = 0
    let armed = false
    const codec = interrupted({
      encode() {
        if (!armed) return
        armed = false
        races++
        map.set('a', 'theirs')
        armed = true
      },
    })
    const map: DiskMap<string, string> = freshMap(t, { key: str, value: codec }).set('a', 'before')
    const entry = map.entry('a')
    armed = true
    fails(t, 'ERR_CONFLICT', () => verb(entry))
    t.is(races, 1000)
    t.is(map.get('a'), 'theirs')
  })
}

test('ERR_CONFLICT comes after exactly 1,000 lost races of remove', (t) => {
  let races = -1
  const codec = interrupted({
    decode() {
      if (races >= 0) map.set('a', `${races++}`)
    },
  })
  const map: DiskMap<string, string> = freshMap(t, { key: str, value: codec }).set('a', 'before')
  const entry = map.entry('a')
  races = 0
  fails(t, 'ERR_CONFLICT', () => entry.remove())
  t.is(races, 1000)
  t.true(map.has('a'))
})

test('what is refused changes nothing', (t) => {
  const map = freshMap(t, { key: str, value: native.u8 }).set('a', 1)
  fails(t, 'ERR_INVALID_KEY', () => map.entry(1 as never))
  fails(t, 'ERR_INVALID_KEY', () => map.entry('\ud800'))
  fails(t, 'ERR_TOO_LARGE', () => map.entry('x'.repeat(65_536)))
  t.false(map.entry('x'.repeat(65_535)).occupied)
  const entries = [map.entry('a'), map.entry('b')]
  for (const entry of entries) {
    fails(t, 'ERR_INVALID_VALUE', () => entry.insert(256))
    for (const wrong of [undefined, null, 1, 'f', {}]) {
      fails(t, 'ERR_INVALID_ARGUMENT', () => entry.orInsertWith(wrong as never))
      fails(t, 'ERR_INVALID_ARGUMENT', () => entry.andModify(wrong as never))
    }
  }
  const [occupied, vacant] = entries
  fails(t, 'ERR_INVALID_VALUE', () => vacant!.orInsert(-1))
  fails(t, 'ERR_INVALID_VALUE', () => vacant!.orInsertWith(() => undefined as never))
  fails(t, 'ERR_INVALID_VALUE', () => occupied!.andModify(() => undefined as never))
  fails(t, 'ERR_INVALID_VALUE', () => occupied!.andModify((async () => 1) as never))
  fails(t, 'ERR_INVALID_VALUE', () => occupied!.andModify(() => 256))
  t.deepEqual([...map], [['a', 1]])
})

test('what a function throws passes through and changes nothing', (t) => {
  const map = freshMap(t, { key: str, value: str }).set('a', 'kept')
  const thrown = new Error('mine')
  const throwing = (): never => {
    throw thrown
  }
  t.is(
    t.throws(() => map.entry('a').andModify(throwing)),
    thrown,
  )
  t.is(
    t.throws(() => map.entry('b').orInsertWith(throwing)),
    thrown,
  )
  t.deepEqual([...map], [['a', 'kept']])
})

test('what encode throws passes through every verb of an entry, and nothing is written', (t) => {
  const thrown = Symbol('any value at all')
  let armed = false
  const codec = interrupted({
    encode() {
      if (armed) throw thrown
    },
  })
  const map = freshMap(t, { key: str, value: codec }).set('a', 'kept')
  const [occupied, vacant] = [map.entry('a'), map.entry('b')]
  armed = true
  const verbs = [
    () => occupied.insert('x'),
    () => vacant.insert('x'),
    () => vacant.orInsert('x'),
    () => vacant.orInsertWith(() => 'x'),
    () => occupied.andModify(() => 'x'),
  ]
  for (const verb of verbs) {
    t.throws(verb, { is: thrown, any: true })
  }
  armed = false
  t.deepEqual([...map], [['a', 'kept']])
})

test('a codec that returns another type or keeps its sink writes nothing', (t) => {
  const sinks: Sink[] = []
  let returns: unknown = 'a string'
  const map = freshMap<string, string>(t, {
    key: str,
    value: {
      name: 'test-wrong',
      encode(value, sink) {
        sinks.push(sink)
        if (value === 'good') return sink.utf8(value)
        return returns as never
      },
      decode: String,
    },
  })
  map.set('a', 'good')
  for (returns of ['a string', 5, null, {}, [1], new Uint16Array(2), Promise.resolve()]) {
    fails(t, 'ERR_INVALID_VALUE', () => map.entry('a').insert('bad'))
    fails(t, 'ERR_INVALID_VALUE', () => map.entry('b').orInsert('bad'))
    fails(t, 'ERR_INVALID_VALUE', () => map.entry('a').andModify(() => 'bad'))
  }
  map.entry('c').insert('good')
  for (const sink of sinks) fails(t, 'ERR_INVALID_ARGUMENT', () => sink.u8(1))
  t.deepEqual([...map.entries()].map(String).toSorted(), ['a,good', 'c,good'])
})

test('a function that uses the map, and the same entry, gets what it asked for', (t) => {
  const map = freshMap(t, { key: str, value: native.u32 }).set('a', 1)
  const entry = map.entry('a')
  const outer = entry.andModify((value) => {
    if (value === 1) t.is(entry.insert(10), 1)
    map.entry('b').orInsertWith(() => map.entry('c').orInsert(3) + 1)
    return value + 1
  })
  t.is(outer.value, 11)
  t.deepEqual([...map].map(String).toSorted(), ['a,11', 'b,4', 'c,3'])
})

test('a function or codec that closes the map makes the verb ERR_CLOSED, and nothing is written', (t) => {
  const verbs = {
    orInsertWith: (map: DiskMap<string, string>) =>
      map.entry('new').orInsertWith(() => {
        map.close()
        return 'x'
      }),
    andModify: (map: DiskMap<string, string>) =>
      map.entry('kept').andModify(() => {
        map.close()
        return 'x'
      }),
    insert: (map: DiskMap<string, string>) => map.entry('kept').insert('close'),
    getOrInsertComputed: (map: DiskMap<string, string>) =>
      map.getOrInsertComputed('new', () => {
        map.close()
        return 'x'
      }),
  }
  for (const verb of Object.values(verbs)) {
    const path = freshPath(t)
    const codec: ValueCodec<string> = {
      name: 'test-closing',
      encode(value, sink) {
        sink.utf8(value)
        if (value === 'close') map.close()
      },
      decode: String,
    }
    const map = DiskMap.open(path, { key: str, value: codec }).set('kept', 'value')
    fails(t, 'ERR_CLOSED', () => verb(map))
    const again = DiskMap.open(path, { key: str, value: codec })
    t.deepEqual([...again], [['kept', 'value']])
    again.close()
  }
})

test('an entry of a closed map still tells what it saw, and its verbs are ERR_CLOSED', (t) => {
  const map = freshMap(t, { key: str, value: str }).set('a', '1')
  const entry = map.entry('a')
  map.close()
  t.is(entry.value, '1')
  fails(t, 'ERR_CLOSED', () => map.entry('a'))
  fails(t, 'ERR_CLOSED', () => entry.insert('2'))
  fails(t, 'ERR_CLOSED', () => entry.orInsert('2'))
  fails(t, 'ERR_CLOSED', () => entry.orInsertWith(() => '2'))
  fails(t, 'ERR_CLOSED', () => entry.andModify(() => '2'))
  fails(t, 'ERR_CLOSED', () => entry.remove())
})
