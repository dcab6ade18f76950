import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { rmSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import { DiskMap, str } from '../index.js'
import { freshPath } from './helpers/dir.js'
import { fails, rejects } from './helpers/errors.js'
import { holdPool } from './helpers/pool.js'
import { program } from './helpers/program.js'

const codecs = { key: str, value: str }

/** Runs a program beside the specs to its end. */
function run(name: string, ...args: string[]): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, ['--expose-gc', program(name), ...args], {
    encoding: 'utf8',
    timeout: 60_000,
  })
}

test('close is synchronous: when it has returned, another process opens the map', (t) => {
  const path = freshPath(t)
  for (let round = 1; round <= 2; round++) {
    const map = DiskMap.open(path, codecs).set(`${round}`, 'x')
    t.regex(run('opens.mjs', path).stdout, /^ERR_LOCKED/)
    map.close()
    t.is(run('opens.mjs', path).stdout.trim(), `opened ${round}`)
  }
})

test('the last close marks the map clean, and no other one does', (t) => {
  for (const [count, reason] of [
    [0, 'killed'],
    [1, 'killed'],
    [2, 'killed'],
    [3, 'clean'],
  ] as const) {
    const path = freshPath(t)
    run('closes.mjs', path, `${count}`)
    const map = DiskMap.open(path, codecs)
    t.is(map.stats().recovery.reason, reason, `${count} of 3 handles were closed`)
    t.is(map.get('a'), '1')
    map.close()
  }
})

test('close throws if the map could not be made durable, and the handle is closed all the same', (t) => {
  const path = freshPath(t)
  const one = DiskMap.open(path, codecs).set('a', '1')
  const two = DiskMap.open(path, codecs)
  rmSync(path, { recursive: true })
  // Only the last close has something to sync.
  one.close()
  fails(t, 'ERR_FILE_GONE', () => two.close())
  fails(t, 'ERR_CLOSED', () => two.get('a'))
  t.is(two.close(), undefined)
  const again = DiskMap.open(path, codecs)
  t.is(again.size, 0)
  again.close()
})

// While the pool is held, nothing of another test goes on that needs it.
test.serial(
  'pending flush and getAsync are done when close returns, and resolve after',
  async (t) => {
    const path = freshPath(t)
    const long = 'long '.repeat(100_000)
    const map = DiskMap.open(path, codecs).set('a', 'before').set('b', long)
    const release = holdPool(t)
    if (release === undefined) {
      t.pass('no pipes here')
      return
    }
    let settled = 0
    const pending = [map.flush(), map.getAsync('a'), map.getAsync('b'), map.getAsync('none')]
    for (const promise of pending) void promise.then(() => settled++)
    map.close()
    t.is(run('opens.mjs', path).stdout.trim(), 'opened 2')
    const again = DiskMap.open(path, codecs)
    again.clear()
    again.set('a', 'after').close()
    for (let turn = 0; turn < 20; turn++) await setImmediate()
    t.is(settled, 0)
    await release()
    t.deepEqual(await Promise.all(pending), [undefined, 'before', long, undefined])
  },
)

test.serial('a getAsync or flush that fails in close says so by its promise alone', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs).set('a', '1')
  const other = DiskMap.open(path, codecs)
  const release = holdPool(t)
  if (release === undefined) {
    t.pass('no pipes here')
    return
  }
  const tooLong = rejects(t, 'ERR_TOO_LARGE', map.getAsync('x'.repeat(65_536)))
  const gone = rejects(t, 'ERR_FILE_GONE', map.flush())
  rmSync(path, { recursive: true })
  map.close()
  await release()
  await tooLong
  await gone
  fails(t, 'ERR_FILE_GONE', () => other.close())
})

test.serial('close cancels compact: ERR_CLOSED, and the map is whole', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs)
  for (let i = 0; i < 5000; i++) map.set(`${i % 100}`, `${i}`.repeat(20))
  const release = holdPool(t)
  if (release === undefined) {
    t.pass('no pipes here')
    return
  }
  const pending = [map.compact(), map.compact()]
  const rejected = pending.map((promise) => rejects(t, 'ERR_CLOSED', promise))
  map.close()
  await release()
  await Promise.all(rejected)
  const again = DiskMap.open(path, codecs)
  t.is(again.get('99'), '4999'.repeat(20))
  again.close()
})

test.serial('close of one handle cancels no compact and no getAsync of another', async (t) => {
  const path = freshPath(t)
  const one = DiskMap.open(path, codecs).set('a', '1')
  const two = DiskMap.attach(one.handle, codecs)
  const release = holdPool(t)
  const pending = [one.compact(), one.getAsync('a')]
  two.close()
  await release?.()
  t.deepEqual(await Promise.all(pending), [undefined, '1'])
  one.close()
})

for (const how of ['open', 'openAsync', 'attach', 'getAsync', 'pending']) {
  test(`an open map does not keep the process alive: ${how}`, (t) => {
    const path = freshPath(t)
    const { status, signal, stdout } = run('leaves-open.mjs', path, how)
    t.is(signal, null)
    t.is(status, 0)
    t.is(stdout.trim(), how === 'pending' ? 'settled' : '')
    const map = DiskMap.open(path, codecs)
    t.is(map.size, 1000)
    map.close()
  })

  if (how === 'getAsync') continue
  test(`a collected, unclosed map gives up its handle: ${how}`, (t) => {
    const { status, stdout } = run('collected.mjs', freshPath(t), how)
    t.is(stdout.trim(), 'given up')
    t.is(status, 0)
  })
}
