// One field of a struct of 1 KiB, and all of one with four fields.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { shuffled } from '../kit/data.mjs'
import { keys16, profile, textValue } from '../kit/texts.mjs'
import { expect, load, timed, timedGets } from '../kit/timing.mjs'

const STORED = 100_000
/** What each of them is made of: numbers of 4 and 8 bytes, and texts that make it 1 KiB. */
const TEXTS = ['name', 'email', 'street', 'city', 'country', 'company', 'title', 'about']

/** @param {number} n */
const wide = (n) =>
  Object.fromEntries([
    ['id', n],
    ['score', n / 8],
    ...TEXTS.map((name, i) => [name, textValue(n * TEXTS.length + i, 118)]),
  ])

/** @type {import('./index.mjs').Workload} */
export const structs = {
  name: 'structs',
  title: `One field of one of ${STORED.toLocaleString('en-US')} structs of 1 KiB, and whole profiles of four fields`,
  unit: 'ns per operation',
  share: 0.5,
  rounds: 3,
  rows: ['one field of 1 KiB', 'JSON.parse of the same', 'get, four fields'],
  wanted: {
    'one field of 1 KiB': [{ against: 'lmdb', atMost: 0.33 }],
    'get, four fields': [{ against: 'lmdb', atMost: 1 }],
  },
  notes: [
    '`arch` of this library, one field by way of a view; lmdb: msgpackr’s structs (`randomAccessStructure`), whose fields are read when they are asked for. For `JSON.parse` the text is at hand, in each process alike.',
  ],
  takes: (engine) => engine.peeks === true,
  async run(engine, { entries, seed, place }) {
    const texts = keys16(STORED)
    const order = shuffled(entries, seed).map((n) => n % STORED)
    mkdirSync(join(place, 'wide'))
    const big = await engine.open(join(place, 'wide'), { key: 'text', value: 'wide' })
    await load(big, STORED, (n) => [texts.at(n), wide(n)])
    const peek = /** @type {(key: string) => any} */ (big.peek)
    const keys = texts.fresh(order)
    let right = 0
    const field = await timed(entries, (i) => {
      if (peek(keys[i] ?? '').email.length === 118) right++
    })
    expect('right fields', right, entries)
    await big.close()

    const jsons = Array.from({ length: 1000 }, (_, n) => JSON.stringify(wide(n)))
    const parse = await timed(entries, (i) => {
      if (JSON.parse(jsons[i % 1000] ?? '').email.length === 118) right++
    })

    mkdirSync(join(place, 'profiles'))
    const small = await engine.open(join(place, 'profiles'), { key: 'text', value: 'profile' })
    await load(small, STORED, (n) => [texts.at(n), profile(n)])
    const get = await timedGets(
      small,
      order,
      (order) => texts.fresh(order),
      // All of it, where an engine reads fields only when they are asked for.
      (/** @type {ReturnType<typeof profile> | undefined} */ value, i) =>
        value !== undefined &&
        value.id === order[i] &&
        value.name !== '' &&
        value.email !== '' &&
        value.score >= 0,
    )
    await small.close()
    return { 'one field of 1 KiB': field, 'JSON.parse of the same': parse, 'get, four fields': get }
  },
}
