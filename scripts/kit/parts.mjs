// The parts of `npm test` and of `npm run test:long`, in the order in which they run.
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { cargoTest, check, nextest, rig, sum, tap } from './counts.mjs'
import { checkPackage } from './package.mjs'
import { cargo, root, run, tool } from './run.mjs'
import { threadSanitizer } from './sanitizer.mjs'

/** @typedef {import('./counts.mjs').Counts} Counts */
/**
 * @typedef {object} Part
 * @property {string} name as in `npm test -- name`
 * @property {string} what
 * @property {'packages' | 'build'} needs what must be ready before it
 * @property {() => Promise<Counts>} run
 */

// The addon is a library that only Node can load: a test program of it would not link.
const RUST = ['--workspace', '--exclude', 'opendiskmap-node']
const RIG = ['run', '--release', '--package', 'opendiskmap-rigs']

// Models and controls are built apart, each with settings that would make cargo build everything else anew. What they
// check is not their speed: no link-time optimisation.
const QUICK_RELEASE = {
  CARGO_PROFILE_RELEASE_LTO: 'off',
  CARGO_PROFILE_RELEASE_CODEGEN_UNITS: String(4 * availableParallelism()),
}

const CONTROLS = { ...QUICK_RELEASE, CARGO_TARGET_DIR: 'target/negative-controls' }

