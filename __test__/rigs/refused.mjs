// Runs the specs of views and codecs, or those that are named, with a Node-API that refuses memory which is not V8's own, as Electron's does. That is
// not the library's own switch (`views: 'copy'`): the addon is copied, and what it calls is renamed to functions of a
// library that is loaded before it. A program's own symbols come before those of such a library, so they cannot keep
// their names.
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const given = process.argv.slice(2)
const specs = given.length > 0 ? given : ['__test__/view*.spec.ts', '__test__/codecs*.spec.ts']

/** What a copy of the package does without. */
const LEFT_OUT = new Set(['.git', 'node_modules', 'target'])

/** A copy of the package whose addon calls other names. @param {string} copy */
function rename(copy) {
  cpSync(root, copy, { recursive: true, filter: (path) => !LEFT_OUT.has(basename(path)) })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  const addons = readdirSync(copy).filter((name) => name.endsWith('.node'))
  for (const addon of addons.map((name) => join(copy, name))) {
    const bytes = readFileSync(addon, 'latin1')
    const renamed = bytes.replaceAll(/napi_(create_external_(?:array)?buffer)/g, 'tapi_$1')
    if (renamed === bytes) throw new Error('the addon calls nothing that could be refused')
    writeFileSync(addon, renamed, 'latin1')
  }
  if (addons.length === 0) throw new Error('there is no addon: npm run build')
}

/** @param {string} library @returns {boolean} whether there is a compiler for it */
function buildRefusing(library) {
  const source = join(root, '__test__/fixtures/refusing.c')
  return spawnSync('cc', ['-shared', '-fPIC', '-o', library, source]).status === 0
}

const dir = mkdtempSync(join(tmpdir(), 'opendiskmap-refused-'))
const library = join(dir, 'refusing.so')
try {
  if (process.platform !== 'linux' || !buildRefusing(library)) {
    console.log('skipped, it needs Linux and a C compiler')
  } else {
    const cwd = join(dir, 'package')
    rename(cwd)
    const env = { ...process.env, LD_PRELOAD: library, OPENDISKMAP_REFUSED: '1' }
    const ava = join(cwd, 'node_modules/ava/entrypoints/cli.mjs')
    const run = spawnSync(process.execPath, [ava, '--tap', ...specs], {
      cwd,
      env,
      stdio: 'inherit',
    })
    process.exitCode = run.status ?? 1
  }
} finally {
  rmSync(dir, { recursive: true, force: true })
}
