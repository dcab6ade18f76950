import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { setImmediate } from 'node:timers/promises'
import type { DiskMap, ViewMode } from '../../index.js'

/** Each way in which a map can show values. */
export const modes: readonly ViewMode[] = ['auto', 'copy']

/** Whether views of this mode are in place: not where Node-API was made to refuse it, for a whole run of the specs. */
export function inPlace(mode: ViewMode): boolean {
  return mode === 'auto' && process.env['OPENDISKMAP_REFUSED'] !== '1'
}

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

/** Collects garbage until the condition holds; false if it never does. */
export async function collected(holds: () => boolean): Promise<boolean> {
  for (let turn = 0; turn < 200; turn++) {
    gc()
    await setImmediate()
    if (holds()) return true
  }
  return false
}

/** Collects what garbage there is. */
export async function collect(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) {
    gc()
    await setImmediate()
  }
}

/** Bytes that tell their key and length. */
export function content(key: string, length: number): Buffer {
  return Buffer.alloc(length, `${key} of ${length};`)
}

/** Moves the ends of the log past what was stored, in a map of one shard. */
export function leaveTail(map: DiskMap<string, Uint8Array>): void {
  map.set('filler', Buffer.alloc(20_000, 1))
  map.set('filler', Buffer.alloc(20_000, 2))
}
