// Where the slowest calls of `set` spend their time while a map grows, by the kernel's own trace. Linux, as root.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { DiskMap, str } from 'opendiskmap'
import { answer, collect, inProcess } from './kit/child.mjs'
import { makePlace } from './kit/place.mjs'
import { count, ms, progress, table } from './kit/report.mjs'
import { textValue } from './kit/texts.mjs'

/** @typedef {{ at: number, took: number, call: number }} Slow in milliseconds of the clock that the trace has too */
/** @typedef {{ at: number, event: string, told: string }} Event */
/** @typedef {{ calls: number, slow: (Slow & { spent: Record<string, number> })[] }} Found */

const SLOW = 0.15
const TRACES = '/sys/kernel/tracing'
const EVENTS = [
  'sched/sched_switch',
  'sched/sched_waking',
  'syscalls',
  'irq',
  'exceptions/page_fault_user',
]
const CORE = 'waits for a core'
const SLEEP = 'sleeps at a lock or for the disk'
const INTERRUPT = 'interrupts'
const OWN = 'in its own code'
const FAULT = 'in its own code, with page faults'

/** What the kernel has to say of this thread while `run` runs. @param {() => void} run @returns {Event[]} */
function traced(run) {
  const instance = join(TRACES, 'instances', `opendiskmap-${process.pid}`)
  /** @param {string} name @param {string} value */
  const set = (name, value) => writeFileSync(join(instance, name), value)
  mkdirSync(instance)
  try {
    set('trace_clock', 'mono')
    set('buffer_size_kb', '65536')
    set('set_event_pid', String(process.pid))
    for (const event of EVENTS) set(`events/${event}/enable`, '1')
    run()
    set('tracing_on', '0')
    return readFileSync(join(instance, 'trace'), 'latin1')
      .split('\n')
      .flatMap((line) => {
        const [, seconds, event = '', told = ''] = /\s([\d.]+): (\w+)(.*)/.exec(line) ?? []
        return seconds === undefined ? [] : [{ at: Number(seconds) * 1000, event, told }]
      })
  } finally {
    rmdirSync(instance)
  }
}

/** @param {Record<string, number>} times @param {string} what @param {number} time */
function add(times, what, time) {
  times[what] = (times[what] ?? 0) + time
}

/** By what, and for how long. @param {Slow} slow @param {Event[]} events @returns {Record<string, number>} */
function spent({ at, took }, events) {
  /** @type {Record<string, number>} */
  const times = {}
  const own = events.some(({ event }) => event === 'page_fault_user') ? FAULT : OWN
  const me = String(process.pid)
  // What goes on now, above what it interrupted.
  const stack = [own]
  let from = at
  for (const { at: time, event, told } of events) {
    const now = stack.at(-1) ?? own
    add(times, now, time - from)
    from = time
    if (event.startsWith('sys_') && !told.startsWith(' -> ')) stack.push(`in ${event.slice(4)}()`)
    else if (event.startsWith('sys_') && stack.length > 1) stack.pop()
    else if (/^(softirq|irq_handler)_entry$/.test(event)) stack.push(INTERRUPT)
    else if (/^(softirq|irq_handler)_exit$/.test(event) && now === INTERRUPT) stack.pop()
    else if (event === 'sched_switch') {
      const [, before, state = '', after] =
        / prev_pid=(\d+) .* prev_state=(\S+) .* next_pid=(\d+)/.exec(told) ?? []
      if (before === me) stack.push(state.startsWith('R') ? CORE : SLEEP)
      else if (after === me && (now === CORE || now === SLEEP)) stack.pop()
    } else if (event === 'sched_waking' && now === SLEEP && told.includes(` pid=${me} `)) {
      stack.splice(-1, 1, CORE)
    }
  }
  add(times, stack.at(-1) ?? own, at + took - from)
  return times
}

