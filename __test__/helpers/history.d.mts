/** Mixes numbers to 32 bits. */
export function mix(...parts: number[]): number

/** One write of the kill test. */
export interface Write {
  readonly kind: 'set' | 'update' | 'delete' | 'clear'
  readonly key: string
  readonly value: string
}

/** A thread's nth write; `alone`: nobody else writes, so that the map may be cleared. */
export function write(seed: number, thread: number, n: number, alone: boolean): Write

/** What `update` makes of a value. */
export function updated(old: string | undefined, value: string): string

/** Does a write to a DiskMap, or to the Map that it is compared with. */
export function apply(map: Map<string, string>, write: Write): void
