// Makes a fresh clone ready: the packages of package-lock.json, the addon, the emitted face. Does nothing that is done.
import { existsSync, readFileSync, readdirSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { npm, root, run } from './run.mjs'

/** @typedef {import('./run.mjs').Result} Result */

/** Thrown when set-up cannot go on; the message is for the user. */
export class SetupError extends Error {}

/**
 * Whether node_modules lacks something that the lock file of this folder names.
 * @param {string} folder
 */
function packagesAreStale(folder) {
  const kept = join(folder, 'node_modules', '.package-lock.json')
  if (!existsSync(kept)) return true
  const wanted = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')).packages
  const present = JSON.parse(readFileSync(kept, 'utf8')).packages
  return Object.entries(wanted).some(([path, entry]) => {
    if (path === '' || entry.link) return false
    const found = present[path]
    // A package for another platform is named by the lock file and never installed.
    return found === undefined ? !entry.optional && !entry.peer : found.version !== entry.version
  })
}

/**
 * Says what takes long while it does, with the seconds where a line can be written over.
 * @param {string} what
 * @param {() => Promise<Result>} work
 */
async function telling(what, work) {
  const began = performance.now()
  const terminal = process.stdout.isTTY === true
  const tell = () =>
    process.stdout.write(`\r${what} … ${Math.round((performance.now() - began) / 1000)} s`)
  if (!terminal) console.log(`${what} …`)
  const clock = terminal ? setInterval(tell, 250) : undefined
  const result = await work()
  clearInterval(clock)
  if (terminal) process.stdout.write('\r\x1b[K')
  if (result.code === 0) console.log(`${what}: done in ${result.seconds.toFixed(1)} s`)
  else process.stdout.write(result.output)
  return result.code === 0
}

/** @param {string} [folder] */
export async function install(folder = root) {
  if (!packagesAreStale(folder)) return
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error']
  const done = await telling('Installing the packages', () =>
    npm(['ci', ...quiet], { cwd: folder, show: 'nothing' }),
  )
  if (!done) throw new SetupError('`npm ci` failed: see above. It needs the npm registry once.')
}

/**
 * @param {string} path a file or folder below the root
 * @param {(name: string) => boolean} counts
 * @returns {number} when the newest file that counts was changed
 */
function newest(path, counts) {
  const stats = statSync(join(root, path), { throwIfNoEntry: false })
  if (stats === undefined) return 0
  if (!stats.isDirectory()) return stats.mtimeMs
  let latest = 0
  for (const entry of readdirSync(join(root, path), { withFileTypes: true })) {
    if (entry.name === 'node_modules' || entry.name === 'target') continue
    const inner = `${path}/${entry.name}`
    if (entry.isDirectory() || counts(entry.name)) latest = Math.max(latest, newest(inner, counts))
  }
  return latest
}

/** @param {string[]} files @returns {number} when the oldest was made, 0 if one is missing */
function oldest(files) {
  const times = files.map((file) => statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs)
  return Math.min(...times.map((time) => time ?? 0))
}

/** The addon's file for this machine, once it is built. */
export function addonFile() {
  return readdirSync(root).find((name) => /^opendiskmap\..+\.node$/.test(name))
}

function nativeIsStale() {
  const addon = addonFile()
  if (addon === undefined) return true
  const sources = ['Cargo.toml', 'Cargo.lock', 'crates/core', 'crates/derive', 'crates/node']
  const changed = sources.map((path) => newest(path, (name) => /\.(rs|toml)$/.test(name)))
  return Math.max(...changed) > oldest([addon, 'native.d.cts'])
}

const EMITTED = [
  'index.js',
  'index.d.ts',
  ...['js', 'cjs', 'd.ts', 'd.cts'].map((end) => `dist/index.${end}`),
]

function faceIsStale() {
  const sources = ['index.ts', 'lib', 'native.d.cts', 'tsconfig.json', 'tsconfig.build.json']
  const changed = [...sources, 'optional.cjs', 'scripts/bundle.mjs'].map((path) =>
    newest(path, (name) => name.endsWith('.ts') && !name.endsWith('.d.ts')),
  )
  return Math.max(...changed) > oldest(EMITTED)
}

/** @param {string[]} files a tool may leave a file that it would write unchanged as old as it was */
function touch(files) {
  const now = new Date()
  for (const file of files) if (existsSync(join(root, file))) utimesSync(join(root, file), now, now)
}

/** @param {{ force?: boolean, native?: boolean }} [options] `force`: also what is not older than its sources; `native`: the addon too */
export async function build({ force = false, native = true } = {}) {
  if (native && (force || nativeIsStale())) {
    await needRust()
    const script = ['run', '--silent', 'build:native']
    const done = await telling('Building the engine and the addon', () =>
      npm(script, { show: 'nothing' }),
    )
    if (!done) throw new SetupError('The addon could not be built: see above.')
    touch([addonFile() ?? 'native.d.cts', 'native.d.cts'])
  }
  if (force || faceIsStale()) {
    const script = ['run', '--silent', 'build:face']
    const done = await telling('Compiling the TypeScript face', () =>
      npm(script, { show: 'nothing' }),
    )
    if (!done) throw new SetupError('The face could not be compiled: see above.')
    touch(EMITTED)
  }
}

async function needRust() {
  const { code } = await run('cargo', ['--version'], { show: 'nothing' })
  if (code === 0) return
  throw new SetupError('Rust is needed to build the addon: install it (rustup does) and try again.')
}

function needNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if ((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22) return
  throw new SetupError(`Node ${process.versions.node} is too old: 20.19, 22.12 or later is needed.`)
}

/**
 * Runs a script's main part; what set-up could not do is told without a stack.
 * @param {() => Promise<number>} main resolves to the exit status
 */
export async function command(main) {
  try {
    needNode()
    process.exitCode = await main()
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    console.error(error.message)
    process.exitCode = 1
  }
}
