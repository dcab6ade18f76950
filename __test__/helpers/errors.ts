import type { ExecutionContext } from 'ava'
import { DiskMapError, type DiskMapErrorCode } from '../../index.js'

/** Runs what must fail with a DiskMapError of this code, and gives the error. */
export function fails(
  t: ExecutionContext,
  code: DiskMapErrorCode,
  fn: () => unknown,
  what?: string,
): DiskMapError {
  let error: unknown
  try {
    fn()
  } catch (thrown) {
    error = thrown
  }
  return isDiskMapError(t, code, error, what)
}

/** The same of what must reject. */
export async function rejects(
  t: ExecutionContext,
  code: DiskMapErrorCode,
  promise: Promise<unknown>,
  what?: string,
): Promise<DiskMapError> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return isDiskMapError(t, code, error, what)
}

function isDiskMapError(
  t: ExecutionContext,
  code: DiskMapErrorCode,
  error: unknown,
  what = 'the call',
): DiskMapError {
  t.true(error instanceof DiskMapError, `${what} must fail with ${code}, not ${String(error)}`)
  const found = error as DiskMapError
  t.is(found?.code, code, what)
  t.regex(found.message, / .*[.!?]$/s, 'the message is a sentence')
  return found
}
