import { createRequire } from 'node:module'
import { Command, CommanderError } from 'commander'
import { DiskMapError } from '../errors.js'
import { addBenchCommand } from './bench.js'
import { addCareCommands } from './care.js'
import { addCopyCommands } from './copies.js'
import { addEntryCommands } from './entries.js'
import { guide, statuses } from './help.js'
import { addLineCommands } from './lines.js'
import { Shell, UsageError, type Streams } from './shell.js'

/** Runs the program with these arguments, and gives its exit status. */
export async function run(
  args: readonly string[],
  streams: Streams,
  control: AbortController = new AbortController(),
): Promise<number> {
  const shell = new Shell(streams, control)
  let said = ''
  const program = programOf(shell, (text) => void (said += text))
  try {
    await program.parseAsync(args, { from: 'user' })
    await shell.flush()
    return shell.status
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) {
      await shell.write(said)
      await shell.flush()
      return 0
    }
    // What was printed before it failed is printed.
    await shell.flush().catch(() => {})
    const { reason } = shell.signal
    return shell.report(shell.signal.aborted ? reason : toldOf(error, program, args))
  }
}

/** The program with all its commands; `say` gets help and version. */
function programOf(shell: Shell, say: (text: string) => void): Command {
  const program = new Command('opendiskmap')
    .description('Looks into the maps of opendiskmap, changes them and looks after them.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this')
    .helpCommand('help [command]', 'print the help of a command')
    .usage('COMMAND DIR …')
    // The same on every terminal, and in docs/cli.md.
    .configureHelp({ helpWidth: 92, subcommandTerm: (command) => command.name() })
    .configureOutput({ writeOut: say, writeErr: say, outputError: () => {} })
    .exitOverride()
    .addHelpText('after', guide)
  addEntryCommands(program, shell)
  addLineCommands(program, shell)
  addCareCommands(program, shell)
  addCopyCommands(program, shell)
  addBenchCommand(program, shell)
  for (const command of program.commands) command.addHelpText('after', statuses(command.name()))
  return program
}

function version(): string {
  // By the package's own name: from here it is two folders up, and one in what is published.
  const own = createRequire(import.meta.url)('opendiskmap/package.json') as { version: string }
  return own.version
}

/** What is told of an error: what commander has refused is a matter of usage, a text beyond V8's limit one of length. */
function toldOf(error: unknown, program: Command, args: readonly string[]): unknown {
  if (error instanceof RangeError && error.message === 'Invalid string length') {
    return new DiskMapError('ERR_TOO_LARGE', 'An entry is longer as text than a string can be.')
  }
  if (!(error instanceof CommanderError || error instanceof UsageError)) return error
  const command = program.commands.find((command) => command.name() === args[0])
  const isBare = error instanceof CommanderError && error.code === 'commander.help'
  const what = isBare ? 'a command is missing' : error.message.replace(/^error: |\.$/g, '')
  return new UsageError(`${what}; see opendiskmap ${command ? `${command.name()} ` : ''}--help`)
}
