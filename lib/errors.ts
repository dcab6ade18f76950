import { getSystemErrorName } from 'node:util'

/**
 * What a {@link DiskMapError} can say went wrong. The engine's table and this list are the same.
 *
 * - `ERR_LOCKED`: another process, another copy of this package or a Rust `DiskHashMap` holds the map (the message gives the
 *   owner's pid), or this process has it open for reading only.
 * - `ERR_NO_SPACE`: the disk is full, or the system has no mappings left. Nothing was changed.
 * - `ERR_CORRUPT`: bytes of the map are damaged.
 * - `ERR_NOT_A_MAP`: the path is a file, or a directory with something else in it.
 * - `ERR_NOT_FOUND`: the directory, or with `create: false` the map, does not exist.
 * - `ERR_IO`: the system refused to read, write or sync; the errno is in `cause`.
 * - `ERR_FILE_GONE`: the map's directory, or a file in it, was removed or replaced while the map was open. What it holds can
 *   still be read: copy it to a new map.
 * - `ERR_FS_UNSUPPORTED`: the file system cannot hold a map (network file system, no locks).
 * - `ERR_CLOSED`: the map was closed.
 * - `ERR_READ_ONLY`: the map was opened with `readOnly`, or became read-only after a failed sync.
 * - `ERR_CODEC_MISMATCH`: the map was made with another codec.
 * - `ERR_CODEC_UNAVAILABLE`: the codec needs a package that is not installed, or what this runtime does not have.
 * - `ERR_OPTIONS_MISMATCH`: the map, or another handle of it, was opened with another value of an option.
 * - `ERR_VERSION`: the map was written by a newer version of this library.
 * - `ERR_INVALID_KEY`, `ERR_INVALID_VALUE`: the codec cannot store this key or value, or the sum of an `increment`.
 * - `ERR_INVALID_ARGUMENT`: an option or argument is unknown, or has the wrong type or range.
 * - `ERR_TOO_LARGE`: a key above 65,535 bytes or a value above 2^31 − 1 bytes.
 * - `ERR_CONFLICT`: `update`, or a verb like it, lost 1,000 races in a row.
 * - `ERR_POISONED`: a part of the map failed inside the engine; close the map and open it again.
 */
export type DiskMapErrorCode =
  | 'ERR_LOCKED'
  | 'ERR_NO_SPACE'
  | 'ERR_CORRUPT'
  | 'ERR_NOT_A_MAP'
  | 'ERR_NOT_FOUND'
  | 'ERR_IO'
  | 'ERR_FILE_GONE'
  | 'ERR_FS_UNSUPPORTED'
  | 'ERR_CLOSED'
  | 'ERR_READ_ONLY'
  | 'ERR_CODEC_MISMATCH'
  | 'ERR_CODEC_UNAVAILABLE'
  | 'ERR_OPTIONS_MISMATCH'
  | 'ERR_VERSION'
  | 'ERR_INVALID_KEY'
  | 'ERR_INVALID_VALUE'
  | 'ERR_INVALID_ARGUMENT'
  | 'ERR_TOO_LARGE'
  | 'ERR_CONFLICT'
  | 'ERR_POISONED'

// Registered, so that two instances of this module in a process, which have two classes, know each other's errors.
const brand: unique symbol = Symbol.for('opendiskmap.DiskMapError')

/**
 * Every error this library raises itself. What a user's codec or callback throws passes through unchanged, and
 * `forEach` of something that is not a function throws a `TypeError`, as in `Map`.
 *
 * `code` says what went wrong, `message` what to do, and `cause`, where a system call failed, is an error with the
 * `errno` (negative, as in Node) and its name as `code`. `instanceof` also holds for errors of another instance of
 * this package in the process (a second copy, or Jest's for each test file).
 */
export class DiskMapError extends Error {
  static {
    Object.defineProperty(this.prototype, 'name', {
      value: 'DiskMapError',
      writable: true,
      configurable: true,
    })
    Object.defineProperty(this.prototype, brand, { value: true })
  }

  /** What went wrong; see {@link DiskMapErrorCode}. */
  readonly code: DiskMapErrorCode

  /**
   * How many of the pairs that `setMany` was given are stored, from the first one on, where the engine failed: 0 if the
   * map was closed or read-only. A pair that cannot be encoded is refused before that, and its error has none.
   */
  declare readonly stored?: number

  /**
   * For code that stands in for a map; the library makes its own.
   *
   * @param code What went wrong.
   * @param message A sentence that says what to do.
   * @param options `cause`: what led to it.
   */
  constructor(code: DiskMapErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }

  /** True for an error of this library, whichever copy of the package made it. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== DiskMapError) return Function.prototype[Symbol.hasInstance].call(this, value)
    return typeof value === 'object' && value !== null && brand in value
  }
}

/** The error for a code and a sentence; `errno` as the system gives it, positive. */
export function fail(code: string, message: string, errno?: number): DiskMapError {
  const options = errno === undefined ? undefined : { cause: systemError(errno) }
  return new DiskMapError(code as DiskMapErrorCode, message, options)
}

function systemError(errno: number): Error {
  // Windows error numbers are not errnos, so no name of Node's table fits them.
  if (process.platform === 'win32') {
    return Object.assign(new Error(`system error ${errno}`), { errno })
  }
  let code = 'UNKNOWN'
  try {
    code = getSystemErrorName(-errno)
  } catch {
    // An errno that Node has no name for.
  }
  return Object.assign(new Error(`${code}: errno ${errno}`), { errno: -errno, code })
}

/** Which side of an entry a codec is asked to encode: decides between `ERR_INVALID_KEY` and `ERR_INVALID_VALUE`. */
export type Role = 'key' | 'value'

/** The error for a key or value that a codec cannot store. */
export function invalid(role: Role, codec: string, wants: string, got: unknown): DiskMapError {
  const code = role === 'key' ? 'ERR_INVALID_KEY' : 'ERR_INVALID_VALUE'
  return new DiskMapError(code, `The ${role} codec ${codec} takes ${wants}, not ${describe(got)}.`)
}

/** The error for an option or argument. */
export function badArgument(message: string): DiskMapError {
  return new DiskMapError('ERR_INVALID_ARGUMENT', message)
}

/** The error for a key or value above its limit. */
export function tooLarge(role: Role, bytes: number, limit: number): DiskMapError {
  return new DiskMapError(
    'ERR_TOO_LARGE',
    `The ${role} has ${bytes} bytes; at most ${limit} can be stored.`,
  )
}

/** The error for stored bytes that the codec cannot have written. */
export function corrupt(codec: string, cause?: unknown): DiskMapError {
  const message = `A stored entry does not hold what the codec ${codec} writes.`
  return new DiskMapError('ERR_CORRUPT', message, cause === undefined ? undefined : { cause })
}

/** Names a value for a message without running any of its code. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case 'number':
    case 'bigint':
    case 'boolean':
    case 'undefined':
      return `${typeof value === 'bigint' ? `${value}n` : String(value)}`
    case 'object':
      return value === null ? 'null' : 'an object'
    default:
      return `a ${typeof value}`
  }
}
