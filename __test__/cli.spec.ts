import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import test, { type ExecutionContext } from 'ava'
import { DiskMap, native, str } from '../index.js'
import { run } from '../lib/cli/run.js'
import { Interrupted } from '../lib/cli/shell.js'
import { cli, contents } from './helpers/cli.js'
import { freshDir, freshPath } from './helpers/dir.js'
import { finish, root } from './helpers/program.js'

const STRINGS = ['--key-codec', 'str', '--value-codec', 'str']

function made(t: ExecutionContext, entries: number): string {
  const path = freshPath(t)
  const map = DiskMap.open(path, { key: native.u64, value: str, shards: 1 })
  for (let i = 0n; i < entries; i++) map.set(i, `the value of ${i}`)
  map.close()
  return path
}

/** Starts the program as npm's link to it does. */
function start(t: ExecutionContext, ...args: string[]): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, [join(root, 'lib', 'cli', 'main.js'), ...args])
  t.teardown(() => void child.kill('SIGKILL'))
  return child
}

test('docs/cli.md has the help of the program and of each command as it is printed', async (t) => {
  const page = readFileSync(join(root, 'docs', 'cli.md'), 'utf8')
  const blocks = Array.from(page.matchAll(/^```text\n\$ opendiskmap (.*)\n([^]*?)^```$/gm))
  const program = await cli(['--help'])
  const commands = Array.from(program.out.matchAll(/^ {2}(\w+) {2,}\S/gm), ([, name]) => name!)
  const named = commands.slice(0, commands.indexOf('help'))
  t.deepEqual(
    blocks.map(([, args]) => args),
    ['--help', ...named.map((name) => `${name} --help`)],
  )
  for (const [, args, text] of blocks) {
    t.deepEqual(await cli(args!.split(' ')), {
      status: 0,
      out: text!,
      bytes: Buffer.from(text!),
      err: '',
    })
    t.regex(text!, /\nExamples:\n/)
    t.regex(text!, /\nExit status:\n/)
    t.true(text!.split('\n').every((line) => line.length <= 96))
  }
  t.is((await cli(['help', 'get'])).out, (await cli(['get', '--help'])).out)
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string
  }
  t.is((await cli(['--version'])).out, `${version}\n`)
})

test('set, get, keys and delete do what the map does, and tell an absent key by status 3', async (t) => {
  const path = freshPath(t)
  const set = await cli([
    'set',
    '--key-codec',
    'i32',
    '--value-codec',
    'json',
    path,
    '-5',
    '{"a":[1]}',
  ])
  t.deepEqual(set, { status: 0, out: '', bytes: Buffer.alloc(0), err: '' })
  t.is((await cli(['set', path, '7'], '"from the input"\n')).status, 0)
  t.is((await cli(['get', path, '-5'])).out, '{"a":[1]}\n')
  t.is((await cli(['get', '--json', path, '7'])).out, '"from the input"\n')
  t.deepEqual((await cli(['keys', path])).out.split('\n').toSorted(), ['', '-5', '7'])
  t.like(await cli(['get', path, '8']), { status: 3, out: '', err: '' })
  t.like(await cli(['delete', '--json', path, '8', '-5', '-5']), {
    status: 3,
    out: '{"deleted":1}\n',
  })
  t.like(await cli(['delete', path, '7']), { status: 0, out: '', err: '' })
  t.like(await cli(['keys', '--json', path]), { status: 0, out: '' })
})

