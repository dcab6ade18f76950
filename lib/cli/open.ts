import { DiskMapError, fail } from '../errors.js'
import { DiskMap, giveUp } from '../map.js'
import { native, type StoredCodecs } from '../native.js'
import { checkPath, nativeOptions, stateCodecs } from '../options.js'
import { watch } from '../recovery.js'
import { foreign, type AnyCodec } from './codecs.js'
import { formOf, type Form } from './forms.js'
import type { Shell } from './shell.js'

/** Codecs that a user states. */
export interface Stated {
  readonly keyCodec?: AnyCodec | undefined
  readonly valueCodec?: AnyCodec | undefined
}

/** How a map's entries are written. */
export interface Forms {
  readonly key: Form
  readonly value: Form
}

/** An open map, with its codecs. */
export interface Opened {
  readonly map: DiskMap<unknown, unknown>
  readonly codecs: StoredCodecs
  readonly forms: Forms
}

/**
 * Opens a map that is there. What is stored with it says how its entries are read; where its user has a codec of his own,
 * values are their bytes.
 */
export async function open(
  shell: Shell,
  dir: string,
  readOnly: boolean,
  stated: Stated = {},
): Promise<Opened> {
  return openWith(shell, dir, readOnly, false, stated)
}

async function openWith(
  shell: Shell,
  dir: string,
  readOnly: boolean,
  make: boolean,
  { keyCodec, valueCodec }: Stated,
): Promise<Opened> {
  const path = checkPath(dir)
  const options = nativeOptions(make, readOnly)
  stateCodecs(options, keyCodec, valueCodec)
  const bar = await shell.bar('recovering', 'bytes')
  // The codecs' names must be known before the map can be opened with one that it is stored with.
  const first = await watch(
    native.openAsync(path, options, fail),
    ({ bytes, totalBytes }) => bar.reached(bytes, totalBytes),
    giveUp,
  ).finally(() => bar.stop())
  try {
    const codecs = first.codecs()
    const map = DiskMap.open(path, { readOnly, create: false, value: foreign(codecs) })
    return { map, codecs, forms: formsOf(codecs) }
  } finally {
    giveUp(first)
  }
}

/** Opens a map, has it used, and closes it. */
export async function using<T>(
  shell: Shell,
  dir: string,
  readOnly: boolean,
  use: (opened: Opened) => Promise<T>,
): Promise<T> {
  const opened = await open(shell, dir, readOnly)
  return closing(opened.map, () => use(opened))
}

/** Closes something when work with it has ended. */
export async function closing<T>(opened: { close(): void }, work: () => Promise<T>): Promise<T> {
  let result: T
  try {
    result = await work()
  } catch (error) {
    try {
      opened.close()
    } catch {
      // What came first says more.
    }
    throw error
  }
  opened.close()
  return result
}

/** A map to be written, which may not be there yet: it is made only when its first entries are known to be fit for it. */
export class Target {
  readonly forms: Forms
  readonly #shell: Shell
  readonly #dir: string
  readonly #stated: Stated
  #opened: Opened | undefined

  private constructor(shell: Shell, dir: string, stated: Stated, opened: Opened | undefined) {
    this.#shell = shell
    this.#dir = dir
    this.#stated = stated
    this.#opened = opened
    this.forms = opened?.forms ?? formsOf(storedAs(stated))
  }

  /** Throws `ERR_NOT_FOUND` if there is no map and not both codecs of a new one are stated. */
  static async at(shell: Shell, dir: string, stated: Stated): Promise<Target> {
    try {
      return new Target(shell, dir, stated, await open(shell, dir, false, stated))
    } catch (error) {
      if (!(error instanceof DiskMapError) || error.code !== 'ERR_NOT_FOUND') throw error
      if (stated.keyCodec !== undefined && stated.valueCodec !== undefined) {
        return new Target(shell, dir, stated, undefined)
      }
      const message = `There is no map at ${checkPath(dir)}: state --key-codec and --value-codec to make one.`
      throw new DiskMapError(error.code, message, { cause: error })
    }
  }

  /** Whether the map is there. */
  get isMade(): boolean {
    return this.#opened !== undefined
  }

  /** Throws if an entry is none for a map that has still to be made; one that is there looks for itself. */
  check(key: unknown, value: unknown): void {
    if (this.#opened !== undefined) return
    const { keyCodec, valueCodec } = this.#stated
    const drivers = stateCodecs(nativeOptions(true, false), keyCodec, valueCodec)
    drivers.key!.put(key)
    if (drivers.value!.kind === 'text') drivers.value!.toText(value)
    else drivers.value!.store(value)
  }

  /** The map, which is made now if it is not there. */
  async map(): Promise<DiskMap<unknown, unknown>> {
    this.#opened ??= await openWith(this.#shell, this.#dir, false, true, this.#stated)
    return this.#opened.map
  }

  close(): void {
    this.#opened?.map.close()
  }
}

function formsOf({ key, keyParam, value, valueParam }: StoredCodecs): Forms {
  return { key: formOf(key, keyParam), value: formOf(value, valueParam) }
}

function storedAs({ keyCodec, valueCodec }: Stated): StoredCodecs {
  const param = (codec: AnyCodec | undefined): Buffer => Buffer.from(codec?.param ?? [])
  return {
    key: keyCodec!.name,
    keyParam: param(keyCodec),
    value: valueCodec!.name,
    valueParam: param(valueCodec),
  }
}
