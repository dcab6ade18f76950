import type { Channel } from 'node:diagnostics_channel'
import { fail, type DiskMapError } from './errors.js'
import { native } from './native.js'

/** What each event says. */
export interface DiskMapEvent {
  /** Where the map was first opened in this process. */
  readonly path: string
  /** Tells this opening of the directory from every other, as in {@link DiskMapStats}. */
  readonly instance: number
  /** When it was over, as `Date.now()` counts. */
  readonly time: number
  /**
   * How many events of this channel, of any map, came before this one and were dropped, since 256 waited already for this
   * thread's event loop.
   */
  readonly missed: number
}

/** What was written became safe from a crash of the machine: by `flush`, in the background, or at the close. */
export interface FlushEvent extends DiskMapEvent {
  /** Milliseconds of the syncs, and of the checkpoint that follows them. */
  readonly duration: number
  /** Bytes of the log, and of values in files of their own, that were synced. */
  readonly bytes: number
  /** How many files were. */
  readonly files: number
}

/** A map had not been closed, for the thread that opened it; or a part of it was mended while it was open. */
export interface RecoveryEvent extends DiskMapEvent {
  /** Milliseconds that it took. */
  readonly duration: number
  /** As in {@link DiskMapRecovery}; `mended`: the index of a shard was damaged, and was made anew from its log. */
  readonly reason: 'killed' | 'rebuilt' | 'mended'
  /** Records that were read for it and kept. */
  readonly records: number
  /** Records that were taken out; see {@link ShardRecovery.dropped}. */
  readonly dropped: number
  /** Which shard was mended. */
  readonly shard?: number
}

/** Compaction has emptied a segment of the log, whose room is given back with the next flush. */
export interface CompactionEvent extends DiskMapEvent {
  /** Milliseconds since it was chosen, with the pauses in which others had the shard. */
  readonly duration: number
  /** Bytes of the segment. */
  readonly bytes: number
  /** Bytes that were needed, and were moved out of it. */
  readonly moved: number
  /** Whose it was. */
  readonly shard: number
}

/** A file was made, because the map grows. Values in files of their own do not count, nor freed segments that become new ones. */
export interface GrowthEvent extends DiskMapEvent {
  /** Milliseconds that it took. */
  readonly duration: number
  /** Bytes of the file. */
  readonly bytes: number
  /** For what: the log, the list of its segments, the index, the way to its tables, or what is kept for a full disk. */
  readonly file: 'segment' | 'segmentTable' | 'index' | 'directory' | 'spare'
  /** Whose it is, unless it is the spare. */
  readonly shard?: number
}

/**
 * Something failed in the background, which is told once until it succeeds; or in a call, which reports it too, but changes
 * the map for all: a failed sync, or a part that failed halfway.
 */
export interface FailureEvent extends DiskMapEvent {
  /** What went wrong. */
  readonly error: DiskMapError
  /** What the map was doing. */
  readonly doing: 'flush' | 'compaction' | 'growth' | 'call'
  /** The map only reads from now on. */
  readonly readOnly: boolean
}

/**
 * The channels of `node:diagnostics_channel` on which this library tells what happens to maps, each with its messages, which
 * are frozen objects. Every thread that has a map open and subscribes is told, once for each map, in whichever thread or
 * background work it happened; soon after, from its event loop, which is not kept alive for it.
 *
 * @example
 * import { subscribe } from 'node:diagnostics_channel'
 *
 * subscribe('opendiskmap:error', (message) => {
 *   const { path, error } = message as DiskMapEvents['opendiskmap:error']
 *   console.error(path, error)
 * })
 */
export interface DiskMapEvents {
  /** Flushes. */
  readonly 'opendiskmap:flush': FlushEvent
  /** Recoveries. */
  readonly 'opendiskmap:recovery': RecoveryEvent
  /** Compaction. */
  readonly 'opendiskmap:compaction': CompactionEvent
  /** Growth. */
  readonly 'opendiskmap:growth': GrowthEvent
  /** Errors. */
  readonly 'opendiskmap:error': FailureEvent
}

/** A message as the addon makes it. */
interface NativeEvent {
  kind: string
}

/** Its channels that a runtime has; none in one without `node:diagnostics_channel`. */
let channels: Map<string, Channel> | undefined

/** By addon, what has it keep events: two copies of this package in a thread have an addon each. */
const watchers = Symbol.for('opendiskmap.watchers')
type Watched = Channel & { [watchers]?: Map<object, () => void> }

/** Has what happens to maps of this thread told from now on, if somebody subscribes. Called before one is opened. */
export function watchChannels(): void {
  if (channels !== undefined) return
  channels = new Map()
  const diagnostics = process.getBuiltinModule?.('node:diagnostics_channel')
  if (diagnostics === undefined) return
  for (const kind of ['flush', 'recovery', 'compaction', 'growth', 'error']) {
    const channel = diagnostics.channel(`opendiskmap:${kind}`)
    channels.set(kind, channel)
    watch(channel)
  }
  if (isHeard(channels)) listen()
}

/**
 * Nothing but the call itself says that somebody subscribes, and asking for it where something happens would cost a turn of
 * the event loop each time.
 */
function watch(channel: Watched): void {
  const known = channel[watchers]
  if (known !== undefined) {
    if (!known.has(native)) known.set(native, listen)
    return
  }
  const all = new Map([[native as object, listen]])
  Object.defineProperty(channel, watchers, { value: all })
  Object.defineProperty(channel, 'subscribe', {
    value(...args: Parameters<Channel['subscribe']>) {
      for (const hears of all.values()) hears()
      // A channel gets another prototype with its first subscriber.
      return (Object.getPrototypeOf(channel) as Channel).subscribe.apply(channel, args)
    },
    writable: true,
    configurable: true,
  })
}

function listen(): void {
  native.listen(relay)
}

function isHeard(all: Map<string, Channel>): boolean {
  return [...all.values()].some((channel) => channel.hasSubscribers)
}

/** Called by the addon, from this thread's event loop. */
function relay(): void {
  if (!isHeard(channels!)) return native.stopListening()
  for (const { kind, ...message } of native.takeEvents(fail) as NativeEvent[]) {
    channels!.get(kind)?.publish(Object.freeze(message))
  }
}
