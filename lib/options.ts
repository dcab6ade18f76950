import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { keyDriver, valueDriver, type StatedCodecs } from './codecs/resolve.js'
import type { KeyCodec, ValueCodec } from './codecs/types.js'
import { badArgument, describe } from './errors.js'
import type { CheckedJob, JobOptions } from './job.js'
import { limits, type NativeOptions } from './native.js'
import type { DiskMapRecovery } from './recovery.js'
import type { ViewMode } from './views.js'

/** Options of {@link DiskMap.open}. An option that is not listed here is `ERR_INVALID_ARGUMENT`. */
export interface DiskMapOptions<K, V> {
  /**
   * How keys become bytes: `native.*`, `str`, `bytes` or `primitive`. Another one than the map was made with is
   * `ERR_CODEC_MISMATCH`. Default: the map's own; for a new map `primitive`.
   */
  key?: KeyCodec<K> | undefined
  /**
   * How values become bytes: a codec of this library or your own. Another one than the map was made with is
   * `ERR_CODEC_MISMATCH`. Default: the map's own; for a new map `structured`.
   */
  value?: ValueCodec<V> | undefined
  /**
   * Make the map if the directory does not exist or is empty; its parent must exist. With `false`, or `readOnly`, a map
   * that is not there is `ERR_NOT_FOUND`. Default: true.
   */
  create?: boolean | undefined
  /**
   * Write nothing: any number of processes may read a map at once, but none while another writes. Verbs that write
   * throw `ERR_READ_ONLY`. Default: false.
   */
  readOnly?: boolean | undefined
  /**
   * In how many parts the map is divided, each with a lock of its own for writers: a power of two from 1 to 64. Counts
   * when the map is made; later another number is `ERR_OPTIONS_MISMATCH`. Default: 16, or what the map has.
   */
  shards?: number | undefined
  /**
   * After how many milliseconds, from 1 to 2^31 − 1, writes are synced to the disk in the background; `false`: only by
   * `flush()`, by `close()` and when dead space must be freed. Another value than the map is open with is
   * `ERR_OPTIONS_MISMATCH`. Default: 1000, or what the map is open with.
   */
  flushInterval?: number | false | undefined
  /**
   * `'full'`: rebuild the index from the log even if the map was closed cleanly. Another value than the map is
   * open with is `ERR_OPTIONS_MISMATCH`. Default: `'auto'`, or what the map is open with.
   */
  recovery?: 'auto' | 'full' | undefined
  /**
   * What to do if the part of the log that was durable is found damaged when the index has to be made from it.
   * `'throw'`: `open` throws `ERR_CORRUPT`. `'quarantine'`: it opens, `stats().damage` lists what does not verify, and the
   * parts of the map (see `shards`) in which that is are set aside, untouched: every verb that needs one throws
   * `ERR_CORRUPT`, since the newest value of any of their keys may be what is lost. All other keys are served. Of a value in a
   * file of its own only its key is lost. {@link salvage} writes what is whole to a new map. Another value than the
   * map is open with is `ERR_OPTIONS_MISMATCH`. Default: `'throw'`, or what the map is open with.
   */
  onCorrupt?: 'throw' | 'quarantine' | undefined
  /**
   * What a new map is made for: so many entries, and so many bytes of keys and values together, once encoded. Up to there
   * no table of the index is split and no file is made. Whole numbers; together at most 2^31 entries and about 800 MiB for
   * each shard. Counts when the map is made. Default: none; a map grows as it is filled.
   */
  capacity?:
    | {
        /** How many entries. Default: 0. */
        entries?: number | undefined
        /** How many bytes of keys and values, as their codecs store them, without headers. Default: 0. */
        bytes?: number | undefined
      }
    | undefined
  /**
   * Overwrite values and keys that were replaced or removed, with zeros and on the disk, before their blocks are given back:
   * when their segment is freed, which may be long after the removal. `await map.compact()` frees all of them, and
   * rewrites what it takes for that. It does not reach what the disk itself keeps (flash moves blocks about), what a
   * file system keeps that never overwrites in place (btrfs, ZFS, APFS; snapshots; a journal of data), backups, swap,
   * or memory. Hashes of keys under the map's secret key stay in the index. Another value than the map is open with is
   * `ERR_OPTIONS_MISMATCH`; it is not stored with the map. Default: false, or what the map is open with.
   */
  secureDelete?: boolean | undefined
  /**
   * How `view` shows values. `'auto'`: in place, where V8 can show memory that is not its own (not in Electron), else as
   * copies. `'copy'`: always as copies; the types are the same. It belongs to this handle. Default: `'auto'`.
   */
  views?: ViewMode | undefined
  /** The permissions of a directory that is made: 0o700 and up to 0o777. Default: 0o700. */
  mode?: number | undefined
  /**
   * Called once, before `open` returns or the promise of `openAsync` resolves, if the map had not been closed: its process
   * had died (`killed`), or the index was made from the log (`rebuilt`). It belongs to the open that did so: one that joins
   * a map which this process has open recovers nothing, and is not told; `stats().recovery` tells everybody. What
   * it throws passes through, and this handle is closed.
   */
  onRecovery?: ((recovery: DiskMapRecovery) => void) | undefined
}

