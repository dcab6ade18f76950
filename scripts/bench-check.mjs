// npm run bench:check: how many instructions the engine's hottest paths take, against benches/instructions.json.
//   npm run bench:check                  fails where one takes 5 % more
//   npm run bench:check -- --write       makes this machine's baseline anew
import { parseArgs } from 'node:util'
import { checkInstructions } from './kit/instructions.mjs'
import { command } from './kit/setup.mjs'

await command(async () => {
  const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } })
  const { failed, skipped } = await checkInstructions(values)
  if (skipped !== undefined) console.log(`skipped, ${skipped}`)
  return failed === 0 ? 0 : 1
})
