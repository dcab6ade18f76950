// The API reference, made from the doc comments. typedoc and the compiler that it needs, which is older than the
// library's own, stand in a folder of their own.
import { join } from 'node:path'
import { check } from './counts.mjs'
import { root, run } from './run.mjs'
import { install, SetupError } from './setup.mjs'

const folder = join(root, 'scripts', 'kit', 'docs')

/**
 * Writes `docs/api`. A public name without documentation and a link that leads nowhere are errors.
 * @returns {Promise<import('./counts.mjs').Counts>}
 */
export async function makeReference() {
  try {
    await install(folder)
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    return { passed: 0, failed: 0, skipped: 'typedoc could not be installed' }
  }
  const typedoc = join(folder, 'node_modules', 'typedoc', 'bin', 'typedoc')
  return check(await run(process.execPath, [typedoc, '--options', join(folder, 'typedoc.json')]))
}
