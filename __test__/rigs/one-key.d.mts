import type { IMPOSSIBLE, Timed } from './linearizable.mjs'

/** What names a value: values are all different, so that a read tells which write it saw. */
export type Token = string | bigint | undefined

/** One call, for one of the keys it was for. */
export interface Operation extends Timed {
  readonly verb:
    | 'get'
    | 'has'
    | 'set'
    | 'delete'
    | 'deleteMany'
    | 'clear'
    | 'compareAndSet'
    | 'update'
    | 'getOrInsert'
    | 'increment'
    | 'insert'
    | 'remove'
  readonly value?: Token
  readonly expected?: Token
  /** What the function of `update` was called with when its result was stored. */
  readonly saw?: Token
  readonly by?: bigint | undefined
  readonly result?: Token | boolean
}

/** Verbs that leave every key as it is. */
export const reads: ReadonlySet<string>

/** The key's value after an operation. */
export function step(state: Token, operation: Operation): Token | typeof IMPOSSIBLE
