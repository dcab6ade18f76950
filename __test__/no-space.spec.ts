import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { DiskMap, bytes, native } from '../index.js'
import { freshDir } from './helpers/dir.js'
import { fails } from './helpers/errors.js'

const codecs = { key: native.u32, value: bytes }
const valueOf = (key: number): Buffer => Buffer.alloc(500 + (key % 1000), key % 251)

test('a full disk is ERR_NO_SPACE: reads and deletes go on, and puts once there is space', async (t) => {
  const dir = freshDir(t)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', dir], { stdio: 'ignore' })
  } catch {
    t.pass('only root can mount a small disk on Linux')
    return
  }
  t.teardown(() => void execFileSync('umount', ['-l', dir]))
  const path = join(dir, 'map')
  const filler = join(dir, 'filler')
  writeFileSync(filler, Buffer.alloc(6 << 20, 1))
  const map = DiskMap.open(path, { ...codecs, shards: 2 })
  const put = (key: number): Map<number, Uint8Array> =>
    (map as Map<number, Uint8Array>).set(key, valueOf(key))

  let count = 0
  const error = fails(t, 'ERR_NO_SPACE', () => {
    for (; count < 1_000_000; count++) put(count)
  })
  t.true(error.message.length > 0)
  t.true(count > 1000)
  const whole = (first: number): void => {
    t.is(map.size, count - first)
    for (let key = first; key < count; key++) {
      if (!valueOf(key).equals(map.get(key)!)) t.fail(`${key} is not what was stored`)
    }
    t.is([...map.keys()].length, count - first)
  }
  whole(0)
  fails(t, 'ERR_NO_SPACE', () => map.update(count, () => Buffer.alloc(1 << 20)))
  t.false(map.has(count))

  const removed = Math.floor(count / 2)
  for (let key = 0; key < removed; key++) t.true(map.delete(key))
  whole(removed)

  // Room comes from outside.
  rmSync(filler)
  put(count++)
  whole(removed)

  // Room comes from what was deleted.
  await map.compact()
  for (let n = 0; n < removed / 4; n++) put(count++)
  whole(removed)
  map.close()

  const again = DiskMap.open(path, codecs)
  t.is(again.size, count - removed)
  for (let key = removed; key < count; key++) {
    if (!valueOf(key).equals(again.get(key)!)) t.fail(`${key} was lost`)
  }
  again.close()
})

test('a disk too small for a map is ERR_NO_SPACE, and a larger one is taken after it', (t) => {
  const dir = freshDir(t)
  const mount = (size: string): void => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir], { stdio: 'ignore' })
  }
  try {
    mount('8k')
  } catch {
    t.pass('only root can mount a small disk on Linux')
    return
  }
  t.teardown(() => void execFileSync('umount', ['-l', dir]))
  fails(t, 'ERR_NO_SPACE', () => DiskMap.open(join(dir, 'map'), codecs).set(1, valueOf(1)))
  execFileSync('mount', ['-o', 'remount,size=24m', dir])
  const map = DiskMap.open(join(dir, 'map'), codecs)
  t.is(map.size, 0)
  t.true(valueOf(1).equals(map.set(1, valueOf(1)).get(1)!))
  map.close()
})
