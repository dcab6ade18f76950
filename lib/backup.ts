import { checkJob, finish } from './job.js'
import type { NativeMap } from './native.js'
import { checkPath } from './options.js'

/** Checks the arguments of `backup` and runs it. */
export async function backup(native: NativeMap, path: unknown, options: unknown): Promise<void> {
  const target = checkPath(path)
  const job = checkJob(options)
  return finish(native.backup(target), job)
}
