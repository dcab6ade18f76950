import { describe, DiskMapError } from '../../errors.js'
import { pathText, type Step } from './path.js'

export const NAME = 'arch'

/**
 * What of a value does not fit its schema. Thrown where that is seen, and given the path on its way up; never leaves this
 * directory.
 */
export class Misfit {
  readonly #before: string
  readonly #after: string
  readonly #path: Step[] = []

  /** The sentence around the path: `The value codec arch takes <before> at user.name<after>.` */
  constructor(before: string, after: string) {
    this.#before = before
    this.#after = after
  }

  /** Puts a step before the path. */
  within(step: Step): void {
    this.#path.push(step)
  }

  error(): DiskMapError {
    const path = pathText(this.#path.toReversed())
    const where = path === '' ? '' : ` at ${path}`
    const message = `The value codec ${NAME} takes ${this.#before}${where}${this.#after}.`
    return new DiskMapError('ERR_INVALID_VALUE', message)
  }
}

/** A value of the wrong kind or range. */
export function misfit(wants: string, got: unknown): Misfit {
  return new Misfit(wants, `, not ${describe(got)}`)
}

/** What was thrown, with a step before its path if it is one of ours; what a user's getter throws stays as it is. */
export function within(step: Step, thrown: unknown): unknown {
  if (thrown instanceof Misfit) thrown.within(step)
  return thrown
}
