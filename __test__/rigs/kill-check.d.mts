import type { Counts, Model, Plan } from './kill-calls.mjs'

export interface Models {
  readonly text: Model<string>
  readonly count: Counts
}

export interface Found {
  readonly text: ReadonlyMap<string, string>
  readonly count: ReadonlyMap<string, bigint>
}

export function noEntries(): Models

/**
 * Makes of the models what was found, if the calls explain it: each thread's first `done`, which had returned, and some
 * of those up to its next acknowledgement, in their order; of the last of them, if it is a batch, any keys. Gives what is
 * wrong.
 */
export function settle(
  models: Models,
  found: Found,
  plan: Plan,
  done: readonly number[],
): string | undefined
