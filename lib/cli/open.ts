import { DiskMapError, fail, invalid, tooLarge, type Role } from '../errors.js'
import { DiskMap, giveUp } from '../map.js'
import { limits, native, type StoredCodecs } from '../native.js'
import { checkPath, nativeOptions, stateCodecs } from '../options.js'
import { finish, type Progress } from '../job.js'
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

/** Looks at a map before it is opened for writing: what throws here has changed nothing. */
export type Look = (opened: Opened) => void | Promise<void>

/**
 * Opens a map that is there. What is stored with it says how its entries are read; where its user has a codec of his own,
 * values are their bytes.
 */
export async function open(
  shell: Shell,
  dir: string,
  readOnly: boolean,
  { keyCodec, valueCodec }: Stated = {},
  look: Look = () => {},
): Promise<Opened> {
  const path = checkPath(dir)
  const options = nativeOptions(false, true)
  stateCodecs(options, keyCodec, valueCodec)
  const bar = await shell.bar('recovering', 'bytes')
  const { signal } = shell
  const onProgress = ({ bytes, totalBytes }: Progress): void => bar.reached(bytes, totalBytes)
  try {
    // The codecs' names must be known before the map can be opened with one that it is stored with.
    const job = { signal, onProgress }
    const first = await finish(native.openAsync(path, options, fail), job, giveUp)
    const codecs = first.codecs()
    const rest = { create: false, value: foreign(codecs) }
    let map: DiskMap<unknown, unknown>
    try {
      map = DiskMap.open(path, { ...rest, readOnly: true })
    } finally {
      giveUp(first)
    }
    const opened = { map, codecs, forms: formsOf(codecs) }
    if (readOnly) return opened
    // A map that does not open, not even for reading, is left as it is also by those who want to write.
    await closing(map, async () => look(opened))
    return { ...opened, map: await DiskMap.openAsync(path, { ...rest, ...job }) }
  } finally {
    bar.stop()
  }
}

/** Opens a map, has it used, and closes it. */
export async function using<T>(
  shell: Shell,
  dir: string,
  readOnly: boolean,
  use: (opened: Opened) => Promise<T>,
  look?: Look,
): Promise<T> {
  const opened = await open(shell, dir, readOnly, {}, look)
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
  readonly #dir: string
  readonly #stated: Stated
  #map: DiskMap<unknown, unknown> | undefined

  private constructor(dir: string, stated: Stated, opened: Opened | undefined) {
    this.#dir = dir
    this.#stated = stated
    this.#map = opened?.map
    this.forms = opened?.forms ?? formsOf(storedAs(stated))
  }

  /** Throws `ERR_NOT_FOUND` if there is no map and not both codecs of a new one are stated. */
  static async at(shell: Shell, dir: string, stated: Stated, look?: Look): Promise<Target> {
    try {
      return new Target(dir, stated, await open(shell, dir, false, stated, look))
    } catch (error) {
      if (!(error instanceof DiskMapError) || error.code !== 'ERR_NOT_FOUND') throw error
      if (stated.keyCodec !== undefined && stated.valueCodec !== undefined) {
        return new Target(dir, stated, undefined)
      }
      const message = `There is no map at ${checkPath(dir)}: state --key-codec and --value-codec to make one.`
      throw new DiskMapError(error.code, message, { cause: error })
    }
  }

  /** Whether the map is there. */
  get isMade(): boolean {
    return this.#map !== undefined
  }

  /** Throws if an entry is none for a map that has still to be made; one that is there looks for itself. */
  check(key: unknown, value: unknown): void {
    if (this.#map !== undefined) return
    const { keyCodec, valueCodec } = this.#stated
    const drivers = stateCodecs(nativeOptions(true, false), keyCodec, valueCodec)
    checkText('key', drivers.key!.name, drivers.key!.put(key))
    if (drivers.value!.kind === 'text') {
      checkText('value', drivers.value!.name, drivers.value!.toText(value))
    } else {
      drivers.value!.store(value)
    }
  }

  /** The map, which is made now if it is not there. */
  async map(): Promise<DiskMap<unknown, unknown>> {
    const { keyCodec: key, valueCodec: value } = this.#stated
    return (this.#map ??= await DiskMap.openAsync<unknown, unknown>(this.#dir, { key, value }))
  }

  close(): void {
    this.#map?.close()
  }
}

/** What is left to the engine where a map is there. */
function checkText(role: Role, codec: string, text: string | number): void {
  if (typeof text === 'number') return
  if (!text.isWellFormed()) throw invalid(role, codec, 'strings without lone surrogates', text)
  const length = Buffer.byteLength(text)
  const most = role === 'key' ? limits.maxKeyBytes : limits.maxValueBytes
  if (length > most) throw tooLarge(role, length, most)
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
