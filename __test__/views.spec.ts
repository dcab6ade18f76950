import { createHash } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { array, assert, constant, constantFrom, nat, oneof, property, record } from 'fast-check'
import { bytes, DiskMap, json, native, str, type View } from '../index.js'
import { freshPath } from './helpers/dir.js'
import { fails } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'
import { resultOf, startThread } from './helpers/threads.js'
import { collect, collected, content, inPlace, leaveTail, modes } from './helpers/views.js'

const codecs = { key: str, value: bytes, shards: 1 } as const
const attachable = { key: str, value: bytes } as const
const LENGTHS = [0, 1, 7, 100, 4096, 65_535, 65_536, 65_537, 262_144, 262_145, 1_000_000]
const hash = (data: Uint8Array) => createHash('sha1').update(data).digest('hex')

for (const views of modes) {
  const options = { ...codecs, views }

  test(`${views}: a view has the bytes that were stored, of every length, and is undefined for a miss`, (t) => {
    const map = freshMap(t, options)
    for (const length of LENGTHS) map.set(`k${length}`, content('k', length))
    leaveTail(map)
    for (const length of LENGTHS) {
      const view = map.view(`k${length}`)!
      t.deepEqual(view.bytes, content('k', length))
      // Made another way than by Buffer.from, and yet the same in all that a program can see.
      t.is(Object.getPrototypeOf(view.bytes), Buffer.prototype)
      t.is(view.zeroCopy, inPlace(views), `${length}`)
    }
    t.is(map.view('absent'), undefined)
  })

  test(`${views}: whatever is stored, removed and viewed, a live view equals what get gave then`, (t) => {
    const key = constantFrom('a', 'b', 'c')
    const step = oneof(
      record({ do: constant('set'), key, length: nat(10_000) }),
      record({ do: constant('set'), key, length: nat(200_000) }),
      record({ do: constant('set'), key, length: constant(300_000) }),
      record({ do: constantFrom('delete', 'view', 'end', 'clear'), key, length: nat(9) }),
    )
    assert(
      property(array(step, { maxLength: 60 }), (steps) => {
        const map = freshMap(t, options)
        let live: { view: View<unknown>; expected: Buffer }[] = []
        let count = 0
        for (const { do: verb, key, length } of steps) {
          if (verb === 'set') map.set(key, content(`${key}${count++}`, length))
          if (verb === 'delete') map.delete(key)
          if (verb === 'clear') map.clear()
          if (verb === 'end') {
            for (const { view } of live.splice(0, length)) view[Symbol.dispose]()
          }
          if (verb === 'view') {
            const view = map.view(key)
            const expected = map.get(key)
            t.is(view === undefined, expected === undefined)
            if (view !== undefined) live.push({ view, expected: Buffer.from(expected!) })
          }
          for (const { view, expected } of live) {
            if (!view.bytes.equals(expected)) throw new Error('a view changed')
          }
        }
        live = []
        map.close()
      }),
      { numRuns: 30 },
    )
    t.pass()
  })

  test(`${views}: Buffer, subarray and DataView of a view keep their bytes through updates, compaction and collection`, async (t) => {
    const map = freshMap(t, options)
    map.set('kept', content('kept', 3000)).set('long', content('long', 300_000))
    leaveTail(map)
    const held: { name: string; now: () => string; first: string }[] = []
    for (const key of ['kept', 'long']) {
      // The view itself is forgotten; what was made of it is not.
      const { bytes: whole } = map.view(key)!
      const part = map.view(key)!.bytes.subarray(10, 2000)
      const { buffer, byteOffset } = map.view(key)!.bytes
      const data = new DataView(buffer, byteOffset + 5, 1000)
      const asBytes = () => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      held.push({ name: `${key} whole`, now: () => hash(whole), first: hash(whole) })
      held.push({ name: `${key} part`, now: () => hash(part), first: hash(part) })
      held.push({ name: `${key} DataView`, now: () => hash(asBytes()), first: hash(asBytes()) })
    }
    for (let i = 0; i < 100_000; i++) map.set('kept', Buffer.alloc(64, i))
    map.set('long', content('other', 300_000))
    await map.flush()
    await map.compact()
    await collect()
    for (const { name, now, first } of held) t.is(now(), first, name)
    map.clear()
    await map.flush()
    await map.compact()
    for (const { name, now, first } of held) t.is(now(), first, name)
  })

  test(`${views}: disposed, a view has no bytes; twice is as good as once`, (t) => {
    const map = freshMap(t, options)
    map.set('a', content('a', 1000))
    leaveTail(map)
    const one = map.view('a')!
    const other = map.view('a')!
    one[Symbol.dispose]()
    one[Symbol.dispose]()
    t.is(one.bytes.length, 0)
    fails(t, 'ERR_CLOSED', () => one.value)
    t.deepEqual(other.bytes, content('a', 1000))
    t.is(map.stats().pins, inPlace(views) ? 1 : 0)
    other[Symbol.dispose]()
    t.is(map.stats().pins, 0)
  })

  test(`${views}: what is left of a disposed view has its bytes or none, and never others`, async (t) => {
    const map = freshMap(t, options)
    map.set('a', content('a', 5000)).set('long', content('long', 300_000))
    leaveTail(map)
    const stray = [map.view('a')!, map.view('long')!].map((view) => {
      const part = view.bytes
      view[Symbol.dispose]()
      return part
    })
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 2000; i++) map.set('a', Buffer.alloc(500, i))
      map.set('long', content(`long${round}`, 300_000))
      await map.flush()
      await map.compact()
      await setTimeout(5)
      for (const part of stray) {
        const expected = part.length === 5000 ? content('a', 5000) : content('long', part.length)
        t.true(part.length === 0 || part.equals(expected))
      }
    }
    if (inPlace(views)) {
      // The room of what was freed comes back without a collection.
      const deadline = Date.now() + 20_000
      while (stray.some((part) => part.length > 0) && Date.now() < deadline) await setTimeout(20)
      t.deepEqual(
        stray.map((part) => part.length),
        [0, 0],
      )
      while (map.stats().pinnedBytes > 0 && Date.now() < deadline) await setTimeout(20)
      t.is(map.stats().pinnedBytes, 0)
    }
  })

  test(`${views}: after close the bytes of every view have length 0, and no verb gives another`, (t) => {
    const map = freshMap(t, options)
    for (const length of LENGTHS) map.set(`k${length}`, content('k', length))
    leaveTail(map)
    map.set('at the end', content('end', 100))
    const all = [...LENGTHS.map((length) => `k${length}`), 'at the end'].map((key) =>
      map.view(key)!,
    )
    const parts = all.map(({ bytes }) => bytes)
    const iterator = map.views()
    iterator.next()
    map.close()
    for (const [i, view] of all.entries()) {
      t.is(view.bytes.length, 0)
      t.is(parts[i]!.length, 0)
      if (i > 0) fails(t, 'ERR_CLOSED', () => view.value)
      view[Symbol.dispose]()
    }
    fails(t, 'ERR_CLOSED', () => map.view('k1'))
    fails(t, 'ERR_CLOSED', () => map.viewMany(['k1']))
    fails(t, 'ERR_CLOSED', () => map.read('k1', () => 1))
    fails(t, 'ERR_CLOSED', () => iterator.next())
    fails(t, 'ERR_CLOSED', () => [...map.views()])
  })

  test(`${views}: what is written over a view reaches neither the file, nor get, nor another thread, nor later records`, async (t) => {
    const map = freshMap(t, options)
    const path = map.handle.path
    for (let i = 0; i < 500; i++) map.set(`k${i}`, content(`k${i}`, 400))
    map.set('long', content('long', 300_000))
    leaveTail(map)
    for (let i = 0; i < 500; i++) map.view(`k${i}`)!.bytes.fill(0xff)
    map.view('long')!.bytes.fill(0xff)
    for (let i = 0; i < 500; i++) t.deepEqual(map.get(`k${i}`), content(`k${i}`, 400))
    t.deepEqual(map.get('long'), content('long', 300_000))
    for (let i = 0; i < 1000; i++) map.set(`n${i}`, content(`n${i}`, 300))
    for (let i = 0; i < 1000; i++) {
      if (!map.view(`n${i}`)!.bytes.equals(map.get(`n${i}`)!)) t.fail(`n${i}`)
    }
    const worker = startThread(path, 'views', { count: 500, views })
    t.true(await resultOf<boolean>(worker), 'another thread sees what was stored')
    const report = await map.verify()
    t.true(report.ok)
  })

  test(`${views}: an iteration with views gives every entry once, with its bytes`, (t) => {
    const map = freshMap(t, { key: str, value: bytes, views })
    const expected = new Map<string, string>()
    for (let i = 0; i < 3000; i++) expected.set(`k${i}`, hash(content(`k${i}`, i % 700)))
    for (let i = 0; i < 3000; i++) map.set(`k${i}`, content(`k${i}`, i % 700))
    for (const key of ['l1', 'l2']) {
      map.set(key, content(key, 400_000))
      expected.set(key, hash(content(key, 400_000)))
    }
    const seen = new Map<string, string>()
    for (const [key, view] of map.views()) {
      t.false(seen.has(key))
      seen.set(key, hash(view.bytes))
      view[Symbol.dispose]()
    }
    t.deepEqual(new Map([...seen].toSorted()), new Map([...expected].toSorted()))
    const iterator = map.views()
    t.is(Object.prototype.toString.call(iterator), '[object DiskMap View Iterator]')
    t.is(iterator[Symbol.iterator](), iterator)
    for (const entry of iterator) {
      t.is(entry.length, 2)
      break
    }
    t.deepEqual(iterator.next(), { done: true, value: undefined })
  })

  test(`${views}: viewMany gives the views in the order of the keys`, (t) => {
    const map = freshMap(t, { key: native.u64, value: str, views })
    for (let i = 0n; i < 100n; i++) map.set(i, `value ${i}`)
    const found = map.viewMany([5n, 1000n, 7n])
    t.deepEqual(
      found.map((view) => view?.bytes.toString()),
      ['value 5', undefined, 'value 7'],
    )
    t.deepEqual(
      found.map((view) => view?.value),
      ['value 5', undefined, 'value 7'],
    )
    for (const bad of [undefined, null, 5, {}]) {
      fails(t, 'ERR_INVALID_ARGUMENT', () => map.viewMany(bad as never))
    }
    fails(t, 'ERR_INVALID_KEY', () => map.viewMany([1n, 'x' as never]))
  })

  test(`${views}: read gives what fn makes of the bytes, and its view has ended then`, (t) => {
    const map = freshMap(t, options)
    map.set('a', content('a', 1000))
    leaveTail(map)
    let kept: View<unknown> | undefined
    t.is(
      map.read('a', (data, view) => {
        kept = view
        return hash(data)
      }),
      hash(content('a', 1000)),
    )
    t.is(kept!.bytes.length, 0)
    t.is(
      map.read('absent', () => t.fail()),
      undefined,
    )
    t.throws(
      () =>
        map.read('a', () => {
          throw new RangeError('mine')
        }),
      { instanceOf: RangeError },
    )
    t.is(map.stats().pins, 0)
    fails(t, 'ERR_INVALID_ARGUMENT', () => map.read('a', 'x' as never))
  })

  test(`${views}: the value of a view is what the codec makes of its bytes`, (t) => {
    const map = freshMap(t, { key: str, value: json<{ n: number }>(), views })
    map.set('a', { n: 1 }).set('b', { n: 2 })
    const view = map.view('a')!
    t.deepEqual(view.value, { n: 1 })
    t.is(view.bytes.toString(), '{"n":1}')
    map.set('a', { n: 3 })
    t.deepEqual(view.value, { n: 1 })
  })

  test(`${views}: a view is hashed 1,000,000 times while three threads overwrite its key: one hash`, async (t) => {
    const path = freshPath(t)
    const map = DiskMap.open(path, { key: str, value: bytes, views })
    map.set('hot', content('hot', 200))
    for (let i = 0; i < 5000; i++) map.set(`filler ${i}`, Buffer.alloc(100, i))
    const expected = content('hot', 200)
    const { bytes: hot } = map.view('hot')!
    const workers = [1, 2, 3].map((n) => startThread(path, 'overwrite', { key: 'hot', n }))
    const ends = workers.map((worker) => resultOf<number>(worker))
    let wrong = 0
    for (let i = 0; i < 1_000_000; i++) {
      if (!hot.equals(expected)) wrong++
      if (i % 50_000 === 0) await setTimeout(1)
    }
    t.is(wrong, 0)
    map.set('stop', Buffer.from('stop'))
    t.true((await Promise.all(ends)).every((count) => count > 1000))
    map.close()
  })

  test(`${views}: 1,000,000 views made and forgotten: the memory returns, and pins return to 0`, async (t) => {
    const map = freshMap(t, { key: str, value: bytes, views })
    for (let i = 0; i < 1000; i++) map.set(`k${i}`, content(`k${i}`, 200))
    const before = process.memoryUsage().rss
    for (let round = 0; round < 1000; round++) {
      for (let i = 0; i < 1000; i++) {
        if (map.view(`k${i}`)!.bytes.length !== 200) t.fail()
      }
      if (round % 50 === 0) await setTimeout(0)
    }
    t.true(await collected(() => map.stats().pins === 0))
    t.true(process.memoryUsage().rss - before < 200 << 20)
  })

  test(`${views}: a map opened for reading only, or attached, has views too`, (t) => {
    const path = freshPath(t)
    const map = DiskMap.open(path, codecs)
    map.set('a', content('a', 500))
    leaveTail(map)
    const attached = DiskMap.attach(map.handle, { ...attachable, views })
    t.deepEqual(attached.view('a')!.bytes, content('a', 500))
    t.is(attached.view('a')!.zeroCopy, inPlace(views))
    attached.close()
    map.close()
    const reader = DiskMap.open(path, { ...attachable, readOnly: true, views })
    t.deepEqual(reader.view('a')!.bytes, content('a', 500))
    t.is(reader.view('a')!.zeroCopy, inPlace(views))
    reader.close()
  })

  test(`${views}: a view that is cloned, posted or transferred does no harm to others`, (t) => {
    const map = freshMap(t, options)
    map.set('a', content('a', 1000))
    leaveTail(map)
    const view = map.view('a')!
    t.deepEqual(Buffer.from(structuredClone(view.bytes)), content('a', 1000))
    const { buffer } = view.bytes
    try {
      structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
    } catch {
      // Of the map's own memory Node 22 and later refuse it, Node 20 copies. A copy is anybody's to give away.
    }
    t.deepEqual(map.view('a')!.bytes, content('a', 1000))
    const transfer = (buffer as ArrayBuffer & { transfer?: () => ArrayBuffer }).transfer
    if (transfer !== undefined && buffer.byteLength > 0) {
      const taken = transfer.call(buffer)
      t.is(view.bytes.length, 0)
      t.deepEqual(map.view('a')!.bytes, content('a', 1000))
      t.true(taken.byteLength > 0)
    }
    view[Symbol.dispose]()
    map.close()
  })
}

