import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { DiskMap, json, native, str } from '../index.js'
import { cli, contents, type Ran } from './helpers/cli.js'
import { freshDir } from './helpers/dir.js'
import { finish, firstLine, start } from './helpers/program.js'

const ENTRY = '{"key":"a","value":"2"}\n'
const NEW = ['--key-codec', 'str', '--value-codec', 'str']

/** Every command on a path, with what it needs besides; `to` is what some of them would make. */
function commands(path: string, to: string): [args: string[], input?: string][] {
  return [
    [['get', path, 'a']],
    [['set', path, 'a', '2']],
    [['set', ...NEW, path, 'a', '2']],
    [['delete', path, 'a']],
    [['keys', path]],
    [['dump', path]],
    [['load', path], ENTRY],
    [['load', ...NEW, path], ENTRY],
    [['stats', path]],
    [['stats', '--json', path]],
    [['verify', path]],
    [['verify', '--json', path]],
    [['compact', path]],
    [['backup', path, to]],
    [['salvage', path, to]],
  ]
}

/** One line on the standard error, with a code. */
function failed(t: ExecutionContext, { status, out, err }: Ran, code: string, what: string): void {
  t.is(status, code === 'ERR_USAGE' ? 2 : 1, what)
  t.regex(err, new RegExp(`^opendiskmap: ${code}: [^\\n]+\\n$`), what)
  t.is(out, '', what)
}

/** Each command fails with this code, and changes nothing in the directory that all of it lies in. */
async function allFail(
  t: ExecutionContext,
  dir: string,
  path: string,
  code: string,
  but: (args: string[]) => boolean = () => false,
): Promise<void> {
  const before = contents(dir)
  let tried = 0
  for (const [args, input] of commands(path, join(dir, 'to'))) {
    if (but(args)) continue
    failed(t, await cli(args, input), code, args.join(' '))
    t.deepEqual(contents(dir), before, args.join(' '))
    tried++
  }
  t.true(tried > 10)
}

function made(dir: string, entries = 20): string {
  const path = join(dir, 'map')
  const map = DiskMap.open(path, { key: str, value: str, shards: 1 })
  for (let i = 0; i < entries; i++) map.set(`key ${i}`, `the value of ${i}.`)
  map.close()
  return path
}

function wound(path: string, start: string, at: number | string): void {
  for (const name of readdirSync(path).filter((name) => name.startsWith(start))) {
    const bytes = readFileSync(join(path, name))
    bytes[typeof at === 'number' ? at : bytes.indexOf(at)]! ^= 1
    writeFileSync(join(path, name), bytes)
  }
}

const makesNew = (args: string[]): boolean => args.includes('--key-codec')

test('each command on a path where nothing is fails with ERR_NOT_FOUND and makes nothing', async (t) => {
  const dir = freshDir(t)
  await allFail(t, dir, join(dir, 'none'), 'ERR_NOT_FOUND', makesNew)
  await allFail(t, dir, join(dir, 'no', 'parent'), 'ERR_NOT_FOUND')
  mkdirSync(join(dir, 'empty'))
  const isOther = (args: string[]): boolean => makesNew(args) || args[0] === 'salvage'
  await allFail(t, dir, join(dir, 'empty'), 'ERR_NOT_FOUND', isOther)
})

test('each command on a directory with something else in it, and on a file, fails with ERR_NOT_A_MAP and changes nothing', async (t) => {
  const dir = freshDir(t)
  mkdirSync(join(dir, 'other'))
  writeFileSync(join(dir, 'other', 'notes\nof mine'), 'x')
  writeFileSync(join(dir, 'file'), 'x')
  await allFail(t, dir, join(dir, 'other'), 'ERR_NOT_A_MAP')
  await allFail(t, dir, join(dir, 'file'), 'ERR_NOT_A_MAP')
})

test('each command on a map whose checkpoints and HEAD are damaged fails with ERR_CORRUPT and changes nothing', async (t) => {
  const dir = freshDir(t)
  const path = made(dir)
  wound(path, 'CHECKPOINT', 100)
  wound(path, 'HEAD', 100)
  await allFail(t, dir, path, 'ERR_CORRUPT')
})

test('each command but salvage on a map whose log is damaged where the index is made from it fails with ERR_CORRUPT and changes nothing', async (t) => {
  const dir = freshDir(t)
  // A copy: the index is made at its first open.
  cpSync(made(freshDir(t)), join(dir, 'map'), { recursive: true })
  const path = join(dir, 'map')
  wound(path, 'seg-', 'the value of 7.')
  await allFail(t, dir, path, 'ERR_CORRUPT', (args) => args[0] === 'salvage')
  const { status, out } = await cli(['salvage', path, join(dir, 'to')])
  t.is(status, 0)
  t.regex(out, /^ERR_CORRUPT {2}seg-\S+ at \d+\nwrote 19 entries, .*; left out 1 damaged place\n$/)
})

