import type { ExecutionContext } from 'ava'
import { DiskMap, type DiskMapOptions } from '../../index.js'
import { freshPath } from './dir.js'

/** A new map that is closed when the test ends. */
export function freshMap<K = unknown, V = unknown>(
  t: ExecutionContext,
  options?: DiskMapOptions<K, V>,
): DiskMap<K, V> {
  // Teardowns run last first: the map is closed before its directory is removed.
  const map = DiskMap.open(freshPath(t), options)
  t.teardown(() => map.close())
  return map
}
