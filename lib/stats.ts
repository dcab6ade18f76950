import type { DiskMapRecovery } from './recovery.js'
import type { Damage } from './verify.js'

/**
 * What a map holds and uses, over all threads: plain data, made at the call. Every number is an integer, and counts or bytes
 * as its field says. Taken part by part: while others write, not of one moment.
 *
 * On disk are `logBytes`, `extentBytes`, `indexBytes`, `spareBytes` and `pinnedBytes`, and a few pages besides.
 */
export interface DiskMapStats {
  /** How many entries there are; the same as `size`. */
  readonly entries: number
  /** How many parts the map has, each with a writers' lock of its own: the option `shards`, for good. */
  readonly shards: number
  /** Bytes of the entries' records in the log: key, value, 24 bytes of header, padding. A long value is in `extentBytes`. */
  readonly liveBytes: number
  /** Bytes of records that were replaced or removed, in segments in use: what compaction can give back. */
  readonly deadBytes: number
  /** Bytes of the records of deletions that must be kept for now, so that what they removed does not come back. */
  readonly tombstoneBytes: number
  /** Bytes of the log on disk: every segment, in use, emptied or made ahead. Without `spareBytes` and `pinnedBytes`. */
  readonly logBytes: number
  /**
   * The bytes that `logBytes` is at most, once compaction is idle: twice `liveBytes`, and two segments for each shard. It
   * moves with the content.
   */
  readonly logBound: number
  /** Bytes of segments in which nothing is needed any more, and which go with the next checkpoint. Part of `logBytes`. */
  readonly emptiedBytes: number
  /** How many segments (files of the log) are in use. */
  readonly segments: number
  /** Bytes of the largest of them. */
  readonly largestSegment: number
  /** Bytes of the index on disk. */
  readonly indexBytes: number
  /**
   * The bytes that `indexBytes` is at most: 48 for each entry of the most that there were since the last `compact`, or that
   * the map was made for, and 128 KiB for each shard that was written.
   */
  readonly indexBound: number
  /** How many tables the index has; each has 16 KiB. */
  readonly tables: number
  /** How many slots those have, 1,275 each. An entry takes one. */
  readonly slots: number
  /** Bytes of values above 256 KiB, which have files of their own; of those that are there, not of replaced ones. */
  readonly extentBytes: number
  /**
   * How many segments and long values are held in place: by views that have not ended, in each thread that has some, and by
   * references of Rust into segments that were freed.
   */
  readonly pins: number
  /** Bytes of segments that were freed and whose room is given back only when nobody holds them any more. */
  readonly pinnedBytes: number
  /**
   * Bytes of the segment that is kept for deletes and compaction on a full disk, and, while the map is written fast, of
   * freed segments that are about to become new ones.
   */
  readonly spareBytes: number
  /** How many calls, since the map was opened, had to make a file themselves, because the background was late. */
  readonly waits: number
  /** How many checkpoints were written since the map was opened, by flushes and to free segments. */
  readonly checkpoints: number
  /** A number below 2^53, drawn by lot, that tells this opening of the directory from every other; as in {@link DiskMapHandle}. */
  readonly instance: number
  /** Where the map was first opened in this process: an absolute path. */
  readonly path: string
  /**
   * What the open found damaged, with `onCorrupt: 'quarantine'`; else empty. Of more than 1,000 places the first. Keys are
   * given as they are stored.
   */
  readonly damage: readonly Damage<Uint8Array>[]
  /** What opening the map had to do. */
  readonly recovery: DiskMapRecovery
}
