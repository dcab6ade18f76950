import test from 'ava'
import { arch, array, DiskMap, native, optional, str, struct, variants } from '../index.js'
import { freshPath } from './helpers/dir.js'
import { fails } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'
import { collect, inPlace, modes } from './helpers/views.js'

const user = struct({
  id: 'u32',
  name: 'string',
  email: 'string',
  scores: 'f64[]',
  home: optional(struct({ city: 'string', at: 'f32[2]' })),
  kind: variants({ guest: null, member: 'u64' }),
  friends: array(struct({ name: 'string' })),
  avatar: 'bytes',
})

const person = (n: number) => ({
  id: n,
  name: `Person ${n} with quite a long name`,
  email: `${n}@example.org`,
  scores: Array.from({ length: n % 50 }, (_, i) => i + n / 4),
  kind: n % 2 === 0 ? ('guest' as const) : { member: BigInt(n) },
  friends: [{ name: `friend of ${n}` }],
  avatar: Buffer.alloc(100 + n, n),
})

for (const views of modes) {
  const options = { key: native.u64, value: arch(user), views, shards: 1 } as const

  test(`${views}: a view of a struct reads its fields where they lie, and its toObject is what get gives`, (t) => {
    const map = DiskMap.open(freshPath(t), options)
    for (let n = 0; n < 500; n++) map.set(BigInt(n), person(n))
    let inTheirPlace = 0
    for (let n = 0; n < 500; n++) {
      using view = map.view(BigInt(n))!
      const { value } = view
      const expected = person(n)
      t.is(value.id, n)
      t.is(value.name, expected.name)
      t.is(value.email, expected.email)
      t.true(value.scores instanceof Float64Array)
      t.deepEqual([...value.scores], expected.scores)
      t.is(value.home, undefined)
      t.deepEqual(value.kind, expected.kind)
      t.is(value.friends.length, 1)
      t.is(value.friends.at(0)?.name, expected.friends[0]!.name)
      t.deepEqual(value.avatar, expected.avatar)
      t.deepEqual(value.toObject(), map.get(BigInt(n)))
      // Not copied: numbers and bytes are the view's own memory.
      const same =
        value.avatar.buffer === view.bytes.buffer &&
        (value.scores.length === 0 || value.scores.buffer === view.bytes.buffer)
      t.true(same, 'values lie where numbers need no copy')
      if (view.zeroCopy) inTheirPlace++
    }
    t.is(inTheirPlace > 400, inPlace(views))
    map.close()
  })

  test(`${views}: what was taken from a view of a struct stays while its map changes`, async (t) => {
    const map = DiskMap.open(freshPath(t), options)
    for (let n = 0; n < 200; n++) map.set(BigInt(n), person(n))
    // The view is forgotten, what it gave is kept.
    const { value } = map.view(77n)!
    const { scores, friends } = value
    for (let round = 0; round < 20; round++) {
      for (let n = 0; n < 200; n++) map.set(BigInt(n), person(n + round))
    }
    map.clear()
    await map.compact()
    await collect()
    t.is(value.name, person(77).name)
    t.deepEqual([...scores], person(77).scores)
    t.deepEqual(friends.toArray(), person(77).friends)
    map.close()
  })

  test(`${views}: once a view of a struct has ended, its fields are ERR_CLOSED and its arrays empty`, (t) => {
    const map = DiskMap.open(freshPath(t), options)
    for (let n = 0; n < 200; n++) map.set(BigInt(n), person(n))
    const view = map.view(9n)!
    const { value } = view
    const { scores, friends } = value
    t.is(scores.length, 9)
    map.close()
    t.is(scores.length, 0)
    fails(t, 'ERR_CLOSED', () => value.name)
    fails(t, 'ERR_CLOSED', () => value.toObject())
    fails(t, 'ERR_CLOSED', () => friends.at(0))
    fails(t, 'ERR_CLOSED', () => view.value)
  })

  test(`${views}: what a user writes over a view of a struct is a value or an error, and get is not changed`, (t) => {
    const map = DiskMap.open(freshPath(t), options)
    for (let n = 0; n < 200; n++) map.set(BigInt(n), person(n))
    let errors = 0
    for (let n = 0; n < 200; n++) {
      const view = map.view(BigInt(n))!
      view.bytes.fill(n)
      try {
        view.value.toObject()
      } catch (error) {
        t.is((error as { code: string }).code, 'ERR_CORRUPT')
        errors++
      }
      t.deepEqual(map.get(BigInt(n)), { ...person(n) })
    }
    t.true(errors > 100)
    map.close()
  })

  test(`${views}: a map without a stated schema has the same views`, (t) => {
    const map = freshMap(t, options)
    map.set(1n, person(1))
    const { path } = map.handle
    map.close()
    const stored = DiskMap.open(path, { views })
    const view = stored.view(1n)!
    t.is((view.value as { email: string }).email, '1@example.org')
    stored.close()
  })
}

test('the value of a view has the type of the codec', (t) => {
  const map = freshMap(t, { key: str, value: arch(struct({ n: 'u32' })) })
  map.set('a', { n: 1 })
  const typed = DiskMap.attach(map.handle, { key: str, value: arch(struct({ n: 'u32' })) })
  const n: number = typed.view('a')!.value.n
  const object: { n: number } = typed.view('a')!.value.toObject()
  t.deepEqual(object, { n })
  const texts = DiskMap.open(`${map.handle.path}-texts`, { key: str, value: str })
  texts.set('a', 'b')
  const text: string = texts.view('a')!.value
  t.is(text, 'b')
  texts.close()
  typed.close()
})
