import type { Command } from 'commander'
import { salvage } from '../salvage.js'
import { listDamage, watched } from './care.js'
import { bytes, many } from './figures.js'
import { codecOptions, examples, jsonOption } from './help.js'
import { using, type Stated } from './open.js'
import type { Shell } from './shell.js'

/** Adds the commands that make a map of another. */
export function addCopyCommands(program: Command, shell: Shell): void {
  program
    .command('backup')
    .summary('copy a map')
    .description(
      'Copies a map to a new directory. If it fails or is called off, nothing is left there. A map that a program has open is backed up by that program: map.backup(dir).',
    )
    .argument('<dir>', 'directory of the map; it is opened for reading only')
    .argument('<to>', 'directory of the copy: nothing may be there')
    .option(...jsonOption('print {"entries":N}'))
    .addHelpText('after', examples(['opendiskmap backup users.odm users.backup']))
    .action((dir: string, to: string, how: { json?: true }) =>
      using(shell, dir, true, async ({ map }) => {
        await watched(shell, 'copying', (options) => map.backup(to, options))
        const entries = map.size
        await shell.line(
          how.json ? JSON.stringify({ entries }) : `copied ${many(entries, 'entry', 'entries')}`,
        )
      }),
    )

  codecOptions(
    program
      .command('salvage')
      .summary('write what is whole of a damaged map to a new one')
      .description(
        'Writes every record that verifies to a new map, of each key the newest, and lists what is damaged. Of a key whose newest record is damaged an older value is written, or none: look at the list before you trust the new map. The old one is not changed. If it fails or is called off, nothing is left of the new one.',
      )
      .argument('<dir>', 'directory of the damaged map')
      .argument('<to>', 'directory of the new map: nothing may be there'),
    'if nothing that is whole names it',
  )
    .option(...jsonOption('print the report as JSON, with the names of SalvageReport'))
    .addHelpText('after', examples(['opendiskmap salvage broken.odm mended.odm']))
    .action(async (dir: string, to: string, how: Stated & { json?: true }) => {
      const codecs = { key: how.keyCodec, value: how.valueCodec }
      const report = await watched(shell, 'salvaging', (options) =>
        salvage(dir, to, { ...codecs, ...options }),
      )
      if (how.json) return shell.line(JSON.stringify(report))
      await listDamage(shell, report.errors)
      const { records, dropped } = report
      await shell.line(
        `wrote ${many(records, 'entry', 'entries')}, ${bytes(report.bytes)}; left out ${many(dropped, 'damaged place', 'damaged places')}`,
      )
    })
}
