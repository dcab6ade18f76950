import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setTimeout } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import type { DiskMapEvents } from '../../index.js'

/** The kinds of events, each with a channel. */
export const kinds = ['flush', 'recovery', 'compaction', 'growth', 'error'] as const

export type Kind = (typeof kinds)[number]

/** What is told on a channel of the map at a path, from now on to the end of the test: others tell of theirs meanwhile. */
export function listen<K extends Kind>(
  t: ExecutionContext,
  kind: K,
  path: string,
): DiskMapEvents[`opendiskmap:${K}`][] {
  const told: DiskMapEvents[`opendiskmap:${K}`][] = []
  const hear = (message: unknown): void => {
    const event = message as DiskMapEvents[`opendiskmap:${K}`]
    if (event.path === path) told.push(event)
  }
  subscribe(`opendiskmap:${kind}`, hear)
  t.teardown(() => unsubscribe(`opendiskmap:${kind}`, hear))
  return told
}

/** Waits until something holds; the test's own time limit ends it. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await setTimeout(2)
}
