// Folders for the maps of a measurement.
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
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

/** What the files of a folder take up on disk. @param {string} folder */
export function diskBytes(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false }))
    .reduce((sum, stats) => sum + (stats?.blocks ?? 0) * 512, 0)
}
