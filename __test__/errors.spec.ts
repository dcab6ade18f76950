import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type * as face from '../index.js'
import { DiskMap, DiskMapError, str, type DiskMapErrorCode } from '../index.js'
import { freshDir } from './helpers/dir.js'
import { fails, rejects } from './helpers/errors.js'
import { freshMap } from './helpers/open.js'
import { root } from './helpers/program.js'

const require = createRequire(import.meta.url)

// Every code must stand here, or this does not compile: an object cannot leave one out.
const codes: Record<DiskMapErrorCode, true> = {
  ERR_LOCKED: true,
  ERR_NO_SPACE: true,
  ERR_CORRUPT: true,
  ERR_NOT_A_MAP: true,
  ERR_NOT_FOUND: true,
  ERR_IO: true,
  ERR_FILE_GONE: true,
  ERR_FS_UNSUPPORTED: true,
  ERR_CLOSED: true,
  ERR_READ_ONLY: true,
  ERR_CODEC_MISMATCH: true,
  ERR_CODEC_UNAVAILABLE: true,
  ERR_OPTIONS_MISMATCH: true,
  ERR_VERSION: true,
  ERR_INVALID_KEY: true,
  ERR_INVALID_VALUE: true,
  ERR_INVALID_ARGUMENT: true,
  ERR_TOO_LARGE: true,
  ERR_CONFLICT: true,
  ERR_POISONED: true,
}

test('the codes of the face are those of the engine', (t) => {
  const native = require('../native.cjs') as { errorCodes(): string[] }
  t.deepEqual(native.errorCodes().toSorted(), Object.keys(codes).toSorted())
})

test('an error has a code, a sentence and a stack of the call that failed', (t) => {
  const map = freshMap(t, { key: str, value: str })
  function userCode(): void {
    map.get(1 as never)
  }
  const error = fails(t, 'ERR_INVALID_KEY', userCode)
  t.true(error instanceof Error)
  t.is(error.name, 'DiskMapError')
  t.regex(error.stack!, /^DiskMapError: The key codec str takes a string, not 1\./)
  t.regex(error.stack!, /userCode/)
  t.deepEqual(Object.keys(error), ['code'])
})

test('an error that the engine raises has the stack of the call too', (t) => {
  const map = freshMap(t, { key: str, value: str })
  function userCode(): void {
    map.get('\ud800')
  }
  const error = fails(t, 'ERR_INVALID_KEY', userCode)
  t.is(error.name, 'DiskMapError')
  t.regex(error.stack!, /userCode/)
})

test('where a system call failed, its errno is in cause', async (t) => {
  const path = join(freshDir(t), 'x'.repeat(300))
  const errors = [
    fails(t, 'ERR_IO', () => DiskMap.open(path)),
    await rejects(t, 'ERR_IO', DiskMap.openAsync(path)),
  ]
  for (const { cause, message } of errors) {
    t.true(cause instanceof Error)
    t.like(cause, { errno: -constants.errno.ENAMETOOLONG, code: 'ENAMETOOLONG' })
    t.true(message.includes(path))
  }
})

test('errors of two instances of the face are instances of both classes', (t) => {
  const cjs = require('../dist/index.cjs') as typeof face
  t.not(cjs.DiskMapError, DiskMapError)
  t.true(new cjs.DiskMapError('ERR_IO', 'x') instanceof DiskMapError)
  t.true(new DiskMapError('ERR_IO', 'x') instanceof cjs.DiskMapError)
  t.false(new Error('x') instanceof DiskMapError)
  t.false((null as unknown) instanceof DiskMapError)
  t.false({ code: 'ERR_IO' } instanceof DiskMapError)
})

test('a class derived from DiskMapError knows its own instances only', (t) => {
  class Derived extends DiskMapError {}
  t.true(new Derived('ERR_IO', 'x') instanceof Derived)
  t.true(new Derived('ERR_IO', 'x') instanceof DiskMapError)
  t.false(new DiskMapError('ERR_IO', 'x') instanceof Derived)
})

test('these specs import what tsc emitted', (t) => {
  t.is(import.meta.resolve('../index.js'), new URL('../index.js', import.meta.url).href)
  for (const file of ['index.js', 'index.d.ts', 'dist/index.js', 'dist/index.cjs']) {
    t.true(existsSync(join(root, file)), file)
  }
})
