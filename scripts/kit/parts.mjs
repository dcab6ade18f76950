// The parts of `npm test` and of `npm run test:long`, in the order in which they run.
import { mkdirSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { cargoTest, check, nextest, rig, sum, tap } from './counts.mjs'
import {
  checkCommandLine,
  checkJest,
  checkPrograms,
  checkReadme,
  checkTypes,
  isThisNode,
  lintPackage,
} from './consumers.mjs'
import { makeReference } from './docs.mjs'
import { checkInstructions } from './instructions.mjs'
import { withInstalled } from './package.mjs'
import { buildRelease, cannotBuild, checkRelease } from './release.mjs'
import { cargo, root, run, tool } from './run.mjs'
import { installTools, runtime, runtimes } from './runtimes.mjs'
import { threadSanitizer } from './sanitizer.mjs'
import { runSpecs } from './specs.mjs'
import { targets } from './targets.mjs'
import { lintWorkflows } from './workflows.mjs'

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
async function runRig(bin, args = [], env = {}, minutes = 30) {
  if (process.platform !== 'linux') return { passed: 0, failed: 0, skipped: 'it needs Linux' }
  return rig(await cargo([...RIG, '--bin', bin, ...args], { env, minutes }))
}

/** Minutes that a long run may take. */
const LONG = 180

/**
 * A rig over the engine as no release has it: with the seams that it needs, and rules that can be left out.
 * @param {string} bin @param {string[]} args @param {Record<string, string>} [env]
 */
const runSeamed = (bin, args, env = {}) =>
  runRig(bin, ['--features', 'negative-controls', '--', ...args], { ...CONTROLS, ...env })

// What ends a file system is in no release build of the engine. Debian has mkfs.xfs where a user's path may not look.
/** @param {string[]} args */
async function cut(args) {
  const PATH = `${process.env['PATH']}:/usr/sbin:/sbin`
  return runSeamed('cut', args, { PATH })
}

/** @param {string[]} args */
const sim = (...args) => runSeamed('sim', args)

/** Each target for so long, beginning with the corpus that is kept; what it finds is left in fuzz/artifacts. */
async function fuzz() {
  const has = await run('cargo', ['+nightly', 'fuzz', '--version'], { show: 'nothing' })
  if (has.code !== 0) {
    return { passed: 0, failed: 0, skipped: 'it needs a nightly toolchain and cargo-fuzz' }
  }
  const counts = []
  for (const target of ['image', 'codecs', 'operations']) {
    // New inputs go to a directory of their own: the kept corpus stays small.
    const found = join('fuzz', 'target', 'corpus', target)
    mkdirSync(join(root, found), { recursive: true })
    const limits = ['-max_total_time=1800', '-rss_limit_mb=2048', '-timeout=20', '-max_len=400']
    const args = ['+nightly', 'fuzz', 'run', target, found, join('fuzz', 'corpus', target)]
    counts.push(check(await cargo([...args, '--', ...limits], { minutes: 60 })))
  }
  return sum(counts)
}

/** @param {string[]} [args] */
async function histories(args = []) {
  return rig(await run(process.execPath, ['__test__/rigs/histories.mjs', ...args], { minutes: 60 }))
}

/** @param {string[]} [args] */
async function refused(args = []) {
  const show = worthSeeing
  return tap(
    await run(process.execPath, ['__test__/rigs/refused.mjs', ...args], { show, minutes: 12 }),
  )
}

/** @param {string[]} [args] */
async function nodeKill(args = []) {
  return rig(await run(process.execPath, ['__test__/rigs/kill.mjs', ...args], { minutes: 40 }))
}

/** The program that writes and reads with rkyv is asked again and again, so it is built first and then run by itself. @param {string[]} [args] */
async function archBothWays(args = []) {
  if (process.platform !== 'linux') return { passed: 0, failed: 0, skipped: 'it needs Linux' }
  const built = await cargo(['build', ...RIG.slice(1), '--bin', 'arch'])
  if (built.code !== 0) return check(built)
  const program = resolve(root, process.env['CARGO_TARGET_DIR'] ?? 'target', 'release', 'arch')
  return rig(
    await run(process.execPath, ['__test__/rigs/arch.mjs', program, ...args], { minutes: 60 }),
  )
}

/** @param {string} file @param {string[]} [args] */
async function measurement(file, args = []) {
  return check(await run(process.execPath, [`benches/${file}`, ...args], { minutes: 40 }))
}

/**
 * Checks that are told one by one.
 * @param {(report: import('./package.mjs').Report) => Promise<void>} work
 */
async function checks(work) {
  /** @type {Counts[]} */
  const counts = []
  await work((what, held, details = '') => {
    console.log(held ? `ok  ${what}` : `not ok  ${what}  ${details}`)
    counts.push({ passed: held ? 1 : 0, failed: held ? 0 : 1 })
  })
  return sum(counts)
}

/** @param {string} why */
function skip(why) {
  console.log(`skipped, ${why}`)
  return { passed: 0, failed: 0, skipped: why }
}

/** What npm would publish, in the hands of a stranger. */
function packages() {
  return checks((report) =>
    withInstalled(report, async (project) => {
      await checkPrograms(project, report)
      await checkReadme(project, report)
      await checkCommandLine(project, report)
      const why = await installTools()
      if (why !== undefined)
        return console.log(`skipped, ${why}: Jest, TypeScript, lints, runtimes`)
      await checkJest(project, report)
      await checkTypes(project, report)
      await lintPackage(project, report)
      const others = runtimes().filter((one) => !isThisNode(one))
      if (others.length === 0) console.log('skipped, there is no other runtime for this system')
      for (const other of others)
        await checkPrograms(project, report, other, ['workers.mjs', 'smoke.mjs'])
    }),
  )
}

async function releaseBinary() {
  const why = cannotBuild()
  if (why !== undefined) return skip(why)
  return checks(async (report) => {
    const file = await buildRelease(report)
    if (file === undefined) return
    checkRelease(file, report)
    await withInstalled(report, (project) => checkPrograms(project, report), file)
  })
}

/** The specs under another version of Node. @param {string} name */
async function specsUnder(name) {
  const found = await runtime(name)
  if (typeof found === 'string') return skip(found)
  const line = [join(root, 'node_modules/ava/entrypoints/cli.mjs'), '--tap', '--timeout=10m']
  return tap(await run(found.program, line, { show: worthSeeing, minutes: 40 }))
}

/** The specs under a runtime that cannot run AVA. @param {string} name */
async function specsBeside(name) {
  const found = await runtime(name)
  if (typeof found === 'string') return skip(found)
  return checks((report) =>
    runSpecs(found, (what, held, details) => report(`${name}: ${what}`, held, details)),
  )
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
    run: async () => {
      const strict = ['--all-targets', '--', '-D', 'warnings']
      // What only the rigs' builds have.
      const seams = ['--features', 'opendiskmap-rigs/negative-controls']
      const packages = ['--package', 'opendiskmap', '--package', 'opendiskmap-rigs']
      return sum([
        check(await cargo(['clippy', '--workspace', ...strict])),
        check(await cargo(['clippy', ...packages, ...seams, ...strict])),
      ])
    },
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
    name: 'docs',
    what: 'the API reference: every public name has its documentation, every link leads somewhere',
    needs: 'packages',
    run: makeReference,
  },
  {
    name: 'ava',
    what: 'the tests of the TypeScript face',
    needs: 'build',
    run: async () =>
      tap(await tool('ava/entrypoints/cli.mjs', ['--tap'], { show: worthSeeing, minutes: 12 })),
  },
  {
    name: 'views-refused',
    what: 'views and codecs under a Node-API that shows no memory but its own',
    needs: 'build',
    run: () => refused(),
  },
  {
    name: 'linearizability',
    what: 'histories of several threads, each explained by an order of its calls',
    needs: 'build',
    run: () => histories(),
  },
  {
    name: 'arch',
    what: 'values of schemas, from Node to rkyv and back',
    needs: 'build',
    run: () => archBothWays(),
  },
  {
    name: 'instructions',
    what: 'the hottest paths of the engine take no more instructions than they did',
    needs: 'packages',
    run: () => checkInstructions(),
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
    name: 'node-kill',
    what: 'a process of Node, with workers, ended in every way in the middle of its calls',
    needs: 'build',
    run: () => nodeKill(),
  },
  {
    name: 'cut',
    what: 'power cuts of ext4 and XFS under a writer',
    needs: 'packages',
    run: () => cut(['--cuts', '40']),
  },
  {
    name: 'sim',
    what: 'power cuts worked out from a trace of the engine',
    needs: 'packages',
    run: () => sim('--cuts', '10000'),
  },
  {
    name: 'flip',
    what: 'flipped bits, lost pages, exchanged files: the right answer or an error',
    needs: 'packages',
    run: () => runRig('flip'),
  },
  {
    name: 'flip-controls',
    what: 'flipped bits are noticed to go unnoticed where a check is left out',
    needs: 'packages',
    run: () => runSeamed('flip', ['--controls']),
  },
  {
    name: 'full-disk',
    what: 'a file system without room: reads and deletes go on',
    needs: 'packages',
    run: () => runRig('full_disk'),
  },
  {
    name: 'faults',
    what: 'each system call of each operation fails',
    needs: 'packages',
    run: async () =>
      sum([await runSeamed('faults', []), await runSeamed('faults', ['--controls'])]),
  },
  {
    name: 'controls',
    what: 'the rigs notice an engine with a rule left out',
    needs: 'packages',
    run: () => runSeamed('step', ['--controls']),
  },
  {
    name: 'kill-control',
    what: 'random kills notice an engine that writes no intents',
    needs: 'packages',
    // It ends with the first kill that shows the rule missing, which takes some hundred at most.
    run: () => runSeamed('kill', ['--without', 'intent', '--rounds', '3000']),
  },
  {
    name: 'cut-control',
    what: 'power cuts notice an engine whose flush does not sync the log',
    needs: 'packages',
    // It ends with the first cut that shows the rule missing.
    run: () => cut(['--without', 'flush-syncs-log']),
  },
  {
    name: 'sim-controls',
    what: 'simulated power cuts notice an engine with a rule left out',
    needs: 'packages',
    run: () => sim('--controls'),
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
    run: packages,
  },
  {
    name: 'workflows',
    what: 'the workflows of continuous integration, by actionlint',
    needs: 'packages',
    run: async () => {
      const why = await installTools()
      return why === undefined ? checks(lintWorkflows) : skip(why)
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
    run: () => runRig('step', ['--', '--all'], {}, LONG),
  },
  {
    name: 'faults-all',
    what: 'every system call of every operation fails, with every error, once and for good',
    needs: 'packages',
    run: () => runSeamed('faults', ['--all']),
  },
  {
    name: 'kill-long',
    what: 'kill -9 at random moments, 1,200 times',
    needs: 'packages',
    run: () => runRig('kill', ['--', '--rounds', '1200']),
  },
  {
    name: 'node-kill-long',
    what: 'a process of Node, with workers, ended in every way, 1,400 times',
    needs: 'build',
    run: () => nodeKill(['--rounds', '1400']),
  },
  {
    name: 'cut-long',
    what: 'power cuts of ext4 and XFS under a writer, 250 of each',
    needs: 'packages',
    run: () => cut(['--cuts', '250']),
  },
  {
    name: 'sim-long',
    what: 'a hundred thousand power cuts and more',
    needs: 'packages',
    run: () => sim('--cuts', '100000', '--seed', '1000000'),
  },
  {
    name: 'tsan',
    what: 'the tests with threads under the thread sanitizer, and a race that it must report',
    needs: 'packages',
    run: () => threadSanitizer(),
  },
  {
    name: 'targets',
    what: 'the compiler and its lints, for each target of the packages',
    needs: 'packages',
    run: () => targets(),
  },
  {
    name: 'flip-all',
    what: 'every bit of a small map, 100,000 bits of a large one',
    needs: 'packages',
    run: () => runRig('flip', ['--', '--long'], {}, LONG),
  },
  {
    name: 'fuzz',
    what: 'half an hour of libFuzzer for each target: a map directory, codecs, calls',
    needs: 'packages',
    run: fuzz,
  },
  {
    name: 'release-binary',
    what: 'the binary of a release: which glibc it needs, its size, and the package with it',
    needs: 'build',
    run: releaseBinary,
  },
  ...['node-20', 'node-22', 'node-24', 'node-26'].map((name) => ({
    name,
    what: `the tests of the TypeScript face under ${name.replace('node-', 'Node ')}`,
    needs: /** @type {const} */ ('build'),
    run: () => specsUnder(name),
  })),
  ...['bun', 'deno'].map((name) => ({
    name,
    what: `the tests of the TypeScript face under ${name === 'bun' ? 'Bun' : 'Deno'}, as far as they can hold there`,
    needs: /** @type {const} */ ('build'),
    run: () => specsBeside(name),
  })),
  {
    name: 'refused-all',
    what: 'all specs under a Node-API that shows no memory but its own',
    needs: 'build',
    run: () => refused(['__test__/**/*.spec.ts']),
  },
  {
    name: 'linearizability-long',
    what: 'the histories of many more rounds',
    needs: 'build',
    run: () => histories(['--rounds', '10000']),
  },
  {
    name: 'arch-long',
    what: 'twenty thousand values of each schema, from Node to rkyv and back',
    needs: 'build',
    run: () => archBothWays(['--count', '20000']),
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
      check(await run(process.execPath, ['scripts/bench.mjs', '--smoke'], { minutes: 30 })),
  },
]
