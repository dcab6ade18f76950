// The engine's tests with threads under the thread sanitizer, which only a nightly compiler has.
import { join } from 'node:path'
import { cargoTest, sum } from './counts.mjs'
import { cargo, root, run } from './run.mjs'

/** @typedef {import('./counts.mjs').Counts} Counts */

const TARGET = 'x86_64-unknown-linux-gnu'
const TESTS = ['threads', 'linearizable', 'references']

const ENV = {
  // The standard library is not built with the sanitizer; what follows from that is in the list of suppressions.
  RUSTFLAGS: '-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer --cfg thread_sanitizer',
  CARGO_TARGET_DIR: 'target/tsan',
  // A report makes the test program fail when it ends.
  TSAN_OPTIONS: `suppressions=${join(root, 'scripts/kit/thread-sanitizer.txt')} exitcode=66`,
}

/** @param {string[]} what */
const test = (...what) =>
  cargo(['+nightly', 'test', '-p', 'opendiskmap', '--target', TARGET, ...what], { env: ENV })

/** @returns {Promise<Counts>} */
export async function threadSanitizer() {
  const why = await missing()
  if (why !== undefined) {
    console.log(`skipped, ${why}`)
    return { passed: 0, failed: 0, skipped: why }
  }
  const tests = TESTS.flatMap((name) => ['--test', name])
  const counts = cargoTest(await test(...tests, '--no-fail-fast', '--', '--test-threads=2'))
  const control = await test('--lib', 'planted_race')
  const caught =
    /^test result: .*? 1 passed;/m.test(control.output) &&
    /ThreadSanitizer: data race/.test(control.output) &&
    control.code !== 0
  console.log(caught ? 'ok  a planted race is reported' : 'not ok  a planted race is not reported')
  return sum([counts, { passed: caught ? 1 : 0, failed: caught ? 0 : 1 }])
}

/** What this machine lacks. @returns {Promise<string | undefined>} */
async function missing() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'it needs Linux on x86-64'
  const nightly = await run('cargo', ['+nightly', '--version'], { show: 'nothing' })
  return nightly.code === 0 ? undefined : 'there is no nightly compiler'
}
