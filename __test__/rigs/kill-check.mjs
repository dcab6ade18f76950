// Compares what a child left with what it had said.
import { callOf, Counts, make, Model, owns, SHARED, THREADS } from './kill-calls.mjs'

export const noEntries = () => ({ text: new Model(), count: new Counts() })

const part = (map, own) => [...map].filter(([key]) => own(key))

function partOf({ text, count }, own) {
  return { text: new Model(part(text, own)), count: new Counts(part(count, own)) }
}

/** The first key in which they differ, and how. */
function difference(known, found, may = () => false) {
  for (const key of new Set([...known.keys(), ...found.keys()])) {
    const [one, other] = [known.get(key), found.get(key)]
    if (one !== other && !may(key, other)) {
      const show = (value) => String(value).slice(0, 40)
      return `${key} holds ${show(other)}, not ${show(one)}`
    }
  }
  return undefined
}

/** The same of both maps; of a batch that was in flight, each key may be done or not. */
function differences(known, found, inFlight) {
  const may = (map) => {
    if (inFlight?.map !== map || !inFlight.verb.endsWith('Many')) return undefined
    const deletes = inFlight.verb === 'deleteMany'
    return (key, value) =>
      inFlight.pairs.some(([each, of]) => each === key && value === (deletes ? undefined : of))
  }
  return (
    difference(known.text, found.text, may('text')) ??
    difference(known.count, found.count, may('count'))
  )
}

/**
 * Makes of the models what was found, if the calls explain it: each thread's first `done`, which had returned, and some
 * of those up to its next acknowledgement, in their order; of the last of them, if it is a batch, any keys. Gives what is
 * wrong.
 */
export function settle(models, found, plan, done) {
  let least = models.count.get(SHARED) ?? 0n
  let most = least
  for (let thread = 0; thread < (plan.threads === 1 ? 1 : THREADS); thread++) {
    const own = owns(thread, plan.threads)
    const known = partOf(models, own)
    const there = partOf(found, own)
    const returned = done[thread] ?? 0
    const makeNext = (n) => {
      const call = callOf(plan, thread, n)
      if (call.key === SHARED && call.verb === 'increment') {
        most += call.value
        if (n < returned) least += call.value
      } else {
        make(known, call)
      }
    }
    for (let n = 0; n < returned; n++) makeNext(n)
    const acknowledged = differences(known, there)
    let wrong = acknowledged
    if (thread < plan.threads) {
      for (let n = returned; n < returned + plan.atOnce; n++) {
        if (wrong !== undefined) wrong = differences(known, there, callOf(plan, thread, n))
        // Those that may have counted the shared key up are made all the same.
        makeNext(n)
        if (wrong !== undefined) wrong = differences(known, there)
      }
    }
    if (wrong !== undefined) {
      return `thread ${thread}, of whose calls ${returned} had returned, ${plan.atOnce} at once: ${acknowledged}`
    }
  }
  const anybody = owns(0, 1)
  const strange = [...found.text.keys(), ...found.count.keys()].find(
    (key) => !anybody(key) && key !== SHARED,
  )
  if (strange !== undefined) return `nobody wrote ${strange}`
  const shared = found.count.get(SHARED) ?? 0n
  if (shared < least || shared > most) return `${shared} was counted, not ${least} to ${most}`
  Object.assign(
    models,
    partOf(found, () => true),
  )
  return undefined
}
