import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import { DiskMap, json, native, salvage, str, type Progress, type ValueCodec } from '../index.js'
import { freshDir } from './helpers/dir.js'
import { rejects } from './helpers/errors.js'

/** A closed map, and the directory that it is in. */
function made(dir: string, entries: number): string {
  const path = join(dir, 'from')
  const map = DiskMap.open(path, { key: native.u32, value: json<string>(), shards: 1 })
  for (let i = 0; i < entries; i++) map.set(i, `old ${i}`)
  for (let i = 0; i < entries; i++) map.set(i, `the value of ${i}.`)
  for (let i = 0; i < entries; i += 10) map.delete(i)
  map.close()
  return path
}

function wound(path: string, start: string, at: number | string): void {
  const file = join(
    path,
    readdirSync(path).find((name) => name.startsWith(start))!,
  )
  const bytes = readFileSync(file)
  const place = typeof at === 'number' ? at : bytes.indexOf(at)
  bytes[place]! ^= 1
  writeFileSync(file, bytes)
}

test('salvage writes every record that verifies to a new map, of each key the newest, and names what is damaged', async (t) => {
  const dir = freshDir(t)
  const from = made(dir, 100)
  wound(from, 'seg-', 'the value of 5.')
  wound(from, 'seg-', 'the value of 66.')
  wound(from, 'seg-', 'old 66')
  const before = readdirSync(from).map((name) => readFileSync(join(from, name)))
  const to = join(dir, 'to')
  const report = await salvage(from, pathToFileURL(to))
  t.like(report, { records: 89, dropped: 3, errorCount: 3 })
  t.is(report.errors.length, 3)
  for (const { code, file, offset } of report.errors) {
    t.is(code, 'ERR_CORRUPT')
    t.true(file.startsWith('seg-') && offset >= 64)
  }
  const map = DiskMap.open<number, string>(to)
  t.is(map.size, 89)
  t.is(map.get(5), 'old 5')
  t.is(map.get(66), undefined)
  t.is(map.get(10), undefined)
  t.is(map.get(7), 'the value of 7.')
  t.like(await map.verify(), { ok: true })
  map.close()
  t.deepEqual(
    readdirSync(from).map((name) => readFileSync(join(from, name))),
    before,
  )
})

test('salvage needs neither index nor HEAD, and no checkpoint if the codecs are stated', async (t) => {
  const dir = freshDir(t)
  const whole = made(dir, 50)
  const codecs = { key: native.u32, value: json }
  const cases: [what: string[], options: object | undefined][] = [
    [['HEAD', 'idx-', 'dir-', 'tab-'], undefined],
    [['CHECKPOINT.0'], undefined],
    [['CHECKPOINT.', 'idx-'], codecs],
  ]
  for (const [gone, options] of cases) {
    const from = join(dir, `without ${gone.join()}`)
    cpSync(whole, from, { recursive: true })
    for (const name of readdirSync(from)) {
      if (gone.some((start) => name.startsWith(start))) rmSync(join(from, name))
    }
    const to = `${from} salvaged`
    t.like(await salvage(from, to, options), { records: 45, dropped: 0, errors: [] })
    const map = DiskMap.open<number, string>(to)
    for (let i = 0; i < 50; i++) t.is(map.get(i), i % 10 ? `the value of ${i}.` : undefined)
    map.close()
  }
  const lost = join(dir, 'without anything')
  cpSync(whole, lost, { recursive: true })
  for (const name of ['CHECKPOINT.0', 'CHECKPOINT.1']) rmSync(join(lost, name))
  await rejects(t, 'ERR_CORRUPT', salvage(lost, join(dir, 'none')))
  rmSync(join(lost, 'HEAD'))
  await rejects(t, 'ERR_CORRUPT', salvage(lost, join(dir, 'none'), codecs))
  t.false(readdirSync(dir).includes('none'))
})

test('salvage carries a codec of one’s own over by its name', async (t) => {
  const dir = freshDir(t)
  const value: ValueCodec<string> = {
    name: 'test-own',
    encode: (text, sink) => sink.utf8(text),
    decode: String,
  }
  DiskMap.open(join(dir, 'from'), { key: str, value }).set('a', '1').close()
  t.like(await salvage(join(dir, 'from'), join(dir, 'to')), { records: 1 })
  const map = DiskMap.open(join(dir, 'to'), { key: str, value })
  t.is(map.get('a'), '1')
  map.close()
})

test('salvage is called off by its signal, tells its progress, and leaves nothing if it fails', async (t) => {
  const dir = freshDir(t)
  const from = made(dir, 100)
  const to = join(dir, 'to')
  const reason = new Error('enough')
  t.is(await t.throwsAsync(salvage(from, to, { signal: AbortSignal.abort(reason) })), reason)
  const told: number[] = []
  const onProgress = ({ bytes, totalBytes }: Progress): void => {
    t.true(totalBytes > 0)
    told.push(bytes)
  }
  await salvage(from, to, { onProgress })
  t.true(told.at(-1)! > 0)
  rmSync(to, { recursive: true })
  const thrown = new Error('from the callback')
  const controller = new AbortController()
  const pending = salvage(from, to, { signal: controller.signal })
  controller.abort(thrown)
  // It may have been done by then.
  await pending.then(
    () => rmSync(to, { recursive: true }),
    (error) => t.is(error, thrown),
  )
  t.false(readdirSync(dir).includes('to'))
})

test('what salvage cannot begin with is refused: paths, options, a map that is open, a target that is taken', async (t) => {
  const dir = freshDir(t)
  const from = made(dir, 10)
  const to = join(dir, 'to')
  for (const bad of [undefined, 1, '', 'a\0b']) {
    await rejects(t, 'ERR_INVALID_ARGUMENT', salvage(bad as never, to))
    await rejects(t, 'ERR_INVALID_ARGUMENT', salvage(from, bad as never))
  }
  for (const bad of [1, { other: 1 }, { key: json }, { value: {} }, { mode: 1 }, { signal: 1 }]) {
    await rejects(t, 'ERR_INVALID_ARGUMENT', salvage(from, to, bad as never), JSON.stringify(bad))
  }
  await rejects(t, 'ERR_NOT_FOUND', salvage(join(dir, 'none'), to))
  mkdirSync(join(dir, 'empty'))
  await rejects(t, 'ERR_NOT_A_MAP', salvage(join(dir, 'empty'), to))
  await rejects(t, 'ERR_INVALID_ARGUMENT', salvage(from, from))
  await rejects(t, 'ERR_CODEC_MISMATCH', salvage(from, to, { key: str }))
  const open = DiskMap.open(from)
  await rejects(t, 'ERR_LOCKED', salvage(from, to))
  open.close()
  t.false(readdirSync(dir).includes('to'))
})
