import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { root } from './helpers/program.js'

test('every test that the index of promises names exists', (t) => {
  const index = readFileSync(join(root, '__test__', 'README.md'), 'utf8')
  const rows = index.split('\n').filter((line) => line.startsWith('|') && line.includes(' › '))
  t.true(rows.length > 100)
  for (const row of rows) {
    const [, place, name] = /\| (\S+) › (.+) \|$/.exec(row)!
    const isRust = place!.endsWith('.rs')
    const text = readFileSync(join(root, isRust ? place! : `__test__/${place}.spec.ts`), 'utf8')
    // What differs from case to case is a placeholder in a template.
    const parts = name!.split('…').map((part) => part.replaceAll(/[$()*+./?[\\\]^{|}]/g, '\\$&'))
    const title = `['"\`]${parts.join('\\$\\{[^}]+\\}')}['"\`]`
    t.true(new RegExp(isRust ? `fn ${name}\\(` : title).test(text), row)
  }
})
