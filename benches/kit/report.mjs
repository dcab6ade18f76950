// Medians and the one table that each measurement prints.
import { machine, machineLine } from './machine.mjs'

/** @param {number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2
}

/** @param {number} n */
export const count = (n) => Math.round(n).toLocaleString('en-US')

/** @param {number} bytes */
export const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`

/** @param {number} ms */
export const ms = (ms) =>
  ms < 0.1 ? `${(ms * 1000).toFixed(0)} µs` : `${ms.toFixed(ms < 10 ? 2 : 1)} ms`

/** @param {boolean} holds */
export const verdict = (holds) => (holds ? 'holds' : 'DOES NOT HOLD')

/**
 * @param {string} title
 * @param {string[]} head
 * @param {(string | number)[][]} rows
 * @param {string[]} [notes]
 */
export function table(title, head, rows, notes = []) {
  const all = [head, ...rows].map((row) => row.map(String))
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)))
  const lines = all.map((row) =>
    row
      .map((cell, n) => (n === 0 ? cell.padEnd(widths[n] ?? 0) : cell.padStart(widths[n] ?? 0)))
      .join('  '),
  )
  const rule = widths.map((width) => '─'.repeat(width)).join('  ')
  console.log(
    [`\n${title}`, machineLine(machine), '', lines[0], rule, ...lines.slice(1), '', ...notes].join(
      '\n',
    ),
  )
}

/** Says where a long measurement is, apart from its table. @param {string} text */
export const progress = (text) => process.stderr.write(`${text}\n`)
