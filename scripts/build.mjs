// npm run build: everything that a program which imports the package needs.
import { build, command, install } from './kit/setup.mjs'

await command(async () => {
  await install()
  await build({ force: true })
  return 0
})
