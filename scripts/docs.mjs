// npm run docs: makes the API reference in docs/api.
import { makeReference } from './kit/docs.mjs'
import { command, SetupError } from './kit/setup.mjs'

await command(async () => {
  const { failed, skipped } = await makeReference()
  if (skipped !== undefined) throw new SetupError(`There is no reference: ${skipped}.`)
  return failed === 0 ? 0 : 1
})
