import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'

/** A directory of the test's own, removed when it ends. */
export function freshDir(t: ExecutionContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'opendiskmap-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** A path for a map that is not there yet. */
export function freshPath(t: ExecutionContext): string {
  return join(freshDir(t), 'map')
}
