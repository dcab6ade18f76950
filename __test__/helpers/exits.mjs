// Calls process.exit(7) inside a codec or a callback: exits.mjs PATH WHERE
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { DiskMap, str } from '../../index.js'

const [path, where] = isMainThread ? process.argv.slice(2) : workerData

if (isMainThread) {
  const made = DiskMap.open(path, { key: str, value: str })
  for (let i = 0; i < 100; i++) made.set(`${i}`, `value ${i}`)
}

const exit = () => process.exit(7)
const map = DiskMap.open(path, { key: str, value: str })

if (where === 'update') {
  map.update('1', exit)
} else if (where === 'forEach') {
  map.forEach(exit)
} else if (where === 'iterator') {
  for (const key of map.keys()) exit(key)
} else if (where === 'pending') {
  // Off the event loop, and the process ends beside it.
  const codecs = { key: str, value: str }
  const pending = [DiskMap.openAsync(path, codecs), map.getAsync('1'), map.flush(), map.compact()]
  Promise.all(pending).then(exit)
  exit()
} else if (where === 'worker-update' && isMainThread) {
  // The worker is in the middle of its calls when the process ends.
  const worker = new Worker(new URL(import.meta.url), { workerData: [path, where] })
  worker.once('message', () => setTimeout(exit, 20))
} else if (where === 'worker-update') {
  parentPort.postMessage('busy')
  for (;;) map.update('1', (old) => old)
} else if (where.startsWith('contended ') && isMainThread) {
  const verbs = {
    update: () => map.update('1', exit),
    getOrInsertComputed: () => map.getOrInsertComputed('new', exit),
    andModify: () => map.entry('1').andModify(exit),
    orInsertWith: () => map.entry('new').orInsertWith(exit),
    setMany: () =>
      map.setMany(
        (function* () {
          for (let i = 0; i < 5000; i++) yield [`${i}`, 'lost']
          exit()
        })(),
      ),
  }
  // Two threads want the same keys all the time.
  let busy = 0
  for (let i = 0; i < 2; i++) {
    const worker = new Worker(new URL(import.meta.url), { workerData: [path, where] })
    worker.once('message', () => ++busy === 2 && verbs[where.slice(10)]())
  }
} else if (where.startsWith('contended ')) {
  parentPort.postMessage('busy')
  for (;;) {
    map.update('1', (old) => old)
    map.setMany([...map].filter(([key]) => key !== 'new'))
    map.entry('new').remove()
  }
} else {
  const armed = DiskMap.open(`${path}-2`, {
    key: str,
    value: {
      name: 'exits',
      encode: (value, sink) => (where === 'encode' ? exit() : sink.utf8(value)),
      decode: (bytes) => (where === 'decode' ? exit() : bytes.toString()),
    },
  })
  armed.set('a', 'b').get('a')
}
