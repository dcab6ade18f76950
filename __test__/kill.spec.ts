// What the kill rig (rigs/kill.mjs) takes for right, and what it must not.
import test from 'ava'
import { callOf, make, SHARED, type Plan } from './rigs/kill-calls.mjs'
import { noEntries, settle, type Models } from './rigs/kill-check.mjs'

const CALLS = 120

/** Maps after so many calls of each thread. */
function after(plan: Plan, calls: readonly number[]): Models {
  const models = noEntries()
  for (let n = 0; n < Math.max(...calls); n++) {
    calls.forEach((count, thread) => n < count && make(models, callOf(plan, thread, n)))
  }
  return models
}

const plans = [1, 3].flatMap((threads) =>
  [1, 16].map((atOnce): Plan => ({ seed: 5, round: 1, threads, atOnce, how: 'kill', after: 1 })),
)
const same = (plan: Plan, calls: number): number[] =>
  Array.from({ length: plan.threads }, () => calls)
const named = ({ threads, atOnce }: Plan): string => `${threads} threads, ${atOnce} at once`

test('calls that had returned, and some in flight, explain what is there', (t) => {
  for (const plan of plans) {
    const done = same(plan, CALLS)
    for (let more = 0; more <= plan.atOnce; more++) {
      const found = after(plan, same(plan, CALLS + more))
      const models = noEntries()
      t.is(settle(models, found, plan, done), undefined, `${named(plan)}, ${more} more`)
      t.deepEqual(models, found)
    }
  }
})

test('a call that is said to have returned and is not there is noticed', (t) => {
  for (const plan of plans) {
    let noticed = 0
    for (let n = 1; n < CALLS; n++) {
      const found = after(plan, same(plan, n - 1))
      const told = settle(noEntries(), found, plan, same(plan, n))
      if (told !== undefined) noticed++
    }
    // A delete of what is not there leaves nothing to notice.
    t.true(noticed > CALLS / 2, `${named(plan)}: ${noticed} of ${CALLS}`)
  }
})

test('a call that nobody made, a key that came back and a size that is off are noticed', (t) => {
  const changes: ((found: Models) => unknown)[] = [
    ({ text }) => text.set('0:1', 'forged'),
    ({ text }) => text.set('9:9', 'nobody’s'),
    ({ text }) => text.delete([...text.keys()][0]!),
    ({ count }) => count.set('0:1', 1n),
    ({ count }) => count.increment(SHARED, 1000n),
    ({ count }) => count.delete(SHARED),
  ]
  for (const plan of plans) {
    for (const change of changes) {
      const found = after(plan, same(plan, CALLS))
      change(found)
      const told = settle(noEntries(), found, plan, same(plan, CALLS))
      t.truthy(told, `${named(plan)}: ${change}`)
    }
  }
})

test('of a batch in flight each key may be there or not, and no other', (t) => {
  const plan = plans[0]!
  let batches = 0
  for (let n = 0; n < CALLS; n++) {
    const call = callOf(plan, 0, n)
    if (call.verb !== 'setMany' || call.map !== 'text') continue
    batches++
    const [key, value] = call.pairs.at(-1)!
    const found = after(plan, [n])
    found.text.set(key, value)
    t.is(settle(noEntries(), found, plan, [n]), undefined)
    found.text.set(key, `${value}?`)
    t.truthy(settle(noEntries(), found, plan, [n]))
  }
  t.true(batches > 0)
})