test('get and set take text as it is, bytes as base64, and with --raw both byte for byte', async (t) => {
  const dir = freshDir(t)
  const [texts, octets] = [join(dir, 'texts'), join(dir, 'octets')]
  await cli(['set', ...STRINGS, texts, 'a', '--', '-1'])
  t.is((await cli(['get', texts, 'a'])).out, '-1\n')
  await cli(['set', texts, 'b'], 'two\nlines\n')
  t.is((await cli(['get', '--raw', texts, 'b'])).out, 'two\nlines')
  await cli(['set', '--raw', texts, 'b'], 'two\nlines\n')
  t.is((await cli(['get', '--raw', texts, 'b'])).out, 'two\nlines\n')
  t.is((await cli(['get', '--json', texts, 'b'])).out, '"two\\nlines\\n"\n')
  const bytes = Buffer.from([0, 255, 10, 10])
  await cli(
    ['set', '--raw', '--key-codec', 'bytes', '--value-codec', 'bytes', octets, 'AP8='],
    bytes,
  )
  t.is((await cli(['get', octets, 'AP8='])).out, 'AP8KCg==\n')
  t.deepEqual((await cli(['get', '--raw', octets, 'AP8='])).bytes, bytes)
  t.is(
    (await cli(['dump', octets])).out,
    '{"key":{"$bytes":"AP8="},"value":{"$bytes":"AP8KCg=="}}\n',
  )
})

test('an argument for a map of primitive keys is JSON, or a word', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path)
  for (const key of [42, '42', 42n, 'word', true, null]) map.set(key, typeof key)
  map.close()
  const typed = {
    '42': 'number',
    '"42"': 'string',
    '{"$bigint":"42"}': 'bigint',
    word: 'string',
    true: 'boolean',
    null: 'object',
  }
  for (const [argument, type] of Object.entries(typed)) {
    t.is((await cli(['get', path, argument])).out, `"${type}"\n`, argument)
  }
})

test('a map of a schema is written as JSON by its schema, and stats states it as load takes it', async (t) => {
  const dir = freshDir(t)
  const path = join(dir, 'map')
  const schema = '{ id: u64, "a b": string?, tags: (string, bytes)[], kind: <none|at(f64)> }'
  const line =
    '{"key":"k","value":{"id":"18446744073709551615","a b":"x","tags":[["t",{"$bytes":"AQ=="}]],"kind":{"at":"NaN"}}}\n'
  const loaded = await cli(
    ['load', '--key-codec', 'str', '--value-codec', `arch:${schema}`, path],
    line,
  )
  t.is(loaded.err, '')
  t.is((await cli(['dump', path])).out, line)
  const { valueCodec } = JSON.parse((await cli(['stats', '--json', path])).out) as {
    valueCodec: string
  }
  t.is(valueCodec, 'arch:{id:u64,"a b":string?,tags:(string,bytes)[],kind:<none|at(f64)>}')
  t.is((await cli(['load', '--key-codec', 'str', '--value-codec', valueCodec, path], line)).err, '')
  const wrong = await cli(['load', path], line.replace('"NaN"', '"x"'))
  t.regex(wrong.err, /ERR_INVALID_VALUE: Line 1: .* at kind\.at/)
})

