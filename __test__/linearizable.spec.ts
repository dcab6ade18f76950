import test from 'ava'
import * as fc from 'fast-check'
import { IMPOSSIBLE, linearize } from './rigs/linearizable.mjs'
import { step, type Operation, type Token } from './rigs/one-key.mjs'

const accepts = (history: readonly Operation[], initial?: Token): boolean =>
  linearize(history, initial, step).linearizable

/** Tries every order that respects time, and remembers nothing. */
function bruteForce(history: readonly Operation[], state: Token): boolean {
  if (history.length === 0) return true
  return history.some((operation) => {
    if (history.some((other) => other.response < operation.invoke)) return false
    const after = step(state, operation)
    const rest = history.filter((other) => other !== operation)
    return after !== IMPOSSIBLE && bruteForce(rest, after)
  })
}

/** Whether the operations, done one after the other in this order, have their results, and no two stand against time. */
function explains(order: readonly number[], history: readonly Operation[]): boolean {
  const done = order.map((place) => history[place]!)
  let state: ReturnType<typeof step> = undefined
  for (const operation of done) {
    if (state !== IMPOSSIBLE) state = step(state, operation)
  }
  let latest = -Infinity
  const inTime = done.every(({ invoke, response }) => {
    latest = Math.max(latest, invoke)
    return response >= latest
  })
  return new Set(order).size === history.length && state !== IMPOSSIBLE && inTime
}

/** An operation with its interval. */
const at = (
  invoke: number,
  response: number,
  operation: Omit<Operation, 'invoke' | 'response'>,
): Operation => ({ invoke, response, ...operation })

const linearizable: Record<string, Operation[]> = {
  'no operation at all': [],
  'a read that overlaps a write and comes before it': [
    at(0, 10, { verb: 'set', value: 'a' }),
    at(1, 9, { verb: 'get', result: undefined }),
  ],
  'a read that overlaps a write and comes after it': [
    at(0, 10, { verb: 'set', value: 'a' }),
    at(1, 2, { verb: 'get', result: 'a' }),
    at(3, 4, { verb: 'get', result: 'a' }),
  ],
  'two writes that overlap, seen in the order in which they were not called': [
    at(0, 10, { verb: 'set', value: 'a' }),
    at(1, 9, { verb: 'set', value: 'b' }),
    at(11, 12, { verb: 'get', result: 'a' }),
  ],
  'two overlapping compareAndSet of which one wins': [
    at(0, 1, { verb: 'set', value: 'a' }),
    at(2, 9, { verb: 'compareAndSet', expected: 'a', value: 'b', result: false }),
    at(3, 8, { verb: 'compareAndSet', expected: 'a', value: 'c', result: true }),
  ],
  'updates that each saw another one': [
    at(0, 9, { verb: 'update', saw: 'b', value: 'c' }),
    at(0, 9, { verb: 'update', saw: undefined, value: 'a' }),
    at(0, 9, { verb: 'update', saw: 'a', value: 'b' }),
  ],
  'increments that overlap': [
    at(0, 9, { verb: 'increment', by: 2n, result: 3n }),
    at(1, 8, { verb: 'increment', by: 1n, result: 1n }),
    at(10, 11, { verb: 'get', result: 3n }),
  ],
  'an insert between a delete and its read': [
    at(0, 1, { verb: 'set', value: 'a' }),
    at(2, 9, { verb: 'delete', result: true }),
    at(3, 8, { verb: 'getOrInsert', value: 'b', result: 'b' }),
    at(10, 11, { verb: 'has', result: true }),
  ],
  'a call that returns in the moment in which another one is made': [
    at(0, 5, { verb: 'get', result: 'a' }),
    at(5, 9, { verb: 'set', value: 'a' }),
  ],
}

