// How long opening takes with 10 M entries and with 1,000, after a clean close and after SIGKILL.
import { join } from 'node:path'
import { DiskMap, native } from 'opendiskmap'
import { answer, inProcess } from './kit/child.mjs'
import { makePlace } from './kit/place.mjs'
import { count, median, ms, progress, table, verdict } from './kit/report.mjs'

const codecs = { key: native.u64, value: native.u64 }

const tasks = {
  /** @param {{ path: string, entries: number }} input */
  fill({ path, entries }) {
    const map = DiskMap.open(path, codecs)
    for (let n = 0n; n < entries; n++) map.set(n, n * 3n)
    map.close()
  },

  /** What the open that is measured finds: a map that was written to and closed, or whose process was killed. @param {{ path: string, closes: boolean }} input */
  write({ path, closes }) {
    const map = DiskMap.open(path, codecs)
    for (let n = 0n; n < 1000n; n++) map.set(n, n * 3n)
    if (closes) map.close()
    else setInterval(() => map.size, 1000)
  },

  /** @param {{ path: string, entries: number }} input */
  open({ path, entries }) {
    const began = performance.now()
    const map = DiskMap.open(path, codecs)
    const opened = performance.now() - began
    // The first reads must not have to do what opening put off.
    const last = BigInt(entries - 1)
    const right = map.size === entries && map.get(last) === last * 3n && map.get(0n) === 0n
    const read = performance.now() - began
    if (!right) throw new Error(`${path} does not hold what it should`)
    map.close()
    return { opened, read }
  },
}

if (!(await answer(tasks))) {
  const [large = 10_000_000, rounds = 9] = process.argv.slice(2).map(Number)
  const self = new URL(import.meta.url)
  const place = makePlace()
  /** @type {Record<string, { opened: number, read: number }[]>} */
  const times = {}
  for (const entries of [1000, large]) {
    progress(`filling ${count(entries)}`)
    await inProcess(self, 'fill', { path: join(place, String(entries)), entries })
  }
  for (let n = 0; n < rounds; n++) {
    progress(`round ${n + 1} of ${rounds}`)
    for (const closes of [true, false]) {
      for (const entries of [1000, large]) {
        const path = join(place, String(entries))
        await inProcess(self, 'write', { path, closes }, { killAfterAnswer: !closes })
        ;(times[`${entries} ${closes}`] ??= []).push(
          await inProcess(self, 'open', { path, entries }),
        )
      }
    }
  }

  /** @param {number} entries @param {boolean} closes @param {'opened' | 'read'} what */
  const time = (entries, closes, what) =>
    median((times[`${entries} ${closes}`] ?? []).map((run) => run[what]))
  table(
    `Opening a map, median of ${rounds} opens, each in a process of its own`,
    ['', '1,000 entries', count(large), 'ratio', 'wanted'],
    [true, false].flatMap((closes) =>
      /** @type {const} */ (['opened', 'read']).map((what) => {
        const small = time(1000, closes, what)
        const big = time(large, closes, what)
        const end = closes ? 'after a close' : 'after SIGKILL'
        const name = `${end}, ${what === 'opened' ? 'open' : 'open and first reads'}`
        const wanted = what === 'opened' ? `≤ 3: ${verdict(big / small <= 3)}` : ''
        return [name, ms(small), ms(big), (big / small).toFixed(2), wanted]
      }),
    ),
    ['Each open found the size and the first and last entry right, or this would have failed.'],
  )
}
