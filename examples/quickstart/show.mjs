// What the quickstart looks like: bars and colours on a terminal, plain lines in a pipe.
import { intro, log, note, outro, progress } from '@clack/prompts'

const terminal = process.stdout.isTTY === true

/** @param {number} n */
export const count = (n) => n.toLocaleString('en-US')

/** @param {number} ms */
export const time = (ms) =>
  ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(1)} s`

/** @param {number} n */
export const bytes = (n) => `${(n / 2 ** 20).toFixed(1)} MiB`

/** @param {string} text */
export function begin(text) {
  if (terminal) intro(text)
  else console.log(text)
}

/** @param {string} text */
export function step(text) {
  if (terminal) log.success(text)
  else console.log(`ok  ${text}`)
}

/** @param {string} text */
export function fail(text) {
  if (terminal) log.error(text)
  else console.log(`WRONG  ${text}`)
}

/**
 * @param {string} title
 * @param {[string, string][]} rows
 */
export function table(title, rows) {
  const wide = Math.max(...rows.map(([name]) => name.length))
  const lines = rows.map(([name, value]) => `${name.padEnd(wide)}  ${value}`)
  if (terminal) note(lines.join('\n'), title)
  else console.log([`\n${title}`, ...lines.map((line) => `  ${line}`)].join('\n'))
}

/** @param {string} text */
export function end(text) {
  if (terminal) outro(text)
  else console.log(`\n${text}`)
}

/**
 * @param {string} doing
 * @param {number} total
 * @returns {{ reached(n: number): void, done(text: string): void, stop(text: string): void }}
 */
export function bar(doing, total) {
  let shown = 0
  if (terminal) {
    const line = progress({ max: total, style: 'heavy', size: 30 })
    line.start(doing)
    return {
      reached(n) {
        line.advance(n - shown, `${doing} ${count(n)} of ${count(total)}`)
        shown = n
      },
      done: (text) => line.stop(text),
      stop: (text) => line.error(text),
    }
  }
  return {
    reached(n) {
      const quarter = Math.floor((n / total) * 4) * 25
      if (quarter > shown && quarter < 100) console.log(`    ${doing}: ${quarter} %`)
      shown = Math.max(shown, quarter)
    },
    done: step,
    stop: fail,
  }
}
