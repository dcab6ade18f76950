// npm run bench [-- name …]: the measurements, each of which prints one table.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from './kit/run.mjs'
import { build, command, install, SetupError } from './kit/setup.mjs'

const all = ['first-look', 'threads', 'open-time', 'disk-bound', 'large']

await command(async () => {
  const args = process.argv.slice(2)
  const unknown = args.filter((name) => !all.includes(name))
  if (unknown.length > 0)
    throw new SetupError(`No measurement is called ${unknown.join(', ')}: ${all.join(', ')}`)
  const wanted = args.length > 0 ? args : all
  await install()
  if (wanted.includes('first-look')) await install(join(root, 'benches', 'compare'))
  await build()
  let status = 0
  for (const name of wanted) {
    const program = [`benches/${name}.mjs`]
    status ||= spawnSync(process.execPath, program, { cwd: root, stdio: 'inherit' }).status ?? 1
  }
  return status
})
