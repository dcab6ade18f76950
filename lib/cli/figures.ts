// Numbers as people read them.
import type { DiskMapStats } from '../stats.js'

export const count = (n: number): string => n.toLocaleString('en-US')

/** How many there are, with what they are. */
export const many = (n: number, one: string, more: string): string =>
  `${count(n)} ${n === 1 ? one : more}`

export function bytes(n: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(units.length - 1, n < 1 ? 0 : Math.floor(Math.log2(n) / 10))
  if (n === 1) return '1 byte'
  return `${power === 0 ? n : (n / 2 ** (10 * power)).toFixed(1)} ${units[power]}`
}

/** Rows of names and figures, in two columns or as many as there are. */
export function columns(rows: readonly (readonly string[])[], right = false): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)))
  return rows
    .map((row) =>
      row
        .map((cell, i) => (right && i > 0 ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** What a map's entries and their index take on the disk. */
export const diskBytes = ({ logBytes, indexBytes, extentBytes }: DiskMapStats): number =>
  logBytes + indexBytes + extentBytes
