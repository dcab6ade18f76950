import type { NativeHandle, NativeOpening } from './native.js'

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

/** How far a rebuild has come. */
export interface RebuildProgress {
  /** Bytes of the log that are done. Never less than in the report before. */
  readonly bytes: number
  /** Bytes of the log. In the last report `bytes` is the same; what is left then is a sync. */
  readonly totalBytes: number
}

/** Reports are this many milliseconds apart. */
const INTERVAL = 100

/** Tells the user what the open of this handle recovered, if anything. */
export function tellRecovery(
  handle: NativeHandle,
  onRecovery: ((recovery: DiskMapRecovery) => void) | undefined,
): void {
  if (onRecovery === undefined) return
  const recovery = handle.recovered() as DiskMapRecovery | undefined
  if (recovery !== undefined) onRecovery(recovery)
}

/** Waits for an open and tells the user how far a rebuild has come. What the user's function throws is thrown in the end. */
export async function watch(
  { opened, progress }: NativeOpening,
  onProgress: ((progress: RebuildProgress) => void) | undefined,
  close: (handle: NativeHandle) => void,
): Promise<NativeHandle> {
  if (onProgress === undefined) return opened
  let told = -1
  let failed: { error: unknown } | undefined
  const tell = (): void => {
    const now = progress()
    if (now === undefined || now.bytes === told || failed !== undefined) return
    told = now.bytes
    try {
      onProgress(now)
    } catch (error) {
      failed = { error }
    }
  }
  const timer = setInterval(tell, INTERVAL)
  const handle = await opened.finally(() => clearInterval(timer))
  tell()
  if (failed === undefined) return handle
  close(handle)
  throw (failed as { error: unknown }).error
}
