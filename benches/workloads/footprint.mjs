// What entries take up, on disk and in memory.
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { getHeapStatistics } from 'node:v8'
import { collect } from '../kit/child.mjs'
import { shuffled } from '../kit/data.mjs'
import { diskBytes } from '../kit/place.mjs'
import { keys16, keys36, textValue } from '../kit/texts.mjs'
import { load } from '../kit/timing.mjs'

/** @type {import('../engines/index.mjs').Kind} */
const kind = { key: 'text', value: 'text' }
const VALUE = 100

const USED = 'records and index, beyond key and value'
const ALLOCATED = 'all that is allocated, beyond key and value'
const SLACK = 'all that is allocated ÷ records and index'

/** @param {string} name @param {Partial<import('./index.mjs').Workload>} [more] @returns {import('./index.mjs').Workload} */
const size = (name, more) => ({
  name,
  title: 'On disk after each of the entries was set (16 → 100 characters)',
  unit: 'bytes for each entry, and their ratio',
  share: 1,
  rounds: 1,
  rows: [USED, ALLOCATED, SLACK],
  figures: { [USED]: 'plain', [ALLOCATED]: 'plain', [SLACK]: 'plain' },
  wanted: {
    [USED]: [{ against: 'a bound', atMost: 64 }],
    [SLACK]: [{ against: 'a bound', atMost: 1.3 }],
  },
  notes: [
    '“Records and index” is what an engine says it uses: records that are live and the index’s files; lmdb: the pages of its tree. With keys and values in the ratio. Before the store is closed.',
  ],
  takes: (engine) => engine.persists && engine.queued !== true,
  async run(engine, { entries, operations, seed, place }) {
    const store = await engine.open(place, kind)
    const texts = keys16(entries)
    const order = shuffled(entries, seed)
    const loaded = entries - operations
    await load(store, loaded, (i) => [texts.at(order[i] ?? 0), textValue(i, VALUE)])
    for (let i = loaded; i < entries; i++)
      await store.set(texts.at(order[i] ?? 0), textValue(i, VALUE))
    const data = entries * (16 + VALUE)
    const used = store.usedBytes?.()
    const allocated = diskBytes(place)
    await store.close()
    return {
      ...(used !== undefined && {
        [USED]: (used - data) / entries,
        [SLACK]: allocated / used,
      }),
      [ALLOCATED]: (allocated - data) / entries,
    }
  },
  ...more,
})

export const sizeOnDisk = size('size')
export const sizeOnDiskLarge = size('size-10m', { share: 10, full: true })

/** Bytes of a field of what the kernel knows of this process. @param {string} status @param {string} field */
const field = (status, field) =>
  Number(new RegExp(`^${field}:\\s*(\\d+) kB`, 'm').exec(status)?.[1]) * 1024

function resident() {
  collect()
  collect()
  const status = readFileSync('/proc/self/status', 'utf8')
  return {
    heap: field(status, 'RssAnon') - getHeapStatistics().total_physical_size,
    files: field(status, 'RssFile') + field(status, 'RssShmem'),
  }
}

const HEAP = 'on the heap ÷ data'
const FILES = 'pages of files ÷ all that is allocated'

/** @param {string} name @param {Partial<import('./index.mjs').Workload>} [more] @returns {import('./index.mjs').Workload} */
const memory = (name, more) => ({
  name,
  title: 'Resident memory with entries of 136 bytes (36 → 100 characters)',
  unit: 'what loading them added, as a ratio',
  share: 1,
  rounds: 1,
  whole: true,
  rows: [HEAP, FILES],
  figures: { [HEAP]: 'plain', [FILES]: 'plain' },
  wanted: {
    [HEAP]: [{ against: 'a bound', atMost: 0.02 }],
    [FILES]: [{ against: 'a bound', atMost: 1, where: 'the pages touched' }],
  },
  notes: [
    'Anonymous memory without V8’s heap, and the pages of mapped files, as the kernel counts them; a page may be mapped and be resident without being ours alone. What an engine reads with system calls lies in the page cache and is not in it.',
  ],
  takes: (engine) => engine.persists && engine.queued !== true && process.platform === 'linux',
  async run(engine, { entries, place }) {
    // What V8 and the engine make once must not count.
    const [before, main] = [join(place, 'before'), join(place, 'main')]
    for (const folder of [before, main]) mkdirSync(folder)
    const texts = keys36(entries, 7)
    /** @param {number} n @returns {[string, string]} */
    const entry = (n) => [texts.at(n), textValue(n, VALUE)]
    const small = await engine.open(before, kind)
    await load(small, Math.min(entries, 20_000), entry)
    await small.close()

    const store = await engine.open(main, kind)
    const at = resident()
    await load(store, entries, entry)
    const then = resident()
    const allocated = diskBytes(main)
    await store.close()
    const data = entries * (36 + VALUE)
    return {
      [HEAP]: Math.max(0, then.heap - at.heap) / data,
      [FILES]: Math.max(0, then.files - at.files) / allocated,
    }
  },
  ...more,
})

export const residentMemory = memory('memory')
export const residentMemoryLarge = memory('memory-10m', { share: 10, full: true })
