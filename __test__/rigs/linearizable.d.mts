/** When an operation was called and when it returned. */
export interface Timed {
  readonly invoke: number
  readonly response: number
}

/** What a step gives for an operation that cannot have had its result in that state. */
export const IMPOSSIBLE: unique symbol

/** The state after an operation that was done in `state`. */
export type Step<S, O> = (state: S, operation: O) => S | typeof IMPOSSIBLE

export interface Verdict {
  readonly linearizable: boolean
  /** Operations by their place in the history, in an order that explains them: all, or as many as could be explained. */
  readonly order: readonly number[]
}

/** Searches for an order of the operations in which each has the result it had. */
export function linearize<S, O extends Timed>(
  history: readonly O[],
  initial: S,
  step: Step<S, O>,
): Verdict
