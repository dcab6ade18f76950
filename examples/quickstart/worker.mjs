// A worker thread of the quickstart. It opens the directory by itself and has the same map as every other thread.
import { workerData } from 'node:worker_threads'
import { DiskMap, json, str, StringU64Map } from 'opendiskmap'
import { keyOf, readCities } from './cities.mjs'

/** @typedef {import('./cities.mjs').StoredCity} StoredCity */
/** @typedef {{ path: string, countsPath: string, task: 'load' | 'visit', me: number, workers: number, done: Int32Array }} Work */

const { path, countsPath, task, me, workers, done } = /** @type {Work} */ (workerData)
const cities = readCities()
const map = DiskMap.open(path, { key: str, value: json() })

const tasks = {
  // Each worker loads its share, and all count in the same places.
  load() {
    const counts = StringU64Map.open(countsPath)
    for (let n = me; n < cities.length; n += workers) {
      const city = cities[n]
      if (city === undefined) break
      map.set(keyOf(city, n), city)
      counts.increment(city.country)
      done[me] = (done[me] ?? 0) + 1
    }
    counts.close()
  },

  // Every worker updates the same cities, in the same order, so that they meet.
  visit() {
    for (let n = 0; n < cities.length; n += 10) {
      const city = cities[n]
      if (city === undefined) break
      map.update(keyOf(city, n), (old) => {
        const stored = /** @type {StoredCity} */ (old ?? city)
        return { ...stored, visits: (stored.visits ?? 0) + 1 }
      })
      done[me] = (done[me] ?? 0) + 1
    }
  },
}

// The others wait here until everyone has read the source.
Atomics.add(done, workers, 1)
Atomics.notify(done, workers)
for (let ready; (ready = Atomics.load(done, workers)) < workers;) Atomics.wait(done, workers, ready)

tasks[task]()
map.close()
