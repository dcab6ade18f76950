// Looks at what npm would publish, and uses it as a stranger would: in an empty project, from the packed files.
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { programsOf } from './doc-programs.mjs'
import { npm, root, run, tool } from './run.mjs'
import { addonFile } from './setup.mjs'

const REQUIRED = [
  'package.json',
  'README.md',
  'CHANGELOG.md',
  'LICENSE',
  'LICENSE-APACHE',
  'LICENSE-MIT',
  'index.js',
  'index.d.ts',
  'lib/cli/main.js',
  'cjs/package.json',
  'cjs/index.js',
  'cjs/index.d.ts',
  'native.cjs',
  'optional.cjs',
  'optional.d.cts',
  'cjs/optional.cjs',
  'native.d.cts',
]
const ALLOWED = /^(lib|cjs)\/[\w./-]+\.(c?js|d\.c?ts)$/

const PROGRAM = `
const map = DiskMap.open('stranger.odm', { key: str, value: json() })
map.set('answer', { n: 42 })
if (map.get('answer').n !== 42 || map.size !== 1) throw new Error('the map does not give back what it got')
map.close()
try {
  map.get('answer')
} catch (error) {
  if (error instanceof DiskMapError && error.code === 'ERR_CLOSED') process.exit(0)
}
process.exit(1)
`
const NAMES = '{ DiskMap, DiskMapError, json, str }'

const BOTH = `
import { createRequire } from 'node:module'
import ${NAMES} from 'opendiskmap'
const required = createRequire(import.meta.url)('opendiskmap')
const one = DiskMap.open('both.odm', { key: str, value: json() })
const other = required.DiskMap.open('both.odm', { key: required.str, value: required.json() })
one.set('written by', 'import')
if (other.get('written by') !== 'import') throw new Error('import and require have different maps')
other.close()
try {
  other.get('')
} catch (error) {
  if (!(error instanceof DiskMapError)) throw new Error('import does not know the errors of require')
}
one.close()
`

const TYPED = `
const map = DiskMap.open('typed.odm', { key: native.u64, value: str })
const value: string | undefined = map.get(42n)
const asMap: Map<bigint, string> = map
// @ts-expect-error a number is no key of this map
map.get(42)
export { asMap, value }
`

/** @param {(what: string, held: boolean, output?: string) => void} report told about every check */
export async function checkPackage(report) {
  const home = mkdtempSync(join(tmpdir(), 'opendiskmap-package-'))
  try {
    const packed = await npm(['pack', '--json', '--silent', '--pack-destination', home], {
      show: 'failure',
    })
    const listing =
      packed.code === 0 ? JSON.parse(packed.output.slice(packed.output.indexOf('['))) : []
    const [{ files = [], filename = '' } = {}] = listing
    /** @type {string[]} */
    const paths = files.map((/** @type {{ path: string }} */ { path }) => path)
    const missing = REQUIRED.filter((path) => !paths.includes(path))
    report(
      'the package has every file it needs',
      missing.length === 0,
      `missing: ${missing.join(', ')}`,
    )
    const foreign = paths.filter((path) => !REQUIRED.includes(path) && !ALLOWED.test(path))
    report(
      'the package has no other file',
      foreign.length === 0,
      `not wanted: ${foreign.join(', ')}`,
    )

    const platform = await packPlatform(home)
    const project = join(home, 'project')
    mkdirSync(project)
    writeFileSync(join(project, 'package.json'), '{ "name": "stranger", "private": true }\n')
    const tarballs = [join(home, filename), ...platform]
    const flags = [
      '--no-audit',
      '--no-fund',
      '--ignore-scripts',
      '--loglevel=error',
      '--no-package-lock',
    ]
    const installed = await npm(['install', ...flags, ...tarballs], {
      cwd: project,
      show: 'failure',
    })
    report('it installs into an empty project', installed.code === 0)

    const programs = {
      'import.mjs': `import ${NAMES} from 'opendiskmap'\n${PROGRAM}`,
      'require.cjs': `const ${NAMES} = require('opendiskmap')\n${PROGRAM}`,
      'import and require in one process.mjs': BOTH,
      ...readmeExamples(),
    }
    for (const [name, text] of Object.entries(programs)) {
      writeFileSync(join(project, name), text)
      const { code } = await run(process.execPath, [name], { cwd: project, show: 'failure' })
      report(`${name.replace(/\.[cm]js$/, '')}: it works`, code === 0)
    }
    const shown = await npm(
      ['exec', '--offline', '--', 'opendiskmap', 'get', 'stranger.odm', 'answer'],
      {
        cwd: project,
        show: 'failure',
      },
    )
    report(
      'npx opendiskmap reads a map of the project',
      shown.code === 0 && shown.output.includes('{"n":42}'),
      shown.output,
    )
    await checkTypes(project, report)
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/**
 * They have no syntax of TypeScript's own, so that they run as they stand.
 * @returns {Record<string, string>}
 */
function readmeExamples() {
  const examples = programsOf('README.md')
  if (examples.length === 0) throw new Error('README.md has no example')
  return Object.fromEntries(
    examples.map(({ text }, i) => [`example ${i + 1} of README.md.mjs`, text]),
  )
}

/**
 * The package of this machine's platform, as a release would make it.
 * @param {string} home
 */
async function packPlatform(home) {
  const addon = addonFile() ?? ''
  const platform = addon.split('.')[1] ?? ''
  const folder = join(home, platform)
  cpSync(join(root, 'npm', platform), folder, { recursive: true })
  copyFileSync(join(root, addon), join(folder, addon))
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const { code } = await npm(['pack', '--silent', '--pack-destination', home], {
    cwd: folder,
    show: 'failure',
  })
  return code === 0 ? [join(home, `opendiskmap-${platform}-${version}.tgz`)] : []
}

/**
 * @param {string} project
 * @param {(what: string, held: boolean) => void} report
 */
async function checkTypes(project, report) {
  const text = `import { DiskMap, native, str } from 'opendiskmap'\n${TYPED}`
  for (const name of ['types.mts', 'types.cts']) writeFileSync(join(project, name), text)
  for (const module of ['node16', 'nodenext']) {
    const options = {
      target: 'es2023',
      lib: ['es2023', 'esnext.disposable'],
      module,
      strict: true,
      noEmit: true,
      types: ['node'],
      typeRoots: [join(root, 'node_modules', '@types')],
    }
    const config = join(project, `tsconfig.${module}.json`)
    const files = ['types.mts', 'types.cts']
    writeFileSync(config, JSON.stringify({ compilerOptions: options, files }))
    const { code } = await tool('typescript/bin/tsc', ['-p', config], {
      cwd: project,
      show: 'failure',
    })
    report(`its types hold for import and require under module ${module}`, code === 0)
  }
}