const notLinearizable: Record<string, Operation[]> = {
  'a stale read': [
    at(0, 1, { verb: 'set', value: 'a' }),
    at(2, 3, { verb: 'set', value: 'b' }),
    at(4, 5, { verb: 'get', result: 'a' }),
  ],
  'two reads that see two writes in reverse': [
    at(0, 1, { verb: 'set', value: 'a' }),
    at(2, 9, { verb: 'set', value: 'b' }),
    at(3, 4, { verb: 'get', result: 'b' }),
    at(5, 6, { verb: 'get', result: 'a' }),
  ],
  'a lost update': [
    at(0, 9, { verb: 'update', saw: undefined, value: 'a' }),
    at(1, 8, { verb: 'update', saw: undefined, value: 'b' }),
  ],
  'a lost increment': [
    at(0, 9, { verb: 'increment', by: 1n, result: 1n }),
    at(1, 8, { verb: 'increment', by: 1n, result: 1n }),
  ],
  'two compareAndSet that replace the same value': [
    at(0, 1, { verb: 'set', value: 'a' }),
    at(2, 9, { verb: 'compareAndSet', expected: 'a', value: 'b', result: true }),
    at(3, 8, { verb: 'compareAndSet', expected: 'a', value: 'c', result: true }),
  ],
  'a compareAndSet that fails though nobody wrote': [
    at(0, 1, { verb: 'set', value: 'a' }),
    at(2, 3, { verb: 'compareAndSet', expected: 'a', value: 'b', result: false }),
  ],
  'a read of a value that was never written': [
    at(0, 9, { verb: 'set', value: 'a' }),
    at(1, 8, { verb: 'get', result: 'b' }),
  ],
  'a read of a value before it is written': [
    at(0, 1, { verb: 'get', result: 'a' }),
    at(2, 3, { verb: 'set', value: 'a' }),
  ],
  'a delete that completed and comes back': [
    at(0, 1, { verb: 'set', value: 'a' }),
    at(2, 3, { verb: 'delete', result: true }),
    at(4, 5, { verb: 'get', result: undefined }),
    at(6, 7, { verb: 'get', result: 'a' }),
  ],
  'two deletes that both remove one value': [
    at(0, 1, { verb: 'set', value: 'a' }),
    at(2, 9, { verb: 'delete', result: true }),
    at(3, 8, { verb: 'delete', result: true }),
  ],
  'two inserts of which each thinks that it was first': [
    at(0, 9, { verb: 'getOrInsert', value: 'a', result: 'a' }),
    at(1, 8, { verb: 'getOrInsert', value: 'b', result: 'b' }),
  ],
  'two entries that replace the same value': [
    at(0, 9, { verb: 'insert', value: 'a', result: undefined }),
    at(1, 8, { verb: 'insert', value: 'b', result: undefined }),
  ],
  'a key that is there after a clear': [
    at(0, 1, { verb: 'set', value: 'a' }),
    at(2, 3, { verb: 'clear' }),
    at(4, 5, { verb: 'has', result: true }),
  ],
}

for (const [what, history] of Object.entries(linearizable)) {
  test(`accepted: ${what}`, (t) => {
    t.true(bruteForce(history, undefined))
    const { linearizable, order } = linearize(history, undefined, step)
    t.true(linearizable)
    t.true(explains(order, history))
  })
}

for (const [what, history] of Object.entries(notLinearizable)) {
  test(`rejected: ${what}`, (t) => {
    t.false(bruteForce(history, undefined))
    t.false(accepts(history))
    t.false(accepts(history.toReversed()))
  })
}

/** What is asked of the sequential map; it gives the results. Few values, so that a wrong result is often a possible one. */
const value = fc.constantFrom(undefined, 1n, 2n, 3n)
const there = fc.constantFrom(1n, 2n, 3n)
const request: fc.Arbitrary<Partial<Operation>> = fc.oneof(
  fc.record({ verb: fc.constantFrom('get', 'has', 'delete', 'remove', 'clear', 'deleteMany') }),
  fc.record({ verb: fc.constantFrom('set', 'getOrInsert', 'insert'), value: there }),
  fc.record({ verb: fc.constant('update'), value }),
  fc.record({ verb: fc.constant('compareAndSet'), expected: value, value }),
  fc.record({ verb: fc.constant('increment'), by: there }),
)

