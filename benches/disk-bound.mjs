// Disk use after ten times as many updates as entries, and after deleting half and inserting others.
// The log must come under 2 × live + 2 segments per shard once compaction is idle, the index under its own bound.
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { DiskMap, native, str } from 'opendiskmap'
import { random } from './kit/data.mjs'
import { diskBytes, makePlace } from './kit/place.mjs'
import { count, mib, progress, table, verdict } from './kit/report.mjs'

const [entries = 200_000] = process.argv.slice(2).map(Number)

/** @typedef {DiskMap<number, string>} Numbered */

/** @param {number} n @param {number} turn */
const valueOf = (n, turn) => `${n}:${turn}:`.padEnd(40 + ((n * 7 + turn * 13) % 160), 'disk ')

/**
 * Until nothing that compaction moves has moved for a second.
 * @param {Numbered} map
 */
async function idle(map) {
  const state = () => {
    const { logBytes, deadBytes, emptiedBytes, segments, checkpoints } = map.stats()
    return [logBytes, deadBytes, emptiedBytes, segments, checkpoints].join()
  }
  for (let last = '', same = 0, tries = 0; same < 10; tries++) {
    if (tries > 1200) throw new Error(`not idle after two minutes: ${JSON.stringify(map.stats())}`)
    const now = state()
    same = now === last ? same + 1 : 0
    last = now
    await setTimeout(100)
  }
}

/**
 * @param {number | false} flushInterval
 * @param {(string | number)[][]} rows
 */
async function measure(flushInterval, rows) {
  const place = makePlace()
  const path = join(place, 'bound.odm')
  const map = DiskMap.open(path, { key: native.u32, value: str, flushInterval })
  const below = random(5)
  /** @type {Map<number, number>} */
  const turns = new Map()

  /** @param {string} what */
  const note = async (what) => {
    await idle(map)
    let wrong = map.size === turns.size ? 0 : 1
    for (const [n, turn] of turns) if (map.get(n) !== valueOf(n, turn)) wrong++
    const { liveBytes, logBytes, logBound, indexBytes, indexBound, largestSegment, shards } =
      map.stats()
    const bound = 2 * liveBytes + 2 * largestSegment * shards
    const holds = logBytes <= Math.min(logBound, bound) && indexBytes <= indexBound
    const name = `${what}, flushInterval ${flushInterval}`
    const log = [mib(liveBytes), mib(logBytes), mib(Math.min(logBound, bound))]
    rows.push([
      name,
      ...log,
      mib(indexBytes),
      mib(indexBound),
      mib(diskBytes(path)),
      count(wrong),
      verdict(holds),
    ])
    if (!holds || wrong > 0) process.exitCode = 1
  }

  /** @param {number} n @param {number} turn */
  const put = (n, turn) => {
    map.set(n, valueOf(n, turn))
    turns.set(n, turn)
  }
  progress(`flushInterval ${flushInterval}: loading`)
  for (let n = 0; n < entries; n++) put(n, 0)
  await note('loaded')
  progress('updating')
  for (let n = 0; n < entries * 10; n++) put(below(entries), n)
  await note('10 × updates')
  progress('deleting half and inserting others')
  for (let n = 0; n < entries; n += 2) {
    map.delete(n)
    turns.delete(n)
    put(entries + n, 1)
  }
  await note('half replaced')
  map.close()
}

/** @type {(string | number)[][]} */
const rows = []
for (const interval of /** @type {const} */ ([1000, false])) await measure(interval, rows)
table(
  `${count(entries)} entries of 40 to 200 characters, once compaction is idle`,
  ['', 'live', 'log', 'its bound', 'index', 'its bound', 'all files', 'wrong values', ''],
  rows,
  [
    'Bound of the log: 2 × live + 2 × the largest segment per shard, or the smaller one that the map states.',
  ],
)
