import type { KeyDriver } from './codecs/types.js'
import type { DiskMapErrorCode } from './errors.js'
import { finish, type CheckedJob } from './job.js'
import type { NativeDamage } from './native.js'
import type { Verbs } from './verbs.js'

/** One damaged place of a map's files. */
export interface Damage<K = unknown> {
  /** `ERR_CORRUPT`, or `ERR_IO` if the system could not read the file. */
  readonly code: DiskMapErrorCode
  /** The file in the map's directory: `seg-` and `ext-` hold the entries, all others are made again from those. */
  readonly file: string
  /** The byte in the file where the damaged part begins. */
  readonly offset: number
  /** The key whose entry it is, where that is certain. */
  readonly key?: K
}

/** What {@link DiskMap.verify} found. */
export interface VerifyReport<K = unknown> {
  /** Nothing is damaged. */
  readonly ok: boolean
  /** Records of the log that were checked: those of the entries, what they replaced and is still there, and deletions. */
  readonly records: number
  /** Bytes that were checked: of the log, and of values in files of their own. */
  readonly bytes: number
  /** The damaged places; of more than 1,000 the first. */
  readonly errors: Damage<K>[]
  /** How many there are in all. */
  readonly errorCount: number
}

/** Damaged places with their keys decoded. */
export function decodeDamage<K>(keys: KeyDriver<K>, found: readonly NativeDamage[]): Damage<K>[] {
  return found.map(({ code, file, offset, key }) => {
    const damage = { code: code as DiskMapErrorCode, file, offset }
    if (key === undefined) return damage
    try {
      return { ...damage, key: keys.read(key, 0, key.length) }
    } catch {
      // Not what the codec writes: then it names nothing.
      return damage
    }
  })
}

/** Verifies a map off the event loop. */
export async function verify<K, V>(verbs: Verbs<K, V>, job: CheckedJob): Promise<VerifyReport<K>> {
  const { errors, ...report } = await finish(verbs.native.verify(), job)
  return {
    ok: report.errorCount === 0,
    records: report.records,
    bytes: report.bytes,
    errors: decodeDamage(verbs.keys, errors),
    errorCount: report.errorCount,
  }
}
