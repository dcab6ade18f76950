// The main job of opendiskmap on real data: the cities of GeoNames in one map that all threads
// share and that survives `kill -9`. Every figure is compared with the source; one that differs ends it with status 1.
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { Worker } from 'node:worker_threads'
import { DiskMap, json, str, StringU64Map } from 'opendiskmap'
import { countByCountry, EXPECTED, keyOf, northernmost, readCities } from './quickstart/cities.mjs'
import { bar, begin, bytes, count, end, fail, step, table, time } from './quickstart/show.mjs'

/** @typedef {import('./quickstart/cities.mjs').StoredCity} StoredCity */

const WORKERS = Math.min(Math.max(availableParallelism(), 2), 8)
const ACKNOWLEDGED = 20_000
const BATCH = 1000

const began = performance.now()
const home = mkdtempSync(join(tmpdir(), 'opendiskmap-quickstart-'))
const path = join(home, 'cities.odm')
const countsPath = join(home, 'countries.odm')
const codecs = { key: str, value: json() }

class Mismatch extends Error {}

/**
 * @param {string} what
 * @param {unknown} found
 * @param {unknown} expected
 */
function expect(what, found, expected) {
  if (!isDeepStrictEqual(found, expected))
    throw new Mismatch(`${what}: ${found} instead of ${expected}`)
}

/** @param {number} since */
const elapsed = (since) => performance.now() - since

/**
 * Runs the task in several worker threads at once, with a bar.
 * @param {'load' | 'visit'} task
 * @param {number} workers
 * @param {string} doing
 * @param {number} total
 */
async function inWorkers(task, workers, doing, total) {
  const done = new Int32Array(new SharedArrayBuffer(4 * (workers + 1)))
  const line = bar(doing, total)
  const look = setInterval(
    () => line.reached(done.subarray(0, workers).reduce((a, b) => a + b)),
    40,
  )
  const since = performance.now()
  try {
    const file = new URL('./quickstart/worker.mjs', import.meta.url)
    const ends = Array.from({ length: workers }, (_, me) => {
      const worker = new Worker(file, { workerData: { path, countsPath, task, me, workers, done } })
      return new Promise((resolve, reject) => worker.once('error', reject).once('exit', resolve))
    })
    await Promise.all(ends)
  } catch (error) {
    line.stop(doing)
    throw error
  } finally {
    clearInterval(look)
  }
  return { line, ms: elapsed(since) }
}

/** The bytes that the files of a folder take up on disk. @param {string} folder */
function diskBytes(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => statSync(join(entry.parentPath, entry.name)))
    .reduce((sum, { blocks, size }) => sum + (blocks === undefined ? size : blocks * 512), 0)
}

