// Reads how many tests passed and failed out of what the test programs print.

import { stripVTControlCharacters as plain } from 'node:util'

/** @typedef {{ passed: number, failed: number, skipped?: string }} Counts `skipped`: why the part did not run */
/** @typedef {import('./run.mjs').Result} Result */

/**
 * @param {Result} result
 * @param {Counts} counts
 * @returns {Counts} never "nothing failed" for a program that failed or ran no test
 */
function strictly({ code }, { passed, failed }) {
  const bad = code !== 0 || passed + failed === 0
  return { passed, failed: bad ? Math.max(failed, 1) : failed }
}

/** A check that either holds or not. @param {Result} result @returns {Counts} */
export function check({ code }) {
  return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }
}

/** @param {Result} result @returns {Counts} */
export function nextest(result) {
  const [, run = 0, passed = 0] =
    /(\d+)(?:\/\d+)? tests? run: (\d+) passed/.exec(plain(result.output)) ?? []
  return strictly(result, { passed: Number(passed), failed: Number(run) - Number(passed) })
}

/**
 * @param {Result} result
 * @param {{ mayBeEmpty?: boolean }} [options]
 * @returns {Counts}
 */
export function cargoTest(result, { mayBeEmpty = false } = {}) {
  const counts = { passed: 0, failed: 0 }
  const lines = plain(result.output).matchAll(/^test result: .*? (\d+) passed; (\d+) failed;/gm)
  for (const [, passed, failed] of lines) {
    counts.passed += Number(passed)
    counts.failed += Number(failed)
  }
  if (mayBeEmpty && result.code === 0) return counts
  return strictly(result, counts)
}

/** Why a program that ended well did nothing. @param {Result} result */
function skipped({ code, output }) {
  return code === 0 ? /^(?:.*not possible here: |skipped, )(.*)/m.exec(output)?.[1] : undefined
}

/** @param {Result} result @returns {Counts} */
export function tap(result) {
  const [, passed = 0] = /^# pass (\d+)/m.exec(result.output) ?? []
  const [, failed = 0] = /^# fail (\d+)/m.exec(result.output) ?? []
  const why = skipped(result)
  if (why !== undefined) return { passed: 0, failed: 0, skipped: why }
  return strictly(result, { passed: Number(passed), failed: Number(failed) })
}

/** The last line `name: N passed, N failed` of a rig. @param {Result} result @returns {Counts} */
export function rig(result) {
  const lines = [...plain(result.output).matchAll(/^(?:[\w -]+: )?(\d+) passed, (\d+) failed/gm)]
  const [, passed = 0, failed = 0] = lines.at(-1) ?? []
  const why = Number(passed) + Number(failed) === 0 ? skipped(result) : undefined
  if (why !== undefined) return { passed: 0, failed: 0, skipped: why }
  return strictly(result, { passed: Number(passed), failed: Number(failed) })
}

/** @param {Counts[]} all @returns {Counts} */
export function sum(all) {
  return all.reduce((a, b) => ({ passed: a.passed + b.passed, failed: a.failed + b.failed }), {
    passed: 0,
    failed: 0,
  })
}
