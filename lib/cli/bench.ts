import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidArgumentError, type Command } from 'commander'
import { str } from '../codecs/index.js'
import { DiskMap } from '../map.js'
import { bytes, columns, count, diskBytes, many } from './figures.js'
import { examples, jsonOption } from './help.js'
import { closing } from './open.js'
import type { Shell } from './shell.js'

/** Calls between two looks at signals and at the bar. */
const STEP = 8192

interface Row {
  readonly name: string
  readonly perSecond: number
  readonly nanoseconds: number
}

/** Adds the command that measures. */
export function addBenchCommand(program: Command, shell: Shell): void {
  program
    .command('bench')
    .summary('measure a map on this disk')
    .description(
      'Makes a map of strings in a new directory inside DIR, times its calls, one after the other, in one thread, with keys in random order, and removes it. Maps that are there are not touched.',
    )
    .argument('[dir]', 'directory on the disk in question', '.')
    .option('--entries <n>', 'entries of the map', whole(1, 100_000_000), 200_000)
    .option('--value-bytes <n>', 'length of each value', whole(1, 1 << 20), 100)
    .option(...jsonOption('print the rates as JSON'))
    .addHelpText('after', examples(['opendiskmap bench --entries 1000000 /mnt/disk']))
    .action(async (dir: string, how: { entries: number; valueBytes: number; json?: true }) => {
      const home = await mkdtemp(join(dir, 'opendiskmap-bench-'))
      try {
        const { rows, ...sizes } = await measure(shell, join(home, 'map'), how)
        if (how.json) {
          const { entries, valueBytes } = how
          return await shell.line(JSON.stringify({ entries, valueBytes, ...sizes, rows }))
        }
        const cells = rows.map(({ name, perSecond, nanoseconds }) => [
          name,
          count(Math.round(perSecond)),
          count(Math.round(nanoseconds)),
        ])
        await shell.line(
          `${many(how.entries, 'entry', 'entries')}, values of ${bytes(how.valueBytes)}; ${bytes(sizes.diskBytes)} on the disk\n`,
        )
        await shell.line(columns([['', 'per second', 'ns each'], ...cells], true))
      } finally {
        await rm(home, { recursive: true, force: true })
      }
    })
}

function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const n = Number(text)
    if (/^\d+$/.test(text) && n >= min && n <= max) return n
    throw new InvalidArgumentError(`It is a whole number from ${min} to ${max}.`)
  }
}

async function measure(
  shell: Shell,
  path: string,
  { entries, valueBytes }: { entries: number; valueBytes: number },
): Promise<{ rows: Row[]; diskBytes: number }> {
  const map = DiskMap.open(path, { key: str, value: str })
  const value = 'x'.repeat(valueBytes)
  const other = 'y'.repeat(valueBytes)
  // Each of them once, and none near the one before it in the log.
  const stride = coprimeNear(entries * 0.618, entries)
  const calls: [name: string, call: (key: string) => unknown, right: unknown][] = [
    ['set', (key) => map.set(key, value), map],
    ['get', (key) => map.get(key), value],
    ['update', (key) => map.update(key, () => other), other],
    ['delete', (key) => map.delete(key), true],
  ]
  const bar = await shell.bar('measuring', 'entries')
  return closing(map, async () => {
    const rows: Row[] = []
    let most = 0
    let done = 0
    for (const [name, call, right] of calls) {
      let spent = 0
      for (let i = 0; i < entries; i += STEP) {
        const count = Math.min(STEP, entries - i)
        const keys = Array.from({ length: count }, (_, at) => keyOf(((i + at) * stride) % entries))
        const began = performance.now()
        for (const key of keys) {
          if (call(key) !== right) throw new Error(`${name} of ${key} has another result`)
        }
        spent += performance.now() - began
        done += count
        await shell.turn()
        bar.reached(done, entries * calls.length)
      }
      const nanoseconds = (spent * 1e6) / entries
      rows.push({ name, perSecond: 1e9 / nanoseconds, nanoseconds })
      most = Math.max(most, diskBytes(map.stats()))
    }
    return { rows, diskBytes: most }
  }).finally(() => bar.stop())
}

/** 16 characters. */
function keyOf(i: number): string {
  return `key ${String(i).padStart(12, '0')}`
}

function coprimeNear(n: number, to: number): number {
  let candidate = Math.max(1, Math.floor(n))
  while (divisor(candidate, to) !== 1) candidate++
  return candidate
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b)
}
