// Loads the addon: the file beside this one, which a build leaves there, else the package of this platform. What cannot
// be loaded is an error with a code and a sentence that says what to do. The loader that napi would write takes 36 KiB
// and says one sentence for every reason.
const { readFileSync } = require('node:fs')

/** @typedef {() => unknown} Load */

/** By target, the ways to it. The names stand in full, so that bundlers see what may be loaded. @type {Record<string, [Load, Load]>} */
const TARGETS = {
  'linux-x64-gnu': [
    () => require('./opendiskmap.linux-x64-gnu.node'),
    () => require('opendiskmap-linux-x64-gnu'),
  ],
  'linux-x64-musl': [
    () => require('./opendiskmap.linux-x64-musl.node'),
    () => require('opendiskmap-linux-x64-musl'),
  ],
  'linux-arm64-gnu': [
    () => require('./opendiskmap.linux-arm64-gnu.node'),
    () => require('opendiskmap-linux-arm64-gnu'),
  ],
  'linux-arm64-musl': [
    () => require('./opendiskmap.linux-arm64-musl.node'),
    () => require('opendiskmap-linux-arm64-musl'),
  ],
  'darwin-x64': [
    () => require('./opendiskmap.darwin-x64.node'),
    () => require('opendiskmap-darwin-x64'),
  ],
  'darwin-arm64': [
    () => require('./opendiskmap.darwin-arm64.node'),
    () => require('opendiskmap-darwin-arm64'),
  ],
  'win32-x64-msvc': [
    () => require('./opendiskmap.win32-x64-msvc.node'),
    () => require('opendiskmap-win32-x64-msvc'),
  ],
  'win32-arm64-msvc': [
    () => require('./opendiskmap.win32-arm64-msvc.node'),
    () => require('opendiskmap-win32-arm64-msvc'),
  ],
}

const REINSTALL =
  'delete node_modules and run npm install where the program runs, without --omit=optional'

/** Whether this system's C library is musl. */
function isMusl() {
  try {
    return readFileSync('/usr/bin/ldd', 'latin1').includes('musl')
  } catch {
    // Not every system has it: then the process is asked, which takes longer.
  }
  try {
    const report = /** @type {any} */ (process.report.getReport())
    return report.header.glibcVersionRuntime === undefined
  } catch {
    return false
  }
}

function thisTarget() {
  const { platform, arch } = process
  if (platform === 'linux') return `linux-${arch}-${isMusl() ? 'musl' : 'gnu'}`
  return platform === 'win32' ? `win32-${arch}-msvc` : `${platform}-${arch}`
}

/** @param {string} code @param {string} message @param {unknown} [cause] */
function failure(code, message, cause) {
  const options = cause === undefined ? undefined : { cause }
  return Object.assign(new Error(message, options), { code })
}

/** @param {string} name @returns {string | undefined} where a module's file is */
function locate(name) {
  try {
    return require.resolve(name)
  } catch {
    return undefined
  }
}

/** @param {string} file @returns {string | undefined} the processor that a binary of Linux, macOS or Windows is for, if it is one known */
function machineOf(file) {
  const bytes = readFileSync(file)
  if (bytes.length < 64) return undefined
  const magic = bytes.readUInt32BE(0)
  if (magic === 0x7f454c46) return { 62: 'x64', 183: 'arm64' }[bytes.readUInt16LE(18)]
  if (magic === 0xcffaedfe) {
    return { 0x01000007: 'x64', 0x0100000c: 'arm64' }[bytes.readUInt32LE(4)]
  }
  if (magic >>> 16 !== 0x4d5a) return undefined
  const header = bytes.readUInt32LE(60)
  if (header + 6 > bytes.length) return undefined
  return { 0x8664: 'x64', 0xaa64: 'arm64' }[bytes.readUInt16LE(header + 4)]
}

/** @param {string} name of a package.json @returns {string | undefined} */
function versionIn(name) {
  const file = locate(name)
  return file === undefined ? undefined : JSON.parse(readFileSync(file, 'utf8')).version
}

/** The binary of another release may lack what this one calls. @param {string} target */
function checkVersion(target) {
  const theirs = versionIn(`opendiskmap-${target}/package.json`)
  const ours = versionIn('./package.json')
  if (theirs === undefined || ours === undefined || theirs === ours) return
  throw failure(
    'ERR_ADDON_VERSION',
    `opendiskmap is ${ours}, but opendiskmap-${target} beside it is ${theirs}: ${REINSTALL}.`,
  )
}

/** Why nothing was found. @param {string} target @param {unknown} cause */
function missing(target, cause) {
  const wanted = `opendiskmap-${target}`
  const found = Object.keys(TARGETS).find(
    (other) => other !== target && locate(`opendiskmap-${other}/package.json`) !== undefined,
  )
  if (found === undefined) {
    return failure(
      'ERR_ADDON_MISSING',
      `The package ${wanted}, which has opendiskmap's binary for this system, is not installed: ${REINSTALL}.`,
      cause,
    )
  }
  const libc = found.split('-', 2).join() === target.split('-', 2).join()
  return failure(
    libc ? 'ERR_ADDON_LIBC' : 'ERR_ADDON_ARCH',
    `Installed is opendiskmap-${found}, but this process needs ${wanted}: ${REINSTALL}.`,
    cause,
  )
}

/** Why a file that is there was not loaded. @param {string} target @param {string} file @param {unknown} cause */
function refused(target, file, cause) {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const [, glibc] = /GLIBC_([\d.]+)'? not found/.exec(reason) ?? []
  if (glibc !== undefined) {
    return failure(
      'ERR_ADDON_GLIBC',
      `${file} needs glibc ${glibc} or later, and this system's is older: run it on a newer one, or on one with musl.`,
      cause,
    )
  }
  const machine = machineOf(file)
  if (machine !== undefined && machine !== process.arch) {
    return failure(
      'ERR_ADDON_ARCH',
      `${file} is for ${machine}, but this process runs on ${process.arch}: ${REINSTALL}.`,
      cause,
    )
  }
  // A binary for glibc names that library; one for musl names another.
  const libc = readFileSync(file, 'latin1').includes('libc.so.6') ? 'gnu' : 'musl'
  if (process.platform === 'linux' && !target.endsWith(libc)) {
    const names = { gnu: 'glibc', musl: 'musl' }
    return failure(
      'ERR_ADDON_LIBC',
      `${file} is for ${names[libc]}, but this system has ${libc === 'gnu' ? names.musl : names.gnu}: ${REINSTALL}.`,
      cause,
    )
  }
  return failure('ERR_ADDON_LOAD', `${file} could not be loaded: ${reason}`, cause)
}

/** @param {string} target */
function load(target) {
  const ways = TARGETS[target]
  if (ways === undefined) {
    throw failure(
      'ERR_ADDON_UNSUPPORTED',
      `opendiskmap has no binary for ${target}, only for ${Object.keys(TARGETS).join(', ')}.`,
    )
  }
  const [beside, installed] = ways
  try {
    return beside()
  } catch (cause) {
    const file = locate(`./opendiskmap.${target}.node`)
    if (file !== undefined) throw refused(target, file, cause)
  }
  checkVersion(target)
  try {
    return installed()
  } catch (cause) {
    const file = locate(`opendiskmap-${target}`)
    throw file === undefined ? missing(target, cause) : refused(target, file, cause)
  }
}

module.exports = load(thisTarget())
