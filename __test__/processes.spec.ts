import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import test from 'ava'
import { DiskMap, str } from '../index.js'
import { freshDir, freshPath } from './helpers/dir.js'
import { finish, firstLine, start } from './helpers/program.js'

const codecs = { key: str, value: str }

test('of processes that open a map at the same moment, also one that is not there yet, exactly one gets it', async (t) => {
  const dir = freshDir(t)
  const children = Array.from({ length: 3 }, () => {
    const child = start(t, 'races.mjs')
    return { child, lines: createInterface({ input: child.stdout! })[Symbol.asyncIterator]() }
  })
  const answers = async (): Promise<string[]> =>
    Promise.all(children.map(async ({ lines }) => String((await lines.next()).value)))
  const tell = (line: string): void => children.forEach(({ child }) => child.stdin!.write(line))
  t.deepEqual(await answers(), ['ready', 'ready', 'ready'])
  for (let round = 0; round < 40; round++) {
    // Every other time the map is there, and was closed a moment ago.
    const path = join(dir, `map-${Math.floor(round / 2)}`)
    tell(`${path}\n`)
    t.deepEqual((await answers()).toSorted(), ['ERR_LOCKED', 'ERR_LOCKED', 'opened'])
    tell('\n')
    t.deepEqual(await answers(), ['closed', 'closed', 'closed'])
  }
  for (const { child } of children) child.stdin!.end()
  const map = DiskMap.open(join(dir, 'map-0'), codecs)
  t.true(map.size === 1 || map.size === 2)
  for (const value of map.values()) t.is(value, 'was here')
  map.close()
})

test('a process that was started while the map was open does not hold its lock', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs).set('a', '1')
  // It inherits what is not closed for it.
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  t.teardown(() => void child.kill('SIGKILL'))
  await once(child, 'spawn')
  map.close()
  const other = start(t, 'holds.mjs', path)
  t.is(await firstLine(other), 'open')
  other.stdin!.end()
  t.is((await finish(other)).code, 0)
  t.is(child.exitCode, null)
})

test('a worker of a cluster is another process: ERR_LOCKED with the pid of the primary, until that closes', async (t) => {
  const path = freshPath(t)
  const { code, output } = await finish(start(t, 'clusters.mjs', path))
  t.is(code, 0)
  const [pid, ...said] = output.trim().split('\n')
  t.is(said.length, 2)
  t.regex(said[0]!, new RegExp(`^ERR_LOCKED: .*\\b${pid}\\b`))
  t.is(said[1], 'opened')
  const map = DiskMap.open(path, codecs)
  t.deepEqual([...map.keys()].toSorted(), ['primary', 'worker'])
  map.close()
})
