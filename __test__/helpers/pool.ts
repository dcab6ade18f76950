import { execFileSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { freshDir } from './dir.js'

const threads = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4)

/**
 * Keeps every thread of libuv's pool waiting, so that nothing that is queued from now on begins before the function that
 * this gives is called. Undefined where there are no pipes to wait at. Start worker threads first: their start needs the pool.
 */
export function holdPool(t: ExecutionContext): (() => Promise<void>) | undefined {
  if (process.platform === 'win32') return undefined
  const dir = freshDir(t)
  const pipes = Array.from({ length: threads }, (_, number) => join(dir, `pipe-${number}`))
  execFileSync('mkfifo', pipes)
  // A pipe that is opened for reading waits for whoever opens it for writing.
  const waiting = Promise.all(pipes.map((pipe) => open(pipe)))
  let released: Promise<void> | undefined
  async function letGo(): Promise<void> {
    // Both ways, which waits for nobody.
    const ends = pipes.map((pipe) => openSync(pipe, 'r+'))
    for (const file of await waiting) await file.close()
    ends.forEach(closeSync)
  }
  const release = (): Promise<void> => (released ??= letGo())
  t.teardown(release)
  return release
}
