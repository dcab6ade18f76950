// Starts other programs: their output goes to the terminal as it comes and is kept for whoever counts in it.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '')

/** @typedef {{ code: number, output: string, seconds: number, timedOut: boolean }} Result */

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set()

/** @param {import('node:child_process').ChildProcess} child */
function killTree(child) {
  if (child.pid === undefined) return
  if (process.platform === 'win32') {
    spawn('taskkill', ['/pid', String(child.pid), '/t', '/f'], { stdio: 'ignore' })
    return
  }
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // It was gone already.
  }
}

// Every program runs in a group of its own, so that a time limit reaches all of its children; an interrupt from the
// keyboard then reaches none of them by itself.
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.once(signal, () => {
    for (const child of running) killTree(child)
    process.exit(130)
  })
}

/**
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: Record<string, string>, minutes?: number, show?: 'all' | 'failure' | 'nothing' | ((line: string) => boolean) }} [options]
 *   `show`: what reaches the terminal: everything as it comes, everything but only if the program fails, nothing, or the
 *   lines chosen
 * @returns {Promise<Result>}
 */
export function run(command, args, { cwd = root, env = {}, minutes = 30, show = 'all' } = {}) {
  const began = performance.now()
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: process.platform !== 'win32',
    })
    running.add(child)
    let output = ''
    let line = ''
    let timedOut = false
    const limit = setTimeout(() => {
      timedOut = true
      killTree(child)
    }, minutes * 60_000)
    /** @param {string} chunk */
    const take = (chunk) => {
      output += chunk
      if (show === 'all') process.stdout.write(chunk)
      if (typeof show !== 'function') return
      line += chunk
      const lines = line.split('\n')
      line = lines.pop() ?? ''
      for (const whole of lines) if (show(whole)) process.stdout.write(`${whole}\n`)
    }
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', take)
    }
    /** @param {number} code */
    const end = (code) => {
      clearTimeout(limit)
      running.delete(child)
      if (show === 'failure' && code !== 0) process.stdout.write(output)
      if (timedOut) process.stdout.write(`\n${command} was ended after ${minutes} minutes\n`)
      resolve({ code, output, seconds: (performance.now() - began) / 1000, timedOut })
    }
    child.on('error', (error) => {
      output += `${error.message}\n`
      if (show !== 'nothing') process.stdout.write(`${error.message}\n`)
      end(127)
    })
    child.on('close', (code, signal) => end(code ?? (signal === null ? 1 : 128)))
  })
}

/**
 * npm itself, not a shell's idea of it: the one that runs this script, where there is one.
 * @param {string[]} args
 * @param {Parameters<typeof run>[2]} [options]
 */
export function npm(args, options) {
  const cli = process.env['npm_execpath']
  if (cli !== undefined && /npm-cli\.c?js$/.test(cli))
    return run(process.execPath, [cli, ...args], options)
  return process.platform === 'win32'
    ? run(process.env['ComSpec'] ?? 'cmd.exe', ['/d', '/s', '/c', 'npm', ...args], options)
    : run('npm', args, options)
}

/**
 * A program of node_modules that is written in JavaScript.
 * @param {string} script its file below node_modules
 * @param {string[]} args
 * @param {Parameters<typeof run>[2]} [options]
 */
export function tool(script, args, options) {
  return run(process.execPath, [`${root}/node_modules/${script}`, ...args], options)
}

/**
 * @param {string[]} args
 * @param {Parameters<typeof run>[2]} [options]
 */
export function cargo(args, options) {
  const color = process.stdout.isTTY ? 'always' : 'never'
  return run('cargo', args, { ...options, env: { CARGO_TERM_COLOR: color, ...options?.env } })
}
