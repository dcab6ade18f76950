// Values of a schema go both ways between this package and rkyv: the program `arch` of crates/rigs draws some and reads ours.
//   arch.mjs PROGRAM [--count N] [--seed N]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { isDeepStrictEqual, parseArgs } from 'node:util'
import * as fc from 'fast-check'
import { arch, DiskMap, native } from '../../index.js'
import * as builders from '../../index.js'
import { storedArchDriver } from '../../lib/codecs/arch/driver.js'
import { parse } from '../../lib/codecs/arch/text.js'
import { scratch, VALUE_AT } from '../../lib/scratch.js'
import { fromJson, valuesOf } from './arch-values.mjs'
import { conclude, count, say } from './tally.mjs'

/** @typedef {import('../../lib/codecs/arch/layout.js').Type} Type */
/** @typedef {{ type: string, schema: string, json: unknown, hex: string, typescript: string, ok: boolean, key: string }} Line */

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: 'string', default: '400' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
  },
})
const [program = ''] = positionals
const COUNT = Number(options.count)
const SEED = Number(options.seed)
if (program === '' || !(COUNT >= 1) || !Number.isSafeInteger(SEED)) {
  throw new Error('arch.mjs PROGRAM [--count N] [--seed N]')
}

/**
 * What the program prints, line by line.
 * @param {string[]} args
 * @param {readonly object[]} [lines] for it to read
 * @returns {Promise<Line[]>}
 */
