import { badArgument, describe, DiskMapError } from './errors.js'
import type { NativeJob } from './native.js'
import { checkNames } from './options.js'

/** How far a long call has come. */
export interface Progress {
  /** Bytes that were dealt with. */
  readonly bytes: number
  /** Bytes that there were when it began. What others write meanwhile can make `bytes` the greater one. */
  readonly totalBytes: number
}

/** Options of a long call. An option that is not listed here is `ERR_INVALID_ARGUMENT`. */
export interface JobOptions {
  /** Calls it off: the promise is rejected with the signal's reason. */
  signal?: AbortSignal | undefined
  /**
   * Told how far it has come, at most ten times a second, and once at the end, if all went well. What it throws calls the
   * work off and rejects the promise.
   */
  onProgress?: ((progress: Progress) => void) | undefined
}

/** Options of a long call, checked. */
export interface CheckedJob {
  readonly signal: AbortSignal | undefined
  readonly onProgress: ((progress: Progress) => void) | undefined
}

const known = ['signal', 'onProgress'] as const satisfies (keyof JobOptions)[]
const INTERVAL_MS = 100

/** Checks the options of a long call, and that its signal has not been raised already. */
export function checkJob(options: unknown, others: readonly PropertyKey[] = []): CheckedJob {
  // Each property is read once, so that a getter cannot show the check something else.
  const { signal, onProgress } = checkNames(options, new Set([...known, ...others])) as JobOptions
  if (signal !== undefined && !isSignal(signal)) {
    throw badArgument(`The option signal must be an AbortSignal, not ${describe(signal)}.`)
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw badArgument(`The option onProgress must be a function, not ${describe(onProgress)}.`)
  }
  signal?.throwIfAborted()
  return { signal, onProgress }
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

/** Waits for a job, tells its progress, and calls it off when the signal is raised. */
export async function finish<T>(job: NativeJob<T>, { signal, onProgress }: CheckedJob): Promise<T> {
  let failure: { error: unknown } | undefined
  const cancel = (): void => job.cancel()
  const tell = (): void => {
    const totalBytes = job.total()
    // Not yet begun: how much there is to do is not known.
    if (failure !== undefined || totalBytes === 0) return
    try {
      onProgress?.({ bytes: job.progress(), totalBytes })
    } catch (error) {
      failure = { error }
      job.cancel()
    }
  }
  signal?.addEventListener('abort', cancel, { once: true })
  const timer = onProgress === undefined ? undefined : setInterval(tell, INTERVAL_MS)
  // The work itself keeps the process alive, and only that.
  timer?.unref()
  try {
    const result = await job.promise
    tell()
    if (failure !== undefined) throw failure.error
    return result
  } catch (error) {
    if (failure !== undefined) throw failure.error
    const isCalledOff = error instanceof DiskMapError && error.code === 'ERR_CLOSED'
    throw isCalledOff && signal?.aborted ? signal.reason : error
  } finally {
    clearInterval(timer)
    signal?.removeEventListener('abort', cancel)
  }
}
