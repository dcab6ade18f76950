import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { freshDir } from './helpers/dir.js'
import { installCopy } from './helpers/package.js'
import { root } from './helpers/program.js'

const addon = readdirSync(root).find((name) => name.endsWith('.node'))!
const target = addon.split('.')[1]!
const linux = process.platform === 'linux' ? test : test.skip
const glibc = target.endsWith('gnu') ? test : test.skip

interface Manifest {
  version: string
  napi: { targets: string[] }
}

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest

/** What an import of the package that is installed in a directory says. */
function importIn(dir: string, prelude = ''): { code: string; message: string; cause: boolean } {
  const program = `${prelude}
const tell = ({ code, message, cause }) => console.log(JSON.stringify({ code, message, cause: cause !== undefined }))
await import('opendiskmap').then(() => tell({ code: 'LOADED', message: '' }), tell)
`
  writeFileSync(join(dir, 'program.mjs'), program)
  const { stdout, stderr } = spawnSync(process.execPath, [join(dir, 'program.mjs')], {
    encoding: 'utf8',
  })
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout) as ReturnType<typeof importIn>
}

/** An installed package without the addon beside its loader. */
function installBare(t: ExecutionContext): string {
  const dir = freshDir(t)
  rmSync(join(installCopy(dir), addon))
  return dir
}

/** Installs the package of a platform with a binary, which is this one's with some bytes changed. */
function installPlatform(
  dir: string,
  name = target,
  change: (bytes: Buffer) => void = () => {},
  version = manifest.version,
): void {
  const folder = join(dir, 'node_modules', `opendiskmap-${name}`)
  cpSync(join(root, 'npm', name), folder, { recursive: true })
  const file = join(folder, 'package.json')
  const stated = JSON.parse(readFileSync(file, 'utf8')) as object
  writeFileSync(file, JSON.stringify({ ...stated, version }))
  const bytes = readFileSync(join(root, addon))
  change(bytes)
  writeFileSync(join(folder, `opendiskmap.${name}.node`), bytes)
}

/** Replaces a text of the binary by one that is not longer. */
function replace(bytes: Buffer, from: string, to: string): void {
  for (let at = bytes.indexOf(from); at >= 0; at = bytes.indexOf(from, at + 1)) {
    bytes.fill(0, at, at + from.length)
    bytes.write(to, at, 'latin1')
  }
}

test('the addon comes from the package of the platform', (t) => {
  const dir = installBare(t)
  installPlatform(dir)
  t.is(importIn(dir).code, 'LOADED')
})

test('without the package of the platform the error names it and says what to do', (t) => {
  const { code, message, cause } = importIn(installBare(t))
  t.is(code, 'ERR_ADDON_MISSING')
  t.true(message.includes(`opendiskmap-${target}`))
  t.regex(message, /npm install/)
  t.true(cause)
})

test('a package of another release than the addon’s is refused', (t) => {
  const dir = installBare(t)
  installPlatform(dir, target, () => {}, '0.0.1')
  const { code, message } = importIn(dir)
  t.is(code, 'ERR_ADDON_VERSION')
  t.true(message.includes('0.0.1') && message.includes(manifest.version))
})

test('packages that were installed for another machine are named', (t) => {
  const dir = installBare(t)
  const other = target === 'darwin-arm64' ? 'win32-x64-msvc' : 'darwin-arm64'
  installPlatform(dir, other)
  const { code, message } = importIn(dir)
  t.is(code, 'ERR_ADDON_ARCH')
  t.true(message.includes(`opendiskmap-${other}`) && message.includes(`opendiskmap-${target}`))
})

linux('packages that were installed for the other C library are named', (t) => {
  const dir = installBare(t)
  const other = target.endsWith('gnu')
    ? target.replace('gnu', 'musl')
    : target.replace('musl', 'gnu')
  installPlatform(dir, other)
  const { code, message } = importIn(dir)
  t.is(code, 'ERR_ADDON_LIBC')
  t.true(message.includes(`opendiskmap-${other}`))
})

linux('a binary for another processor is refused by name', (t) => {
  const dir = installBare(t)
  const other = process.arch === 'x64' ? [183, 'arm64'] : [62, 'x64']
  installPlatform(dir, target, (bytes) => bytes.writeUInt16LE(other[0] as number, 18))
  const { code, message } = importIn(dir)
  t.is(code, 'ERR_ADDON_ARCH')
  t.true(message.includes(`for ${other[1]}, but this process runs on ${process.arch}`))
})

glibc('a binary that needs a newer glibc says which it needs', (t) => {
  const dir = installBare(t)
  installPlatform(dir, target, (bytes) => replace(bytes, 'GLIBC_2.14', 'GLIBC_9.14'))
  const { code, message } = importIn(dir)
  t.is(code, 'ERR_ADDON_GLIBC')
  t.regex(message, /needs glibc 9\.14 or later/)
})

glibc('a binary for the other C library is refused by name', (t) => {
  const dir = installBare(t)
  installPlatform(dir, target, (bytes) => replace(bytes, 'libc.so.6', 'libc.mu.1'))
  const { code, message } = importIn(dir)
  t.is(code, 'ERR_ADDON_LIBC')
  t.regex(message, /for musl, but this system has glibc/)
})

test('a binary that is broken is refused with the system’s reason', (t) => {
  const dir = installBare(t)
  installPlatform(dir, target, (bytes) => bytes.fill(0, 0, 4096))
  const { code, message, cause } = importIn(dir)
  t.is(code, 'ERR_ADDON_LOAD')
  t.true(message.includes(`opendiskmap.${target}.node`))
  t.true(cause)
})

test('a system without a binary is told which there are', (t) => {
  const prelude = `Object.defineProperty(process, 'platform', { value: 'sunos' })`
  const { code, message } = importIn(installBare(t), prelude)
  t.is(code, 'ERR_ADDON_UNSUPPORTED')
  t.true(message.includes('sunos-') && message.includes('linux-arm64-musl'))
})

test('each target has its package as napi lays it out, and its place in the loader', (t) => {
  const dir = freshDir(t)
  mkdirSync(join(dir, 'project'))
  cpSync(join(root, 'package.json'), join(dir, 'project', 'package.json'))
  const napi = join(root, 'node_modules', '@napi-rs', 'cli', 'dist', 'cli.js')
  const { status, stderr } = spawnSync(
    process.execPath,
    [napi, 'create-npm-dirs', '--cwd', join(dir, 'project')],
    { encoding: 'utf8' },
  )
  t.is(status, 0, stderr)
  const made = join(dir, 'project', 'npm')
  const targets = readdirSync(made).toSorted()
  t.is(targets.length, manifest.napi.targets.length)
  t.deepEqual(readdirSync(join(root, 'npm')).toSorted(), targets)
  const loader = readFileSync(join(root, 'native.cjs'), 'utf8')
  for (const target of targets) {
    for (const file of ['package.json', 'README.md']) {
      const read = (folder: string): string => readFileSync(join(folder, target, file), 'utf8')
      t.is(read(join(root, 'npm')), read(made), `npm/${target}/${file}`)
    }
    t.false(readFileSync(join(made, target, 'package.json'), 'utf8').includes('"scripts"'))
    t.true(loader.includes(`'./opendiskmap.${target}.node'`), target)
    t.true(loader.includes(`'opendiskmap-${target}'`), target)
  }
})