test('each command on a map that another process holds fails with ERR_LOCKED and changes nothing', async (t) => {
  const dir = freshDir(t)
  const path = join(dir, 'map')
  const child = start(t, 'holds.mjs', path, JSON.stringify({ flushInterval: false }))
  t.is(await firstLine(child), 'open')
  await allFail(t, dir, path, 'ERR_LOCKED')
  child.stdin!.end()
  t.is((await finish(child)).code, 0)
  t.is((await cli(['get', path, 'a'])).out, '1\n')
})

test('a damaged value fails those that read it, and verify lists it; nothing is changed', async (t) => {
  const dir = freshDir(t)
  const path = made(dir)
  wound(path, 'seg-', 'the value of 7.')
  const before = contents(dir)
  for (const args of [
    ['get', path, 'key 7'],
    ['set', path, 'key 7', 'x'],
    ['delete', path, 'key 7'],
    ['compact', path],
  ]) {
    failed(t, await cli(args), 'ERR_CORRUPT', args[0]!)
    t.deepEqual(contents(dir), before, args[0])
  }
  t.is((await cli(['get', path, 'key 8'])).out, 'the value of 8.\n')
  const dumped = await cli(['dump', path])
  t.is(dumped.status, 1)
  t.regex(dumped.err, /^opendiskmap: ERR_CORRUPT: [^\n]+\n$/)
  const verified = await cli(['verify', path])
  t.is(verified.status, 1)
  t.regex(verified.err, /^opendiskmap: ERR_CORRUPT: .* in 1 place\. [^\n]+\n$/)
  t.regex(verified.out, /^checked 19 records, .*\nERR_CORRUPT {2}seg-\S+ at \d+ {2}key "key 7"\n$/)
  const report = JSON.parse((await cli(['verify', '--json', path])).out) as Record<string, unknown>
  t.like(report, { ok: false, errorCount: 1, errors: [{ code: 'ERR_CORRUPT', key: 'key 7' }] })
  t.deepEqual(contents(dir), before)
})

test('what cannot be understood is ERR_USAGE with status 2, names the help, and changes nothing', async (t) => {
  const dir = freshDir(t)
  const path = made(dir)
  const before = contents(dir)
  const to = join(dir, 'to')
  const names = ['get', 'set', 'delete', 'keys', 'dump', 'load', 'stats', 'verify', 'compact']
  const wrong: string[][] = [
    [],
    ['frobnicate', path],
    ['--frobnicate'],
    ...[...names, 'backup', 'salvage'].flatMap((name) => [[name], [name, '--frobnicate', path]]),
    ['get', path],
    ['set', path],
    ['delete', path],
    ['backup', path],
    ['salvage', path],
    ['stats', path, 'too much'],
    ['get', path, 'a', 'too much'],
    ['set', '--raw', path, 'a', 'given'],
    ['set', '--key-codec', 'json', '--value-codec', 'str', to, 'a', '1'],
    ['set', '--key-codec', 'frob', '--value-codec', 'str', to, 'a', '1'],
    ['load', '--key-codec', 'str', '--value-codec', 'arch:{id:u33}', to],
    ['load', '--key-codec', 'arch:{id:u32}', '--value-codec', 'str', to],
    ['load', '--key-codec'],
    ['bench', '--entries', '0', dir],
    ['bench', '--entries', '1.5', dir],
    ['bench', '--value-bytes', '-1', dir],
    ['bench', dir, 'too much'],
  ]
  for (const args of wrong) {
    const ran = await cli(args)
    failed(t, ran, 'ERR_USAGE', args.join(' '))
    t.regex(ran.err, /; see opendiskmap .*--help\n$/)
  }
  t.deepEqual(contents(dir), before)
})

test('keys, values and codecs that a map does not take fail with their codes, and change nothing', async (t) => {
  const dir = freshDir(t)
  const path = join(dir, 'map')
  DiskMap.open(path, { key: native.u64, value: json, shards: 1 }).set(1n, [1]).close()
  // The first open for writing finds the map as a close left it, and so does every later one.
  await cli(['set', path, '1', '[1]'])
  const wrong: [code: string, args: string[], input?: string][] = [
    ['ERR_INVALID_KEY', ['get', path, 'word']],
    ['ERR_INVALID_KEY', ['get', path, '-1']],
    ['ERR_INVALID_KEY', ['get', path, '18446744073709551616']],
    ['ERR_INVALID_KEY', ['get', path, '']],
    ['ERR_INVALID_KEY', ['delete', path, '1', 'word']],
    ['ERR_INVALID_KEY', ['set', path, 'word', '1']],
    ['ERR_INVALID_ARGUMENT', ['set', path, '1', '{']],
    ['ERR_INVALID_ARGUMENT', ['set', path, '1'], '\xff'],
    ['ERR_CODEC_MISMATCH', ['set', ...NEW, path, '1', '1']],
    ['ERR_CODEC_MISMATCH', ['load', ...NEW, path]],
    ['ERR_INVALID_ARGUMENT', ['backup', path, path]],
    ['ERR_INVALID_ARGUMENT', ['salvage', path, path]],
    ['ERR_CODEC_MISMATCH', ['salvage', ...NEW, path, join(dir, 'to')]],
    ['ERR_NOT_FOUND', ['backup', path, join(dir, 'no', 'parent')]],
    ['ERR_NOT_FOUND', ['load', path, join(dir, 'no file')]],
    ['ERR_IO', ['load', path, dir]],
    ['ERR_NOT_FOUND', ['bench', join(dir, 'none')]],
    ['ERR_IO', ['bench', join(path, 'HEAD')]],
    ['ERR_NOT_FOUND', ['set', path + 1, '1', '1']],
  ]
  const entries = async (): Promise<string> => (await cli(['dump', path])).out
  const names = (): string[] => Object.keys(contents(dir))
  const [there, files] = [await entries(), names()]
  for (const [code, args, input] of wrong) {
    failed(t, await cli(args, input && Buffer.from(input, 'latin1')), code, args.join(' '))
    t.is(await entries(), there, args.join(' '))
    t.deepEqual(names(), files, args.join(' '))
  }
})

