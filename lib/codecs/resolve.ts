import { badArgument, describe, DiskMapError } from '../errors.js'
import { limits, type NativeHandle } from '../native.js'
import { storedArchDriver } from './arch/driver.js'
import { customDriver } from './custom.js'
import { archDrivers, drivers } from './index.js'
import { isDetached, isOctets } from './octets.js'
import { codecBrand } from './types.js'
import type { Driver, KeyDriver, ValueCodec, ValueDriver } from './types.js'

// Names of codecs that this library has or will have.
const reserved = /^(?:native\..*|str|bytes|primitive|json|structured|msgpack|arch)$/

/** The codecs that `open` or `attach` was called with. */
export interface StatedCodecs<K, V> {
  readonly key: KeyDriver<K> | undefined
  readonly value: ValueDriver<V> | undefined
}

/** The driver of this library's codec, which may come from another instance of the package. */
function builtin(codec: unknown): Driver<unknown> | undefined {
  const isObject = (typeof codec === 'object' && codec !== null) || typeof codec === 'function'
  if (!isObject || !(codecBrand in codec)) return undefined
  const name = String((codec as { [codecBrand]: unknown })[codecBrand])
  return name === 'arch' ? { value: archOf(codec) } : drivers.get(name)
}

/** The driver of a codec for a schema, which is in its parameter. */
function archOf(codec: object): ValueDriver<unknown> {
  const own = archDrivers.get(codec)
  if (own !== undefined) return own
  const param = checkedParam('arch', (codec as { param?: unknown }).param)
  return storedArchDriver(param ?? new Uint8Array())
}

/** The driver for the option `key`. */
export function keyDriver<K>(codec: unknown): KeyDriver<K> {
  const driver = builtin(codec)?.key
  if (driver === undefined) {
    throw badArgument('The option key must be native.*, str, bytes or primitive.')
  }
  return driver as unknown as KeyDriver<K>
}

/** The driver for the option `value`. */
export function valueDriver<V>(codec: unknown): ValueDriver<V> {
  const own = builtin(codec)
  if (own !== undefined) {
    own.check?.()
    return own.value as ValueDriver<V>
  }
  if ((typeof codec !== 'object' && typeof codec !== 'function') || codec === null) {
    throw badArgument(`The option value must be a codec, not ${describe(codec)}.`)
  }
  const { name, param, encode, decode, borrows } = codec as ValueCodec<V>
  if (typeof encode !== 'function' || typeof decode !== 'function') {
    throw badArgument('A value codec needs the functions encode(value, sink) and decode(bytes).')
  }
  checkName(name)
  if (borrows !== undefined && typeof borrows !== 'boolean') {
    throw badArgument(`The field borrows of the value codec ${name} must be a boolean.`)
  }
  return customDriver(codec as ValueCodec<V>, {
    name,
    param: checkedParam(name, param),
    encode,
    decode,
    borrows: borrows === true,
  })
}

function checkName(name: unknown): void {
  if (typeof name !== 'string' || name === '' || !name.isWellFormed()) {
    throw badArgument(`A value codec needs a name: a string, not ${describe(name)}.`)
  }
  if (Buffer.byteLength(name) > limits.maxCodecNameBytes) {
    throw badArgument(`The name of a codec has at most ${limits.maxCodecNameBytes} bytes.`)
  }
  if (reserved.test(name)) {
    throw badArgument(`The codec name ${name} is this library's own; choose another.`)
  }
}

/** A copy of the codec's parameter, which the map keeps for its whole life. */
function checkedParam(name: string, param: unknown): Uint8Array | undefined {
  if (param === undefined) return undefined
  if (!isOctets(param) || isDetached(param))
    throw badArgument(`The parameter of the value codec ${name} must be an attached Uint8Array.`)
  // Not by Buffer, which asks the array for its length.
  const copy = new Uint8Array(param)
  if (copy.length > limits.maxCodecParamBytes) {
    throw badArgument(
      `The parameter of the value codec ${name} has at most ${limits.maxCodecParamBytes} bytes.`,
    )
  }
  return copy
}

/** The driver of a codec that an existing map names. */
function storedDriver(role: 'key' | 'value', name: string, param: Uint8Array): Driver<unknown> {
  const isArch = role === 'value' && name === 'arch'
  const driver = isArch ? { value: storedArchDriver(param) } : drivers.get(name)
  if (driver === undefined || (role === 'key' && driver.key === undefined)) {
    throw new DiskMapError(
      'ERR_CODEC_MISMATCH',
      `The map's ${role} codec is ${JSON.stringify(name)}, which is not one of this library's: give it as the option ${role}.`,
    )
  }
  driver.check?.()
  return driver
}

/** The drivers of the codecs that were given, or else of those that the map was made with. */
export function driversOf<K, V>(
  handle: NativeHandle,
  { key, value }: StatedCodecs<K, V>,
): { key: KeyDriver<K>; value: ValueDriver<V> } {
  if (key !== undefined && value !== undefined) return { key, value }
  const stored = handle.codecs()
  return {
    key: key ?? (storedDriver('key', stored.key, stored.keyParam).key as unknown as KeyDriver<K>),
    value:
      value ??
      (storedDriver('value', stored.value, stored.valueParam).value as unknown as ValueDriver<V>),
  }
}
