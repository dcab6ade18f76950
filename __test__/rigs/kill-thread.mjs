// A child of the kill rig: kill-thread.mjs PATH PLAN. Its main thread and its workers share two maps, call every verb for
// ever, and say after their calls how many have returned, until the child ends in the way that it was told.
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { DiskMap, native, str } from '../../index.js'
import { callOf, make } from './kill-calls.mjs'

/** @typedef {import('./kill-calls.mjs').Plan} Plan */

const [path, text] = isMainThread ? process.argv.slice(2) : workerData.args
/** @type {Plan} */
const plan = JSON.parse(text)
const thread = isMainThread ? 0 : workerData.thread

/** @type {Worker[]} */
const workers = []
if (isMainThread) {
  for (let other = 1; other < plan.threads; other++) {
    const args = process.argv.slice(2)
    workers.push(new Worker(new URL(import.meta.url), { workerData: { thread: other, args } }))
  }
}

// Often enough that some ends fall into a checkpoint.
const options = { shards: 2, flushInterval: 20 }
const maps = {
  text: DiskMap.open(join(path, 'text'), { key: str, value: str, ...options }),
  count: DiskMap.open(join(path, 'count'), { key: str, value: native.u64, ...options }),
}

const last = plan.threads - 1
for (let n = 0; ; n++) {
  if (n === plan.after) await end()
  if (plan.how !== 'lie' || n < plan.after) make(maps, callOf(plan, thread, n))
  if ((n + 1) % plan.atOnce === 0) say(`${thread} ${n + 1}\n`)
  // A worker's error is an event of the main thread.
  if (isMainThread && n % 32 === 31) await setImmediate()
}

async function end() {
  if (plan.how === 'exit' && isMainThread) process.exit(7)
  if (plan.how === 'throw' && isMainThread) throw new Error('the rig')
  if (plan.how === 'worker-throw' && thread === last) throw new Error('the rig')
  if (plan.how === 'terminate' && isMainThread) {
    const codes = Promise.all(workers.map((worker) => worker.terminate()))
    await codes
    // The workers' handles are gone with them: these are the last, and a close that fails is told.
    maps.text.close()
    maps.count.close()
    process.exit(0)
  }
}

// One system call and a whole line: what was said survives the end. A full pipe is waited for.
/** @param {string} line */
function say(line) {
  for (;;) {
    try {
      return writeSync(1, line)
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EAGAIN') throw error
    }
  }
}
