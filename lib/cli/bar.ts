import type { Writable } from 'node:stream'
import type { SingleBar } from 'cli-progress'
import { bytes, count } from './figures.js'

/** How far a command has come. */
export interface Bar {
  reached(done: number, total: number): void
  /** Takes it away. */
  stop(): void
}

/** A bar where there is no terminal. */
export const noBar: Bar = { reached() {}, stop() {} }

/** A bar on a terminal, drawn when the first is known of how far it is. */
export async function barOn(
  terminal: Writable,
  doing: string,
  unit: 'bytes' | 'entries',
): Promise<Bar> {
  // Without a terminal it is not even loaded.
  const { default: progress } = await import('cli-progress')
  const shown = unit === 'bytes' ? bytes : count
  let bar: SingleBar | undefined
  return {
    reached(done, total) {
      if (bar === undefined) {
        bar = new progress.SingleBar({
          stream: terminal as NodeJS.WriteStream,
          format: `${doing} {bar} {percentage} %  {value} of {total}  {duration_formatted}`,
          barCompleteChar: '█',
          barIncompleteChar: '░',
          barsize: 24,
          hideCursor: true,
          clearOnComplete: true,
          formatValue: (value, _, type) =>
            type === 'percentage' ? String(value).padStart(3) : shown(value),
        })
        bar.start(total, 0)
      }
      // What others write meanwhile can make it more than there was.
      bar.setTotal(Math.max(total, done))
      bar.update(done)
    },
    stop: () => bar?.stop(),
  }
}
