// Loads the package as Jest does: each "test file" in a vm context, with a require that compiles every module there
// and shares only addons and Node's own modules: other-realm.cjs PATH
const { strict: assert } = require('node:assert')
const { readFileSync } = require('node:fs')
const { createRequire } = require('node:module')
const { dirname, join } = require('node:path')
const vm = require('node:vm')

function testFile(number) {
  const context = vm.createContext({ process, Buffer, URL, console, setTimeout, TextEncoder })
  const modules = new Map()

  function load(file) {
    if (modules.has(file)) return modules.get(file).exports
    const module = { exports: {} }
    modules.set(file, module)
    const resolve = createRequire(file)
    const inner = (name) => {
      if (name.startsWith('node:') || name.endsWith('.node')) return resolve(name)
      const target = resolve.resolve(name)
      return target.startsWith('/') || /^[A-Z]:/.test(target) ? load(target) : resolve(name)
    }
    inner.resolve = resolve.resolve
    const wrapper = `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, 'utf8')}\n})`
    const compiled = vm.runInContext(wrapper, context, { filename: file })
    compiled.call(module.exports, module.exports, inner, module, file, dirname(file))
    return module.exports
  }

  const { DiskMap, DiskMapError, bytes, json, primitive, str, structured } = load(
    join(__dirname, '../../dist/index.cjs'),
  )
  const path = `${process.argv[2]}-${number % 2}`
  const map = DiskMap.open(path, { key: str, value: bytes })
  // Arrays of this realm, of the context's, and of both through the same verbs.
  const foreign = vm.runInContext('new Uint8Array([1, 2, 3])', context)
  assert.equal(map.set('foreign', foreign).get('foreign').length, 3)
  assert.equal(map.set('own', new Uint8Array(2000)).get('own').length, 2000)
  assert.equal([...map].length, 2)
  assert.throws(() => map.get(1), { code: 'ERR_INVALID_KEY' })
  try {
    map.get('\ud800')
  } catch (error) {
    assert.ok(error instanceof DiskMapError)
  }
  map.close()

  const values = DiskMap.open(`${path}-values`, { key: primitive, value: structured })
  values.set(foreign, vm.runInContext('new Map([[1, [2]]])', context))
  assert.equal(values.get(new Uint8Array([1, 2, 3])).get(1)[0], 2)
  values.close()

  const texts = DiskMap.open(`${path}-json`, { key: str, value: json })
  assert.throws(() => texts.set('a', 1n), { code: 'ERR_INVALID_VALUE' })
  assert.equal(texts.set('a', { b: 1 }).get('a').b, 1)
  texts.close()
}

for (let number = 0; number < 5; number++) testFile(number)
console.log('done')