/** @param {string} line of TAP */
const worthSeeing = (line) => !/^(ok |# |TAP version|1\.\.|\s*$)/.test(line)

/** @returns {Promise<boolean>} */
async function hasNextest() {
  return (await run('cargo', ['nextest', '--version'], { show: 'nothing' })).code === 0
}

/** @param {string[]} args @param {string[]} filters */
async function rustTests(args, filters) {
  if (!(await hasNextest())) {
    const ignored = filters.length > 0 ? ['--', '--ignored'] : []
    return cargoTest(
      await cargo([
        'test',
        ...RUST,
        ...args,
        '--lib',
        '--bins',
        '--tests',
        '--no-fail-fast',
        ...ignored,
      ]),
    )
  }
  const quiet = [
    '--status-level',
    'slow',
    '--final-status-level',
    'fail',
    '--show-progress',
    'none',
  ]
  const profile = args.map((arg) => arg.replace('--release', '--cargo-profile=release'))
  return nextest(
    await cargo(['nextest', 'run', ...RUST, ...profile, ...filters, '--no-fail-fast', ...quiet]),
  )
}

/** @param {string} bin @param {string[]} [args] @param {Record<string, string>} [env] */
async function runRig(bin, args = [], env = {}) {
  if (process.platform !== 'linux') return { passed: 0, failed: 0, skipped: 'it needs Linux' }
  return rig(await cargo([...RIG, '--bin', bin, ...args], { env }))
}

/** @param {string[]} [args] */
async function histories(args = []) {
  return rig(await run(process.execPath, ['__test__/rigs/histories.mjs', ...args]))
}

/** @param {string} file @param {string[]} [args] */
async function measurement(file, args = []) {
  return check(await run(process.execPath, [`benches/${file}`, ...args], { minutes: 40 }))
}

/** @type {Part[]} */
export const parts = [
  {
    name: 'fmt',
    what: 'the layout of the Rust sources',
    needs: 'packages',
    run: async () =>
      check(await cargo(['fmt', '--all', '--check', '--', '--color', 'never', '-l'])),
  },
  {
    name: 'clippy',
    what: 'the Rust lints, warnings denied',
    needs: 'packages',
    run: async () =>
      check(await cargo(['clippy', '--workspace', '--all-targets', '--', '-D', 'warnings'])),
  },
  {
    name: 'cargo',
    what: 'the tests of the engine',
    needs: 'packages',
    run: async () => {
      const tests = await rustTests([], [])
      const examples = await cargo(['test', ...RUST, '--doc'])
      return sum([tests, cargoTest(examples, { mayBeEmpty: true })])
    },
  },
  {
    name: 'loom',
    what: 'the protocols between threads, every interleaving',
    needs: 'packages',
    run: async () => {
      const env = { ...QUICK_RELEASE, RUSTFLAGS: '--cfg loom', CARGO_TARGET_DIR: 'target/loom' }
      return cargoTest(
        await cargo(['test', '-p', 'opendiskmap', '--release', '--lib', 'loom'], { env }),
      )
    },
  },
  {
    name: 'tsc',
    what: 'the types, and the tests of the types',
    needs: 'build',
    run: async () =>
      sum([
        check(await tool('typescript/bin/tsc', ['-p', 'tsconfig.json', '--noEmit'])),
        check(await tool('typescript/bin/tsc', ['-p', 'scripts'])),
      ]),
  },
  {
    name: 'lint',
    what: 'the lints of TypeScript and JavaScript',
    needs: 'packages',
    run: async () =>
      check(await tool('oxlint/bin/oxlint', ['--deny-warnings'], { show: 'failure' })),
  },
  {
    name: 'format',
    what: 'the layout of everything else',
    needs: 'packages',
    run: async () =>
      check(await tool('prettier/bin/prettier.cjs', ['--check', '.'], { show: 'failure' })),
  },
  {
    name: 'ava',
    what: 'the tests of the TypeScript face',
    needs: 'build',
    run: async () =>
      tap(await tool('ava/entrypoints/cli.mjs', ['--tap'], { show: worthSeeing, minutes: 12 })),
  },
  {
    name: 'linearizability',
    what: 'histories of several threads, each explained by an order of its calls',
    needs: 'build',
    run: () => histories(),
  },
  {
    name: 'step',
    what: 'kill at every instruction that changes a file',
    needs: 'packages',
    run: () => runRig('step'),
  },
  {
    name: 'kill',
    what: 'kill -9 at random moments',
    needs: 'packages',
    run: () => runRig('kill'),
  },
  {
    name: 'full-disk',
    what: 'a file system without room: reads and deletes go on',
    needs: 'packages',
    run: () => runRig('full_disk'),
  },
  {
    name: 'controls',
    what: 'the rigs notice an engine with a rule left out',
    needs: 'packages',
    run: () => runRig('step', ['--features', 'negative-controls', '--', '--controls'], CONTROLS),
  },
  {
    name: 'kill-control',
    what: 'random kills notice an engine that writes no intents',
    needs: 'packages',
    // It ends with the first kill that shows the rule missing, which takes some hundred at most.
    run: () => {
      const control = ['--', '--without', 'intent', '--rounds', '3000']
      return runRig('kill', ['--features', 'negative-controls', ...control], CONTROLS)
    },
  },
  {
    name: 'quickstart',
    what: 'the main job on real data',
    needs: 'build',
    run: async () => check(await run(process.execPath, ['examples/quickstart.mjs'])),
  },
  {
    name: 'examples',
    what: 'the programs of examples/, each of which asserts what it shows',
    needs: 'build',
    run: async () => {
      const files = readdirSync(join(root, 'examples'))
        .filter((file) => file.endsWith('.mjs') && file !== 'quickstart.mjs')
        .toSorted()
      if (files.length === 0) throw new Error('examples/ has no program')
      /** @type {Counts[]} */
      const counts = []
      for (const file of files) {
        const show = 'failure'
        const count = check(await run(process.execPath, [`examples/${file}`], { show, minutes: 1 }))
        console.log(`${count.failed === 0 ? 'ok' : 'not ok'}  examples/${file}`)
        counts.push(count)
      }
      return sum(counts)
    },
  },
  {
    name: 'package',
    what: 'what npm would publish, used in an empty project',
    needs: 'build',
    run: async () => {
      /** @type {Counts[]} */
      const counts = []
      await checkPackage((what, held, details = '') => {
        console.log(held ? `ok  ${what}` : `not ok  ${what}  ${details}`)
        counts.push({ passed: held ? 1 : 0, failed: held ? 0 : 1 })
      })
      return sum(counts)
    },
  },
]

/** @type {Part[]} */
export const longParts = [
  {
    name: 'cargo-long',
    what: 'the long tests of the engine, optimised',
    needs: 'packages',
    run: () => rustTests(['--release'], ['--run-ignored', 'ignored-only']),
  },
  {
    name: 'step-all',
    what: 'kill at every instruction, every state opened',
    needs: 'packages',
    run: () => runRig('step', ['--', '--all']),
  },
  {
    name: 'tsan',
    what: 'the tests with threads under the thread sanitizer, and a race that it must report',
    needs: 'packages',
    run: () => threadSanitizer(),
  },
  {
    name: 'linearizability-long',
    what: 'the histories of many more rounds',
    needs: 'build',
    run: () => histories(['--rounds', '25000']),
  },
  {
    name: 'large',
    what: '20 M entries in one map, every one read back',
    needs: 'build',
    run: () => measurement('large.mjs'),
  },
  {
    name: 'open-time',
    what: 'opening 10 M entries and 1,000',
    needs: 'build',
    run: () => measurement('open-time.mjs'),
  },
  {
    name: 'disk-bound',
    what: 'disk use after updates and deletes',
    needs: 'build',
    run: () => measurement('disk-bound.mjs'),
  },
  {
    name: 'bench-smoke',
    what: 'the programs of `npm run bench`, small and once: whether they work',
    needs: 'build',
    // It installs the engines to compare with; one that does not install here is named and left out.
    run: async () =>
      check(await run(process.execPath, ['scripts/bench.mjs', '--smoke'], { minutes: 20 })),
  },
]
