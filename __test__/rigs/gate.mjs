// Where the threads of a rig meet: they start each round together, so that their calls overlap.

const ARRIVED = 0
const PHASE = 1
const ALLOWED = 2
const GO = 3

const STOPPED = -1

// Whoever sleeps needs some 50 µs to wake up, in which the others would have done their round alone.
const SPINS = 20_000

export class Gate {
  #cells
  #threads

  /** @param {number} threads @param {SharedArrayBuffer} [shared] of another thread's gate */
  constructor(threads, shared = new SharedArrayBuffer(16)) {
    this.shared = shared
    this.#cells = new Int32Array(shared)
    this.#threads = threads
  }

  /** Returns in all threads at once, when the last has come. */
  meet() {
    const phase = Atomics.load(this.#cells, PHASE)
    if (Atomics.add(this.#cells, ARRIVED, 1) === this.#threads - 1) {
      Atomics.store(this.#cells, ARRIVED, 0)
      Atomics.add(this.#cells, PHASE, 1)
      Atomics.notify(this.#cells, PHASE)
      return
    }
    for (let spins = 0; spins < SPINS; spins++)
      if (Atomics.load(this.#cells, PHASE) !== phase) return
    while (Atomics.load(this.#cells, PHASE) === phase) Atomics.wait(this.#cells, PHASE, phase)
  }

  /**
   * All threads start this round, or all end. One of them waits for leave and decides.
   * @param {number} round
   * @param {boolean} decides
   */
  starts(round, decides) {
    if (decides) {
      let allowed
      while ((allowed = Atomics.load(this.#cells, ALLOWED)) !== STOPPED && allowed <= round)
        Atomics.wait(this.#cells, ALLOWED, allowed)
      Atomics.store(this.#cells, GO, allowed === STOPPED ? 0 : 1)
    }
    this.meet()
    return Atomics.load(this.#cells, GO) === 1
  }

  /** For the supervisor: the rounds below this one may run. @param {number} rounds */
  allow(rounds) {
    Atomics.store(this.#cells, ALLOWED, rounds)
    Atomics.notify(this.#cells, ALLOWED)
  }

  /** For the supervisor: no other round starts. */
  stop() {
    this.allow(STOPPED)
  }
}
