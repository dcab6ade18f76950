import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './program.js'

/** Copies what npm would publish, and this machine's addon, to `dir/node_modules/opendiskmap`. */
export function installCopy(dir: string): string {
  const target = join(dir, 'node_modules', 'opendiskmap')
  mkdirSync(target, { recursive: true })
  for (const name of readdirSync(root)) {
    if (/^(dist|package\.json|.*\.node)$/.test(name)) {
      cpSync(join(root, name), join(target, name), { recursive: true })
    }
  }
  // What programs in TypeScript need besides.
  symlinkSync(join(root, 'node_modules', '@types'), join(dir, 'node_modules', '@types'), 'dir')
  return target
}

/** What the compiler says to the files of a project, in strict mode. */
export function compile(dir: string, ...args: string[]): string {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const strict = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess']
  const { stdout, stderr } = spawnSync(process.execPath, [tsc, ...strict, ...args], {
    cwd: dir,
    encoding: 'utf8',
  })
  return stdout + stderr
}
