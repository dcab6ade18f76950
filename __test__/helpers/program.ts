import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'

/** The path of a program beside this file. */
export function program(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url))
}

/** The root of the package. */
export const root: string = fileURLToPath(new URL('../..', import.meta.url))

/** Starts Node on a program beside this file, without the loader that the specs run under. */
export function start(t: ExecutionContext, name: string, ...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [program(name), ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  // A test that fails before its child has ended must not wait for it.
  t.teardown(() => void child.kill('SIGKILL'))
  return child
}

/** What a finished program printed, its exit code and the signal that ended it. */
export interface Finished {
  readonly code: number | null
  readonly signal: string | null
  readonly output: string
}

/** Waits for a program's end. */
export async function finish(child: ChildProcess): Promise<Finished> {
  let output = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  return { code, signal, output }
}

/** Waits for a program's first line, which says that it is ready. */
export async function firstLine(child: ChildProcess): Promise<string> {
  let text = ''
  for await (const chunk of child.stdout!.iterator({ destroyOnReturn: false })) {
    text += String(chunk)
    if (text.includes('\n')) break
  }
  return text.trim()
}