test('stats, verify, compact, backup and salvage say the same to people and as JSON', async (t) => {
  const path = made(t, 1500)
  const dir = freshDir(t)
  const before = contents(path)
  t.regex((await cli(['stats', path])).out, /^keys +u64$[^]*^values +str$[^]*^entries +1,500$/m)
  const stats = JSON.parse((await cli(['stats', '--json', path])).out) as Record<string, unknown>
  t.like(stats, { keyCodec: 'u64', valueCodec: 'str', entries: 1500, shards: 1, path })
  t.regex((await cli(['verify', path])).out, /^checked 1,500 records, \d/)
  t.like(JSON.parse((await cli(['verify', '--json', path])).out), { ok: true, records: 1500 })
  t.deepEqual(contents(path), before, 'what only reads changes nothing')

  t.is((await cli(['backup', path, join(dir, 'one')])).out, 'copied 1,500 entries\n')
  t.is((await cli(['backup', '--json', path, join(dir, 'two')])).out, '{"entries":1500}\n')
  t.regex(
    (await cli(['salvage', path, join(dir, 'three')])).out,
    /^wrote 1,500 entries, .*; left out 0 /,
  )
  t.like(JSON.parse((await cli(['salvage', '--json', path, join(dir, 'four')])).out), {
    records: 1500,
  })
  const lines = (await cli(['dump', path])).out.split('\n').toSorted()
  for (const copy of ['one', 'two', 'three', 'four']) {
    t.deepEqual((await cli(['dump', join(dir, copy)])).out.split('\n').toSorted(), lines)
  }

  const large = made(t, 15_000)
  const full = JSON.parse((await cli(['stats', '--json', large])).out) as {
    logBytes: number
    indexBytes: number
  }
  const keys = Array.from({ length: 14_990 }, (_, i) => String(i))
  t.is((await cli(['delete', large, ...keys])).status, 0)
  const compacted = JSON.parse((await cli(['compact', '--json', large])).out) as {
    before: number
    after: number
  }
  t.deepEqual(Object.keys(compacted), ['before', 'after'])
  // Nothing is certain of `before`: the background may have done all of it by then.
  t.true(compacted.after < (full.logBytes + full.indexBytes) / 2)
  t.regex((await cli(['compact', path])).out, /^\d.* before, \d.* now\n$/)
})

test('load reads a file, or the input, with any ends of lines, and JSON with U+2028 in it', async (t) => {
  const dir = freshDir(t)
  const file = join(dir, 'lines')
  const lines = [
    '{"key":"a","value":"1"}\r',
    '',
    ' {"value":"x\u2028y","key":"b"} ',
    '{"key":"c","value":"3"}',
  ]
  writeFileSync(file, lines.join('\n'))
  const path = join(dir, 'map')
  t.is((await cli(['load', ...STRINGS, path, file])).out, 'loaded 3 entries\n')
  t.is((await cli(['load', '--json', path, '-'], lines.join('\n'))).out, '{"loaded":3}\n')
  t.is((await cli(['get', path, 'b'])).out, 'x\u2028y\n')
  t.is((await cli(['load', ...STRINGS, join(dir, 'none')])).out, 'loaded 0 entries\n')
  t.is((await cli(['stats', '--json', join(dir, 'none')])).status, 0)
})

test('bench measures in a directory of its own, which it removes', async (t) => {
  const dir = freshDir(t)
  const options = ['--entries', '3000', '--value-bytes', '20']
  t.regex(
    (await cli(['bench', ...options, dir])).out,
    /^3,000 entries, [^]*\nset +\d.*\nget .*\nupdate .*\ndelete .*\n$/,
  )
  const report = JSON.parse((await cli(['bench', '--json', ...options, dir])).out) as {
    rows: { name: string; perSecond: number }[]
  }
  t.deepEqual(
    report.rows.map(({ name }) => name),
    ['set', 'get', 'update', 'delete'],
  )
  t.true(report.rows.every(({ perSecond }) => perSecond > 0))
  t.deepEqual(readdirSync(dir), [])
})

/** A run whose errors go to what says that it is a terminal. */
async function onTerminal(args: string[], outToo = false): Promise<string> {
  const stderr = Object.assign(new PassThrough(), { isTTY: true, columns: 200 })
  const stdout = Object.assign(new PassThrough(), { isTTY: outToo })
  let told = ''
  stderr.on('data', (part) => (told += String(part)))
  stdout.resume()
  await run(args, { stdin: Readable.from([]), stdout, stderr })
  return told
}

test('a bar is shown where errors go to a terminal, unless the output fills it; in a pipe there is none', async (t) => {
  const path = made(t, 10_000)
  t.regex(await onTerminal(['verify', path]), /verifying █+░* .* of 576\.0 KiB/)
  t.regex(await onTerminal(['dump', path]), /dumping .* of 10,000/)
  t.is(await onTerminal(['dump', path], true), '')
  t.is((await cli(['verify', path])).err, '')
  t.is((await cli(['dump', path])).err, '')
})

