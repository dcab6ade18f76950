import { DiskMapError } from './errors.js'
import type { NativeJob } from './native.js'
import { callback, checkNames, checkSignal } from './options.js'

/** How far a long call has come. */
export interface Progress {
  /** Bytes that were dealt with. */
  readonly bytes: number
  /** Bytes that there were when it began. What others write meanwhile can make `bytes` the greater one. */
  readonly totalBytes: number
}

/** The option that calls a long call off. One that is not listed here is `ERR_INVALID_ARGUMENT`. */
export interface SignalOptions {
  /** Calls it off: the promise is rejected with the signal's reason, and the map goes on as it is. */
  signal?: AbortSignal | undefined
}

/** Options of a long call. An option that is not listed here is `ERR_INVALID_ARGUMENT`. */
export interface JobOptions extends SignalOptions {
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

const INTERVAL_MS = 100

/** Checks the options of a long call, and that its signal has not been raised already. */
export function checkJob(
  options: unknown,
  known: readonly PropertyKey[] = ['signal', 'onProgress'],
): CheckedJob {
  // Each property is read once, so that a getter cannot show the check something else.
  const { signal, onProgress } = checkNames(options, new Set(known)) as JobOptions
  checkSignal(signal)
  callback('onProgress', onProgress)
  signal?.throwIfAborted()
  return { signal, onProgress }
}

/**
 * Waits for a job, tells its progress, and calls it off when the signal is raised. With `discard` that counts also where the
 * work was faster: what it gave is of no use then.
 */
export async function finish<T>(
  job: NativeJob<T>,
  { signal, onProgress }: CheckedJob,
  discard?: (result: T) => void,
): Promise<T> {
  let failure: { error: unknown } | undefined
  let told = -1
  const cancel = (): void => job.cancel()
  const tell = (): void => {
    const totalBytes = job.total()
    const bytes = job.progress()
    if (failure !== undefined || signal?.aborted) return
    // Not yet begun: how much there is to do is not known.
    if (totalBytes === 0 || bytes === told) return
    told = bytes
    try {
      onProgress?.({ bytes, totalBytes })
    } catch (error) {
      failure = { error }
      job.cancel()
    }
  }
  signal?.addEventListener('abort', cancel, { once: true })
  if (signal?.aborted) cancel()
  const timer = onProgress === undefined ? undefined : setInterval(tell, INTERVAL_MS)
  // The work itself keeps the process alive, and only that.
  timer?.unref()
  try {
    const result = await job.promise
    tell()
    if (failure === undefined && discard !== undefined && signal?.aborted) {
      failure = { error: signal.reason }
    }
    if (failure === undefined) return result
    discard?.(result)
    throw failure.error
  } catch (error) {
    if (failure !== undefined) throw failure.error
    const isCalledOff = error instanceof DiskMapError && error.code === 'ERR_CLOSED'
    throw isCalledOff && signal?.aborted ? signal.reason : error
  } finally {
    clearInterval(timer)
    signal?.removeEventListener('abort', cancel)
  }
}
