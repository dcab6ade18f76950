// What a figure was measured on.
import { statfsSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem, type } from 'node:os'
import { placeFolder } from './place.mjs'

/** @type {Record<number, string>} */
const fileSystems = {
  0xef53: 'ext4',
  0x58465342: 'xfs',
  0x9123683e: 'btrfs',
  0x01021994: 'tmpfs',
  0x794c7630: 'overlayfs',
  0x2fc12fc1: 'zfs',
}

export const machine = {
  node: process.versions.node,
  cores: availableParallelism(),
  model: cpus()[0]?.model.trim() ?? 'unknown processor',
  memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
  kernel: `${type()} ${release().split('.').slice(0, 2).join('.')}`,
  fileSystem: fileSystems[statfsSync(placeFolder).type] ?? 'unknown file system',
}

/** @typedef {typeof machine} Machine */

/** @param {Machine} machine */
export const machineLine = ({ node, cores, model, memory }) =>
  `Node ${node}, ${cores} × ${model}, ${memory}`
