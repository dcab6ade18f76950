import type { ExecutionContext } from 'ava'
import { archDriver } from '../../lib/codecs/arch/driver.js'
import type { PackedDriver } from '../../lib/codecs/types.js'
import { fail } from '../../lib/errors.js'
import { BYTES, native, TEXT } from '../../lib/native.js'
import { scratch, VALUE_AT } from '../../lib/scratch.js'
import { freshPath } from './dir.js'

/** What stands behind a schema, for tests that need no map. */
export interface Arch {
  readonly text: string
  encode(value: unknown): Buffer
  /** Reads them at this place of memory that is aligned. */
  decode(bytes: Uint8Array, at?: number): unknown
  lazy(bytes: Uint8Array): unknown
}

/** A schema's encoder and readers. */
export function archOf(schema: unknown): Arch {
  return stored(archDriver(schema))
}

/** The same of a driver. */
export function stored(driver: PackedDriver<unknown>): Arch {
  return {
    text: String(driver.param),
    encode(value) {
      const stored = driver.store(value)
      return typeof stored === 'number'
        ? Buffer.from(scratch.subarray(VALUE_AT, VALUE_AT + stored))
        : Buffer.from(stored)
    },
    decode(bytes, at = 0) {
      const memory = Buffer.from(new ArrayBuffer(at + bytes.length + 1)).fill(0xaa)
      memory.set(bytes, at)
      return driver.read(memory, at, at + bytes.length)
    },
    lazy: (bytes) => driver.lazy!(bytes),
  }
}

/** All of a lazy view, asked for part by part, in the form in which `get` gives it. */
export function plain(view: unknown): unknown {
  if (typeof view !== 'object' || view === null || Buffer.isBuffer(view)) return view
  if (ArrayBuffer.isView(view)) return Array.from(view as unknown as ArrayLike<unknown>)
  if (Array.isArray(view)) return view.map(plain)
  if (isLazyArray(view)) {
    const parts = [...view].map(plain)
    if (parts.length !== view.length) throw new Error('its length is not what it iterates over')
    return parts
  }
  const fields: [string, unknown][] = []
  // Those of a lazy struct are getters on its prototype.
  // oxlint-disable-next-line guard-for-in
  for (const name in view) {
    const value = plain((view as Record<string, unknown>)[name])
    const isField = !Object.hasOwn(view, name)
    if (!isField || value !== undefined) fields.push([name, value])
  }
  return Object.fromEntries(fields)
}

function isLazyArray(view: object): view is Iterable<unknown> & { length: number } {
  return Symbol.iterator in view && 'toArray' in view
}

/** The path of a map of strings under `arch` whose stored text and values no `arch` has written. */
export function forged(
  t: ExecutionContext,
  text: Uint8Array,
  values: Readonly<Record<string, Uint8Array>> = {},
): string {
  const path = freshPath(t)
  const codecs = {
    keyCodec: 'str',
    keyParam: new Uint8Array(0),
    valueCodec: 'arch',
    valueParam: text,
  }
  const verbs = native
    .open(path, { create: true, readOnly: false, ...codecs }, fail)
    .bind(TEXT, BYTES)
  for (const [key, value] of Object.entries(values)) verbs.set(key, value)
  verbs.close()
  return path
}