async function ask(args, lines = []) {
  // What reads nothing may be gone before there is anything to write.
  const input = lines.length === 0 ? 'ignore' : 'pipe'
  const child = spawn(program, args, { stdio: [input, 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  // Line by line both ways: all lines together may be longer than a string can be.
  if (child.stdin !== null) {
    const texts = function* () {
      for (const line of lines) yield `${JSON.stringify(line)}\n`
    }
    Readable.from(texts()).pipe(child.stdin)
  }
  /** @type {Line[]} */
  const answers = []
  for await (const line of createInterface(/** @type {Readable} */ (child.stdout)))
    if (line !== '') answers.push(JSON.parse(line))
  const [code] = await closed
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}`)
  return answers
}

/** @param {string} text of a schema */
function codecOf(text) {
  const driver = storedArchDriver(Buffer.from(text))
  return {
    type: parse(text),
    /** @param {unknown} value */
    encode(value) {
      const stored = driver.store(value)
      return typeof stored === 'number'
        ? scratch.toString('hex', VALUE_AT, VALUE_AT + stored)
        : Buffer.from(stored).toString('hex')
    },
    /** @param {string} hex */
    decode(hex) {
      const bytes = Buffer.from(hex, 'hex')
      return driver.read(bytes, 0, bytes.length)
    },
  }
}

/** @param {string} name @param {string} text @param {Line[]} lines */
function rustWrote(name, text, lines) {
  const { type, encode, decode } = codecOf(text)
  const wrong = lines.find(({ json, hex }) => {
    const value = fromJson(type, json)
    return !isDeepStrictEqual(decode(hex), value) || encode(value) !== hex
  })
  const what = `${name}: ${count(lines.length)} values of Rust are read and written again`
  say(
    wrong === undefined && lines.length > 0,
    wrong === undefined ? what : `${what}: ${JSON.stringify(wrong)}`,
  )
}

/** @param {string} name @param {string} text */
async function weWrote(name, text) {
  const { type, encode } = codecOf(text)
  const values = fc.sample(valuesOf(type), { numRuns: COUNT, seed: SEED })
  const hexes = values.map(encode)
  const answers = await ask(
    ['check'],
    hexes.map((hex) => ({ type: name, hex })),
  )
  const wrong = values.findIndex((value, i) => {
    const answer = answers[i]
    return (
      !answer?.ok ||
      answer.hex !== hexes[i] ||
      !isDeepStrictEqual(fromJson(type, answer.json), value)
    )
  })
  const what = `${name}: ${count(values.length)} values of ours are what rkyv makes of them`
  say(wrong < 0, wrong < 0 ? what : `${what}: ${hexes[wrong]}`)
}

/** Damage: what rkyv takes we take, as the same value, and nothing else. @param {string} name @param {string} text @param {Line[]} lines */
async function bothJudge(name, text, lines) {
  const { type, decode } = codecOf(text)
  const torn = fc
    .sample(fc.tuple(fc.constantFrom(...lines.map(({ hex }) => hex)), fc.nat(), fc.nat(7)), {
      numRuns: COUNT,
      seed: SEED,
    })
    .map(([hex, at, bit], i) => {
      const bytes = Buffer.from(hex, 'hex')
      const place = at % bytes.length
      // Every other one gets a word from elsewhere: pointers into what is another's, lengths that are others'.
      if (i % 2 === 0) bytes[place] = /** @type {number} */ (bytes[place]) ^ (1 << bit)
      else bytes.copyWithin(((at >>> 8) % bytes.length) & ~3, place & ~3, (place & ~3) + 4)
      return bytes.toString('hex')
    })
  const answers = await ask(
    ['check'],
    torn.map((hex) => ({ type: name, hex })),
  )
  const taken = torn.filter((_, i) => answers[i]?.ok).length
  const wrong = torn.findIndex((hex, i) => {
    const answer = answers[i]
    if (answer === undefined) return true
    let value
    try {
      value = decode(hex)
    } catch {
      return answer.ok
    }
    return !answer.ok || !isDeepStrictEqual(value, fromJson(type, answer.json))
  })
  const what = `${name}: of ${count(torn.length)} damaged values, rkyv takes ${count(taken)}, and we the same`
  say(wrong < 0, wrong < 0 ? what : `${what}: ${torn[wrong]}`)
}

/** The source that Rust prints for a schema makes that schema. @param {Line} line */
function sourceIsSchema({ type, schema, typescript }) {
  const names = Object.keys(builders)
  const made = new Function(...names, `return ${typescript}`)(...Object.values(builders))
  say(arch(made).schema === schema, `${type}: the TypeScript that Rust prints makes its schema`)
}

/** Whole maps. @param {string} directory @param {Line[]} generated */
async function maps(directory, generated) {
  const drawn = ['--seed', String(SEED), '--count', String(COUNT)]
  const theirs = join(directory, 'theirs')
  await ask(['write', theirs, ...drawn])
  const text = /** @type {Line} */ (generated[0]).schema
  const { type } = codecOf(text)
  const map = /** @type {DiskMap<bigint, unknown>} */ (DiskMap.open(theirs))
  const same = generated.every(({ json }, i) =>
    isDeepStrictEqual(map.get(BigInt(i)), fromJson(type, json)),
  )
  say(
    same && map.size === COUNT,
    `a map of ${count(COUNT)} users that Rust wrote opens without a schema`,
  )
  const values = fc.sample(valuesOf(type), { numRuns: COUNT, seed: SEED })
  values.forEach((value, i) => map.set(BigInt(i), value))
  map.close()
  /** @param {string} what */
  const isRead = async (what) => {
    const read = await ask(['read', theirs])
    const whole = values.every((value, i) =>
      isDeepStrictEqual(fromJson(type, read[i]?.json), value),
    )
    say(whole && read.length === COUNT, what)
  }
  await isRead('what we wrote over it is read by Rust')
  rmSync(theirs, { recursive: true })
  const made = DiskMap.open(theirs, { key: native.u64, value: codecFor(text) })
  made.setMany(values.map((value, i) => [BigInt(i), value]))
  made.close()
  await isRead('a map that we made opens in Rust')
}

/** The codec of a text, which no user can make: only a schema. @param {string} text @returns {any} */
function codecFor(text) {
  return { ...arch('u8'), param: Buffer.from(text) }
}

const directory = mkdtempSync(join(tmpdir(), 'opendiskmap-arch-'))
try {
  console.log(`seed ${SEED}`)
  const drawn = ['--seed', String(SEED), '--count', String(COUNT)]
  for (const line of await ask(['schemas'])) {
    const { type: name, schema } = line
    sourceIsSchema(line)
    const lines = await ask(['generate', ...drawn, '--type', name])
    rustWrote(name, schema, lines)
    await weWrote(name, schema)
    await bothJudge(name, schema, lines)
    if (name === 'user') await maps(directory, lines)
  }
} finally {
  rmSync(directory, { recursive: true, force: true })
}
conclude('arch')
