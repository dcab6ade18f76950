import test from 'ava'

type Times = Record<string, (number | null)[]>
type Row = { name: string; times: Times; figure?: 'plain'; wanted?: object[] }
type Goal = { asked: string; is: string; holds: string }
type Goals = { goalsOf: (table: { rows: Row[] }, row: Row) => Goal[] }

// The programs of benches are JavaScript, which these types do not reach.
const { goalsOf }: Goals = await import(new URL('../benches/kit/goals.mjs', import.meta.url).href)

/** What is found of the first of some rows, in a table of all of them. */
const judged = (row: Row, ...others: Row[]): string[] =>
  goalsOf({ rows: [row, ...others] }, row).map(({ is, holds }) => `${is} ${holds}`)

test('a goal is judged by the median of the ratios within rounds', (t) => {
  const times = { opendiskmap: [10, 90, 20], lmdb: [100, 100, 100] }
  const wanted = [
    { against: 'lmdb', atMost: 0.2 },
    { against: 'lmdb', atMost: 0.19 },
  ]
  t.deepEqual(judged({ name: 'get', times, wanted }), ['0.20 holds', '0.20 DOES NOT HOLD'])
})

test('lmdb is the faster of its engines in each round, and putSync and queued are themselves', (t) => {
  const times = { opendiskmap: [10, 10], lmdb: [20, 100], 'lmdb queued': [50, 20] }
  const against = ['lmdb', 'lmdb putSync', 'lmdb queued']
  const wanted = against.map((against) => ({ against, atMost: 1 }))
  t.deepEqual(judged({ name: 'get', times, wanted }), ['0.50 holds', '0.30 holds', '0.35 holds'])
})

test('a peer that took part in fewer rounds counts with its median in the others, and Map is no peer', (t) => {
  const times = { opendiskmap: [10, 10, 10], lmdb: [100, 100, 100], level: [20], Map: [1, 1, 1] }
  const wanted = [
    { against: 'the best peer', atMost: 0.4 },
    { against: 'Map', atMost: 0.6 },
  ]
  t.deepEqual(judged({ name: 'get', times, wanted }), ['0.50 DOES NOT HOLD', '10.00 DOES NOT HOLD'])
})

test('a gain over another row of ours is how many times as fast we are', (t) => {
  const one = { name: 'one thread', times: { opendiskmap: [100, 100] } }
  const wanted = [{ against: 'our own', row: 'one thread', atLeast: 1.8 }]
  const two = (took: number): Row => ({
    name: 'two threads',
    times: { opendiskmap: [took, took] },
    wanted,
  })
  t.deepEqual(judged(two(50), one), ['2.00 holds'])
  t.deepEqual(judged(two(80), one), ['1.25 DOES NOT HOLD'])
})

test('a bound is held against our own figure, and what was not measured does not hold', (t) => {
  const bound = (atMost: number): object => ({ against: 'a bound', atMost })
  const row: Row = {
    name: 'records',
    figure: 'plain',
    times: { opendiskmap: [64, 60, 80] },
    wanted: [bound(64), bound(63), { against: 'lmdb', atMost: 1 }],
  }
  t.deepEqual(judged(row), ['64.0 holds', '64.0 DOES NOT HOLD', '– not measured'])
})
