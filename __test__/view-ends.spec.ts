import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test from 'ava'
import { freshPath } from './helpers/dir.js'
import { program } from './helpers/program.js'
import { modes } from './helpers/views.js'

const ways = [
  'end',
  'exit',
  'timer exit',
  'close',
  'close and open',
  'collect',
  'worker end',
  'worker exit',
  'worker close',
  'worker terminate',
  'worker at exit',
]

for (const mode of modes) {
  for (const how of ways) {
    test(`${mode}: with views alive, ${how} is an orderly end`, async (t) => {
      const args = ['--expose-gc', program('view-ends.mjs'), freshPath(t), how, mode]
      // Rejects where the exit code is not 0, or a signal ended it.
      const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
        timeout: 100_000,
        killSignal: 'SIGKILL',
      })
      t.is(stdout.trim(), 'ended')
      t.is(stderr, '')
    })
  }
}
