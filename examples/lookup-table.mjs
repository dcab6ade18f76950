// A table that is made once and then read by many: processes and threads share its pages in memory, and none reads more
// of it than it looks up.
//   node examples/lookup-table.mjs
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { arch, DiskMap, str, struct } from 'opendiskmap'

const TOWNS = 20_000
const town = struct({ name: 'string', north: 'f64', east: 'f64' })
const codecs = { key: str, value: arch(town) }

/** @param {number} n */
const codeOf = (n) => `PC-${String(n).padStart(6, '0')}`
/** @param {number} n */
const townOf = (n) => ({ name: `Town ${n}`, north: (n % 180) - 90, east: (n % 360) - 180 })

/** Reads every tenth town, one field of each where it lies. @param {string} path */
function read(path) {
  const towns = DiskMap.open(path, { ...codecs, readOnly: true })
  let sum = 0
  for (let n = 0; n < TOWNS; n += 10) {
    const view = towns.view(codeOf(n))
    sum += view?.value.north ?? Number.NaN
    view?.[Symbol.dispose]()
  }
  towns.close()
  return sum
}

/** Makes the table, and puts it in place when all of it is on the disk: nobody sees half of one. @param {string} path */
function make(path) {
  const options = { ...codecs, capacity: { entries: TOWNS, bytes: TOWNS * 60 } }
  const towns = DiskMap.open(`${path}.new`, options)
  towns.setMany(
    Array.from({ length: TOWNS }, (_, n) => /** @type {const} */ ([codeOf(n), townOf(n)])),
  )
  towns.close()
  renameSync(`${path}.new`, path)
}

async function main() {
  const home = mkdtempSync(join(tmpdir(), 'opendiskmap-'))
  process.on('exit', () => rmSync(home, { recursive: true, force: true }))
  const path = join(home, 'towns.odm')
  make(path)

  let expected = 0
  for (let n = 0; n < TOWNS; n += 10) expected += townOf(n).north

  const towns = DiskMap.open(path, { ...codecs, readOnly: true })
  assert.equal(towns.size, TOWNS)
  assert.deepEqual(towns.get('PC-000042'), townOf(42))
  assert.throws(() => towns.set('PC-000042', townOf(1)), { code: 'ERR_READ_ONLY' })

  // Two processes and two threads at once, besides this one.
  const file = fileURLToPath(import.meta.url)
  const processes = Array.from({ length: 2 }, () => fork(file, [path]))
  const threads = Array.from({ length: 2 }, () => new Worker(file, { workerData: path }))
  const sums = await Promise.all(
    [...processes, ...threads].map(async (reader) => {
      const [sum] = await once(reader, 'message')
      return sum
    }),
  )
  assert.deepEqual(sums, [expected, expected, expected, expected])
  await Promise.all(processes.map((reader) => reader.exitCode ?? once(reader, 'exit')))
  towns.close()
  console.log(`${TOWNS} towns, read by 2 processes and 2 threads: ${sums.join(', ')}`)
}

const [, , path] = process.argv
if (!isMainThread) parentPort?.postMessage(read(workerData))
else if (path !== undefined) process.send?.(read(path))
else await main()
