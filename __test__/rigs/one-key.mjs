// What each verb does to one key of a map when nobody else is there: the sequential map that histories are compared with.
import { IMPOSSIBLE } from './linearizable.mjs'

const when = (holds, next) => (holds ? next : IMPOSSIBLE)

/** Verbs that leave every key as it is. */
export const reads = new Set(['get', 'has'])

/** The key's value after an operation, undefined for none. */
export function step(state, { verb, value, expected, saw, by, result }) {
  switch (verb) {
    case 'get':
      return when(result === state, state)
    case 'has':
      return when(result === (state !== undefined), state)
    case 'set':
      return value
    case 'delete':
      return when(result === (state !== undefined), undefined)
    // Deletes that do not say whether this key was there.
    case 'clear':
    case 'deleteMany':
      return undefined
    case 'compareAndSet':
      return result ? when(state === expected, value) : when(state !== expected, state)
    // `saw` is what the function that was right was called with.
    case 'update':
      return when(saw === state, value)
    case 'getOrInsert':
      return when(result === (state ?? value), result)
    // The verbs of an entry that give what they replaced or removed.
    case 'insert':
      return when(result === state, value)
    case 'remove':
      return when(result === state, undefined)
    case 'increment':
      return when(result === (state ?? 0n) + by, result)
    default:
      throw new Error(`${verb} is no verb`)
  }
}
