import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { freshDir, freshPath } from './helpers/dir.js'
import { compile, installCopy } from './helpers/package.js'

const fixtures = fileURLToPath(new URL('fixtures', import.meta.url))

/** A project of a user's own, with the package installed. */
function project(t: Parameters<typeof freshDir>[0], type: 'module' | 'commonjs'): string {
  const dir = freshDir(t)
  installCopy(dir)
  cpSync(fixtures, dir, { recursive: true })
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ type }))
  mkdirSync(join(dir, 'out'))
  return dir
}

for (const lib of ['es2022', 'esnext']) {
  for (const [type, module] of [
    ['module', 'nodenext'],
    ['commonjs', 'node16'],
  ] as const) {
    test(`the types hold with lib ${lib} from a ${type} project`, (t) => {
      const dir = project(t, type)
      const options = ['--noEmit', '--target', 'es2022', '--lib', lib, '--module', module]
      t.is(compile(dir, ...options, 'types.ts'), '')
    })
  }
}

test('a program with using and await using, compiled by tsc, closes its maps', (t) => {
  const dir = project(t, 'module')
  const options = [
    '--target',
    'es2022',
    '--lib',
    'es2022,esnext.disposable',
    '--module',
    'nodenext',
  ]
  t.is(compile(dir, ...options, '--outDir', 'out', 'using.ts'), '')
  const output = execFileSync(process.execPath, [join(dir, 'out', 'using.js'), freshPath(t)], {
    encoding: 'utf8',
  })
  t.is(output.trim(), 'ERR_CLOSED ERR_CLOSED 2')
})
