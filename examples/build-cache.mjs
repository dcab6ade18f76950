// A memo cache for a build tool: what was made of the same input by the same tool is not made again, in no later run.
//   node examples/build-cache.mjs
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytes, DiskMap, str } from 'opendiskmap'

const home = mkdtempSync(join(tmpdir(), 'opendiskmap-'))
process.on('exit', () => rmSync(home, { recursive: true, force: true }))

const sources = join(home, 'src')
mkdirSync(sources)
for (let n = 0; n < 100; n++) {
  writeFileSync(join(sources, `module-${n}.js`), `// module ${n}\nexport const id = ${n}\n`)
}

/** What takes long in a real tool. @param {string} text */
function minify(text) {
  return text.replaceAll(/\/\/.*\n/g, '').replaceAll(/\s*=\s*/g, '=')
}

/**
 * One run of the tool.
 * @param {string} version
 */
function build(version) {
  // What the power cut takes from a cache is made again: nothing waits for the disk.
  const cache = DiskMap.open(join(home, 'cache.odm'), {
    key: bytes,
    value: str,
    flushInterval: false,
  })
  let made = 0
  /** @type {Record<string, string>} */
  const outputs = {}
  for (const name of readdirSync(sources)) {
    const text = readFileSync(join(sources, name), 'utf8')
    // All that the output depends on is in the key, so nothing has ever to be made invalid.
    const key = createHash('sha256').update(version).update('\0').update(text).digest()
    outputs[name] = cache.getOrInsertComputed(key, () => {
      made++
      return minify(text)
    })
  }
  cache.close()
  return { made, outputs }
}

const first = build('1.0')
assert.equal(first.made, 100)
assert.equal(first.outputs['module-7.js'], 'export const id=7\n')

// Nothing has changed.
const second = build('1.0')
assert.equal(second.made, 0)
assert.deepEqual(second.outputs, first.outputs)

// One file has changed; when it is as it was, so is the key.
const file = join(sources, 'module-7.js')
const before = readFileSync(file)
writeFileSync(file, 'export const id = "seven"\n')
const third = build('1.0')
assert.equal(third.made, 1)
assert.equal(third.outputs['module-7.js'], 'export const id="seven"\n')
writeFileSync(file, before)
assert.equal(build('1.0').made, 0)

// Another tool trusts nothing of this one's.
assert.equal(build('2.0').made, 100)
console.log(`made ${first.made}, then ${second.made}, then ${third.made}`)
