// The workloads, in the order in which they run. Each prints one table.
import { batchText, batchU64 } from './batches.mjs'
import { buffers1, buffers64 } from './buffers.mjs'
import { residentMemory, residentMemoryLarge, sizeOnDisk, sizeOnDiskLarge } from './footprint.mjs'
import { latency, latencyLarge, latencyUnsynced } from './latency.mjs'
import { open, openLarge } from './open.mjs'
import { profiles } from './profiles.mjs'
import { seedLoad, seedText, seedU64 } from './seed.mjs'
import { sizes } from './sizes.mjs'
import { structs } from './structs.mjs'
import { text } from './text.mjs'
import { u64 } from './u64.mjs'
import { views } from './views.mjs'
import { ycsbA, ycsbB } from './ycsb.mjs'

/**
 * A row's figures, of which smaller ones are better: nanoseconds, or what its workload says.
 * @typedef {Record<string, number>} Rows
 */

/**
 * @typedef {object} Input
 * @property {number} entries what the store holds when it is read
 * @property {number} operations how many calls of a kind are made, at most as many as there are entries; the other entries
 *   are loaded first, by batches
 * @property {number} seed another one in each round
 * @property {string} place an empty folder
 */

/**
 * What the issue tracker or the design asks of a row: our figure is at most so many times another one, or we are at least so
 * many times as fast; or it is at most so much.
 * @typedef {object} Wanted
 * @property {'lmdb' | 'lmdb putSync' | 'lmdb queued' | 'the best peer' | 'Map' | 'our own' | 'a bound'} against `lmdb`: the
 *   faster of its two engines
 * @property {string} [row] which of our own
 * @property {number} [atMost]
 * @property {number} [atLeast]
 * @property {string} [where] under which condition
 */

/**
 * @typedef {object} Workload
 * @property {string} name as in `npm run bench -- name`
 * @property {string} title
 * @property {string} unit what a figure is, in words
 * @property {number} share how many entries it takes for each of `--entries`
 * @property {number} [calls] how many calls of each kind there are for each entry, without `--full`; 1 if it is left out
 * @property {boolean} [whole] nothing in it is capped
 * @property {number} [rounds] how often at most, for what is the same each time
 * @property {boolean} [full] only with `--full`, or when it is named
 * @property {string[] | ((entries: number) => string[])} rows
 * @property {Record<string, 'plain'>} [figures] by row, where they are no times
 * @property {Record<string, Wanted[]>} [wanted] by row
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
  sizeOnDisk,
  residentMemory,
  sizes,
  latencyLarge,
  openLarge,
  sizeOnDiskLarge,
  residentMemoryLarge,
]

/** @param {string} name */
export function workloadOf(name) {
  const workload = workloads.find((workload) => workload.name === name)
  if (workload === undefined) throw new Error(`No workload is called ${name}`)
  return workload
}
