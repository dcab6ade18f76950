// npm run quickstart: sets itself up, then runs examples/quickstart.mjs on this terminal.
import { spawnSync } from 'node:child_process'
import { root } from './kit/run.mjs'
import { build, command, install } from './kit/setup.mjs'

await command(async () => {
  await install()
  await build()
  const program = ['examples/quickstart.mjs', ...process.argv.slice(2)]
  return spawnSync(process.execPath, program, { cwd: root, stdio: 'inherit' }).status ?? 1
})