const good = (n: number): string => `{"key":"${n}","value":"x"}\n`
const wrongLines: [code: string, line: string][] = [
  ['ERR_INVALID_ARGUMENT', '{"key":"5",'],
  ['ERR_INVALID_ARGUMENT', '[]'],
  ['ERR_INVALID_ARGUMENT', 'null'],
  ['ERR_INVALID_ARGUMENT', '{"key":"5"}'],
  ['ERR_INVALID_ARGUMENT', '{"key":"5","value":"x","more":1}'],
  ['ERR_INVALID_KEY', '{"key":"x","value":"x"}'],
  ['ERR_INVALID_KEY', '{"key":1.5,"value":"x"}'],
  ['ERR_INVALID_VALUE', '{"key":"5","value":5}'],
  ['ERR_INVALID_VALUE', '{"key":"5","value":"\\ud800"}'],
]

test('load stops at a line that does not fit, names it, and keeps those before it; a new map is not made for it', async (t) => {
  const dir = freshDir(t)
  const path = join(dir, 'there')
  const codecs = ['--key-codec', 'u64', '--value-codec', 'str']
  for (const [code, line] of wrongLines) {
    const input = `${good(1)}\n${good(2)}${line}\n${good(3)}`
    const fresh = await cli(['load', ...codecs, join(dir, 'new')], input)
    failed(t, fresh, code, line)
    t.regex(fresh.err, / Line 4: .* 0 entries are stored\.\n$/)
    t.deepEqual(readdirSync(dir), [])

    t.is((await cli(['load', ...codecs, path], good(9))).out, 'loaded 1 entry\n')
    const ran = await cli(['load', path], input)
    failed(t, ran, code, line)
    t.regex(ran.err, / Line 4: .* 2 entries are stored\.\n$/)
    const keys = (await cli(['keys', path])).out.split('\n').filter(Boolean).toSorted()
    t.deepEqual(keys, ['1', '2', '9'])
    rmSync(path, { recursive: true })
  }
  const many = Array.from({ length: 2500 }, (_, i) => good(i)).join('')
  const late = await cli(['load', ...codecs, path], `${many}{}\n`)
  t.regex(late.err, / Line 2501: .* 2,500 entries are stored\.\n$/)
  t.is(DiskMap.open<bigint, string>(path).size, 2500)
})

test('load takes no bytes that are not UTF-8', async (t) => {
  const path = made(freshDir(t))
  const ran = await cli(['load', path], Buffer.from('{"key":"a","value":"\xff"}\n', 'latin1'))
  failed(t, ran, 'ERR_INVALID_ARGUMENT', 'load')
})

test('in a directory that may not be written, what reads works and what writes is ERR_IO; nothing is changed', async (t) => {
  if (process.platform === 'win32') {
    t.pass('permissions are not like this here')
    return
  }
  const dir = freshDir(t)
  const path = made(dir)
  // As root, permissions count for nothing: a child runs the commands as nobody.
  const nobody = process.getuid?.() === 0 ? 65_534 : undefined
  const paths = [...readdirSync(path).map((name) => join(path, name)), path, dir]
  for (const each of paths) {
    if (nobody !== undefined) chownSync(each, nobody, nobody)
    chmodSync(each, each === path || each === dir ? 0o500 : 0o400)
  }
  const before = contents(dir)
  try {
    const runs = commands(path, join(dir, 'to'))
    const child = start(t, 'clis.mjs', String(nobody ?? ''), JSON.stringify(runs))
    const ran = JSON.parse((await finish(child)).output) as Ran[]
    t.is(ran.length, runs.length)
    for (const [i, [args]] of runs.entries()) {
      const what = args.join(' ')
      if (['get', 'keys', 'dump', 'stats', 'verify'].includes(args[0]!)) {
        t.is(ran[i]!.status, args[0] === 'get' ? 3 : 0, what)
        t.is(ran[i]!.err, '', what)
      } else {
        failed(t, ran[i]!, 'ERR_IO', what)
      }
    }
    t.deepEqual(contents(dir), before)
  } finally {
    chmodSync(dir, 0o700)
    chmodSync(path, 0o700)
  }
})
