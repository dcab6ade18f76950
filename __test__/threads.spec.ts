import { once } from 'node:events'
import { symlinkSync } from 'node:fs'
import { join, relative } from 'node:path'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import { DiskMap, str, type DiskMapHandle } from '../index.js'
import { freshDir, freshPath } from './helpers/dir.js'
import { freshMap } from './helpers/open.js'
import { installCopy } from './helpers/package.js'
import { ask, inThread, startThread } from './helpers/threads.js'

const codecs = { key: str, value: str }

test('open of the same directory in any thread, by whatever path, is the same map', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, codecs).set('a', '1')
  const link = join(freshDir(t), 'link')
  symlinkSync(path, link, 'junction')
  const paths = [path, `${path}/`, link, relative(process.cwd(), path), join(path, '..', 'map')]
  const found = await Promise.all(
    paths.map((at) =>
      inThread<{ handle: DiskMapHandle; value: string }>(at, 'handleOf', { key: 'a' }),
    ),
  )
  for (const { handle, value } of found) {
    t.deepEqual(handle, map.handle)
    t.is(value, '1')
  }
  map.close()
})

test('threads that attached by one handle see what each of them wrote', async (t) => {
  const map = freshMap(t, codecs)
  const workers = Array.from({ length: 4 }, () => startThread('', 'attach'))
  await Promise.all(workers.map((worker) => ask(worker, map.handle)))
  for (const [number, worker] of workers.entries()) {
    await ask(worker, { set: [`${number}`, `from ${number}`], get: '' })
    for (const reader of workers) {
      t.deepEqual(await ask(reader, { get: `${number}` }), { got: `from ${number}` })
    }
  }
  await Promise.all(workers.map((worker) => ask(worker, 'close')))
  t.is(map.size, 4)
})

test('threads that attach while the last handle closes join it or find it closed', async (t) => {
  const path = freshPath(t)
  for (let round = 0; round < 20; round++) {
    const map = DiskMap.open(path, codecs)
    const workers = [1, 2, 3].map(() => startThread(map.handle.path, 'attachOnce'))
    await Promise.all(workers.map((worker) => once(worker, 'message')))
    const answers = Promise.all(
      workers.map((worker) => ask<{ result: string }>(worker, map.handle)),
    )
    map.close()
    for (const { result } of await answers) t.regex(result, /^(attached|ERR_CLOSED)$/)
    const again = DiskMap.open(path, { ...codecs, recovery: 'full' })
    t.is(again.stats().recovery.reason, 'rebuilt')
    again.close()
  }
})

test('a second copy of the package cannot share a map with the first, in another thread either', async (t) => {
  const path = freshPath(t)
  const copy = join(installCopy(freshDir(t)), 'dist', 'index.cjs')
  const map = DiskMap.open(path, codecs)
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    const { DiskMap } = require(workerData.copy)
    for (const open of [() => DiskMap.open(workerData.path), () => DiskMap.attach(workerData.handle)]) {
      try {
        open()
      } catch (error) {
        parentPort.postMessage([error.code, error.message])
      }
    }`
  const workerData = { copy, path, handle: map.handle }
  const worker = new Worker(code, { eval: true, execArgv: [], workerData })
  const said: [string, string][] = []
  worker.on('message', (message: [string, string]) => said.push(message))
  await once(worker, 'exit')
  t.deepEqual(
    said.map(([error]) => error),
    ['ERR_LOCKED', 'ERR_CLOSED'],
  )
  t.regex(said[0]![1], /held by another copy of opendiskmap in this process/)
  map.close()
})
