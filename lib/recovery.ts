import type { NativeHandle } from './native.js'

/** What opening a map had to do: `stats().recovery`, and what the option `onRecovery` is called with. */
export interface DiskMapRecovery {
  /**
   * `created`: it was made; `clean`: it had been closed; `killed`: its process had died; `rebuilt`: the machine had died,
   * the files had been copied or `recovery: 'full'` was asked for, and the index was made from the log.
   */
  readonly reason: 'created' | 'clean' | 'killed' | 'rebuilt'
  /** Records that were read for it and kept, over all shards: more than entries, see {@link ShardRecovery.kept}. */
  readonly records: number
  /** Records that were taken out, over all shards; see {@link ShardRecovery.dropped}. */
  readonly dropped: number
  /** The same for each shard. */
  readonly shards: readonly ShardRecovery[]
  /** How long it took, in milliseconds, without the sync that ends a rebuild. */
  readonly milliseconds: number
}

/** What opening a map did in one of its shards. */
export interface ShardRecovery {
  /**
   * Records of the log that were read, verified and kept: values, also those that were replaced since, deletions and clears.
   * 0 unless the map was rebuilt, for else nothing is read.
   */
  readonly kept: number
  /**
   * Records that were taken out. `rebuilt`: those that can still be told behind the point where the log stopped verifying,
   * with the one that failed. None of them was flushed: what a flush had made safe and does not verify is `ERR_CORRUPT`.
   * `killed`: changes that were in flight, of calls that never returned; at most one in each shard.
   */
  readonly dropped: number
  /**
   * Bytes behind the point where the log stopped verifying, up to the last that is not 0: the dropped records, and what else
   * is left of some, like a record of which the disk has only a part. What never reached the disk left no trace, and is
   * counted nowhere.
   */
  readonly cutBytes: number
}

/** Tells the user what the open of this handle recovered, if anything. */
export function tellRecovery(
  handle: NativeHandle,
  onRecovery: ((recovery: DiskMapRecovery) => void) | undefined,
): void {
  if (onRecovery === undefined) return
  const recovery = handle.recovered() as DiskMapRecovery | undefined
  if (recovery !== undefined) onRecovery(recovery)
}