/** The calls that took long, each with what it did meanwhile. @param {number} calls @param {(call: number) => void} step @returns {Found} */
function slowCalls(calls, step) {
  /** @type {Slow[]} */
  const slow = []
  // `performance.now()` has another beginning than the clock of the trace.
  const zero = Number(process.hrtime.bigint()) / 1e6 - performance.now()
  collect()
  const events = traced(() => {
    for (let call = 0; call < calls; call++) {
      const began = performance.now()
      step(call)
      const took = performance.now() - began
      if (took > SLOW) slow.push({ at: zero + began, took, call })
    }
  })
  const during = (/** @type {Slow} */ { at, took }) =>
    events.filter((event) => event.at >= at && event.at <= at + took)
  return { calls, slow: slow.map((one) => ({ ...one, spent: spent(one, during(one)) })) }
}

const tasks = {
  /** @param {{ place: string, entries: number }} input */
  grow({ place, entries }) {
    const map = DiskMap.open(join(place, 'map.odm'), { key: str, value: str })
    const values = Array.from({ length: 1000 }, (_, n) => textValue(n, 100))
    const keys = Array.from({ length: entries }, (_, n) => `key ${String(n).padStart(12, '0')}`)
    const found = slowCalls(entries, (n) => map.set(keys[n] ?? '', values[n % values.length] ?? ''))
    if (map.size !== entries) throw new Error(`${map.size} entries, not ${entries}`)
    map.close()
    return found
  },

  /** As many looks at the clock as take about as long, beside a thread that does nothing else either. @param {{ entries: number }} input */
  async idle({ entries }) {
    const spins = new Worker('for (;;) performance.now()', { eval: true })
    await new Promise((resolve) => spins.once('online', resolve))
    const found = slowCalls(entries * 10, () => {})
    await spins.terminate()
    return found
  },
}

/** @param {Found} found */
function totals({ slow }) {
  /** @type {Record<string, number>} */
  const all = {}
  for (const { spent } of slow)
    for (const [what, time] of Object.entries(spent)) add(all, what, time)
  return Object.entries(all).toSorted(([, a], [, b]) => b - a)
}

const longest = (/** @type {Found} */ { slow }) => Math.max(0, ...slow.map(({ took }) => took))

if (!(await answer(tasks))) {
  const [entries = 1_000_000] = process.argv.slice(2).map(Number)
  if (!existsSync(join(TRACES, 'instances')) || process.getuid?.() !== 0) {
    console.log(`slowest: skipped, it needs Linux, ${TRACES} and root`)
  } else {
    const self = new URL(import.meta.url)
    progress(`${count(entries)} entries`)
    /** @type {Found} */
    const found = await inProcess(self, 'grow', { place: makePlace(), entries })
    /** @type {Found} */
    const idle = await inProcess(self, 'idle', { entries })
    const all = found.slow.reduce((sum, { took }) => sum + took, 0)
    table(
      `${count(entries)} times \`set\` of a new key: ${found.slow.length} calls took over ${ms(SLOW)}, together ${ms(all)}, the slowest ${ms(longest(found))}`,
      ['where they spent it', 'time', 'share'],
      totals(found).map(([what, time]) => [what, ms(time), `${Math.round((time / all) * 100)} %`]),
      [
        'The ten slowest:',
        ...found.slow
          .toSorted((a, b) => b.took - a.took)
          .slice(0, 10)
          .map(({ took, call, spent }) => {
            const parts = Object.entries(spent).toSorted(([, a], [, b]) => b - a)
            const most = parts.slice(0, 3).map(([what, time]) => `${what} ${ms(time)}`)
            return `${ms(took)}, call ${count(call)}: ${most.join(', ')}`
          }),
        '',
        `To compare with: a thread that only looked at the clock, ${count(idle.calls)} times, beside another one, was away ${idle.slow.length} times for over ${ms(SLOW)}, at most for ${ms(longest(idle))}.`,
      ],
    )
  }
}
