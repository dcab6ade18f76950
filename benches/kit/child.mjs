// Runs one engine in a process of its own: what another engine left in the heap or in V8's caches would count.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/**
 * Runs a module's task in a fresh process and resolves to what it sent.
 * @param {URL} module a file that calls `answer`
 * @param {string} task
 * @param {Record<string, unknown>} [input]
 * @param {{ killAfterAnswer?: boolean }} [options]
 * @returns {Promise<any>}
 */
export function inProcess(module, task, input = {}, { killAfterAnswer = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(module), ['--task', task, JSON.stringify(input)], {
      execArgv: ['--expose-gc', '--max-old-space-size=12000'],
    })
    /** @type {unknown} */
    let answer
    let answered = false
    child.on('message', (message) => {
      answer = message
      answered = true
      if (killAfterAnswer) child.kill('SIGKILL')
    })
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      const expected = killAfterAnswer ? signal === 'SIGKILL' : code === 0
      if (answered && expected) resolve(answer)
      else reject(new Error(`${task} ended with ${code ?? signal}`))
    })
  })
}

/**
 * In the child: runs the task that was asked for. False in the parent.
 * @param {Record<string, (input: any) => unknown>} tasks
 * @returns {Promise<boolean>}
 */
export async function answer(tasks) {
  const at = process.argv.indexOf('--task')
  if (at < 0) return false
  const task = tasks[process.argv[at + 1] ?? '']
  if (task === undefined) throw new Error(`no task ${process.argv[at + 1]}`)
  const result = await task(JSON.parse(process.argv[at + 2] ?? '{}'))
  await new Promise((sent) => process.send?.(result ?? null, sent))
  return true
}

export const collect = () => /** @type {{ gc?: () => void }} */ (globalThis).gc?.()
