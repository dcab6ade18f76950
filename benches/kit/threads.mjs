// Runs one task in several worker threads that begin at the same moment.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

/**
 * What a module's `threadTasks` holds: gets its input, prepares itself, calls `ready`, which waits for the others, and
 * returns what it found.
 * @typedef {(input: any, ready: () => void) => unknown} ThreadTask
 */

/**
 * @param {URL} module exports `threadTasks`
 * @param {string} task
 * @param {Record<string, unknown>[]} inputs one for each thread
 * @returns {Promise<any[]>} what each thread returned
 */
export function inThreads(module, task, inputs) {
  const gate = new Int32Array(new SharedArrayBuffer(4))
  return Promise.all(
    inputs.map((input) => {
      const data = { module: module.href, task, input, gate, threads: inputs.length }
      const worker = new Worker(new URL(import.meta.url), { workerData: data })
      return new Promise((resolve, reject) =>
        worker
          .once('message', resolve)
          .once('error', reject)
          .once('exit', (code) => reject(new Error(`a thread of ${task} ended with ${code}`))),
      )
    }),
  )
}

/** @param {{ module: string, task: string, input: unknown, gate: Int32Array<SharedArrayBuffer>, threads: number }} data */
async function answerThread({ module, task, input, gate, threads }) {
  /** @type {{ threadTasks: Record<string, ThreadTask> }} */
  const { threadTasks } = await import(module)
  const work = threadTasks[task]
  if (work === undefined) throw new Error(`no task ${task}`)
  const result = await work(input, () => {
    Atomics.add(gate, 0, 1)
    Atomics.notify(gate, 0)
    for (let there; (there = Atomics.load(gate, 0)) < threads;) Atomics.wait(gate, 0, there)
  })
  parentPort?.postMessage(result)
}

// Not awaited here: the module imports this one, and its evaluation would wait for itself.
if (!isMainThread && workerData?.gate !== undefined) void answerThread(workerData)
