// Fills a map and says so; at the next line it asks for everything, in two threads, and tells what came of it.
import { once } from 'node:events'
import { Worker, isMainThread, workerData } from 'node:worker_threads'
import { DiskMap, str } from '../../index.js'

const COUNT = 300
const options = { key: str, value: str, shards: 1, flushInterval: false }
const valueOf = (n) => `${n} `.repeat(250)

/** How many answers were right, wrong, and an error of which code. */
function ask(map) {
  const told = { right: 0, wrong: 0, codes: {} }
  const count = (right) => (right ? told.right++ : told.wrong++)
  const attempt = (call) => {
    try {
      call()
    } catch (error) {
      told.codes[error.code] = (told.codes[error.code] ?? 0) + 1
    }
  }
  for (let n = 0; n < COUNT; n++) {
    attempt(() => count(map.get(`${n}`) === valueOf(n)))
    attempt(() => count(map.has(`${n}`)))
  }
  attempt(() => {
    let entries = 0
    for (const [key, value] of map) {
      count(value === valueOf(Number(key)))
      entries++
    }
    count(entries === COUNT)
  })
  attempt(() => map.getMany(['1', '2']).forEach((value, at) => count(value === valueOf(at + 1))))
  attempt(() => count(map.size === COUNT))
  return told
}

if (isMainThread) {
  const path = process.argv[2]
  const map = DiskMap.open(path, options)
  for (let n = 0; n < COUNT; n++) map.set(`${n}`, valueOf(n))
  map.flushSync()
  const worker = new Worker(new URL(import.meta.url), { workerData: path })
  await once(worker, 'message')
  console.log('ready')
  await once(process.stdin, 'data')
  process.stdin.destroy()
  const ended = once(worker, 'exit')
  worker.postMessage('ask')
  const told = [ask(map)]
  told.push((await once(worker, 'message'))[0])
  // The main thread's handle is to be the last one.
  await ended
  const ends = []
  const calls = [
    () => map.set('1', 'x'),
    () => map.delete('2'),
    () => map.clear(),
    () => map.flushSync(),
    () => map.close(),
  ]
  for (const call of calls) {
    try {
      call()
      ends.push('done')
    } catch (error) {
      ends.push(error.code)
    }
  }
  console.log(JSON.stringify({ told, ends }))
} else {
  const { parentPort } = await import('node:worker_threads')
  const map = DiskMap.open(workerData, options)
  parentPort.postMessage('open')
  await once(parentPort, 'message')
  parentPort.postMessage(ask(map))
  try {
    map.close()
  } catch {
    // The main thread closes it too, and tells.
  }
  parentPort.close()
}
