import { readdirSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { DiskMap, bytes, str } from '../index.js'
import { freshPath } from './helpers/dir.js'
import { fails, rejects } from './helpers/errors.js'
import { finish, firstLine, start } from './helpers/program.js'

/** The first file of a map whose name begins like this. */
function fileOf(path: string, kind: string): string {
  const name = readdirSync(path)
    .toSorted()
    .find((file) => file.startsWith(kind))
  return join(path, name!)
}

interface Told {
  readonly told: { right: number; wrong: number; codes: Record<string, number> }[]
  readonly ends: string[]
}

for (const kind of ['seg', 'idx', 'dir', 'tab', 'HEAD']) {
  test(`a file (${kind}) that another process cuts off under an open map is ERR_IO in all threads: no signal, never a wrong value`, async (t) => {
    if (process.platform === 'win32') {
      t.pass('no process can cut a mapped file there')
      return
    }
    const path = freshPath(t)
    const child = start(t, 'asks.mjs', path)
    t.is(await firstLine(child), 'ready')
    truncateSync(fileOf(path, kind), 0)
    child.stdin!.end('go\n')
    const { code, signal, output } = await finish(child)
    t.is(signal, null)
    t.is(code, 0)
    const { told, ends } = JSON.parse(output.trim().split('\n').at(-1)!) as Told
    for (const { wrong, codes } of told) {
      t.is(wrong, 0)
      t.deepEqual(
        Object.keys(codes).filter((name) => name !== 'ERR_IO'),
        [],
      )
    }
    if (kind === 'seg') t.true(told.every(({ codes }) => codes['ERR_IO']! > 0))
    // Whether the page was touched or not: nothing is promised to be on the disk any more.
    t.deepEqual(
      ends.filter((end) => end !== 'ERR_IO' && end !== 'ERR_READ_ONLY'),
      [],
    )
    t.is(ends.at(-1), 'ERR_IO')
    const codecs = { key: str, value: str }
    if (kind === 'seg') {
      fails(t, 'ERR_CORRUPT', () => DiskMap.open(path, codecs))
      return
    }
    const again = DiskMap.open(path, codecs)
    t.is(again.stats().recovery.reason, 'rebuilt')
    t.is(again.size, 300)
    for (let n = 0; n < 300; n++) {
      const value = again.get(`${n}`)
      // The change that met the missing page has failed, and may have happened all the same.
      if (n !== 1 || value !== 'x') t.is(value, `${n} `.repeat(250))
    }
    again.close()
  })
}

for (const kind of ['seg', 'idx', 'dir', 'tab', 'CHECKPOINT']) {
  test(`flush and close are ERR_FILE_GONE if a file (${kind}) was deleted under the open map; what it holds can still be read`, async (t) => {
    const path = freshPath(t)
    const map = DiskMap.open(path, { key: str, value: str, shards: 1, flushInterval: false })
    map.set('a', '1').flushSync()
    rmSync(fileOf(path, kind))
    map.set('b', '2')
    fails(t, 'ERR_FILE_GONE', () => map.flushSync())
    await rejects(t, 'ERR_FILE_GONE', map.flush())
    t.deepEqual(map.getMany(['a', 'b']), ['1', '2'])
    fails(t, 'ERR_FILE_GONE', () => map.close())
  })
}

test('a value of more than 256 KiB whose file was deleted is ERR_FILE_GONE, and can be replaced', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, { key: str, value: bytes, shards: 1, flushInterval: false })
  const long = new Uint8Array(300_000).fill(7)
  map.set('long', long).set('short', new Uint8Array(3))
  rmSync(fileOf(path, 'ext'))
  fails(t, 'ERR_FILE_GONE', () => map.get('long'))
  await rejects(t, 'ERR_FILE_GONE', map.getAsync('long'))
  fails(t, 'ERR_FILE_GONE', () => [...map.values()])
  t.is(map.get('short')!.length, 3)
  t.is(map.set('long', new Uint8Array(1)).get('long')!.length, 1)
  map.close()
})
