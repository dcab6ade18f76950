// How fast an index is made from the log, as after a power cut: records of 136 bytes (24 of header, a key of 16, a value
// of 96), the page cache warm, one shard and sixteen.
import { join } from 'node:path'
import { DiskMap, bytes } from 'opendiskmap'
import { answer, inProcess } from './kit/child.mjs'
import { makePlace } from './kit/place.mjs'
import { count, median, ms, progress, table, verdict } from './kit/report.mjs'

const codecs = { key: bytes, value: bytes }
const WANTED = 5e6
const BATCH = 10_000

const tasks = {
  /** @param {{ path: string, entries: number, shards: number }} input */
  fill({ path, entries, shards }) {
    const map = DiskMap.open(path, { ...codecs, shards })
    for (let from = 0; from < entries; from += BATCH) {
      /** @type {[Buffer, Buffer][]} */
      const pairs = []
      for (let n = from; n < Math.min(from + BATCH, entries); n++) {
        const key = Buffer.alloc(16)
        key.writeUInt32LE(n)
        key.writeUInt32LE(Math.imul(n, 0x9e3779b1) >>> 0, 8)
        pairs.push([key, Buffer.alloc(96, n)])
      }
      map.setMany(pairs)
    }
    map.close()
  },

  /** @param {{ path: string, entries: number }} input */
  rebuild({ path, entries }) {
    const before = process.cpuUsage()
    const map = DiskMap.open(path, { ...codecs, recovery: 'full' })
    const { user, system } = process.cpuUsage(before)
    const { records, milliseconds } = map.stats().recovery
    if (map.size !== entries || records !== entries)
      throw new Error(`${path} has ${map.size} entries and ${records} records, not ${entries}`)
    map.close()
    return { wall: milliseconds, cpu: (user + system) / 1000 }
  },
}

if (!(await answer(tasks))) {
  const [rounds = 5, ...sizes] = process.argv.slice(2).map(Number)
  const self = new URL(import.meta.url)
  const place = makePlace()
  /** @type {(string | number)[][]} */
  const rows = []
  for (const entries of sizes.length > 0 ? sizes : [1_000_000, 5_000_000]) {
    for (const shards of [1, 16]) {
      const path = join(place, `${entries}-${shards}`)
      progress(`filling ${count(entries)} in ${shards}`)
      await inProcess(self, 'fill', { path, entries, shards })
      // The first open brings the files in.
      await inProcess(self, 'rebuild', { path, entries })
      /** @type {{ wall: number, cpu: number }[]} */
      const runs = []
      for (let n = 0; n < rounds; n++) {
        progress(`round ${n + 1} of ${rounds}`)
        runs.push(await inProcess(self, 'rebuild', { path, entries }))
      }
      const cpu = median(runs.map((run) => run.cpu))
      const aCore = (entries / cpu) * 1000
      rows.push([
        `${count(entries)} records, ${shards} ${shards === 1 ? 'shard' : 'shards'}`,
        ms(median(runs.map((run) => run.wall))),
        ms(cpu),
        `${(aCore / 1e6).toFixed(2)} M`,
        `≥ ${WANTED / 1e6} M: ${verdict(aCore >= WANTED)}`,
      ])
    }
  }
  table(
    `Making the index from the log, median of ${rounds} opens, each in a process of its own`,
    ['', 'elapsed', 'processor time', 'records/s a core', 'wanted'],
    rows,
    [
      'Processor time is that of the whole open on all cores, with the sync that ends it; elapsed is without the sync.',
      'Each open read every record and found the right size, or this would have failed.',
    ],
  )
}
