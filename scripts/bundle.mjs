// The last step of `npm run build:face`: makes of what tsc emitted what is published. That is one CommonJS module, face.cjs, and
// its types; index.cjs and index.js hand on its names, and cli.cjs is the command line on top of it. So `import` and `require` have one implementation in a process,
// and the package stays small. Comments and layout are left out; the names of functions and classes stay, for stack traces.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { minifySync, parseSync } from 'rolldown/experimental'
import { dts } from 'rolldown-plugin-dts'
import { root } from './kit/run.mjs'

const dist = join(root, 'dist')

/** The loader of the addon stays a file by itself: it has its own way to what it loads. */
const loader = {
  name: 'loader',
  /** @param {string} source */
  resolveId: (source) =>
    source.endsWith('/native.cjs') ? { id: './native.cjs', external: true } : undefined,
}

const kept = { function: true, class: true }

/** Runtimes print the line in which an error was thrown, so lines are not longer than this without need. */
const LINE = 100

/** Where a line may begin: at each statement and each member of a class. @param {string} code @returns {number[]} */
function lineStarts(code) {
  /** @type {number[]} */
  const starts = []
  /** @param {any} node */
  const visit = (node) => {
    if (Array.isArray(node)) return node.forEach(visit)
    if (typeof node !== 'object' || node === null) return
    for (const name of ['body', 'consequent'])
      if (Array.isArray(node[name])) starts.push(...node[name].map(({ start }) => start))
    Object.values(node).forEach(visit)
  }
  visit(parseSync('face.cjs', code).program)
  return starts.toSorted((a, b) => a - b)
}

/** Nothing that is handed on changes once its module has run: a property says as much as a getter. @param {string} code */
function plainExports(code) {
  const getter =
    /Object\.defineProperty\(exports,"(\w+)",\{enumerable:!0,get:function\(\)\{return ([\w$]+)\}\}\)/g
  return code.replaceAll(getter, 'exports.$1=$2')
}

/** @param {string} code */
function breakLines(code) {
  let [text, line, done] = ['', 0, 0]
  for (const start of lineStarts(code)) {
    if (start - line < LINE) continue
    text += `${code.slice(done, start)}\n`
    done = line = start
  }
  return text + code.slice(done)
}

/** A comment with a line for each paragraph: whoever shows it breaks the lines. @param {string} indent @param {string} lines */
function joinLines(indent, lines) {
  /** @type {string[]} */
  const joined = []
  let isCode = false
  for (const line of lines.split('\n')) {
    const text = line.replace(/^\t* \* ?/, '')
    if (text.startsWith('@')) isCode = text.startsWith('@example')
    const last = joined.at(-1)
    const begins = isCode || text === '' || /^[@-]/.test(text)
    if (last === undefined || last === '' || begins) joined.push(text)
    else joined[joined.length - 1] = `${last} ${text.trim()}`
  }
  const [first = '', ...rest] = joined
  if (rest.length === 0) return `${indent}/** ${first} */`
  return `${indent}/**\n${joined.map((text) => `${indent} * ${text}`.trimEnd()).join('\n')}\n${indent} */`
}

rmSync(dist, { recursive: true, force: true })
mkdirSync(dist)

const code = await rolldown({
  input: { index: join(root, 'index.js'), cli: join(root, 'lib', 'cli', 'main.js') },
  platform: 'node',
  external: ['msgpackr', 'commander', 'cli-progress'],
  plugins: [loader],
})
await code.write({
  dir: dist,
  entryFileNames: '[name].cjs',
  // What the two have in common. Node looks for the names that a CommonJS module gives by reading all of it, in JavaScript: so
  // it is good that index.cjs is short.
  codeSplitting: { groups: [{ name: 'face', minShareCount: 2 }] },
  chunkFileNames: '[name].cjs',
  format: 'cjs',
  comments: false,
  minify: {
    compress: { target: 'es2022', keepNames: kept },
    mangle: { toplevel: true, keepNames: kept },
    codegen: { removeWhitespace: true },
  },
})

for (const file of readdirSync(dist)) {
  const path = join(dist, file)
  const [, hashbang = '', rest = ''] = /^(#!.*\n)?([^]*)$/.exec(readFileSync(path, 'utf8')) ?? []
  writeFileSync(path, hashbang + breakLines(plainExports(rest)))
}

// It lies a directory deeper than its source.
const deeper = readFileSync(join(root, 'native.cjs'), 'utf8')
  .replaceAll('./opendiskmap.', '../opendiskmap.')
  .replaceAll('./package.json', '../package.json')
const { code: loads } = minifySync('native.cjs', deeper, { codegen: { removeWhitespace: true } })
writeFileSync(join(dist, 'native.cjs'), breakLines(loads))

const types = await rolldown({
  input: { index: join(root, 'index.d.ts') },
  plugins: [loader, dts({ dtsInput: true })],
})
await types.write({ dir: dist, format: 'es', entryFileNames: '[name].d.cts' })
const typesFile = join(dist, 'index.d.cts')
const emitted = readFileSync(typesFile, 'utf8')
const [, handedOn = ''] = /^export \{(.*)\}/m.exec(emitted) ?? []
const publicNames = new Set(Array.from(handedOn.matchAll(/[\w$]+/g), ([name]) => name))
const said = emitted
  // What the reference does not show is there for the compiler only.
  .replace(/^ *\/\*\* @ignore(?:(?!\*\/)[^])*\*\/\s*/gm, '  ')
  .replace(
    /^\/\*\*(?:(?!\*\/)[^])*\*\/\n(?=(?:declare )?(?:const|type|interface) ([\w$]+))/gm,
    (comment, name) => (publicNames.has(name) ? comment : ''),
  )
  .replace(/^(?: {2})+/gm, (indent) => '\t'.repeat(indent.length / 2))
  .replace(/^(\t*)\/\*\*\n([^]*?)\n\t* \*\/$/gm, (_, indent, lines) => joinLines(indent, lines))
writeFileSync(typesFile, said)

const names = Object.keys(createRequire(import.meta.url)(join(dist, 'index.cjs'))).toSorted()
writeFileSync(join(dist, 'index.js'), `export { ${names.join(', ')} } from './index.cjs'\n`)
writeFileSync(join(dist, 'index.d.ts'), "export * from './index.cjs'\n")
