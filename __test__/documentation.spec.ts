import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { DiskMap } from '../index.js'
import { languagesOf, pages, programsOf } from '../scripts/kit/doc-programs.mjs'
import { freshDir } from './helpers/dir.js'
import { freshMap } from './helpers/open.js'
import { compile, installCopy } from './helpers/package.js'
import { root } from './helpers/program.js'

const execute = promisify(execFile)

function read(page: string): string {
  return readFileSync(join(root, page), 'utf8')
}

/** A section of a page, from its heading to the next one of its rank. */
function section(page: string, heading: string): string {
  const [, behind = ''] = read(page).split(`\n## ${heading}\n`)
  return behind.split('\n## ')[0]!
}

function matches(text: string, pattern: RegExp): string[] {
  return Array.from(text.matchAll(pattern), ([, found]) => found!)
}

test('every program of README.md and docs/ compiles, and prints what it says', async (t) => {
  // Several of them wait for the disk.
  t.timeout(300_000)
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

test('stats has the fields that are documented, each with what it counts', (t) => {
  const fields = Array.from(
    read('lib/stats.ts').matchAll(/\/\*\*((?:(?!\*\/).)*)\*\/\s+readonly (\w+): ([^\n]+)\n/gs),
    ([, comment = '', name = '', type]) => ({ comment, name, type }),
  )
  const stats = freshMap(t).stats()
  t.deepEqual(fields.map(({ name }) => name).toSorted(), Object.keys(stats).toSorted())
  for (const { comment, name, type } of fields) {
    const value = stats[name as keyof typeof stats]
    t.is(typeof value === 'object' ? 'object' : type, typeof value, name)
    if (type === 'number') t.regex(comment, /How many|[Bb]ytes|A number/, name)
  }
})

test('every code of an error is documented, and stands in the guide', (t) => {
  const source = read('lib/errors.ts')
  const codes = matches(source, /^ {2}\| '(ERR_\w+)'$/gm).toSorted()
  t.true(codes.length > 15)
  const [comment = ''] = /\/\*\*\n \* What a \{@link DiskMapError\}.*?\*\//s.exec(source) ?? []
  const bullets = matches(comment, /^ \* - (.*?): /gm).join()
  t.deepEqual(matches(bullets, /(ERR_\w+)/g).toSorted(), codes)
  const table = section('docs/guide.md', 'Errors')
    .split('\n')
    .filter((line) => line.startsWith('|'))
  t.deepEqual(matches(table.join(), /`(ERR_\w+)`/g).toSorted(), codes)
})

test('every option of open and every verb stands in the guide', (t) => {
  const table = section('docs/guide.md', 'Options')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
  const told = table.flatMap((row) => matches(row.split(' | ')[0]!, /`(\w+)`/g))
  const [, interfaces = ''] = read('lib/options.ts').split('/** Options of {@link DiskMap.open}')
  const [declared = ''] = interfaces.split('/** Options that were checked')
  t.deepEqual(told.toSorted(), matches(declared, /^ {2}(\w+)\?:/gm).toSorted())

  const verbs = new Set(matches(section('docs/guide.md', 'Verbs'), /(\w+)/g))
  const members = [
    ...Object.keys(Object.getOwnPropertyDescriptors(DiskMap.prototype)),
    'open',
    'openAsync',
    'attach',
  ]
  t.deepEqual(
    members.filter((name) => name !== 'constructor' && !verbs.has(name)),
    [],
  )
})

test('every link of the documentation leads to a file, and to a heading of it', (t) => {
  const anchorsOf = (file: string): string[] =>
    matches(readFileSync(file, 'utf8'), /^#+ (.*)$/gm).map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    )
  for (const page of [...pages, 'CONTRIBUTING.md', 'SECURITY.md']) {
    for (const link of matches(read(page), /\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(link)) continue
      const [path = '', anchor] = link.split('#')
      const file = path === '' ? join(root, page) : resolve(root, dirname(page), path)
      t.true(existsSync(file), `${page}: ${link}`)
      if (anchor !== undefined && existsSync(file)) {
        t.true(anchorsOf(file).includes(anchor), `${page}: ${link}`)
      }
    }
  }
})
