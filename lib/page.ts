import type { ValueDriver } from './codecs/types.js'
import { corrupt } from './errors.js'

/** How long a page is; what does not fit alone gets one of its own length. */
export const PAGE_BYTES = 262_144

/** Memory for many keys or entries, as bytes and as numbers. */
export interface Page {
  readonly bytes: Buffer
  readonly view: DataView
}

// Pages that nobody uses now. One is taken out while it is in use, so that calls of the map inside a codec or an iterable
// get others.
const spares: Page[] = []
const MOST_SPARES = 4

/** A page of at least this length. */
export function takePage(length: number): Page {
  const spare = length <= PAGE_BYTES ? spares.pop() : undefined
  if (spare !== undefined) return spare
  const bytes = Buffer.allocUnsafeSlow(Math.max(length, PAGE_BYTES))
  return { bytes, view: new DataView(bytes.buffer) }
}

/** Gives a page back, which nobody may use any more. */
export function givePage(page: Page): void {
  if (page.bytes.length === PAGE_BYTES && spares.length < MOST_SPARES) spares.push(page)
}

/** Reads a value from a part of a page. It may run a user's code, and keeps nothing of the page. */
export function readValue<V>(values: ValueDriver<V>, bytes: Buffer, start: number, end: number): V {
  if (values.kind === 'text') return values.fromText(bytes.toString('utf8', start, end))
  return values.read(bytes, start, end)
}

/** A reader of values from pages, for one call of the map. */
export function valueReader<V>(
  values: ValueDriver<V>,
): (page: Page, start: number, end: number) => V {
  const fixed = values.kind === 'packed' ? values.fixed : undefined
  if (fixed === undefined) return ({ bytes }, start, end) => readValue(values, bytes, start, end)
  const { size, read } = fixed
  return ({ view }, start, end) => {
    if (end - start !== size) throw corrupt(values.name)
    return read(view, start)
  }
}