async function run() {
  begin('opendiskmap: 171,075 cities in one map on disk')
  const cities = readCities()
  const perCountry = countByCountry(cities)
  expect('cities in the source', cities.length, EXPECTED)
  const map = DiskMap.open(path, codecs)

  // 1. Load, from several threads into one map; in a second map they all count the cities of each country, each count
  // one `increment` that no other thread can come between.
  const load = await inWorkers('load', WORKERS, 'Loading', cities.length)
  expect('size', map.size, EXPECTED)
  const counts = StringU64Map.open(countsPath)
  expect('counts by country', new Map(counts), perCountry)
  const largest = [...counts].toSorted(([, a], [, b]) => Number(b - a)).slice(0, 5)
  load.line.done(
    `loaded ${count(map.size)} cities from ${WORKERS} worker threads, and counted those of ${counts.size} countries ` +
      `with increment(), in ${time(load.ms)}`,
  )
  counts.close()

  // 2. Read what the workers wrote, a thousand cities at a time: `getMany` looks for all of them at once.
  const keys = cities.map(keyOf)
  const reading = performance.now()
  for (let from = 0; from < keys.length; from += BATCH) {
    const found = map.getMany(keys.slice(from, from + BATCH))
    expect(`the cities from ${from} on`, found, cities.slice(from, from + BATCH))
  }
  step(
    `read every one back with getMany() and compared it with the source in ${time(elapsed(reading))}`,
  )

  // 3. Update the same cities from two threads at once: no visit may be lost.
  const visited = Math.ceil(cities.length / 10)
  const visit = await inWorkers('visit', 2, 'Updating', visited * 2)
  for (let n = 0; n < cities.length; n += 10) {
    const city = /** @type {StoredCity} */ (cities[n])
    expect(`the city ${n}`, map.get(keyOf(city, n)), { ...city, visits: 2 })
  }
  visit.line.done(
    `updated ${count(visited)} cities from two threads at once, each twice, in ${time(visit.ms)}`,
  )

  // 4. Iterate: every key exactly once; and keep the northernmost city of each country, with `entry`, in a third map.
  const iterating = performance.now()
  const north = DiskMap.open(join(home, 'north.odm'), { key: str, value: json() })
  const seen = new Set()
  for (const [key, value] of map) {
    seen.add(key)
    const { country, name, lat } = /** @type {StoredCity} */ (value)
    const entry = north.entry(country)
    const best = /** @type {{ lat: number } | undefined} */ (entry.value)
    if (best === undefined || Number(lat) > best.lat) entry.insert({ name, lat: Number(lat) })
  }
  expect('different keys', seen.size, EXPECTED)
  const found = /** @type {[string, { name: string, lat: number }][]} */ ([...north])
  const latitudes = new Map(found.map(([country, { lat }]) => [country, lat]))
  expect('the northernmost latitudes', latitudes, northernmost(cities))
  const [, top] = found.toSorted(([, a], [, b]) => b.lat - a.lat)[0] ?? []
  step(
    `iterated, and found the northernmost city of each country with entry(), in ${time(elapsed(iterating))}`,
  )
  north.close()

  // 5. Close and open again.
  const closing = performance.now()
  map.close()
  const closed = elapsed(closing)
  const opening = performance.now()
  const again = DiskMap.open(path, codecs)
  const opened = elapsed(opening)
  expect('size', again.size, EXPECTED)
  again.close()
  step(`closed in ${time(closed)}, opened again in ${time(opened)}`)

  // 6. Kill a child that writes, and look for every write that it had acknowledged.
  const acknowledged = await killed()
  const reopening = performance.now()
  const survivor = DiskMap.open(path, codecs)
  const reopened = elapsed(reopening)
  for (const key of acknowledged) {
    const n = Number(key.slice('acknowledged/'.length))
    expect(key, survivor.get(key), { n, text: 'x'.repeat(n % 500) })
  }
  expect(
    'cities after the kill',
    survivor.hasMany(keys),
    keys.map(() => true),
  )
  // The kill may have fallen between a write and its acknowledgement.
  const more = survivor.size - EXPECTED - acknowledged.length
  expect('size after the kill', more === 0 || more === 1, true)
  step(
    `killed a writing child with SIGKILL, opened its map in ${time(reopened)}: ` +
      `all ${count(acknowledged.length)} acknowledged writes are there`,
  )

  const entries = survivor.size
  const { logBytes, indexBytes } = survivor.stats()
  const onDisk = diskBytes(path)
  survivor.close()
  table('Result', [
    ['entries', count(entries)],
    ['on disk', `${bytes(onDisk)} (log ${bytes(logBytes)}, index ${bytes(indexBytes)})`],
    ['loading', `${count(Math.round((EXPECTED / load.ms) * 1000))} cities a second`],
    ['largest', largest.map(([country, n]) => `${country} ${count(Number(n))}`).join(', ')],
    ['northernmost', `${top?.name}, ${top?.lat}°`],
    ['took', time(elapsed(began))],
  ])
}

/** @returns {Promise<string[]>} the keys that the child had acknowledged when it was killed */
function killed() {
  return new Promise((resolve, reject) => {
    const file = new URL('./quickstart/victim.mjs', import.meta.url)
    const child = spawn(process.execPath, [fileURLToPath(file), path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    let lines = 0
    child.stdout.setEncoding('utf8').on('data', (text) => {
      said += text
      lines += text.split('\n').length - 1
      if (lines >= ACKNOWLEDGED) child.kill('SIGKILL')
    })
    child.on('error', reject)
    child.on('close', (code) => {
      if (code !== null) reject(new Mismatch(`the child ended by itself with status ${code}`))
      // What follows the last line break was cut off by the kill.
      else resolve(said.split('\n').slice(0, -1))
    })
  })
}

try {
  await run()
  end('Everything equals the source. Next: README.md, and npm test.')
} catch (error) {
  process.exitCode = 1
  if (!(error instanceof Mismatch)) throw error
  fail(error.message)
} finally {
  rmSync(home, { recursive: true, force: true })
}