/** Does to a key what is asked, as a map does it, and says the result. */
function perform(state: Token, asked: Partial<Operation>): [Partial<Operation>, Token] {
  switch (asked.verb) {
    case 'get':
      return [{ ...asked, result: state }, state]
    case 'has':
      return [{ ...asked, result: state !== undefined }, state]
    case 'delete':
      return [{ ...asked, result: state !== undefined }, undefined]
    case 'set':
      return [asked, asked.value]
    case 'insert':
      return [{ ...asked, result: state }, asked.value]
    case 'remove':
      return [{ ...asked, result: state }, undefined]
    case 'update':
      return [{ ...asked, saw: state }, asked.value]
    case 'getOrInsert':
      return [{ ...asked, result: state ?? asked.value }, state ?? asked.value]
    case 'compareAndSet':
      return state === asked.expected
        ? [{ ...asked, result: true }, asked.value]
        : [{ ...asked, result: false }, state]
    case 'increment': {
      const sum = BigInt(state ?? 0n) + asked.by!
      return [{ ...asked, result: sum }, sum]
    }
    default:
      return [asked, undefined]
  }
}

const planned = fc.tuple(request, fc.nat(35), fc.nat(35))

/** The history of a sequential execution in which the nth operation took place at 10 n, somewhere in its interval. */
function executed(plan: readonly [Partial<Operation>, number, number][]): Operation[] {
  let state: Token
  return plan.map(([asked, before, after], n) => {
    const [operation, next] = perform(state, asked)
    state = next
    return { ...operation, invoke: 10 * n - before, response: 10 * n + after } as Operation
  })
}

/** The same operations in another order; the order of a history must not matter. */
const shuffledHistory = (maxLength: number): fc.Arbitrary<Operation[]> =>
  fc
    .array(planned, { maxLength })
    .map(executed)
    .chain((history) =>
      fc.shuffledSubarray(history, { minLength: history.length, maxLength: history.length }),
    )

test('every history of a sequential execution with overlapping intervals is accepted', (t) => {
  fc.assert(
    fc.property(shuffledHistory(70), (history) => {
      const { linearizable, order } = linearize(history, undefined, step)
      t.true(linearizable)
      t.true(explains(order, history))
    }),
    { numRuns: 1000 },
  )
})

test('a result that is corrupted is judged as by brute force', (t) => {
  let rejected = 0
  let accepted = 0
  const wrong = fc.constantFrom<Token | boolean>(undefined, 1n, 2n, 3n, 4n, 'never', true, false)
  fc.assert(
    fc.property(shuffledHistory(7), fc.nat(), wrong, (history, which, result) => {
      fc.pre(history.length > 0)
      const operation = history[which % history.length]!
      const part = operation.verb === 'update' ? 'saw' : 'result'
      const corrupted = history.with(which % history.length, {
        ...operation,
        [part]: result,
      } as Operation)
      const expected = bruteForce(corrupted, undefined)
      t.is(accepts(corrupted), expected)
      if (expected) accepted++
      else rejected++
    }),
    { numRuns: 5000 },
  )
  // Else the property would hold of a checker that always says the same.
  t.true(rejected > 500 && accepted > 500, `${rejected} rejected, ${accepted} accepted`)
})

test('what was tried once is not tried again', (t) => {
  const count = 12
  const history = Array.from({ length: count }, (_, n) =>
    at(0, 100, { verb: 'set', value: BigInt(n) }),
  )
  let steps = 0
  const counted: typeof step = (state, operation) => {
    steps++
    return step(state, operation)
  }
  const read = at(101, 102, { verb: 'get', result: 'never' })
  t.false(linearize([...history, read], undefined, counted).linearizable)
  // Each set of operations done with each last value, and from there each one that is left: not the 12! orders.
  t.true(steps <= 2 ** count * count * count, `${steps} steps`)
})
