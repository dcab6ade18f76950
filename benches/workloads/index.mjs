// The workloads, in the order in which they run. Each prints one table.
import { batchText, batchU64 } from './batches.mjs'
import { buffers1, buffers64 } from './buffers.mjs'
import { latency, latencyUnsynced } from './latency.mjs'
import { open } from './open.mjs'
import { profiles } from './profiles.mjs'
import { seedLoad, seedText, seedU64 } from './seed.mjs'
import { structs } from './structs.mjs'
import { text } from './text.mjs'
import { u64 } from './u64.mjs'
import { views } from './views.mjs'
import { ycsbA, ycsbB } from './ycsb.mjs'

/**
 * A row's figures are nanoseconds, of which fewer are better.
 * @typedef {Record<string, number>} Rows
 */

/**
 * @typedef {object} Input
 * @property {number} entries
 * @property {number} seed another one in each round
 * @property {string} place an empty folder
 */

/** What the issue tracker or the design asks of a row. @typedef {{ against: 'lmdb' | 'the best peer', atMost: number }} Wanted */

/**
 * @typedef {object} Workload
 * @property {string} name as in `npm run bench -- name`
 * @property {string} title
 * @property {string} unit what a figure is, in words
 * @property {number} share how many entries it takes for each of `--entries`
 * @property {string[]} rows
 * @property {Record<string, Wanted>} [wanted] by row
 * @property {string[]} notes
 * @property {(engine: import('../engines/index.mjs').Engine) => boolean} [takes] engines that can; all if it is left out
 * @property {(engine: import('../engines/index.mjs').Engine, input: Input) => Promise<Rows>} run
 *   once, in a process of its own; throws if the engine gave anything wrong
 */

/** @type {Workload[]} */
export const workloads = [
  text,
  u64,
  batchText,
  batchU64,
  latency,
  latencyUnsynced,
  seedText,
  seedU64,
  seedLoad,
  buffers1,
  buffers64,
  views,
  profiles,
  structs,
  ycsbA,
  ycsbB,
  open,
]

/** @param {string} name */
export function workloadOf(name) {
  const workload = workloads.find((workload) => workload.name === name)
  if (workload === undefined) throw new Error(`No workload is called ${name}`)
  return workload
}
