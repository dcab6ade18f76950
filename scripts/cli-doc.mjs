// Writes the help of the command line into docs/cli.md, where a test compares it: node scripts/cli-doc.mjs
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { run } from '../lib/cli/run.js'
import { root } from './kit/run.mjs'

const file = join(root, 'docs', 'cli.md')
const blocks = /^```text\n\$ opendiskmap (.*)\n[^]*?^```$/gm
const page = readFileSync(file, 'utf8')
/** @type {string[]} */
const helps = []
for (const [, args = ''] of page.matchAll(blocks)) {
  const stdout = new PassThrough()
  const printed = text(stdout)
  await run(args.split(' '), { stdin: Readable.from([]), stdout, stderr: new PassThrough() })
  stdout.end()
  helps.push(`\`\`\`text\n$ opendiskmap ${args}\n${await printed}\`\`\``)
}
writeFileSync(
  file,
  page.replace(blocks, () => helps.shift() ?? ''),
)
