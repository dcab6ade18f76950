// The programs of scripts/kit/consumers, and what else a stranger would do with the installed packages.
import { copyFileSync, cpSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { programsOf } from './doc-programs.mjs'
import { root, run } from './run.mjs'
import { toolFile } from './runtimes.mjs'

/** @typedef {import('./package.mjs').Project} Project */
/** @typedef {import('./package.mjs').Report} Report */
/** @typedef {import('./runtimes.mjs').Runtime} Runtime */

const folder = join(root, 'scripts', 'kit', 'consumers')

/** Programs for any runtime. */
const PROGRAMS = ['import.mjs', 'require.cjs', 'both.mjs', 'workers.mjs', 'smoke.mjs']

/** @type {Runtime} */
const THIS_NODE = {
  name: `node-${process.versions.node.split('.')[0]}`,
  program: process.execPath,
  args: [],
}

/** Whether another runtime is the version of Node that is running already. @param {Runtime} runtime */
export const isThisNode = ({ name }) => name === THIS_NODE.name

/**
 * @param {Project} project @param {Report} report
 * @param {Runtime} [runtime] @param {string[]} [programs]
 */
export async function checkPrograms(
  { dir, env },
  report,
  runtime = THIS_NODE,
  programs = PROGRAMS,
) {
  const { name, program, args } = runtime
  // A folder for each runtime, so that each makes its maps anew.
  const cwd = mkdtempSync(join(dir, `${name}-`))
  for (const file of programs) {
    copyFileSync(join(folder, file), join(cwd, file))
    const { code } = await run(program, [...args, file], { cwd, env, minutes: 2, show: 'failure' })
    report(`${name}: ${file} works`, code === 0)
  }
}

/** Those of the README have no syntax of TypeScript's own, so that they run as they stand. @param {Project} project @param {Report} report */
export async function checkReadme({ dir, env }, report) {
  const programs = programsOf('README.md')
  if (programs.length === 0) throw new Error('README.md has no example')
  const cwd = mkdtempSync(join(dir, 'readme-'))
  for (const [i, { name, text }] of programs.entries()) {
    const file = `example-${i + 1}.mjs`
    writeFileSync(join(cwd, file), text)
    const { code } = await run(process.execPath, [file], { cwd, env, show: 'failure' })
    report(`${name} works`, code === 0)
  }
}

/** The command line, by the name that the package gives it. @param {Project} project @param {Report} report */
export async function checkCommandLine({ dir, env }, report) {
  const cwd = mkdtempSync(join(dir, 'command-line-'))
  /** @param {string[]} args */
  const call = async (...args) => {
    const program = join(dir, 'node_modules', '.bin', 'opendiskmap')
    const { code, output } = await run(program, args, { cwd, env, show: 'failure' })
    return code === 0 ? output.trim() : `status ${code}`
  }
  const codecs = ['--key-codec', 'str', '--value-codec', 'json']
  await call('set', ...codecs, 'map', 'answer', '{"n":42}')
  report(
    'the command line reads what it wrote',
    (await call('get', 'map', 'answer')) === '{"n":42}',
  )
}

/** @param {Project} project @param {Report} report */
export async function checkJest({ dir, env }, report) {
  const cwd = mkdtempSync(join(dir, 'jest-'))
  for (const file of ['map.test.cjs', 'map.test.mjs']) {
    copyFileSync(join(folder, file), join(cwd, file))
    const config = {
      rootDir: cwd,
      testMatch: [`<rootDir>/${file}`],
      moduleFileExtensions: ['js', 'cjs', 'mjs', 'json', 'node'],
      transform: {},
      cacheDirectory: join(cwd, 'cache'),
      watchman: false,
    }
    const flags = file.endsWith('.mjs') ? ['--experimental-vm-modules', '--no-warnings'] : []
    const jest = [
      ...flags,
      toolFile('jest/bin/jest.js'),
      '--ci',
      '--config',
      JSON.stringify(config),
    ]
    const { code } = await run(process.execPath, jest, { cwd, env, minutes: 2, show: 'failure' })
    report(`Jest 30: ${file} passes`, code === 0)
  }
}

/** @type {[name: string, file: string][]} */
const COMPILERS = [
  ['TypeScript of this repository', join(root, 'node_modules', 'typescript', 'bin', 'tsc')],
  ['TypeScript 5', toolFile('typescript/bin/tsc')],
]

/** @type {Record<string, { module: string, moduleResolution?: string, files: string[] }>} */
const MODULES = {
  node16: { module: 'node16', files: ['types.mts', 'types.cts'] },
  nodenext: { module: 'nodenext', files: ['types.mts', 'types.cts'] },
  bundler: { module: 'esnext', moduleResolution: 'bundler', files: ['types.ts'] },
}

/** @param {Project} project @param {Report} report */
export async function checkTypes({ dir, env }, report) {
  const cwd = mkdtempSync(join(dir, 'types-'))
  // They bring the types of Node, as any program in TypeScript does that uses Buffers.
  cpSync(
    join(root, 'node_modules', '@types', 'node'),
    join(cwd, 'node_modules', '@types', 'node'),
    { recursive: true },
  )
  cpSync(join(root, 'node_modules', 'undici-types'), join(cwd, 'node_modules', 'undici-types'), {
    recursive: true,
  })
  for (const [name, { files, ...how }] of Object.entries(MODULES)) {
    for (const file of files) copyFileSync(join(folder, 'types.ts'), join(cwd, file))
    const options = {
      ...how,
      target: 'es2022',
      lib: ['es2023', 'esnext.disposable'],
      types: ['node'],
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      skipLibCheck: false,
    }
    const config = join(cwd, `tsconfig.${name}.json`)
    writeFileSync(config, JSON.stringify({ compilerOptions: options, files }))
    for (const [compiler, tsc] of COMPILERS) {
      const { code } = await run(process.execPath, [tsc, '-p', config], {
        cwd,
        env,
        show: 'failure',
      })
      report(`${compiler}: the types hold under ${name}`, code === 0)
    }
  }
}

/** @param {Project} project @param {Report} report */
export async function lintPackage({ dir, env, tarball }, report) {
  const main = join(dir, 'node_modules', 'opendiskmap')
  const publint = await run(process.execPath, [toolFile('publint/src/cli.js'), main, '--strict'], {
    cwd: dir,
    env,
    show: 'nothing',
  })
  report(
    'publint finds nothing',
    publint.code === 0 && /All good/.test(publint.output),
    publint.output,
  )
  const attw = await run(
    process.execPath,
    [toolFile('@arethetypeswrong/cli/dist/index.js'), tarball, '--no-emoji', '--no-color'],
    { cwd: dir, env, show: 'nothing' },
  )
  report('arethetypeswrong finds nothing', attw.code === 0, attw.output)
}