/** Options of {@link DiskMap.openAsync}: those of {@link DiskMap.open}, which does not take the two more that these have. */
export interface DiskMapAsyncOptions<K, V> extends DiskMapOptions<K, V>, JobOptions {
  /**
   * Calls the open off: the promise is rejected with the signal's reason, and no handle is left. Where the index was
   * being made from the log, the next open makes it.
   */
  signal?: AbortSignal | undefined
  /**
   * Called while the index is made from the log, in this thread, at most ten times a second, and once when all bytes of the
   * log are done, before `onRecovery`; what is left then is a sync. Not called where nothing is rebuilt. What it throws calls
   * the open off and rejects the promise.
   */
  onProgress?: JobOptions['onProgress']
}

/** Options that were checked, once, when the map was opened. */
export interface CheckedOptions<K, V> extends StatedCodecs<K, V>, CheckedJob {
  readonly path: string
  readonly native: NativeOptions
  readonly views: ViewMode
  readonly onRecovery: ((recovery: DiskMapRecovery) => void) | undefined
}

const known: ReadonlySet<PropertyKey> = new Set<keyof DiskMapAsyncOptions<unknown, unknown>>([
  'key',
  'value',
  'create',
  'readOnly',
  'shards',
  'flushInterval',
  'recovery',
  'onCorrupt',
  'mode',
  'secureDelete',
  'views',
  'capacity',
  'onRecovery',
  'onProgress',
  'signal',
])

/** Checks the arguments of `open`, or of `openAsync`. */
export function checkOptions<K, V>(
  path: unknown,
  options: unknown,
  isAsync: boolean,
): CheckedOptions<K, V> {
  const directory = checkPath(path)
  options = checkNames(options, known)
  // Each property is read once, so that a getter cannot show the check something else.
  const stated = options as DiskMapAsyncOptions<K, V>
  const { key, value, create, readOnly, shards, flushInterval } = stated
  const { recovery, onCorrupt, mode, secureDelete, capacity, views } = stated
  const { onRecovery, onProgress, signal } = stated
  const native = nativeOptions(flag('create', create, true), flag('readOnly', readOnly, false))
  if (native.readOnly) native.create = false
  if (shards !== undefined) {
    whole('shards', shards, 1, limits.maxShards)
    if ((shards & (shards - 1)) !== 0)
      throw badArgument('The option shards must be a power of two.')
    native.shards = shards
  }
  if (flushInterval === false) {
    native.flushInterval = -1
  } else if (flushInterval !== undefined) {
    native.flushInterval = whole('flushInterval', flushInterval, 1, 0x7fff_ffff)
  }
  if (recovery !== undefined) {
    if (recovery !== 'auto' && recovery !== 'full') {
      throw badArgument("The option recovery must be 'auto' or 'full'.")
    }
    native.recovery = recovery
  }
  if (onCorrupt !== undefined) {
    if (onCorrupt !== 'throw' && onCorrupt !== 'quarantine') {
      throw badArgument("The option onCorrupt must be 'throw' or 'quarantine'.")
    }
    native.onCorrupt = onCorrupt
  }
  if (mode !== undefined) native.mode = whole('mode', mode, 0, 0o777)
  if (secureDelete !== undefined) native.secureDelete = flag('secureDelete', secureDelete, false)
  if (capacity !== undefined) checkCapacity(capacity, native)
  callback('onRecovery', onRecovery)
  callback('onProgress', onProgress)
  checkSignal(signal)
  if (!isAsync && (onProgress ?? signal) !== undefined) {
    const name = signal === undefined ? 'onProgress' : 'signal'
    throw badArgument(
      `The option ${name} is for openAsync: while open runs, nothing can be called.`,
    )
  }
  const codecs = stateCodecs<K, V>(native, key, value)
  const job = { onProgress, signal }
  return { path: directory, native, views: viewMode(views), onRecovery, ...job, ...codecs }
}