test('dump waits for a reader that takes nothing, and holds no more than a portion meanwhile', async (t) => {
  const path = made(t, 20_000)
  let taken = 0
  let begin: (take: () => void) => void
  const begun = new Promise<() => void>((resolve) => (begin = resolve))
  const stdout = new Writable({
    write(part: Buffer, _, done) {
      // The first is taken when the test says so.
      if (taken === 0) begin(done)
      else done()
      taken += part.length
    },
  })
  const streams = { stdin: Readable.from([]), stdout, stderr: new PassThrough() }
  const running = run(['dump', path], streams)
  const take = await begun
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.true(taken + stdout.writableLength < 3 * 65_536)
  take()
  t.is(await running, 0)
  t.is(taken, (await cli(['dump', path])).bytes.length)
})

test('a long command is called off by its signal: nothing half is left, and the map is closed', async (t) => {
  const dir = freshDir(t)
  const path = made(t, 5000)
  const commands = [
    ['verify', path],
    ['backup', path, join(dir, 'to')],
    ['salvage', path, join(dir, 'to')],
    ['compact', path],
    ['dump', path],
    ['bench', dir],
  ]
  for (const args of commands) {
    const control = new AbortController()
    control.abort(new Interrupted('SIGINT', 2))
    let told = ''
    const stderr = new PassThrough().on('data', (part) => (told += String(part)))
    const stdout = new PassThrough().resume()
    t.is(await run(args, { stdin: Readable.from([]), stdout, stderr }, control), 130, args[0])
    t.is(told, 'opendiskmap: ERR_INTERRUPTED: SIGINT called it off.\n', args[0])
    t.deepEqual(readdirSync(dir), [], args[0])
  }
  t.is((await cli(['verify', path])).status, 0)
})

test('an interrupt ends load with status 130, and what it says is stored is there', async (t) => {
  const path = freshPath(t)
  const child = start(t, 'load', ...STRINGS, path)
  let told = ''
  child.stderr.on('data', (part) => (told += String(part)))
  // More than one batch, and then nothing more comes.
  for (let i = 0; i < 1500; i++) child.stdin.write(`{"key":"${i}","value":"x"}\n`)
  while (!readdirSync(join(path, '..')).includes('map'))
    await new Promise((resolve) => setTimeout(resolve, 20))
  child.kill('SIGINT')
  const { code, output } = await finish(child)
  t.is(code, 130)
  t.is(output, '')
  t.regex(
    told,
    /^opendiskmap: ERR_INTERRUPTED: SIGINT called it off\. [\d,]+ entries are stored\.\n$/,
  )
  const stored = Number(/([\d,]+) entries/.exec(told)![1]!.replace(',', ''))
  const map = DiskMap.open(path, { key: str, value: str, readOnly: true })
  t.is(map.size, stored)
  t.true(stored >= 1000)
  t.is(map.stats().recovery.reason, 'clean')
  map.close()
})

test('dump ends quietly when its reader goes, as head does', async (t) => {
  const child = start(t, 'dump', made(t, 50_000))
  let told = ''
  child.stderr.on('data', (part) => (told += String(part)))
  child.stdout.once('data', () => child.stdout.destroy())
  const { code } = await finish(child)
  t.is(code, 0)
  t.is(told, '')
})

test('importing the package loads nothing of the command line', async (t) => {
  const text = `import '${new URL('../index.js', import.meta.url).href}'
import { createRequire } from 'node:module'
console.log(Object.keys(createRequire(import.meta.url).cache).filter((file) => /commander|cli-progress/.test(file)).length)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', text])
  t.is((await finish(child)).output, '0\n')
  const face = [
    'index.ts',
    ...readdirSync(join(root, 'lib'))
      .filter((name) => name.endsWith('.ts'))
      .map((name) => `lib/${name}`),
  ]
  for (const file of face) t.false(readFileSync(join(root, file), 'utf8').includes('/cli/'), file)
})
