// Whether a history of overlapping operations could have come from doing them one after the other, each at one moment
// between its invocation and its response.
//
// - The condition, and that it holds for a whole if it holds for each of its objects (here: keys) by itself: Herlihy
//   and Wing, "Linearizability: A Correctness Condition for Concurrent Objects", ACM TOPLAS 12(3), 1990.
// - The search, depth first over what could have come next: Wing and Gong, "Testing and Verifying Concurrent Objects",
//   Journal of Parallel and Distributed Computing 17(1–2), 1993.
// - The memory of pairs (set of operations done, state), so that nothing is tried twice: Lowe, "Testing for
//   Linearizability", Concurrency and Computation: Practice and Experience 29(4), 2017.

/** What a step gives for an operation that cannot have had its result in that state. */
export const IMPOSSIBLE = Symbol('impossible')

const HEAD = 0

/**
 * Searches for an order of the operations in which each has the result it had. `step` gives the state after an operation,
 * or IMPOSSIBLE; states are compared as the keys of a Map are.
 */
export function linearize(history, initial, step) {
  const pending = new Pending(history)
  const done = new Uint32Array(Math.ceil(history.length / 32))
  const tried = new Map()
  const order = []
  const states = []
  let longest = []
  let state = initial
  let at = pending.first
  while (!pending.empty) {
    const operation = Pending.operation(at)
    if (Pending.isInvocation(at)) {
      const after = step(state, history[operation])
      if (after === IMPOSSIBLE || !isNew(tried, done, operation, after)) {
        at = pending.after(at)
        continue
      }
      order.push(operation)
      states.push(state)
      if (order.length > longest.length) longest = [...order]
      state = after
      flip(done, operation)
      pending.take(operation)
      at = pending.first
    } else {
      // Its response came before what is left was invoked, and it could not be done: an earlier choice was wrong.
      const last = order.pop()
      if (last === undefined) return { linearizable: false, order: longest }
      state = states.pop()
      flip(done, last)
      at = pending.putBack(last)
    }
  }
  return { linearizable: true, order }
}

function flip(done, operation) {
  done[operation >>> 5] ^= 1 << (operation & 31)
}

/** Whether this set of operations, with one more, was not yet tried in this state; from now on it was. */
function isNew(tried, done, operation, state) {
  let sets = tried.get(state)
  if (sets === undefined) tried.set(state, (sets = new Set()))
  flip(done, operation)
  const set = done.join()
  flip(done, operation)
  return sets.size < sets.add(set).size
}

/** The invocations and responses of the operations that are not done, in the order of time: a doubly linked list. */
class Pending {
  #next
  #previous

  constructor(history) {
    const events = history.flatMap(({ invoke, response }, operation) => [
      { event: 1 + 2 * operation, time: invoke },
      { event: 2 + 2 * operation, time: response },
    ])
    // At the same time invocations come first: what may have overlapped did.
    events.sort((a, b) => a.time - b.time || (b.event & 1) - (a.event & 1))
    this.#next = new Int32Array(events.length + 1)
    this.#previous = new Int32Array(events.length + 1)
    let last = HEAD
    for (const { event } of events) {
      this.#link(last, event)
      last = event
    }
    this.#link(last, HEAD)
  }

  static isInvocation(event) {
    return (event & 1) === 1
  }

  static operation(event) {
    return (event - 1) >> 1
  }

  get empty() {
    return this.first === HEAD
  }

  get first() {
    return this.#next[HEAD]
  }

  after(event) {
    return this.#next[event]
  }

  /** Takes both events of an operation out; they keep their neighbours. */
  take(operation) {
    for (const event of [1 + 2 * operation, 2 + 2 * operation])
      this.#link(this.#previous[event], this.#next[event])
  }

  /** Undoes the last `take` and gives what follows the operation's invocation. */
  putBack(operation) {
    for (const event of [2 + 2 * operation, 1 + 2 * operation]) {
      this.#next[this.#previous[event]] = event
      this.#previous[this.#next[event]] = event
    }
    return this.#next[1 + 2 * operation]
  }

  #link(from, to) {
    this.#next[from] = to
    this.#previous[to] = from
  }
}
