import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { DiskMap, str, type DiskMapOptions } from '../index.js'
import { freshPath } from './helpers/dir.js'
import { fails } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'

const codecs = { key: str, value: str, shards: 2, flushInterval: false } as const
const SECRET = 'the secret that was removed'

/** What deleted files of records had in their blocks: opened while they were there, read when they are gone. */
function removedBlocks(t: ExecutionContext, path: string): () => Buffer[] {
  const names = readdirSync(path).filter((name) => /^(seg|ext)-/.test(name))
  const files = names.map((name) => ({ name, file: openSync(join(path, name), 'r') }))
  t.teardown(() => files.forEach(({ file }) => closeSync(file)))
  return () => {
    const left = new Set(readdirSync(path))
    return files.filter(({ name }) => !left.has(name)).map(({ file }) => readFileSync(file))
  }
}

/** Writes secrets among entries that stay, and removes them again. */
async function removeSecrets(
  t: ExecutionContext,
  options: DiskMapOptions<string, string>,
): Promise<{ blocks: Buffer[]; path: string }> {
  const map = freshMap(t, options)
  const { path } = map.handle
  for (let n = 0; n < 1000; n++) {
    map.set(`${SECRET} ${n}`, `${SECRET} ${'.'.repeat(n)}`).set(`kept ${n}`, 'kept')
  }
  map.set('long', SECRET.repeat(20_000))
  const blocks = removedBlocks(t, path)
  for (let n = 0; n < 1000; n++) map.delete(`${SECRET} ${n}`)
  map.delete('long')
  await map.compact()
  t.is(map.size, 1000)
  return { blocks: blocks(), path }
}

test('with secureDelete nothing that was removed is left after compact, in files or in the blocks of deleted ones', async (t) => {
  const { blocks, path } = await removeSecrets(t, { ...codecs, secureDelete: true })
  t.true(blocks.length > 4)
  for (const block of blocks) t.true(block.every((byte) => byte === 0))
  for (const name of readdirSync(path)) t.false(readFileSync(join(path, name)).includes(SECRET))
})

test('without it the blocks keep what they had', async (t) => {
  const { blocks } = await removeSecrets(t, codecs)
  t.true(blocks.some((block) => block.includes(SECRET)))
})

test('another secureDelete than the open map has is ERR_OPTIONS_MISMATCH', (t) => {
  const path = freshPath(t)
  for (const [open, stated] of [
    [true, false],
    [false, true],
    [undefined, true],
  ]) {
    const map = DiskMap.open(path, { ...codecs, secureDelete: open })
    fails(t, 'ERR_OPTIONS_MISMATCH', () => DiskMap.open(path, { secureDelete: stated }))
    DiskMap.open(path, codecs).close()
    DiskMap.open(path, { ...codecs, secureDelete: open }).close()
    map.close()
  }
  for (const bad of [1, 'yes', null]) {
    fails(t, 'ERR_INVALID_ARGUMENT', () =>
      DiskMap.open(path, { secureDelete: bad as unknown as boolean }),
    )
  }
})