/** Options for the addon, which reads those that are not stated too: nothing may be inherited from Object.prototype. */
export function nativeOptions(create: boolean, readOnly: boolean): NativeOptions {
  return Object.assign(Object.create(null) as object, { create, readOnly })
}

/** The options, or none, as an object that has no property but these. */
export function checkNames(options: unknown, names: ReadonlySet<PropertyKey>): object {
  if (options === undefined) return Object.create(null) as object
  if (typeof options !== 'object' || options === null) {
    throw badArgument(`The options must be an object, not ${describe(options)}.`)
  }
  for (const name of Reflect.ownKeys(options)) {
    if (!names.has(name)) throw badArgument(`There is no option ${String(name)}.`)
  }
  return options
}

/** Checks the options `key` and `value`, and states them to the addon too. */
export function stateCodecs<K, V>(
  native: NativeOptions,
  key: unknown,
  value: unknown,
): StatedCodecs<K, V> {
  const drivers = {
    key: key === undefined ? undefined : keyDriver<K>(key),
    value: value === undefined ? undefined : valueDriver<V>(value),
  }
  if (drivers.key !== undefined) {
    native.keyCodec = drivers.key.name
    native.keyParam = new Uint8Array(0)
  }
  if (drivers.value !== undefined) {
    native.valueCodec = drivers.value.name
    native.valueParam = drivers.value.param ?? new Uint8Array(0)
  }
  return drivers
}

function checkCapacity(capacity: unknown, native: NativeOptions): void {
  if (typeof capacity !== 'object' || capacity === null) {
    throw badArgument(`The option capacity must be an object, not ${describe(capacity)}.`)
  }
  for (const name of Reflect.ownKeys(capacity)) {
    if (name !== 'entries' && name !== 'bytes') {
      throw badArgument(`The option capacity has no ${String(name)}, only entries and bytes.`)
    }
  }
  const { entries = 0, bytes = 0 } = capacity as NonNullable<
    DiskMapOptions<unknown, unknown>['capacity']
  >
  const most = Number.MAX_SAFE_INTEGER
  native.capacityEntries = whole('capacity.entries', entries, 0, most)
  native.capacityBytes = whole('capacity.bytes', bytes, 0, most)
}

/** A path, or a file URL, as an absolute path. */
export function checkPath(path: unknown): string {
  const text = typeof path === 'string' ? path : fileUrl(path)
  if (text === '' || text.includes('\0') || !text.isWellFormed()) {
    throw badArgument('The path must not be empty and have no NUL and no lone surrogates.')
  }
  return resolve(text)
}

function fileUrl(path: unknown): string {
  try {
    // Through its text, because a URL of another realm is not an instance of this one's.
    if (typeof path === 'object' && path !== null && 'href' in path) {
      return fileURLToPath(String(path.href))
    }
  } catch {
    // Not a file URL, or one that names another host.
  }
  throw badArgument(`The path must be a string or a file URL, not ${describe(path)}.`)
}

/** The option `views`. */
export function viewMode(views: unknown): ViewMode {
  if (views === undefined) return 'auto'
  if (views !== 'auto' && views !== 'copy') {
    throw badArgument("The option views must be 'auto' or 'copy'.")
  }
  return views
}

/** A boolean option. */
export function flag(name: string, value: unknown, byDefault: boolean): boolean {
  if (value === undefined) return byDefault
  if (typeof value !== 'boolean') {
    throw badArgument(`The option ${name} must be a boolean, not ${describe(value)}.`)
  }
  return value
}

/** The option `signal`. */
export function checkSignal(signal: unknown): void {
  if (signal !== undefined && !isSignal(signal)) {
    throw badArgument(`The option signal must be an AbortSignal, not ${describe(signal)}.`)
  }
}

// Not by instanceof, which does not know the signals of another realm.
function isSignal(value: unknown): value is AbortSignal {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as AbortSignal).aborted === 'boolean' &&
    typeof (value as AbortSignal).addEventListener === 'function' &&
    typeof (value as AbortSignal).throwIfAborted === 'function'
  )
}

/** An option that is a function. */
export function callback(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'function') {
    throw badArgument(`The option ${name} must be a function, not ${describe(value)}.`)
  }
}

/** An option that is an integer in a range. */
export function whole(name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw badArgument(
      `The option ${name} must be an integer from ${min} to ${max}, not ${describe(value)}.`,
    )
  }
  return value
}
