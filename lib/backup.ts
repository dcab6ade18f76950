import { badArgument, describe } from './errors.js'
import type { NativeMap } from './native.js'
import { checkNames, checkPath } from './options.js'

/** How far a backup is, in bytes of the map's files. */
export interface BackupProgress {
  /** Copied so far. */
  readonly bytes: number
  readonly totalBytes: number
}

/** Options of `backup`. */
export interface BackupOptions {
  /** Calls the backup off: it then rejects with the signal's reason, and nothing is left of it. */
  signal?: AbortSignal | undefined
  /**
   * Is told how far the backup is, at most ten times a second, and once more when it is made. What it throws rejects the
   * promise, and calls a backup that is not yet made off.
   */
  onProgress?: ((progress: BackupProgress) => void) | undefined
}

const known: ReadonlySet<PropertyKey> = new Set<keyof BackupOptions>(['signal', 'onProgress'])
const INTERVAL = 100

/** Checks the arguments of `backup` and runs it. */
export async function backup(native: NativeMap, path: unknown, options: unknown): Promise<void> {
  const target = checkPath(path)
  const { signal, onProgress } = checkNames(options, known) as BackupOptions
  if (signal !== undefined && !isSignal(signal)) {
    throw badArgument(`The option signal must be an AbortSignal, not ${describe(signal)}.`)
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw badArgument(`The option onProgress must be a function, not ${describe(onProgress)}.`)
  }
  signal?.throwIfAborted()
  const { done, progress, callOff } = native.backup(target)
  let stopped: { reason: unknown } | undefined
  const stop = (reason: unknown): void => {
    stopped ??= { reason }
    callOff()
  }
  const abort = (): void => stop(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  const timer = onProgress && setInterval(() => tell(onProgress, progress(), stop), INTERVAL)
  try {
    await done
  } catch (error) {
    throw stopped === undefined ? error : stopped.reason
  } finally {
    clearInterval(timer)
    signal?.removeEventListener('abort', abort)
  }
  onProgress?.(progress())
}

function tell(
  onProgress: NonNullable<BackupOptions['onProgress']>,
  progress: BackupProgress,
  stop: (reason: unknown) => void,
): void {
  // Not yet begun: how much there is to copy is not known.
  if (progress.totalBytes === 0) return
  try {
    onProgress(progress)
  } catch (error) {
    stop(error)
  }
}

/** By its shape, for a signal of another realm is not an instance of this one's class. */
function isSignal(signal: unknown): boolean {
  return (
    typeof signal === 'object' &&
    signal !== null &&
    'aborted' in signal &&
    typeof signal.aborted === 'boolean' &&
    'addEventListener' in signal &&
    typeof signal.addEventListener === 'function'
  )
}
