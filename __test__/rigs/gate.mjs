// Where the threads of a rig meet: they start each round together, so that their calls overlap, and can wait for each
// other in the middle of one.
import { availableParallelism } from 'node:os'

const ARRIVED = 0
const PHASE = 1
const ALLOWED = 2
const GO = 3
const AWAKE = 4
const HELD = 5
const CALLS = 6
const CELLS = 7

const STOPPED = -1

// Whoever sleeps needs some 50 µs to wake up: longer than a round takes.
const SPINS = 20_000

export class Gate {
  #cells
  #threads

  /** @param {number} threads @param {SharedArrayBuffer} [shared] of another thread's gate */
  constructor(threads, shared = new SharedArrayBuffer(4 * CELLS)) {
    this.shared = shared
    this.#cells = new Int32Array(shared)
    this.#threads = threads
  }

  /** Returns in all threads at once, when the last has come. */
  meet() {
    const phase = Atomics.load(this.#cells, PHASE)
    if (Atomics.add(this.#cells, ARRIVED, 1) < this.#threads - 1) {
      this.#await(PHASE, (now) => now !== phase)
      return
    }
    Atomics.store(this.#cells, ARRIVED, 0)
    this.#set(PHASE, phase + 1)
  }

  /**
   * As `meet`, but whoever wakes up first waits for the others, as many as there are processors: else it would be done
   * with its calls before they begin theirs.
   * @param {number} round from 0; each is begun once by each thread
   */
  begin(round) {
    this.meet()
    const awake = round * this.#threads + Math.min(this.#threads, availableParallelism())
    Atomics.add(this.#cells, AWAKE, 1)
    for (let spins = 0; spins < SPINS && Atomics.load(this.#cells, AWAKE) < awake; spins++);
  }

  /** For a thread in the middle of a call: waits until the others have made so many. @param {number} round @param {number} calls */
  hold(round, calls) {
    Atomics.store(this.#cells, CALLS, 0)
    this.#set(HELD, round + 1)
    this.#await(CALLS, (made) => made >= calls)
  }

  /** Waits until a thread is in the middle of its call. @param {number} round */
  awaitHeld(round) {
    this.#await(HELD, (held) => held > round)
  }

  /** Lets the thread that waits in the middle of its call know of another call. */
  called() {
    Atomics.add(this.#cells, CALLS, 1)
    Atomics.notify(this.#cells, CALLS)
  }

  /**
   * All threads start this round, or all end. One of them waits for leave and decides.
   * @param {number} round
   * @param {boolean} decides
   */
  starts(round, decides) {
    if (decides) {
      const allowed = this.#await(ALLOWED, (allowed) => allowed === STOPPED || allowed > round)
      Atomics.store(this.#cells, GO, allowed === STOPPED ? 0 : 1)
    }
    this.meet()
    return Atomics.load(this.#cells, GO) === 1
  }

  /** For the supervisor: the rounds below this one may run. @param {number} rounds */
  allow(rounds) {
    this.#set(ALLOWED, rounds)
  }

  /** For the supervisor: no other round starts. */
  stop() {
    this.#set(ALLOWED, STOPPED)
  }

  /** @param {number} cell @param {number} value */
  #set(cell, value) {
    Atomics.store(this.#cells, cell, value)
    Atomics.notify(this.#cells, cell)
  }

  /** @param {number} cell @param {(value: number) => boolean} reached */
  #await(cell, reached) {
    let value = Atomics.load(this.#cells, cell)
    for (let spins = 0; spins < SPINS && !reached(value); spins++)
      value = Atomics.load(this.#cells, cell)
    while (!reached(value)) {
      Atomics.wait(this.#cells, cell, value)
      value = Atomics.load(this.#cells, cell)
    }
    return value
  }
}
