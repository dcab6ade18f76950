// Writes for ever from several threads, and prints each thread and number once its write has returned:
// writes.mjs PATH SEED FIRST…, one FIRST for each thread. The kill test kills it.
import { writeSync } from 'node:fs'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { DiskMap, str } from '../../index.js'
import { apply, write } from './history.mjs'

const [path, seed, ...firsts] = isMainThread ? process.argv.slice(2) : workerData.args
const thread = isMainThread ? 0 : workerData.thread

if (isMainThread) {
  for (let other = 1; other < firsts.length; other++) {
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { thread: other, args: process.argv.slice(2) },
    })
    worker.on('error', (error) => {
      console.error(error)
      process.exit(1)
    })
  }
}

// Often enough that some kills fall into a checkpoint.
const map = DiskMap.open(path, { key: str, value: str, shards: 2, flushInterval: 20 })
if (thread === 0) say('open\n')
for (let n = Number(firsts[thread]); ; n++) {
  apply(map, write(Number(seed), thread, n, firsts.length === 1))
  say(`${thread} ${n}\n`)
}

// One system call and a whole line: what was said survives the kill. A full pipe is waited for.
function say(line) {
  for (;;) {
    try {
      return writeSync(1, line)
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error
    }
  }
}
