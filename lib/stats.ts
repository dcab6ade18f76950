import type { DiskMapRecovery } from './recovery.js'
import type { Damage } from './verify.js'

/**
 * What a map holds and uses, over all threads. Sizes are in bytes. Taken part by part: while others write, not of one
 * moment.
 */
export interface DiskMapStats {
  /** Entries; the same as `size`. */
  readonly entries: number
  /** Parts of the map that have a writers' lock of their own. */
  readonly shards: number
  /** Records of the entries, their headers and padding included. */
  readonly liveBytes: number
  /** What compaction can give back of the segments in use: records that were replaced or removed. */
  readonly deadBytes: number
  /** Records of deletions that must be kept for now. */
  readonly tombstoneBytes: number
  /** The log on disk: every segment, used, emptied or made ahead. */
  readonly logBytes: number
  /** The most that `logBytes` may be once compaction is idle: twice `liveBytes` and two segments for each shard. */
  readonly logBound: number
  /** Segments that wait for a checkpoint before they are removed. */
  readonly emptiedBytes: number
  /** Segments in use. */
  readonly segments: number
  /** The largest of them. */
  readonly largestSegment: number
  /** The index on disk. */
  readonly indexBytes: number
  /** The most that `indexBytes` may be. */
  readonly indexBound: number
  /** Tables of the index. */
  readonly tables: number
  /** Slots in those tables. */
  readonly slots: number
  /** Values in files of their own. */
  readonly extentBytes: number
  /**
   * Segments and long values that are held in place: by views that have not ended, in each thread that has some, and by
   * references of Rust into segments that were freed.
   */
  readonly pins: number
  /** Segments that were freed and whose room is given back only when nobody holds them any more. */
  readonly pinnedBytes: number
  /** The segment that is kept for deletes on a full disk. */
  readonly spareBytes: number
  /** Calls that had to make a file themselves, because the background was late. */
  readonly waits: number
  /** Checkpoints since the map was opened. */
  readonly checkpoints: number
  /** Tells two openings of one directory apart. */
  readonly instance: number
  /** Where the map was first opened in this process. */
  readonly path: string
  /**
   * What the open found damaged, with `onCorrupt: 'quarantine'`; of more than 1,000 places the first. Keys are given as they
   * are stored.
   */
  readonly damage: readonly Damage<Uint8Array>[]
  /** What opening the map had to do. */
  readonly recovery: DiskMapRecovery
}
