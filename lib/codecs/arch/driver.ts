import { badArgument, DiskMapError } from '../../errors.js'
import type { PackedDriver } from '../types.js'
import { encode } from './encoder.js'
import type { Type } from './layout.js'
import { rootViewer } from './lazy.js'
import { NAME } from './misfit.js'
import { shorten } from './path.js'
import { rootReader } from './reader.js'
import { definitionText } from './schema.js'
import { canonicalText, parse, Unfit } from './text.js'
import { rootWriter } from './writer.js'

/** The driver of a schema, as a user gives it. */
export function archDriver(schema: unknown): PackedDriver<unknown> {
  try {
    return driverOf(parse(definitionText(schema)))
  } catch (error) {
    if (error instanceof Unfit) throw badArgument(`The schema cannot be used${error.message}.`)
    throw error
  }
}

/** The driver of a schema as it is stored with a map. */
export function storedArchDriver(param: Uint8Array): PackedDriver<unknown> {
  const text = Buffer.from(param).toString()
  try {
    const driver = driverOf(parse(text))
    if (!Buffer.from(param).equals(driver.param!)) throw new Unfit([], 'its text is not canonical')
    return driver
  } catch (error) {
    if (!(error instanceof Unfit)) throw error
    throw new DiskMapError(
      'ERR_CODEC_MISMATCH',
      `The map's values are stored with the codec ${NAME} and the schema ${JSON.stringify(shorten(text))}, which cannot be used here${error.message}.`,
    )
  }
}

function driverOf(type: Type): PackedDriver<unknown> {
  const write = rootWriter(type)
  return {
    kind: 'packed',
    name: NAME,
    canonical: true,
    param: Buffer.from(canonicalText(type)),
    store: (value) => encode(write, value),
    read: rootReader(type),
    lazy: rootViewer(type),
  }
}
