// 20 M entries in one map, more than a Map can hold; the slowest of all set calls; every entry read back.
import { join } from 'node:path'
import { DiskMap, native, str } from 'opendiskmap'
import { answer, inProcess } from './kit/child.mjs'
import { diskBytes, makePlace } from './kit/place.mjs'
import { count, mib, ms, progress, table } from './kit/report.mjs'
import { keys16 } from './kit/texts.mjs'

const codecs = { key: str, value: native.u32 }
const SLOWEST = 5

/** @param {{ path: string, entries: number }} input */
function fill({ path, entries }) {
  const map = DiskMap.open(path, codecs)
  const keys = keys16(entries)
  // In bins of a microsecond, and the slowest by name with what the map says it waited for.
  const bins = new Uint32Array(100_000)
  /** @type {{ at: number, ms: number, waits: number, checkpoints: number }[]} */
  let slowest = []
  let { waits, checkpoints } = map.stats()
  const began = performance.now()
  let before = began
  for (let n = 0; n < entries; n++) {
    map.set(keys.at(n), n)
    const now = performance.now()
    const took = now - before
    const bin = Math.min(Math.floor(took * 1000), bins.length - 1)
    bins[bin] = (bins[bin] ?? 0) + 1
    if (took > (slowest[SLOWEST - 1]?.ms ?? 0.2)) {
      const stats = map.stats()
      slowest.push({
        at: n,
        ms: took,
        waits: stats.waits - waits,
        checkpoints: stats.checkpoints - checkpoints,
      })
      slowest = slowest.toSorted((a, b) => b.ms - a.ms).slice(0, SLOWEST)
      ;({ waits, checkpoints } = stats)
    }
    if ((n & 0xfffff) === 0) {
      progress(`set ${count(n)}`)
      ;({ waits, checkpoints } = map.stats())
    }
    before = performance.now()
  }
  const took = before - began

  /** @param {number} share @returns {number} ms that this share of the calls stayed within */
  const percentile = (share) => {
    let left = entries * share
    return (bins.findIndex((calls) => (left -= calls) <= 0) + 1) / 1000
  }
  const stats = map.stats()
  const size = map.size
  map.close()
  const percentiles = [0.5, 0.99, 0.999, 0.9999, 0.99999].map(percentile)
  return { took, size, slowest, percentiles, waits: stats.waits, disk: diskBytes(path) }
}

/** @param {{ path: string, entries: number }} input */
function readBack({ path, entries }) {
  const map = DiskMap.open(path, codecs)
  const keys = keys16(entries)
  let wrong = 0
  const began = performance.now()
  for (let n = 0; n < entries; n++) {
    if (map.get(keys.at(n)) !== n) wrong++
    if ((n & 0x3fffff) === 0) progress(`get ${count(n)}`)
  }
  const took = performance.now() - began
  map.close()
  return { took, wrong }
}

/** How far a Map gets. @param {{ entries: number }} input */
function tryMap({ entries }) {
  const map = new Map()
  try {
    for (let n = 0; n < entries; n++) map.set(n, n)
  } catch (error) {
    return `${/** @type {Error} */ (error).name} at entry ${count(map.size + 1)}`
  }
  return `took ${count(map.size)}`
}

if (!(await answer({ fill, readBack, tryMap }))) {
  const [entries = 20_000_000] = process.argv.slice(2).map(Number)
  const self = new URL(import.meta.url)
  const place = makePlace()
  const path = join(place, 'large.odm')
  const filled = await inProcess(self, 'fill', { path, entries })
  const read = await inProcess(self, 'readBack', { path, entries })
  const map = await inProcess(self, 'tryMap', { entries })

  const [p50, p99, p999, p9999, p99999] = filled.percentiles
  /** @param {{ at: number, ms: number, waits: number, checkpoints: number }} call */
  const describe = ({ at, ms: took, waits, checkpoints }) => [
    `set number ${count(at + 1)}`,
    `${ms(took)}; since the note before: ${waits} waits for a file, ${checkpoints} checkpoints`,
  ]
  table(
    `${count(entries)} entries in one map: keys of 16 characters → u32`,
    ['', ''],
    [
      ['size', count(filled.size)],
      [
        'set, all',
        `${(filled.took / 1000).toFixed(1)} s, ${count((filled.took * 1e6) / entries)} ns each with its clock`,
      ],
      ['set, p50', ms(p50)],
      ['set, p99, p99.9', `${ms(p99)}, ${ms(p999)}`],
      ['set, p99.99, p99.999', `${ms(p9999)}, ${ms(p99999)}`],
      ...filled.slowest.map(describe),
      ['waits for a file, all', count(filled.waits)],
      [
        'get, all, in a new process',
        `${(read.took / 1000).toFixed(1)} s, ${count((read.took * 1e6) / entries)} ns each`,
      ],
      ['read back wrong', count(read.wrong)],
      ['on disk', mib(filled.disk)],
      ['a Map with number keys', map],
    ],
  )
  if (filled.size !== entries || read.wrong > 0) process.exitCode = 1
}
