import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { freshDir, freshPath } from './helpers/dir.js'
import { installCopy } from './helpers/package.js'
import { root } from './helpers/program.js'

const fixtures = fileURLToPath(new URL('fixtures', import.meta.url))
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')

/** A project of a user's own, with the package installed. */
function project(t: Parameters<typeof freshDir>[0], type: 'module' | 'commonjs'): string {
  const dir = freshDir(t)
  installCopy(dir)
  cpSync(fixtures, dir, { recursive: true })
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ type }))
  mkdirSync(join(dir, 'out'))
  return dir
}

function compile(dir: string, ...args: string[]): string {
  const strict = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess']
  const { stdout, stderr } = spawnSync(process.execPath, [tsc, ...strict, ...args], {
    cwd: dir,
    encoding: 'utf8',
  })
  return stdout + stderr
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

test('the programs of docs/arch.md compile, and print what they say', (t) => {
  const dir = project(t, 'module')
  const text = readFileSync(join(root, 'docs', 'arch.md'), 'utf8')
  const programs = Array.from(text.matchAll(/^```ts\n(.*?)^```$/gms), ([, program]) => program!)
  t.true(programs.length > 2)
  const names = programs.map((_, i) => `program-${i}`)
  for (const [i, program] of programs.entries()) writeFileSync(join(dir, `${names[i]}.ts`), program)
  const options = ['--target', 'es2022', '--lib', 'es2022', '--module', 'nodenext']
  const files = names.map((name) => `${name}.ts`)
  t.is(compile(dir, ...options, '--outDir', 'out', ...files), '')
  for (const [i, program] of programs.entries()) {
    const script = join(dir, 'out', `${names[i]}.js`)
    const output = execFileSync(process.execPath, [script], { cwd: dir, encoding: 'utf8' })
    const expected = Array.from(
      program.matchAll(/^console\.log.* \/\/ (.*)$/gm),
      ([, line]) => line,
    )
    t.deepEqual(output.split('\n').slice(0, -1), expected)
  }
})
