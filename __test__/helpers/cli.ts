import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { run } from '../../lib/cli/run.js'

/** What a run of the command line printed, and its exit status. */
export interface Ran {
  readonly status: number
  readonly out: string
  readonly bytes: Buffer
  readonly err: string
}

/** Runs the command line in this process. */
export async function cli(args: readonly string[], input: string | Buffer = ''): Promise<Ran> {
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  const printed: Buffer[] = []
  const told: Buffer[] = []
  stdout.on('data', (part: Buffer) => printed.push(part))
  stderr.on('data', (part: Buffer) => told.push(part))
  const stdin = Readable.from(input.length === 0 ? [] : [Buffer.from(input)])
  const status = await run(args, { stdin, stdout, stderr })
  const bytes = Buffer.concat(printed)
  return { status, out: bytes.toString(), bytes, err: Buffer.concat(told).toString() }
}

/** Everything below a path: names, permissions and bytes. */
export function contents(path: string): Record<string, string> {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return {}
  const mode = stats.mode.toString(8)
  if (!stats.isDirectory()) {
    const hash = createHash('sha256').update(readFileSync(path))
    return { '': `${mode} ${hash.digest('hex')}` }
  }
  const found: Record<string, string> = { '': mode }
  for (const name of readdirSync(path).toSorted()) {
    for (const [inner, what] of Object.entries(contents(join(path, name)))) {
      found[`${name}/${inner}`] = what
    }
  }
  return found
}
