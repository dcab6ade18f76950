// What the packages are tried with and the repository itself does not need: other runtimes, Jest, linters of packages and
// of workflows. They are installed when a part first asks for them, into a folder of their own.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './run.mjs'
import { addonFile, install, SetupError } from './setup.mjs'

const folder = join(root, 'scripts', 'kit', 'runtimes')

/**
 * @typedef {object} Runtime
 * @property {string} name
 * @property {string} program
 * @property {string[]} args before the name of a script
 */

/** @returns {Promise<string | undefined>} why they are not there */
export async function installTools() {
  try {
    await install(folder)
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    return 'the packages of scripts/kit/runtimes could not be installed'
  }
  return undefined
}

/** A file of their packages. @param {string} path below node_modules */
export const toolFile = (path) => join(folder, 'node_modules', path)

/** @type {[name: string, file: string, args: string[]][]} */
const KNOWN = [
  ['node-20', 'node-20/bin/node', []],
  ['node-22', 'node-22/bin/node', []],
  ['node-24', 'node-24/bin/node', []],
  ['node-26', 'node-26/bin/node', []],
  ['bun', '@oven/bun-linux-x64/bin/bun', []],
  ['deno', '@deno/linux-x64-glibc/deno', ['run', '--allow-all']],
]

export const runtimeNames = KNOWN.map(([name]) => name)

/** Those that there is a binary of for this machine; they are all for glibc. @returns {Runtime[]} */
export function runtimes() {
  if (!addonFile()?.endsWith('.linux-x64-gnu.node')) return []
  return KNOWN.map(([name, file, args]) => ({ name, program: toolFile(file), args })).filter(
    ({ program }) => existsSync(program),
  )
}

/** @param {string} name @returns {Promise<Runtime | string>} or why it is not there */
export async function runtime(name) {
  const why = await installTools()
  if (why !== undefined) return why
  const found = runtimes().find((one) => one.name === name)
  return found ?? `there is no ${name} for ${process.platform} on ${process.arch} here`
}
