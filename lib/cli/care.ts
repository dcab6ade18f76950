import type { Command } from 'commander'
import { DiskMapError } from '../errors.js'
import type { JobOptions } from '../job.js'
import type { VerifyReport } from '../verify.js'
import { statedAs } from './codecs.js'
import { bytes, columns, count, diskBytes, many } from './figures.js'
import { examples, jsonOption } from './help.js'
import { using, type Opened } from './open.js'
import { type Shell } from './shell.js'

/** Adds the commands that look after a map. */
export function addCareCommands(program: Command, shell: Shell): void {
  program
    .command('stats')
    .summary('show what a map holds and uses')
    .description('Shows the codecs of a map, its entries, and what it takes on the disk.')
    .argument('<dir>', 'directory of the map; it is opened for reading only')
    .option(...jsonOption('print all of it as JSON, with the names of DiskMapStats'))
    .addHelpText(
      'after',
      examples(
        ['opendiskmap stats users.odm'],
        ['opendiskmap stats --json users.odm | jq .entries'],
      ),
    )
    .action((dir: string, how: { json?: true }) =>
      using(shell, dir, true, async ({ map, codecs }) => {
        const names = {
          keyCodec: statedAs(codecs.key, codecs.keyParam),
          valueCodec: statedAs(codecs.value, codecs.valueParam),
        }
        const stats = map.stats()
        if (how.json) return shell.line(JSON.stringify({ ...names, ...stats }))
        const { entries, shards, liveBytes, deadBytes, tombstoneBytes, recovery } = stats
        const disk = diskBytes(stats) + stats.spareBytes
        await shell.line(
          columns([
            ['path', stats.path],
            ['keys', names.keyCodec],
            ['values', names.valueCodec],
            ['entries', count(entries)],
            ['shards', count(shards)],
            ['on the disk', bytes(disk)],
            ['  log', `${bytes(stats.logBytes)} in ${many(stats.segments, 'segment', 'segments')}`],
            ['    entries', bytes(liveBytes)],
            ['    to be given back', bytes(deadBytes)],
            ['    deletions', bytes(tombstoneBytes)],
            ['  index', `${bytes(stats.indexBytes)} in ${many(stats.tables, 'table', 'tables')}`],
            ['  values in own files', bytes(stats.extentBytes)],
            ['  kept for deletes', bytes(stats.spareBytes)],
            ['opened after', recoveryOf(recovery.reason)],
          ]),
        )
      }),
    )

  program
    .command('verify')
    .summary('check every record of a map')
    .description(
      'Reads all of a map and checks its records, its index and its values. Lists the damaged places and ends with status 1 if there are some. Changes nothing.',
    )
    .argument('<dir>', 'directory of the map; it is opened for reading only')
    .option(...jsonOption('print the report as JSON, with the names of VerifyReport'))
    .addHelpText('after', examples(['opendiskmap verify users.odm && echo whole']))
    .action((dir: string, how: { json?: true }) =>
      using(shell, dir, true, async ({ map, forms }) => {
        const report = await watched(shell, 'verifying', (options) => map.verify(options))
        const errors = report.errors.map(({ key, ...place }) =>
          key === undefined ? place : { ...place, key: forms.key.toJson(key) },
        )
        if (how.json) await shell.line(JSON.stringify({ ...report, errors }))
        else
          await shell.line(
            `checked ${many(report.records, 'record', 'records')}, ${bytes(report.bytes)}`,
          )
        if (!how.json) await listDamage(shell, errors)
        if (!report.ok) throw damaged(map, report)
      }),
    )

  program
    .command('compact')
    .summary('give back the space of replaced and removed values')
    .description(
      'Rewrites what is needed to give back all space that can be given back. A map does so by itself while it is open; this leaves nothing for later. The map is verified first, and one that is damaged is left as it is.',
    )
    .argument('<dir>', 'directory of the map')
    .option(...jsonOption('print {"before":BYTES,"after":BYTES}, of log, index and long values'))
    .addHelpText('after', examples(['opendiskmap compact users.odm']))
    .action((dir: string, how: { json?: true }) =>
      using(
        shell,
        dir,
        false,
        async ({ map }) => {
          const before = diskBytes(map.stats())
          await map.compact({ signal: shell.signal })
          const after = diskBytes(map.stats())
          await shell.line(
            how.json
              ? JSON.stringify({ before, after })
              : `${bytes(before)} before, ${bytes(after)} now`,
          )
        },
        async ({ map }) => {
          const report = await watched(shell, 'verifying', (options) => map.verify(options))
          if (!report.ok) throw damaged(map, report)
        },
      ),
    )
}

function damaged(map: Opened['map'], { errorCount }: VerifyReport): DiskMapError {
  const where = `${map.stats().path} is damaged in ${many(errorCount, 'place', 'places')}`
  const message = `${where}. The command salvage writes what is whole to a new map.`
  return new DiskMapError('ERR_CORRUPT', message)
}

function recoveryOf(reason: string): string {
  switch (reason) {
    case 'clean':
      return 'a close'
    case 'killed':
      return 'the death of its process'
    default:
      return 'a crash of the machine, or as a copy: the index was made from the log'
  }
}

/** Runs a long call under a bar, called off by the shell's signal. */
export async function watched<T>(
  shell: Shell,
  doing: string,
  work: (options: JobOptions) => Promise<T>,
): Promise<T> {
  const bar = await shell.bar(doing, 'bytes')
  try {
    return await work({
      signal: shell.signal,
      onProgress: ({ bytes, totalBytes }) => bar.reached(bytes, totalBytes),
    })
  } finally {
    bar.stop()
  }
}

/** Damaged places, one on each line. */
export async function listDamage(
  shell: Shell,
  errors: readonly { code: string; file: string; offset: number; key?: unknown }[],
): Promise<void> {
  for (const { code, file, offset, key } of errors) {
    const whose = key === undefined ? '' : `  key ${JSON.stringify(key)}`
    await shell.line(`${code}  ${file} at ${offset}${whose}`)
  }
}
