import type { KeyCodec, ValueCodec } from './codecs/types.js'
import { fail, type DiskMapErrorCode } from './errors.js'
import { checkJob, finish, type JobOptions } from './job.js'
import { native } from './native.js'
import { checkPath, nativeOptions, stateCodecs, whole } from './options.js'
import type { Damage } from './verify.js'

/** Options of {@link salvage}. An option that is not listed here is `ERR_INVALID_ARGUMENT`. */
export interface SalvageOptions extends JobOptions {
  /**
   * How the keys are stored. Needed only if no checkpoint of the map verifies, for nothing else has the codecs' names;
   * another one than the map was made with is `ERR_CODEC_MISMATCH`.
   */
  // A codec is asked for its name only, whatever it is for.
  // oxlint-disable-next-line typescript/no-explicit-any
  key?: KeyCodec<any> | undefined
  /** How the values are stored; see `key`. */
  // oxlint-disable-next-line typescript/no-explicit-any
  value?: ValueCodec<any> | undefined
  /** The permissions of the new map's directory: 0o700 and up to 0o777. Default: 0o700. */
  mode?: number | undefined
}

/** What {@link salvage} wrote, and what it could not. */
export interface SalvageReport {
  /** Entries in the new map. */
  readonly records: number
  /** Bytes of their keys and values. */
  readonly bytes: number
  /** Places that do not verify, each a record or more, and entries whose long value does not. */
  readonly dropped: number
  /** What is damaged; of more than 1,000 places the first. */
  readonly errors: Omit<Damage, 'key'>[]
  /** How many there are in all. */
  readonly errorCount: number
}

/**
 * Writes every record that verifies, out of the directory `from`, into a new map: of each key the newest one. For a map
 * that does not open any more. Checkpoints, `HEAD` and the index are used where they are whole, and not needed: segments are
 * found by their names, records by their checksums. Removals count where their records verify.
 *
 * Where the newest record of a key is damaged, what is written is an older one that is not, or none: `errors` says what is
 * damaged, so look at it before you trust the new map. `from` is never changed. If the call fails, nothing is left in `to`.
 *
 * @param from The directory of the damaged map, as a string or a file URL. It must not be open for writing.
 * @param to Where the new map goes: a directory that is not there yet, or empty.
 * @param options See {@link SalvageOptions}.
 * @throws {DiskMapError} `ERR_CORRUPT` if the key of the checksums is lost (with both checkpoints and `HEAD`), or the codecs'
 * names are and the options state none; `ERR_NOT_FOUND`, `ERR_NOT_A_MAP`, `ERR_LOCKED`, `ERR_CODEC_MISMATCH`,
 * `ERR_INVALID_ARGUMENT` (also for a `to` that holds something), `ERR_VERSION`, `ERR_NO_SPACE`, `ERR_IO`.
 * @example
 * const { records, dropped } = await salvage('broken.odm', 'mended.odm')
 */
export async function salvage(
  from: string | URL,
  to: string | URL,
  options?: SalvageOptions,
): Promise<SalvageReport> {
  const paths = [checkPath(from), checkPath(to)] as const
  const job = checkJob(options, ['signal', 'onProgress', 'key', 'value', 'mode'])
  // Each property is read once, so that a getter cannot show the check something else.
  const { key, value, mode } = options ?? {}
  const checked = nativeOptions(true, false)
  stateCodecs(checked, key, value)
  if (mode !== undefined) checked.mode = whole('mode', mode, 0, 0o777)
  const { errors, ...report } = await finish(native.salvage(...paths, checked, fail), job)
  return {
    ...report,
    errors: errors.map(({ code, file, offset }) => {
      return { code: code as DiskMapErrorCode, file, offset }
    }),
  }
}
