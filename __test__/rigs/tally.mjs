// What a rig has seen so far, as lines and as the counts that its last line gives.

let passed = 0
let failed = 0

/** @param {boolean} held @param {string} what */
export function say(held, what) {
  if (held) passed++
  else failed++
  console.log(`${held ? 'ok' : 'not ok'}  ${what}`)
}

/** The last line, and the verdict. @param {string} rig */
export function conclude(rig) {
  console.log(`${rig}: ${passed} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
}

/** A number with its thousands apart. @param {number} n */
export const count = (n) => n.toLocaleString('en-US')
