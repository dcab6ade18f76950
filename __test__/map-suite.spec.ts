import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { freshDir } from './helpers/dir.js'
import { byReference, casesFor, DiskMaps } from './helpers/map-suite.js'
import { root } from './helpers/program.js'

/** Exceptions of which the order is the reason hold or do not by the map's random hash key: so often they are tried. */
const TRIES = 100

const page = readFileSync(join(root, 'docs', 'map-differences.md'), 'utf8')

/** The table of docs/map-differences.md: the cases that a DiskMap does not pass, with the reasons. */
function exceptions(): Map<string, string> {
  const [, table = ''] = page.split('| case | why |\n| --- | --- |\n')
  return new Map(
    Array.from(table.matchAll(/^\| (.+) \| (.+) \|$/gm), ([, name, why]) => [name!, why!]),
  )
}

function passes(run: () => void): boolean {
  try {
    run()
    return true
  } catch {
    return false
  }
}

function compare(t: ExecutionContext, maps: DiskMaps, excepted: ReadonlyMap<string, string>): void {
  const cases = casesFor(maps)
  const names = new Set(cases.map(({ name }) => name))
  t.deepEqual(
    [...excepted.keys()].filter((name) => !names.has(name)),
    [],
    'a case that is listed must be one of the suite',
  )
  for (const { name, run } of cases) {
    if (!excepted.has(name)) {
      t.notThrows(run, `${name}: it fails, and docs/map-differences.md does not list it`)
    } else {
      let tries = 0
      for (; tries < TRIES && passes(run); tries++) maps.renew()
      t.true(tries < TRIES, `${name}: it passes, so docs/map-differences.md must not list it`)
    }
    maps.release()
  }
  maps.renew()
}

test('Map itself passes every case of es6-shim’s suite, as it is run here', (t) => {
  const cases = casesFor({ standIn: Map, make: (pairs) => new Map(pairs) })
  t.true(page.includes(`Of ${cases.length} cases`))
  t.is(new Set(cases.map(({ name }) => name)).size, cases.length, 'the names tell the cases apart')
  for (const { name, run } of cases) t.notThrows(run, name)
})

test('a DiskMap passes es6-shim’s cases for Map but for those that docs/map-differences.md lists', (t) => {
  const listed = exceptions()
  t.true(listed.size > 0)
  compare(t, new DiskMaps(freshDir(t)), listed)
})

test('with values that keep their identity it passes those too that fail by copies alone', (t) => {
  const listed = exceptions()
  const copies = '[copies](#values-are-copies)'
  const others = new Map([...listed].filter(([, why]) => why !== copies))
  t.true(others.size < listed.size)
  compare(t, new DiskMaps(freshDir(t), byReference()), others)
})
