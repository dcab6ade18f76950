import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { storedArchDriver } from '../lib/codecs/arch/driver.js'
import { parse } from '../lib/codecs/arch/text.js'
import { plain, stored } from './helpers/arch.js'
import { fails } from './helpers/errors.js'
import { root } from './helpers/program.js'
import { fromJson } from './rigs/arch-values.mjs'

// What rkyv made of values of many types; `arch golden` of crates/rigs writes it, and a test there holds it up.
const directory = join(root, '__test__', 'fixtures', 'arch')

interface Line {
  readonly schema: string
  readonly json: unknown
  readonly hex: string
}

const files = readdirSync(directory).filter((file) => file.endsWith('.ndjson'))
for (const file of files.toSorted()) {
  test(`what rkyv made of ${file} is what we make of it, and we read what it was`, (t) => {
    const lines = readFileSync(join(directory, file), 'utf8').trim().split('\n')
    t.true(lines.length > 5)
    for (const line of lines) {
      const { schema, json, hex } = JSON.parse(line) as Line
      const value = fromJson(parse(schema), json)
      const { encode, decode, lazy } = stored(storedArchDriver(Buffer.from(schema)))
      t.is(encode(value).toString('hex'), hex)
      const bytes = Buffer.from(hex, 'hex')
      t.deepEqual(decode(bytes), value)
      t.deepEqual(plain(lazy(bytes)), value)
    }
  })
}

test('a text is a schema here if it is one in Rust, and the same', (t) => {
  const texts = JSON.parse(readFileSync(join(directory, 'texts.json'), 'utf8')) as {
    readonly schemas: readonly string[]
    readonly refused: readonly string[]
  }
  t.true(texts.schemas.length > 30 && texts.refused.length > 30)
  for (const text of texts.schemas) t.is(String(storedArchDriver(Buffer.from(text)).param), text)
  for (const text of texts.refused) {
    fails(t, 'ERR_CODEC_MISMATCH', () => storedArchDriver(Buffer.from(text)), text.slice(0, 100))
  }
})
