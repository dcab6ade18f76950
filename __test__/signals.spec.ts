import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { DiskMap, native, salvage, str, type JobOptions } from '../index.js'
import { freshDir, freshPath } from './helpers/dir.js'
import { rejects } from './helpers/errors.js'
import { listen, until } from './helpers/events.js'
import { freshMap } from './helpers/open.js'
import { holdPool } from './helpers/pool.js'
import { root } from './helpers/program.js'

const codecs = { key: native.u32, value: str }

/** A map of so many entries, half of which were replaced. */
function filled(map: DiskMap<number, string>, entries = 5000): DiskMap<number, string> {
  for (let i = 0; i < 1.5 * entries; i++) map.set(i % entries, `value of ${i % entries}`.repeat(10))
  return map
}

function holds(t: ExecutionContext, map: DiskMap<number, string>, entries = 5000): void {
  t.is(map.size, entries)
  for (let i = 0; i < entries; i++) {
    if (map.get(i) !== `value of ${i}`.repeat(10)) t.fail(`${i}`)
  }
}

/** Every call that takes a signal. */
function calls(t: ExecutionContext): Record<string, (options: JobOptions) => Promise<unknown>> {
  const dir = freshDir(t)
  const map = filled(freshMap(t, codecs))
  const path = join(dir, 'closed')
  filled(DiskMap.open(path, codecs)).close()
  return {
    compact: (options) => map.compact(options),
    verify: (options) => map.verify(options),
    backup: (options) => map.backup(join(dir, 'backup'), options),
    salvage: (options) => salvage(path, join(dir, 'salvaged'), options),
    openAsync: (options) => DiskMap.openAsync(path, { ...codecs, ...options }),
  }
}

async function reasonOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'it was not called off',
    (error: unknown) => error,
  )
}

test.serial(
  'each long call is called off by its signal, before it begins and after, with the signal’s reason',
  async (t) => {
    for (const [name, call] of Object.entries(calls(t))) {
      for (const reason of [new Error('enough'), 'a word', null]) {
        t.is(await reasonOf(call({ signal: AbortSignal.abort(reason) })), reason, name)
        // While the pool is held the work cannot begin, so the signal is raised before it.
        const release = holdPool(t)
        const controller = new AbortController()
        const pending = call({ signal: controller.signal })
        controller.abort(reason)
        await release?.()
        if (release !== undefined) t.is(await reasonOf(pending), reason, name)
        else await pending.catch(() => {})
      }
      const unsaid = await reasonOf(call({ signal: AbortSignal.abort() }))
      t.is((unsaid as Error).name, 'AbortError', name)
    }
  },
)

test('a signal that is none is ERR_INVALID_ARGUMENT', async (t) => {
  for (const [name, call] of Object.entries(calls(t))) {
    for (const signal of [null, 1, 'now', {}, { aborted: true }, () => {}]) {
      await rejects(t, 'ERR_INVALID_ARGUMENT', call({ signal } as unknown as JobOptions), name)
    }
  }
  t.throws(() => DiskMap.open(freshPath(t), { signal: AbortSignal.abort() } as object), {
    message: /signal is for openAsync/,
  })
})

test('a signal that comes too late, or never, changes nothing', async (t) => {
  for (const [name, call] of Object.entries(calls(t))) {
    const controller = new AbortController()
    const result = await call({ signal: controller.signal })
    controller.abort()
    if (result instanceof DiskMap) {
      holds(t, result as DiskMap<number, string>)
      result.close()
    }
    t.pass(name)
  }
})

test('compact that is called off in its middle leaves the map whole, and can be finished', async (t) => {
  const path = freshPath(t)
  const map = DiskMap.open(path, { ...codecs, shards: 1, flushInterval: false })
  t.teardown(() => map.close())
  filled(map, 20_000)
  const told = listen(t, 'compaction', path)
  const controller = new AbortController()
  const reason = new Error('enough')
  const pending = reasonOf(map.compact({ signal: controller.signal }))
  await until(() => told.length > 0)
  controller.abort(reason)
  // It may have been at its end.
  const ended = await pending
  t.true(ended === reason || ended === 'it was not called off')
  holds(t, map, 20_000)
  t.like(await map.verify(), { ok: true })
  await map.compact({ signal: undefined })
  const { deadBytes, largestSegment } = map.stats()
  t.true(deadBytes < 2 * largestSegment)
  holds(t, map, 20_000)
  await rejects(t, 'ERR_INVALID_ARGUMENT', map.compact({ onProgress: () => {} } as object))
})

test.serial('an open that is called off before it begins makes nothing', async (t) => {
  const path = freshPath(t)
  const controller = new AbortController()
  const reason = new Error('enough')
  const release = holdPool(t)
  const pending = reasonOf(DiskMap.openAsync(path, { signal: controller.signal }))
  controller.abort(reason)
  await release?.()
  if (release === undefined) await pending
  else t.is(await pending, reason)
  t.is(await reasonOf(DiskMap.openAsync(path, { signal: AbortSignal.abort(reason) })), reason)
  t.false(release !== undefined && existsSync(path))
})

test('an open that is called off while it makes the index leaves no handle, and the next one has all entries', async (t) => {
  const path = freshPath(t)
  filled(DiskMap.open(path, codecs), 50_000).close()
  const reason = new Error('enough')
  for (let round = 0; round < 3; round++) {
    const controller = new AbortController()
    let reports = 0
    const opening = DiskMap.openAsync(path, {
      ...codecs,
      recovery: 'full',
      signal: controller.signal,
      // The last report comes when all bytes are done, which is not too late.
      onProgress: () => {
        reports++
        controller.abort(reason)
      },
    })
    t.is(await reasonOf(opening), reason)
    t.is(reports, 1)
  }
  // A handle that was left would have it joined, and nothing recovered.
  const map = await DiskMap.openAsync(path, { ...codecs, recovery: 'full' })
  t.is(map.stats().recovery.reason, 'rebuilt')
  holds(t, map, 50_000)
  map.close()
})

test('every call that gives a promise takes a signal, or says why it takes none', (t) => {
  const source = readFileSync(join(root, 'lib', 'map.ts'), 'utf8')
  const found = source.matchAll(
    /\/\*\*((?:(?!\*\/)[^])*)\*\/\s+(?:static )?(?:async )?(\w+)(?:<[^(]*>)?\(([^)]*)\): Promise</g,
  )
  const names = Array.from(found, ([, comment, name, parameters]) => {
    const takes = /\b(JobOptions|SignalOptions|DiskMapAsyncOptions)\b/.test(parameters!)
    t.true(takes || /It takes no signal: /.test(comment!), name)
    return name!
  })
  t.deepEqual(names.toSorted(), ['backup', 'compact', 'flush', 'getAsync', 'openAsync', 'verify'])
})
