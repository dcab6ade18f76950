// Does the engine, and the addon, pass the compiler and its lints for each target of the packages? What has no standard library here
// is checked with one made from its sources, which a toolchain has if it was told to (`rustup component add rust-src`).
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { check, sum } from './counts.mjs'
import { cargo, root, run } from './run.mjs'

/** @typedef {import('./counts.mjs').Counts} Counts */
/** @typedef {{ toolchain: string[], std: string[], lints: boolean }} Way */

/** @type {{ napi: { targets: string[] } }} */
const { napi } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

// Not the tests: the benchmarks beside them need a C compiler for the target.
const PACKAGES = ['--package', 'opendiskmap', '--package', 'opendiskmap-node', '--lib']

/** @returns {Promise<Counts>} */
export async function targets() {
  /** @type {Counts[]} */
  const counts = []
  for (const target of napi.targets) {
    const way = await wayTo(target)
    if (way === undefined) {
      console.log(
        `not possible here: ${target}: no toolchain has its standard library, or rust-src`,
      )
      continue
    }
    counts.push(await checked(target, way))
  }
  if (counts.length > 0) return sum(counts)
  const skipped = 'no toolchain has the standard library of a target, or rust-src'
  return { passed: 0, failed: 0, skipped }
}

/** @param {string} target @param {Way} way */
async function checked(target, { toolchain, std, lints }) {
  const denied = lints ? ['--', '-D', 'warnings'] : []
  const env = {
    // Of its own: these builds have other settings than all others.
    CARGO_TARGET_DIR: 'target/targets',
    // A standard library from sources is not stable, and no program is made with it here.
    ...(std.length > 0 ? { RUSTC_BOOTSTRAP: '1' } : {}),
  }
  const command = [...toolchain, lints ? 'clippy' : 'check', '--quiet', '--target', target, ...std]
  const count = check(await cargo([...command, ...PACKAGES, ...denied], { env, show: 'failure' }))
  console.log(`${count.failed === 0 ? 'ok' : 'not ok'}  ${target}${lints ? '' : ', without lints'}`)
  return count
}

/** @param {string} target @returns {Promise<Way | undefined>} */
async function wayTo(target) {
  for (const toolchain of [[], ['+nightly']]) {
    const lints =
      (await run('cargo', [...toolchain, 'clippy', '-V'], { show: 'nothing' })).code === 0
    const libdir = await printed(toolchain, ['--target', target, '--print', 'target-libdir'])
    if (libdir !== undefined && existsSync(libdir)) return { toolchain, std: [], lints }
    const sysroot = await printed(toolchain, ['--print', 'sysroot'])
    const sources = sysroot && join(sysroot, 'lib/rustlib/src/rust/library/Cargo.lock')
    if (sources && existsSync(sources)) {
      return { toolchain, std: ['-Zbuild-std=std,panic_abort'], lints }
    }
  }
  return undefined
}

/** @param {string[]} toolchain @param {string[]} args */
async function printed(toolchain, args) {
  const { code, output } = await run('rustc', [...toolchain, ...args], { show: 'nothing' })
  return code === 0 ? output.trim() : undefined
}