test('what lies on the page that is still written is copied, and is in place once the log has gone on', (t) => {
  const map = freshMap(t, codecs)
  map.set('a', content('a', 100))
  const copy = map.view('a')!
  t.false(copy.zeroCopy)
  leaveTail(map)
  t.is(map.view('a')!.zeroCopy, inPlace('auto'))
  t.deepEqual(copy.bytes, content('a', 100))
})

test('the option views must be auto or copy', (t) => {
  for (const views of ['zero', true, null, 1]) {
    fails(t, 'ERR_INVALID_ARGUMENT', () => freshMap(t, { views: views as never }))
  }
  const map = freshMap(t)
  fails(t, 'ERR_INVALID_ARGUMENT', () => DiskMap.attach(map.handle, { views: 'no' as never }))
})

test('a file that is freed while nobody looks at it any more is let go without a collection', async (t) => {
  const map = freshMap(t, codecs)
  for (let i = 0; i < 300; i++) map.set(`k${i}`, content(`k${i}`, 1000))
  for (let i = 0; i < 300; i++) map.view(`k${i}`)![Symbol.dispose]()
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 300; i++) map.set(`k${i}`, content(`k${i}`, 1000))
  }
  await map.compact()
  const deadline = Date.now() + 20_000
  while (map.stats().pinnedBytes > 0 && Date.now() < deadline) await setTimeout(10)
  t.is(map.stats().pinnedBytes, 0)
})
