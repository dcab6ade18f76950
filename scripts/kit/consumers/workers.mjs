// Threads that open, attach, write, read in place, and end in every way, while others go on.
import { strict as assert } from 'node:assert'
import { once } from 'node:events'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { bytes, DiskMap, native, str } from 'opendiskmap'

const codecs = { key: str, value: native.u64 }
const THREADS = 4
const TURNS = 2000

/** @param {object} data */
const start = (data) => new Worker(new URL(import.meta.url), { workerData: data })

if (isMainThread) {
  const map = DiskMap.open('visits.odm', codecs)
  const values = DiskMap.open('values.odm', { key: str, value: bytes })
  for (let round = 0; round < 2; round++) {
    const workers = Array.from({ length: THREADS }, (_, thread) =>
      start({ handle: map.handle, values: values.handle, thread }),
    )
    const codes = await Promise.all(workers.map(async (worker) => (await once(worker, 'exit'))[0]))
    assert.deepEqual(codes, [0, 0, 0, 0])
    assert.equal(map.get('all'), BigInt(THREADS * TURNS * (round + 1)))
  }
  for (let thread = 0; thread < THREADS; thread++)
    assert.deepEqual([...new Uint8Array(values.get(`value ${thread}`))], Array(5000).fill(thread))

  // One that is ended from outside, in the middle of its calls, holds up nobody.
  const endless = start({ handle: map.handle, values: values.handle, thread: -1 })
  await once(endless, 'message')
  await endless.terminate()
  map.set('after', 1n)
  assert.equal(map.get('after'), 1n)
  assert.equal((await map.verify()).ok, true)
  values.close()
  map.close()
  console.log('done')
} else {
  const { handle, values, thread } = workerData
  const map = DiskMap.attach(handle, codecs)
  const lent = DiskMap.attach(values, { key: str, value: bytes })
  if (thread < 0) {
    map.increment('endless')
    parentPort.postMessage('ready')
    for (;;) map.increment('endless')
  }
  const name = `value ${thread}`
  lent.set(name, Buffer.alloc(5000, thread))
  for (let turn = 0; turn < TURNS; turn++) {
    map.increment('all')
    if (turn % 100 === 0) {
      const sum = lent.read(name, (seen) => seen.reduce((all, byte) => all + byte, 0))
      assert.equal(sum, 5000 * thread)
    }
  }
  // Every other thread leaves its handles open.
  if (thread % 2 === 0) {
    lent.close()
    map.close()
  }
}
