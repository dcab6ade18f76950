import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import test from 'ava'
import type * as face from '../index.js'
import * as source from '../index.js'
import { DiskMap, json, native, str, structured } from '../index.js'
import { freshDir, freshPath } from './helpers/dir.js'
import { fails } from './helpers/errors.js'
import { installCopy } from './helpers/package.js'
import { program, root } from './helpers/program.js'

const require = createRequire(import.meta.url)
const cjs = require('../dist/index.cjs') as typeof face

test('the package is one CommonJS module with its types, and an ES module that hands on its names', (t) => {
  const read = (file: string): Record<string, unknown> =>
    JSON.parse(readFileSync(join(root, file), 'utf8')) as Record<string, unknown>
  const { type, exports, engines } = read('package.json')
  t.is(type, 'module')
  t.deepEqual((exports as Record<string, unknown>)['.'], {
    import: { types: './dist/index.d.ts', default: './dist/index.js' },
    require: { types: './dist/index.d.cts', default: './dist/index.cjs' },
  })
  t.deepEqual(engines, { node: '^20.19.0 || >=22.12.0' })
})

test('native.cjs and optional.cjs are all that is written in CommonJS, and the face has no import.meta', (t) => {
  const files = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })
  const sources = files.filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
  t.true(sources.length > 20)
  t.deepEqual(
    files.filter((file) => /\.[cm][jt]s$/.test(file)),
    [],
  )
  const required = new Set<string>()
  for (const file of ['index.ts', ...sources.map((name) => join('lib', name))]) {
    // The command line is no part of the face, and an ES module only.
    if (file.startsWith(join('lib', 'cli'))) continue
    const text = readFileSync(join(root, file), 'utf8')
    t.false(/import\.meta|require\(|module\.exports/.test(text), file)
    for (const [, name] of text.matchAll(/from '[./]+\/(\w+\.cjs)'/g)) required.add(name!)
  }
  t.deepEqual([...required].toSorted(), ['native.cjs', 'optional.cjs'])
  t.false(existsSync(join(root, 'cjs', 'lib', 'cli')))
})

test('import and require give the same names, and the same things', async (t) => {
  const names = Object.keys(cjs)
  const packed: Record<string, unknown> = await import('../dist/index.js')
  t.deepEqual(names.toSorted(), Object.keys(source).toSorted())
  t.deepEqual(names.toSorted(), Object.keys(packed).toSorted())
  for (const name of names) t.is((cjs as unknown as typeof packed)[name], packed[name], name)
  t.deepEqual(names.toSorted(), [
    'DELETE',
    'DiskMap',
    'DiskMapError',
    'StringStringMap',
    'StringU64Map',
    'U64StringMap',
    'arch',
    'array',
    'bytes',
    'fixed',
    'json',
    'msgpack',
    'native',
    'optional',
    'pairs',
    'primitive',
    'salvage',
    'str',
    'struct',
    'structured',
    'tuple',
    'variants',
  ])
})

test('two instances of the face in one process share one map', (t) => {
  const path = freshPath(t)
  const one = DiskMap.open(path, { key: str, value: native.u64 })
  const two = cjs.DiskMap.open(path, { key: cjs.str, value: cjs.native.u64 })
  t.false(two instanceof DiskMap)
  one.set('a', 1n)
  t.is(two.get('a'), 1n)
  two.update('a', (old) => old! + 1n)
  t.is(one.get('a'), 2n)
  one.close()
  t.is(two.get('a'), 2n)
  two.close()
})

test('codecs and DELETE of one instance serve the other', (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, { key: cjs.str, value: cjs.json })
  t.deepEqual(map.set('a', [1]).get('a'), [1])
  map.update('a', () => cjs.DELETE)
  t.false(map.has('a'))
  map.close()
  cjs.DiskMap.open(path, { key: str, value: json() }).close()
  fails(t, 'ERR_CODEC_MISMATCH', () => cjs.DiskMap.open(path, { key: str, value: structured }))
})

test('a second copy of the package in the process is ERR_LOCKED, and the message says so', (t) => {
  const path = freshPath(t)
  const copy = installCopy(freshDir(t))
  const other = require(join(copy, 'dist', 'index.cjs')) as typeof face
  const map = DiskMap.open(path, { key: str, value: str }).set('a', '1')
  const error = fails(t, 'ERR_LOCKED', () =>
    other.DiskMap.open(path, { key: other.str, value: other.str }),
  )
  t.regex(error.message, /another copy/)
  t.regex(error.message, /this process/)
  map.close()
  const moved = other.DiskMap.open(path, { key: other.str, value: other.str })
  t.is(moved.get('a'), '1')
  fails(t, 'ERR_LOCKED', () => DiskMap.open(path, { key: str, value: str }))
  moved.close()
})

test('an installed package works from import and from require', (t) => {
  const dir = freshDir(t)
  installCopy(dir)
  const body = `const map = DiskMap.open(process.argv[2], { key: str, value: str })
map.set('a', (map.get('a') ?? '') + 'x')
console.log(map.get('a'))
map.close()
`
  writeFileSync(join(dir, 'a.mjs'), `import { DiskMap, str } from 'opendiskmap'\n${body}`)
  writeFileSync(join(dir, 'b.cjs'), `const { DiskMap, str } = require('opendiskmap')\n${body}`)
  const path = freshPath(t)
  const run = (name: string): string =>
    execFileSync(process.execPath, [join(dir, name), path], { encoding: 'utf8' }).trim()
  t.is(run('a.mjs'), 'x')
  t.is(run('b.cjs'), 'xx')
})

test('a test runner that gives every file a context and a require of its own can use it', (t) => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [program('other-realm.cjs'), freshPath(t)],
    { encoding: 'utf8', timeout: 60_000 },
  )
  t.is(stderr, '')
  t.is(stdout.trim(), 'done')
  t.is(status, 0)
})
