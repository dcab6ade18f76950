// node scripts/check-version.mjs vX.Y.Z: whether the tag of a release is the version that every package of it states.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './kit/run.mjs'

/** @param {string} file */
const read = (file) => readFileSync(join(root, file), 'utf8')

/** @param {string} file @returns {[string, string]} */
const manifest = (file) => [file, JSON.parse(read(file)).version]

const wanted = (process.argv[2] ?? '').replace(/^v/, '')
const [, cargo = ''] = /^\[workspace\.package\]\nversion = "(.*)"/m.exec(read('Cargo.toml')) ?? []
const [, notes = ''] = /^## (\d+\.\d+\.\d+\S*)/m.exec(read('CHANGELOG.md')) ?? []

/** @type {[file: string, version: string][]} */
const stated = [
  manifest('package.json'),
  ...readdirSync(join(root, 'npm')).map((target) => manifest(`npm/${target}/package.json`)),
  ['Cargo.toml', cargo],
  ['CHANGELOG.md', notes],
]
const wrong = stated.filter(([, version]) => version !== wanted)
for (const [file, version] of wrong)
  console.error(`${file} has ${version === '' ? 'no version' : version}, the tag ${wanted}`)
process.exitCode = wrong.length === 0 ? 0 : 1
