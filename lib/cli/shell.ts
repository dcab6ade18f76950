import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { barOn, noBar, type Bar } from './bar.js'

/** Where a command reads and writes, and what calls it off. */
export interface Streams {
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Writable
}

/** What a command ends with. */
export const status = { failed: 1, usage: 2, absent: 3 } as const

/** A command that cannot be run as it was typed. */
export class UsageError extends Error {}

/** Why a command was called off: a signal, with the exit status that is usual for it. */
export class Interrupted extends Error {
  readonly code = 'ERR_INTERRUPTED'
  readonly status: number

  constructor(signal: string, number: number) {
    super(`${signal} called it off.`)
    this.status = 128 + number
  }
}

/** Whoever read the output has gone, as `head` does: nobody wants the rest. */
export class ReaderGone extends Error {}

const PORTION = 65_536

/** The outside of one run of the program. */
export class Shell {
  readonly stdin: Readable
  readonly signal: AbortSignal
  readonly #stdout: Writable
  readonly #stderr: Writable
  #waiting: (string | Uint8Array)[] = []
  #length = 0
  /** The exit status if nothing fails. */
  status = 0

  constructor({ stdin, stdout, stderr }: Streams, control: AbortController) {
    this.stdin = stdin
    this.signal = control.signal
    this.#stdout = stdout
    this.#stderr = stderr
    // Whoever read what went wrong has gone too.
    stderr.on('error', () => {})
    stdout.on('error', (error: NodeJS.ErrnoException) => {
      control.abort(error.code === 'EPIPE' ? new ReaderGone() : error)
    })
  }

  /** Writes to the output in portions; waits while it takes no more, so that nothing piles up here. */
  async write(part: string | Uint8Array): Promise<void> {
    this.#waiting.push(part)
    this.#length += part.length
    if (this.#length >= PORTION) await this.flush()
  }

  async line(text: string): Promise<void> {
    await this.write(`${text}\n`)
  }

  /** Hands over what was written. */
  async flush(): Promise<void> {
    const parts = this.#waiting
    this.#waiting = []
    this.#length = 0
    const isText = parts.every((part) => typeof part === 'string')
    for (const part of isText ? [parts.join('')] : parts) {
      if (part.length === 0 || this.#stdout.write(part)) continue
      await once(this.#stdout, 'drain', { signal: this.signal }).catch(() => {})
    }
    await this.turn()
  }

  /** Lets the event loop see signals and a closed output. */
  async turn(): Promise<void> {
    await setImmediate()
    this.signal.throwIfAborted()
  }

  /** A bar if errors go to a terminal, and the output, where it is said to be busy, does not. */
  async bar(doing: string, unit: 'bytes' | 'entries', outputIsBusy = false): Promise<Bar> {
    const isShown = isTerminal(this.#stderr) && !(outputIsBusy && isTerminal(this.#stdout))
    return isShown ? barOn(this.#stderr, doing, unit) : noBar
  }

  /** Says why the command failed, and gives its exit status. */
  report(error: unknown): number {
    if (error instanceof ReaderGone) return 0
    const code = codeOf(error)
    // What has no code is our own mistake.
    if (code === undefined) throw error
    this.#stderr.write(`opendiskmap: ${code}: ${oneLine((error as Error).message)}\n`)
    if (error instanceof Interrupted) return error.status
    return error instanceof UsageError ? status.usage : status.failed
  }
}

function codeOf(error: unknown): string | undefined {
  if (error instanceof UsageError) return 'ERR_USAGE'
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException
  // Of a file that is no map: the message names the system's own.
  if (syscall !== undefined) return code === 'ENOENT' ? 'ERR_NOT_FOUND' : 'ERR_IO'
  return code
}

function isTerminal(stream: Writable): boolean {
  return (stream as { isTTY?: boolean }).isTTY === true
}

// Paths and names may have any characters, and a terminal obeys some.
function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ').trim()
}

/** An error whose sentence has more around it. */
export function amended(before: string, error: unknown, after = ''): unknown {
  if (error instanceof Error) error.message = before + error.message + after
  return error
}
