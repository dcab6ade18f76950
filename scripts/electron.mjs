// Runs the specs under Electron's Node: node scripts/electron.mjs [SPEC…]. Electron is not a dependency of this package.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { root } from './kit/run.mjs'

/** The path of Electron's program, which is what its package exports. */
function electron() {
  const named = process.env['ELECTRON']
  if (named !== undefined) return named
  try {
    return /** @type {string} */ (createRequire(join(root, 'package.json'))('electron'))
  } catch {
    return undefined
  }
}

const program = electron()
if (program === undefined) {
  console.error(
    'There is no Electron here. Install it (npm install --no-save electron) or name its program in ELECTRON.',
  )
  process.exitCode = 1
} else {
  const specs = process.argv.slice(2)
  const line = [join(root, 'node_modules/ava/entrypoints/cli.mjs'), ...specs]
  const env = { ...process.env, ELECTRON_RUN_AS_NODE: '1', OPENDISKMAP_REFUSED: '1' }
  process.exitCode = spawnSync(program, line, { cwd: root, env, stdio: 'inherit' }).status ?? 1
}
