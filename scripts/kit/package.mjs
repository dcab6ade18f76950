// Looks at what npm would publish, and installs it as a stranger would: into an empty project outside of the repository,
// from the packed files, with no compiler at hand.
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { npm, root, run } from './run.mjs'
import { addonFile } from './setup.mjs'

/** @typedef {(what: string, held: boolean, details?: string) => void} Report told about every check */
/**
 * @typedef {object} Project
 * @property {string} dir
 * @property {Record<string, string>} env in which there is Node and nothing else
 * @property {string} tarball of the main package
 */
/** @typedef {{ name: string, tarball: string, paths: string[], bytes: number }} Packed */

const FILES = [
  'package.json',
  'README.md',
  'LICENSE',
  'LICENSE-APACHE',
  'LICENSE-MIT',
  'dist/index.js',
  'dist/index.d.ts',
  'dist/index.cjs',
  'dist/index.d.cts',
  'dist/face.cjs',
  'dist/cli.cjs',
  'dist/native.cjs',
]

/** In bytes, unpacked. */
const MAIN_LIMIT = 200 * 1024
const PLATFORM_LIMIT = 2 * 1024 * 1024

/** @param {number} bytes */
const kib = (bytes) => `${(bytes / 1024).toFixed(0)} KiB`

/**
 * @param {string} folder
 * @param {string} home where the tarball goes
 * @returns {Promise<Packed>}
 */
async function pack(folder, home) {
  const args = ['pack', '--json', '--silent', '--pack-destination', home]
  const { code, output } = await npm(args, { cwd: folder, show: 'failure' })
  if (code !== 0) throw new Error(`npm pack failed in ${folder}`)
  const [{ name, filename, files, unpackedSize }] = JSON.parse(output.slice(output.indexOf('[')))
  const paths = files.map((/** @type {{ path: string }} */ { path }) => path)
  return { name, tarball: join(home, filename), paths, bytes: unpackedSize }
}

/** @param {Packed} packed @param {string[]} wanted @param {number} limit @param {Report} report */
function checkContents({ name, paths, bytes }, wanted, limit, report) {
  const missing = wanted.filter((path) => !paths.includes(path))
  report(`${name} has every file it needs`, missing.length === 0, `missing: ${missing.join(', ')}`)
  const foreign = paths.filter((path) => !wanted.includes(path))
  report(`${name} has no other file`, foreign.length === 0, `not wanted: ${foreign.join(', ')}`)
  report(`${name} takes ${kib(bytes)}, ${kib(limit)} at most`, bytes <= limit)
}

/** @param {string} manifest a package.json */
function hasInstallScript(manifest) {
  const { scripts = {} } = JSON.parse(readFileSync(manifest, 'utf8'))
  return ['preinstall', 'install', 'postinstall', 'prepare'].some((name) => name in scripts)
}

/**
 * The package of a platform, as a release would make it.
 * @param {string} home @param {string} addon the binary
 */
export async function packPlatform(home, addon) {
  const platform = /opendiskmap\.([\w-]+)\.node$/.exec(addon)?.[1] ?? ''
  const folder = join(home, platform)
  cpSync(join(root, 'npm', platform), folder, { recursive: true })
  copyFileSync(addon, join(folder, `opendiskmap.${platform}.node`))
  return pack(folder, home)
}

/** A directory for PATH with Node and npm alone. @param {string} home */
function barePath(home) {
  const bin = join(home, 'bin')
  mkdirSync(bin)
  symlinkSync(process.execPath, join(bin, 'node'))
  for (const dir of (process.env['PATH'] ?? '').split(delimiter)) {
    try {
      symlinkSync(realpathSync(join(dir, 'npm')), join(bin, 'npm'))
      break
    } catch {
      // It is not there; or the link was made.
    }
  }
  return bin
}

/**
 * Packs, checks and installs, then hands over the project.
 * @param {Report} report
 * @param {(project: Project) => Promise<void>} use
 * @param {string} [addon] a binary to take for the one of the repository
 */
export async function withInstalled(report, use, addon = join(root, addonFile() ?? '')) {
  const home = mkdtempSync(join(tmpdir(), 'opendiskmap-package-'))
  try {
    const main = await pack(root, home)
    const platform = await packPlatform(home, addon)
    checkContents(main, FILES, MAIN_LIMIT, report)
    const binary = platform.paths.find((path) => path.endsWith('.node')) ?? ''
    checkContents(platform, ['package.json', 'README.md', binary], PLATFORM_LIMIT, report)

    const dir = join(home, 'project')
    mkdirSync(dir)
    writeFileSync(join(dir, 'package.json'), '{ "name": "stranger", "private": true }\n')
    // On Windows no links can be made without a privilege.
    const env = process.platform === 'win32' ? {} : { PATH: barePath(home) }
    const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--no-package-lock']
    const installed = await npm(['install', ...quiet, main.tarball, platform.tarball], {
      cwd: dir,
      env,
      show: 'failure',
    })
    report('they install into an empty project', installed.code === 0)
    const manifests = [main, platform].map(({ name }) =>
      join(dir, 'node_modules', name, 'package.json'),
    )
    report('neither has an install script', !manifests.some(hasInstallScript))
    if ('PATH' in env) {
      const compiler = await run('cc', ['--version'], { env, show: 'nothing' })
      report('there is no compiler at hand', compiler.code === 127)
    }
    await use({ dir, env, tarball: main.tarball })
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}
