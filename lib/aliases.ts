import { native, str } from './codecs/index.js'
import type { CodecVerb, KeyCodec, ValueCodec } from './codecs/types.js'
import { badArgument } from './errors.js'
import { DiskMap } from './map.js'
import type { DiskMapAsyncOptions, DiskMapOptions } from './options.js'

/** Options of a map whose codecs are known. */
export type AliasOptions = Omit<DiskMapOptions<never, never>, 'key' | 'value'>

/** The same for `openAsync`. */
export type AliasAsyncOptions = Omit<DiskMapAsyncOptions<never, never>, 'key' | 'value'>

/** Opens maps of one kind. */
export interface DiskMapAlias<K, V, Allows extends CodecVerb> {
  /** As {@link DiskMap.open}, but for `key` and `value`, which are `ERR_INVALID_ARGUMENT` here. */
  open(path: string | URL, options?: AliasOptions): DiskMap<K, V, Allows, V>
  /** As {@link DiskMap.openAsync}, with the same exception. */
  openAsync(path: string | URL, options?: AliasAsyncOptions): Promise<DiskMap<K, V, Allows, V>>
}

function alias<K, V, Allows extends CodecVerb>(
  name: string,
  key: KeyCodec<K>,
  value: ValueCodec<V, Allows>,
): DiskMapAlias<K, V, Allows> {
  return Object.freeze({
    open: (path: string | URL, options?: AliasOptions) =>
      DiskMap.open<K, V, Allows>(path, withCodecs(name, options, { key, value })),
    openAsync: async (path: string | URL, options?: AliasAsyncOptions) =>
      DiskMap.openAsync<K, V, Allows>(path, withCodecs(name, options, { key, value })),
  })
}

/** The options with the codecs; all else, unknown ones too, stays for `open` to check. */
function withCodecs<C extends object>(
  name: string,
  options: AliasAsyncOptions | undefined,
  codecs: C,
): AliasAsyncOptions & C {
  if (options === undefined) return codecs
  // No object: open says so.
  if (typeof options !== 'object' || options === null) return options
  for (const option of Object.keys(codecs)) {
    if (option in options) {
      throw badArgument(`${name} has its codecs: leave out the option ${option}.`)
    }
  }
  const own = Object.getOwnPropertyDescriptors({ ...codecs })
  return Object.create(Object.getPrototypeOf(options) as object | null, {
    ...Object.getOwnPropertyDescriptors(options),
    ...own,
  }) as AliasAsyncOptions & C
}

/** A map of 64-bit keys (bigints) and strings. */
export type U64StringMap = DiskMap<bigint, string, 'compareAndSet', string>

/** Opens a {@link DiskMap} with the codecs `native.u64` and `str`. */
export const U64StringMap: DiskMapAlias<bigint, string, 'compareAndSet'> = alias(
  'U64StringMap',
  native.u64,
  str,
)

/** A map of strings and 64-bit values (bigints). */
export type StringU64Map = DiskMap<string, bigint, CodecVerb, bigint>

/** Opens a {@link DiskMap} with the codecs `str` and `native.u64`. */
export const StringU64Map: DiskMapAlias<string, bigint, CodecVerb> = alias(
  'StringU64Map',
  str,
  native.u64,
)

/** A map of strings and strings. */
export type StringStringMap = DiskMap<string, string, 'compareAndSet', string>

/** Opens a {@link DiskMap} with the codecs `str` and `str`. */
export const StringStringMap: DiskMapAlias<string, string, 'compareAndSet'> = alias(
  'StringStringMap',
  str,
  str,
)
