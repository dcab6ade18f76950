// Runs commands of the command line, and prints what each gave as JSON: clis.mjs UID COMMANDS, each its arguments and input.
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { run } from '../../lib/cli/run.js'

const [uid, commands] = process.argv.slice(2)
// Root may do everything: the packages are loaded by now, the maps are opened as somebody else.
if (uid !== '') process.setuid(Number(uid))
const ran = []
for (const [args, input = ''] of JSON.parse(commands)) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const printed = Promise.all([text(stdout), text(stderr)])
  const status = await run(args, { stdin: Readable.from([Buffer.from(input)]), stdout, stderr })
  stdout.end()
  stderr.end()
  const [out, err] = await printed
  ran.push({ status, out, err })
}
console.log(JSON.stringify(ran))
