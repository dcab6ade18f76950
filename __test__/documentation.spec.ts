import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { languagesOf, pages, programsOf } from '../scripts/kit/doc-programs.mjs'
import { freshDir } from './helpers/dir.js'
import { compile, installCopy } from './helpers/package.js'

const execute = promisify(execFile)

test('every program of README.md and docs/ compiles, and prints what it says', async (t) => {
  const dir = freshDir(t)
  installCopy(dir)
  writeFileSync(join(dir, 'package.json'), '{ "type": "module" }')
  const programs = pages.flatMap(programsOf)
  t.true(programs.length > 10)
  const files = programs.map((_, i) => `program-${i}.ts`)
  for (const [i, { text }] of programs.entries()) writeFileSync(join(dir, files[i]!), text)
  const options = ['--target', 'es2022', '--lib', 'es2022,esnext.disposable']
  t.is(compile(dir, ...options, '--module', 'nodenext', '--outDir', 'out', ...files), '')
  for (const [i, { name, prints }] of programs.entries()) {
    // Programs of several pages use the same names for maps.
    const cwd = join(dir, `files-${i}`)
    mkdirSync(cwd)
    const script = join(dir, 'out', `program-${i}.js`)
    const { stdout } = await execute(process.execPath, [script], { cwd })
    t.deepEqual(stdout.split('\n').slice(0, -1), prints, name)
  }
})

test('README.md and the guide have no block of code but such programs', (t) => {
  for (const page of ['README.md', 'docs/guide.md']) {
    const languages = languagesOf(page)
    t.true(languages.length > 0, page)
    t.deepEqual(
      languages.filter((language) => language !== 'ts'),
      [],
      page,
    )
  }
})
