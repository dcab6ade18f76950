// What the specs use of AVA, for runtimes that cannot run AVA itself: tests one after the other, told as TAP.
import { strict as assert } from 'node:assert'

/** @typedef {{ is?: unknown, any?: boolean, code?: string, instanceOf?: Function }} Expectation */

/** @type {{ title: string, run: (t: object) => unknown, skip: boolean }[]} */
const tests = []

/** @param {unknown} error @param {Expectation} [wanted] */
function checkError(error, { is, any = false, code, instanceOf } = {}) {
  if (is !== undefined) assert.equal(error, is)
  if (!any) assert.ok(error instanceof Error, `${String(error)} is no error`)
  const found = /** @type {{ code?: string }} */ (error)
  if (code !== undefined) assert.equal(found.code, code)
  if (instanceOf !== undefined) assert.ok(error instanceof instanceOf)
  return error
}

/** @param {any} value @param {any} wanted */
function checkLike(value, wanted) {
  if (typeof wanted !== 'object' || wanted === null) return assert.equal(value, wanted)
  for (const key of Object.keys(wanted)) checkLike(value[key], wanted[key])
}

/** @param {string} title @param {(() => unknown)[]} teardowns */
function context(title, teardowns) {
  return {
    title,
    is: assert.equal,
    not: assert.notEqual,
    deepEqual: assert.deepEqual,
    regex: assert.match,
    like: checkLike,
    true: (/** @type {unknown} */ value, /** @type {string} */ what) =>
      assert.equal(value, true, what),
    false: (/** @type {unknown} */ value, /** @type {string} */ what) =>
      assert.equal(value, false, what),
    truthy: assert.ok,
    pass: () => {},
    fail: (/** @type {string} */ what) => assert.fail(what),
    timeout: () => {},
    teardown: (/** @type {() => unknown} */ fn) => void teardowns.unshift(fn),
    throws(/** @type {() => unknown} */ fn, /** @type {Expectation} */ wanted) {
      try {
        fn()
      } catch (error) {
        return checkError(error, wanted)
      }
      return assert.fail('it does not throw')
    },
    notThrows(/** @type {() => unknown} */ fn, /** @type {string | undefined} */ message) {
      assert.doesNotThrow(fn, message)
    },
    async throwsAsync(
      /** @type {Promise<unknown> | (() => Promise<unknown>)} */ what,
      /** @type {Expectation} */ wanted,
    ) {
      try {
        await (typeof what === 'function' ? what() : what)
      } catch (error) {
        return checkError(error, wanted)
      }
      return assert.fail('it does not reject')
    },
  }
}

/** @param {(t: object) => unknown} run @param {string} title */
async function one(run, title) {
  /** @type {(() => unknown)[]} */
  const teardowns = []
  try {
    await run(context(title, teardowns))
  } finally {
    for (const teardown of teardowns) await teardown()
  }
}

async function all() {
  let [passed, failed] = [0, 0]
  for (const { title, run, skip } of tests) {
    if (skip) continue
    let error
    try {
      await one(run, title)
    } catch (thrown) {
      error = thrown
    }
    if (error === undefined) passed++
    else failed++
    console.log(`${error === undefined ? 'ok' : 'not ok'} - ${title}`)
    if (error !== undefined)
      console.log(String(error instanceof Error ? error.stack : error).replace(/^/gm, '  '))
  }
  console.log(`# pass ${passed}\n# fail ${failed}`)
  process.exit(failed === 0 ? 0 : 1)
}

/** @param {boolean} skip */
const declare =
  (skip) => (/** @type {string} */ title, /** @type {(t: object) => unknown} */ run) => {
    if (tests.length === 0) setTimeout(all)
    tests.push({ title, run, skip })
  }

const test = declare(false)
export default Object.assign(test, { serial: test, skip: declare(true) })
