// Folders for the maps of a measurement.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** On the disk that BENCH_DIR names, else where temporary files are. */
export const placeFolder = process.env['BENCH_DIR'] ?? tmpdir()

/** A folder that is removed when the process ends. */
export function makePlace() {
  const place = mkdtempSync(join(placeFolder, 'opendiskmap-bench-'))
  process.once('exit', () => rmSync(place, { recursive: true, force: true }))
  return place
}

/**
 * Gives one folder after the other below a folder, each while `use` runs. Files that are done with are emptied and stay until
 * all is over: where ext4 has no journal, who makes a file searches past each that was deleted in the last minutes, and the
 * deleted files of one engine would slow the next.
 * @param {string} folder
 */
export function placesIn(folder) {
  let last = 0
  /** @template R @param {(place: string) => Promise<R>} use */
  return async (use) => {
    const place = join(folder, String(++last))
    mkdirSync(place)
    try {
      return await use(place)
    } finally {
      // Here and not by who used it, which may have crashed.
      for (const file of filesOf(place)) truncateSync(file)
    }
  }
}

/** @param {string} folder */
const filesOf = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

/** What the files of a folder take up on disk. @param {string} folder */
export const diskBytes = (folder) =>
  filesOf(folder)
    .map((file) => statSync(file, { throwIfNoEntry: false }))
    .reduce((sum, stats) => sum + (stats?.blocks ?? 0) * 512, 0)
