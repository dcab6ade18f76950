import {
  linkSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { DiskMap, DiskMapError, str } from '../index.js'
import { freshDir, freshPath } from './helpers/dir.js'
import { finish, start } from './helpers/program.js'

const codecs = { key: str, value: str, shards: 1, flushInterval: false } as const
const posix = process.platform !== 'win32'

test('directories are 0700 and files 0600 whatever the umask, backups too', async (t) => {
  if (!posix) return void t.pass('no modes here')
  const dir = freshDir(t)
  const { code } = await finish(start(t, 'umask.mjs', join(dir, 'map'), join(dir, 'backup')))
  t.is(code, 0)
  for (const name of ['map', 'backup']) {
    const path = join(dir, name)
    t.is(statSync(path).mode & 0o7777, 0o700, name)
    const files = readdirSync(path)
    t.true(files.length >= 10)
    for (const file of files) t.is(statSync(join(path, file)).mode & 0o7777, 0o600, file)
  }
})

const kinds = [
  'HEAD',
  'CHECKPOINT.0',
  'CHECKPOINT.1',
  'SPARE',
  'OWNER',
  'seg-',
  'ext-',
  'tab-',
  'dir-',
  'idx-',
]

/** A closed map with a file of every kind, but OWNER. */
function closedMap(t: ExecutionContext): string {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs)
  for (let n = 0; n < 3000; n++) map.set(`key ${n}`, 'value '.repeat(20))
  map.set('long', 'long '.repeat(100_000))
  map.flushSync()
  map.close()
  return path
}

/** Opens the map and uses each file; what fails must be a DiskMapError. */
function use(path: string): string {
  let map: DiskMap<string, string> | undefined
  let code = 'none'
  try {
    map = DiskMap.open(path, codecs)
    for (let n = 0; n < 3000; n++) map.get(`key ${n}`)
    map.get('long')
    for (let n = 0; n < 3000; n++) map.set(`key ${n}`, 'other '.repeat(40))
    map.set('long', 'other')
    map.flushSync()
  } catch (error) {
    if (!(error instanceof DiskMapError)) throw error
    code = error.code
  }
  try {
    map?.close()
  } catch (error) {
    if (!(error instanceof DiskMapError)) throw error
    code = error.code
  }
  return code
}

for (const [link, plant] of [
  ['symbolic', (target: string, path: string) => symlinkSync(target, path)],
  ['hard', (target: string, path: string) => linkSync(target, path)],
] as const) {
  test(`a ${link} link in the place of any file of the map is never followed: what it leads to stays as it was`, (t) => {
    if (!posix) return void t.pass('no links here')
    for (const kind of kinds) {
      const path = closedMap(t)
      const stranger = join(path, '..', 'stranger')
      const name =
        readdirSync(path)
          .toSorted()
          .find((name) => name.startsWith(kind)) ?? kind
      // The file itself, so that only the link is what is wrong; of OWNER, which a closed map lacks, something else.
      if (name === 'OWNER') writeFileSync(stranger, 'a file of somebody else')
      else renameSync(join(path, name), stranger)
      const before = readFileSync(stranger)
      plant(stranger, join(path, name))
      // What is derived from the log is made anew beside it. An extent is only read, and its name deleted: a second name
      // does no harm there.
      const derived = ['HEAD', 'tab-', 'dir-', 'idx-'].includes(kind)
      const harmless = derived || (link === 'hard' && kind === 'ext-')
      t.is(use(path), harmless ? 'none' : 'ERR_CORRUPT', name)
      t.deepEqual(readFileSync(stranger), before, name)
    }
  })
}

test('the directory that is opened may be a link: it is the user’s word', (t) => {
  if (!posix) return void t.pass('no links here')
  const path = freshPath(t)
  symlinkSync(`${path}.real`, `${path}.link`)
  DiskMap.open(`${path}.real`, codecs).set('a', '1').close()
  const map = DiskMap.open(`${path}.link`, codecs)
  t.is(map.get('a'), '1')
  map.close()
})
