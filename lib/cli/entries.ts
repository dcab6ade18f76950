import { buffer } from 'node:stream/consumers'
import type { Command } from 'commander'
import { utf8 } from './forms.js'
import { codecOptions, examples, jsonOption } from './help.js'
import { closing, Target, using, type Opened, type Stated } from './open.js'
import { status, UsageError, type Shell } from './shell.js'

/** Adds the commands for single keys. */
export function addEntryCommands(program: Command, shell: Shell): void {
  program
    .command('get')
    .summary('print the value of a key')
    .description(
      'Prints the value of KEY and a newline. If the key is not there it prints nothing and ends with status 3.',
    )
    .argument('<dir>', 'directory of the map; it is opened for reading only')
    .argument('<key>', 'key, as the key codec writes it')
    .option(...jsonOption('print the value as one line of JSON, whatever its codec'))
    .option('--raw', 'print bytes as they are, not as base64; and no newline behind the value')
    .addHelpText(
      'after',
      examples(
        ['opendiskmap get users.odm 42'],
        ['opendiskmap get --raw avatars.odm ada > ada.png', 'the bytes of a value in a file'],
        [`opendiskmap get cache.odm '"42"'`, 'a map of primitive keys: the string, not the number'],
      ),
    )
    .action((dir: string, key: string, how: { json?: true; raw?: true }) =>
      using(shell, dir, true, async ({ map, forms }) => {
        const wanted = forms.key.fromText(key)
        const value = map.get(wanted)
        if (value === undefined && !map.has(wanted)) shell.status = status.absent
        else if (how.raw) await shell.write(forms.value.toRaw(value))
        else if (how.json) await shell.line(JSON.stringify(forms.value.toJson(value)))
        else await shell.line(forms.value.toText(value))
      }),
    )

  codecOptions(
    program
      .command('set')
      .summary('store a value under a key')
      .description(
        'Stores VALUE under KEY, in place of what is there. Without VALUE the standard input is the value; one newline at its end does not count.',
      )
      .argument('<dir>', 'directory of the map')
      .argument('<key>', 'key, as the key codec writes it')
      .argument('[value]', 'value, as the value codec writes it')
      .option(
        '--raw',
        'the standard input is the value, byte for byte: not base64, and its last newline counts',
      ),
  )
    .addHelpText(
      'after',
      examples(
        ['opendiskmap set users.odm 42 Ada'],
        ['opendiskmap set --raw avatars.odm ada < ada.png'],
        [
          `opendiskmap set --key-codec str --value-codec json new.odm ada '{"born":1815}'`,
          'into a new map',
        ],
      ),
    )
    .action(
      async (dir: string, key: string, given: string | undefined, how: Stated & { raw?: true }) => {
        if (how.raw && given !== undefined)
          throw new UsageError('--raw takes the value from the standard input')
        if (given === undefined && (shell.stdin as { isTTY?: boolean }).isTTY) {
          throw new UsageError('there is neither a value nor a file on the standard input')
        }
        const input = given === undefined ? await buffer(shell.stdin) : undefined
        const target = await Target.at(shell, dir, how, ({ map, forms }) => {
          map.has(forms.key.fromText(key))
        })
        await closing(target, async () => {
          const { key: keys, value: values } = target.forms
          const wanted = keys.fromText(key)
          const value = how.raw
            ? values.fromRaw(input!)
            : values.fromText(given ?? utf8(input!).replace(/\r?\n$/, ''))
          target.check(wanted, value)
          const map = await target.map()
          map.set(wanted, value)
        })
      },
    )

  program
    .command('delete')
    .summary('remove keys')
    .description(
      'Removes the keys. If one of them was not there the status is 3; the others are removed.',
    )
    .argument('<dir>', 'directory of the map')
    .argument('<keys...>', 'keys, as the key codec writes them')
    .option(...jsonOption('print {"deleted":N}'))
    .addHelpText('after', examples(['opendiskmap delete users.odm 42 43']))
    .action((dir: string, keys: string[], how: { json?: true }) => {
      const wanted = ({ forms }: Opened): unknown[] =>
        [...new Set(keys)].map((key) => forms.key.fromText(key))
      return using(
        shell,
        dir,
        false,
        async (opened) => {
          const keys = wanted(opened)
          const deleted = opened.map.deleteMany(keys)
          if (deleted < keys.length) shell.status = status.absent
          if (how.json) await shell.line(JSON.stringify({ deleted }))
        },
        (opened) => void opened.map.hasMany(wanted(opened)),
      )
    })
}
