import type { KeyCodec, ValueCodec } from './codecs/types.js'
import { badArgument } from './errors.js'
import type { NativeIdentity, NativeOptions } from './native.js'
import type { StatedCodecs } from './codecs/resolve.js'
import { checkNames, flag, nativeOptions, stateCodecs, viewMode } from './options.js'
import type { ViewMode } from './views.js'

/**
 * Names an open map to other threads of its process: plain data that can be posted and cloned, is worth nothing in another
 * process, and holds nothing open. Its device and inode are bigints, which JSON cannot write.
 */
export interface DiskMapHandle {
  /** Where the map was first opened in this process. */
  readonly path: string
  /** The file system of the map's directory. */
  readonly device: bigint
  /** The directory in it. */
  readonly inode: bigint
  /** Tells this opening of the directory from every other. */
  readonly instance: number
}

/** Options of {@link DiskMap.attach}. An option that is not listed here is `ERR_INVALID_ARGUMENT`. */
export interface AttachOptions<K, V> {
  /** How keys become bytes; see {@link DiskMapOptions}. Default: the map's own. */
  key?: KeyCodec<K> | undefined
  /** How values become bytes; see {@link DiskMapOptions}. Default: the map's own. */
  value?: ValueCodec<V> | undefined
  /**
   * Verbs that write throw `ERR_READ_ONLY`. Must be true for a map that was opened for reading only (`ERR_LOCKED`).
   * Default: false.
   */
  readOnly?: boolean | undefined
  /** How `view` shows values in this handle; see {@link DiskMapOptions}. Default: `'auto'`. */
  views?: ViewMode | undefined
}

/** The arguments of `attach`, checked. */
export interface CheckedAttach<K, V> extends StatedCodecs<K, V> {
  readonly identity: NativeIdentity
  readonly native: NativeOptions
  readonly views: ViewMode
}

const known: ReadonlySet<PropertyKey> = new Set<keyof AttachOptions<unknown, unknown>>([
  'key',
  'value',
  'readOnly',
  'views',
])

/** Checks the arguments of `attach`. */
export function checkAttach<K, V>(handle: unknown, options: unknown): CheckedAttach<K, V> {
  const identity = checkHandle(handle)
  // Each property is read once, so that a getter cannot show the check something else.
  const { key, value, readOnly, views } = checkNames(options, known) as AttachOptions<K, V>
  const native = nativeOptions(false, flag('readOnly', readOnly, false))
  const codecs = stateCodecs<K, V>(native, key, value)
  return { identity, native, views: viewMode(views), ...codecs }
}

function checkHandle(handle: unknown): NativeIdentity {
  if (typeof handle === 'object' && handle !== null) {
    const { path, device, inode, instance } = handle as Partial<DiskMapHandle>
    const isNumbered = Number.isSafeInteger(instance) && instance! >= 0
    if (typeof path === 'string' && isWord(device) && isWord(inode) && isNumbered) {
      return { path, device, inode, instance: instance! }
    }
  }
  throw badArgument(
    'The handle must be what map.handle gave in this process: path, device, inode and instance, the middle two as bigints.',
  )
}

function isWord(value: unknown): value is bigint {
  return typeof value === 'bigint' && value >= 0n && value <= 0xffff_ffff_ffff_ffffn
}
