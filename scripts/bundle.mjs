// The last step of `npm run build:face`: makes of what tsc emitted what is published. That is one CommonJS module, face.cjs, and
// its types; index.cjs and index.js hand on its names. So `import` and `require` have one implementation in a process,
// and the package stays small. Comments and layout are left out; the names of functions and classes stay, for stack traces.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { parseSync } from 'rolldown/experimental'
import { dts } from 'rolldown-plugin-dts'
import { root } from './kit/run.mjs'

const dist = join(root, 'dist')
const face = join(dist, 'face.cjs')

/** The loader of the addon stays a file by itself, from which the binary's place is counted. */
const loader = {
  name: 'loader',
  /** @param {string} source */
  resolveId: (source) =>
    source.endsWith('/native.cjs') ? { id: '../native.cjs', external: true } : undefined,
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

rmSync(dist, { recursive: true, force: true })
mkdirSync(dist)

const code = await rolldown({
  input: join(root, 'index.js'),
  platform: 'node',
  external: ['msgpackr'],
  plugins: [loader],
})
await code.write({
  file: face,
  format: 'cjs',
  comments: false,
  minify: {
    compress: { target: 'es2022', keepNames: kept },
    mangle: { toplevel: true, keepNames: kept },
    codegen: { removeWhitespace: true },
  },
})

writeFileSync(face, breakLines(readFileSync(face, 'utf8')))

const types = await rolldown({
  input: { index: join(root, 'index.d.ts') },
  plugins: [loader, dts({ dtsInput: true })],
})
await types.write({ dir: dist, format: 'es', entryFileNames: '[name].d.cts' })

// Node looks for the names that a CommonJS module gives by reading all of it, in JavaScript: a short one is read at once.
const names = Object.keys(createRequire(import.meta.url)(face)).toSorted()
const handedOn = names.map((name) => `exports.${name} = face.${name}\n`)
writeFileSync(join(dist, 'index.cjs'), `const face = require('./face.cjs')\n${handedOn.join('')}`)
writeFileSync(join(dist, 'index.js'), `export { ${names.join(', ')} } from './index.cjs'\n`)
writeFileSync(join(dist, 'index.d.ts'), "export * from './index.cjs'\n")
