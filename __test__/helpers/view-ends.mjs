// Holds views while its thread, or the process, ends in one of several ways: view-ends.mjs PATH HOW MODE
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { bytes, DiskMap, str } from '../../index.js'

const codecs = { key: str, value: bytes }
const COUNT = 50

/** Views of short and long values, some forgotten, some disposed, some in parts. */
function hold(path, views) {
  const map = DiskMap.open(path, { ...codecs, views })
  const held = []
  for (let i = 0; i < COUNT; i++) {
    const view = map.view(`k${i}`)
    if (i % 3 === 0) view[Symbol.dispose]()
    if (i % 3 === 1) held.push(view.bytes.subarray(1))
    if (i % 3 === 2) held.push(view)
  }
  held.push(map.view('long'), map.view('long').bytes.subarray(5), map.views())
  globalThis.held = held
  return map
}

function fill(path) {
  const map = DiskMap.open(path, codecs)
  for (let i = 0; i < COUNT; i++) map.set(`k${i}`, Buffer.alloc(3000, i))
  map.set('long', Buffer.alloc(300_000, 7))
  for (let i = 0; i < 200; i++) map.set('filler', Buffer.alloc(3000, i))
  return map
}

async function main([path, how, mode]) {
  const map = fill(path)
  if (how.startsWith('worker')) {
    const workers = [1, 2].map(
      () =>
        new Worker(fileURLToPath(import.meta.url), { workerData: { path, how, mode }, argv: [] }),
    )
    const ends = Promise.all(workers.map((worker) => once(worker, 'exit')))
    await Promise.all(workers.map((worker) => once(worker, 'message')))
    const other = hold(path, mode)
    for (let i = 0; i < COUNT; i++) map.set(`k${i}`, Buffer.alloc(10))
    if (how === 'worker terminate') await Promise.all(workers.map((worker) => worker.terminate()))
    if (how === 'worker at exit') {
      console.log('ended')
      process.exit(0)
    }
    await ends
    await map.compact()
    other.close()
  }
  const mine = hold(path, mode)
  for (let i = 0; i < COUNT; i++) map.set(`k${i}`, Buffer.alloc(10))
  await map.compact()
  if (how === 'close') {
    mine.close()
    map.close()
    globalThis.gc?.()
    await setTimeout(20)
  }
  if (how === 'close and open') {
    mine.close()
    map.close()
    hold(path, mode).close()
    hold(path, mode)
  }
  if (how === 'collect') {
    globalThis.held = undefined
    for (let i = 0; i < 5; i++) {
      globalThis.gc()
      await setTimeout(5)
    }
  }
  console.log('ended')
  if (how === 'exit') process.exit(0)
  if (how === 'timer exit') globalThis.setTimeout(() => process.exit(0), 1)
}

async function thread({ path, how, mode }) {
  const map = hold(path, mode)
  parentPort.postMessage('holding')
  if (how === 'worker terminate' || how === 'worker at exit') {
    for (;;) {
      globalThis.last = Array.from({ length: COUNT }, (_, i) => map.view(`k${i}`)?.bytes)
      await setTimeout(0)
    }
  }
  await setTimeout(20)
  if (how === 'worker exit') process.exit(0)
  if (how === 'worker close') map.close()
}

if (isMainThread) await main(process.argv.slice(2))
else await thread(workerData)
