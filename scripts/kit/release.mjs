// The binary of a release for Linux with glibc: built against an old glibc, with a toolchain that npm brings.
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { npm, root } from './run.mjs'

/** @typedef {import('./package.mjs').Report} Report */

/** The glibc of the oldest systems that Node 20 runs on. */
const NEWEST_GLIBC = [2, 28]

/** @type {Record<string, string>} */
const TRIPLES = { x64: 'x86_64-unknown-linux-gnu', arm64: 'aarch64-unknown-linux-gnu' }

/** Why it cannot be built here. @returns {string | undefined} */
export function cannotBuild() {
  const fits = process.platform === 'linux' && process.arch in TRIPLES
  return fits ? undefined : 'the toolchain needs Linux on x64 or arm64'
}

/**
 * @param {Report} report
 * @returns {Promise<string | undefined>} the binary's file
 */
export async function buildRelease(report) {
  const output = join(root, 'target', 'release-binary')
  // napi unpacks the toolchain into the home of the user; here into a folder that `git clean` removes.
  const home = join(root, 'target', 'toolchains')
  mkdirSync(output, { recursive: true })
  mkdirSync(home, { recursive: true })
  const env = {
    HOME: home,
    CARGO_HOME: process.env['CARGO_HOME'] ?? join(homedir(), '.cargo'),
    RUSTUP_HOME: process.env['RUSTUP_HOME'] ?? join(homedir(), '.rustup'),
    npm_config_userconfig: process.env['npm_config_userconfig'] ?? join(homedir(), '.npmrc'),
  }
  const triple = TRIPLES[process.arch] ?? ''
  const script = ['run', '--silent', 'build:release', '--', '--target', triple, '--use-napi-cross']
  const { code } = await npm([...script, '--output-dir', output], { env, minutes: 30 })
  report('the binary of a release is built with the toolchain of napi', code === 0)
  const file = join(output, `opendiskmap.linux-${process.arch}-gnu.node`)
  return code === 0 ? file : undefined
}

/** @param {string} file @param {Report} report */
export function checkRelease(file, report) {
  const text = readFileSync(file, 'latin1')
  const versions = Array.from(text.matchAll(/GLIBC_(\d+)\.(\d+)/g), ([, major, minor]) => [
    Number(major),
    Number(minor),
  ])
  const newest = versions.toSorted(([a = 0, b = 0], [c = 0, d = 0]) => a - c || b - d).at(-1) ?? []
  const [major = Infinity, minor = Infinity] = newest
  const [most = 0, least = 0] = NEWEST_GLIBC
  const held = major < most || (major === most && minor <= least)
  report(`it needs glibc ${newest.join('.')}, ${NEWEST_GLIBC.join('.')} at most`, held)
  const mib = statSync(file).size / 1024 / 1024
  report(`it takes ${mib.toFixed(2)} MiB, 2 at most`, mib <= 2)
}
