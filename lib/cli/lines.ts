import { fstatSync } from 'node:fs'
import { open as openFile } from 'node:fs/promises'
import { addAbortSignal, type Readable } from 'node:stream'
import type { Command } from 'commander'
import { badArgument, type DiskMapError } from '../errors.js'
import { count, many } from './figures.js'
import { parseJson } from './forms.js'
import { codecOptions, examples, jsonOption } from './help.js'
import { closing, Target, using, type Forms, type Stated } from './open.js'
import { amended, type Shell } from './shell.js'

/** Entries that are stored in one call, unless they are long. */
const BATCH = 1000
const BATCH_LENGTH = 1 << 20

/** Entries between two looks at signals and at the bar. */
const STEP = 4096

/** Adds the commands that write a map as lines, and read it. */
export function addLineCommands(program: Command, shell: Shell): void {
  program
    .command('keys')
    .summary('print all keys')
    .description('Prints the keys, one on each line, in no order.')
    .argument('<dir>', 'directory of the map; it is opened for reading only')
    .option(...jsonOption('print each key as JSON: also one with newlines is one line'))
    .addHelpText('after', examples(['opendiskmap keys users.odm | sort | head']))
    .action((dir: string, how: { json?: true }) =>
      using(shell, dir, true, async ({ map, forms: { key } }) => {
        const text = how.json ? (k: unknown) => JSON.stringify(key.toJson(k)) : key.toText
        await printAll(shell, 'listing', map.size, map.keys(), text)
      }),
    )

  program
    .command('dump')
    .summary('print all entries as NDJSON')
    .description(
      'Prints the entries as lines of JSON, {"key":…,"value":…}, in no order. What load makes of them is equal, whatever the codecs; stats --json names these.',
    )
    .argument('<dir>', 'directory of the map; it is opened for reading only')
    .addHelpText(
      'after',
      examples(
        ['opendiskmap dump users.odm | gzip > users.ndjson.gz'],
        [`opendiskmap dump users.odm | jq -c 'select(.value.age > 40)'`],
      ),
    )
    .action((dir: string) =>
      using(shell, dir, true, ({ map, forms: { key, value } }) =>
        printAll(shell, 'dumping', map.size, map.entries(), ([k, v]) =>
          JSON.stringify({ key: key.toJson(k), value: value.toJson(v) }),
        ),
      ),
    )

  codecOptions(
    program
      .command('load')
      .summary('store entries from NDJSON')
      .description(
        'Stores the entry of each line, {"key":…,"value":…}, in place of what is under its key. Lines are read and stored as they come; at a line that does not fit it stops, and those before it are stored. A new map is made only if the first thousand lines fit.',
      )
      .argument('<dir>', 'directory of the map')
      .argument('[file]', 'file of NDJSON; without it, or as -, the standard input'),
  )
    .option(...jsonOption('print {"loaded":N} instead of a sentence'))
    .addHelpText(
      'after',
      examples(
        ['opendiskmap load --key-codec u64 --value-codec json users.odm users.ndjson'],
        ['opendiskmap dump old.odm | opendiskmap load --key-codec str --value-codec str new.odm'],
        [
          `opendiskmap load --key-codec str --value-codec 'arch:{id:u32,name:string}' ids.odm ids.ndjson`,
          'values of a schema',
        ],
      ),
    )
    .action(async (dir: string, file: string | undefined, how: Stated & { json?: true }) => {
      const { input, size } = await inputOf(shell, file)
      const target = await Target.at(shell, dir, how)
      const loaded = await closing(target, () => load(shell, target, input, size))
      await shell.line(
        how.json ? JSON.stringify({ loaded }) : `loaded ${many(loaded, 'entry', 'entries')}`,
      )
    })
}

async function printAll<T>(
  shell: Shell,
  doing: string,
  total: number,
  parts: Iterable<T>,
  text: (part: T) => string,
): Promise<void> {
  const bar = await shell.bar(doing, 'entries', true)
  try {
    let done = 0
    for (const part of parts) {
      await shell.line(text(part))
      if (++done % STEP !== 0) continue
      await shell.turn()
      bar.reached(done, total)
    }
  } finally {
    bar.stop()
  }
}

/** What is to be read, and how many bytes it has, where that is known. */
async function inputOf(
  shell: Shell,
  file: string | undefined,
): Promise<{ input: Readable; size: number | undefined }> {
  if (file !== undefined && file !== '-') {
    const opened = await openFile(file)
    return { input: opened.createReadStream(), size: sizeOf(opened.fd) }
  }
  const { fd } = shell.stdin as { fd?: number }
  return { input: shell.stdin, size: fd === undefined ? undefined : sizeOf(fd) }
}

function sizeOf(fd: number): number | undefined {
  const stats = fstatSync(fd)
  return stats.isFile() ? stats.size : undefined
}

interface Line {
  readonly number: number
  readonly key: unknown
  readonly value: unknown
}

async function load(
  shell: Shell,
  target: Target,
  input: Readable,
  size: number | undefined,
): Promise<number> {
  const bar = await shell.bar('loading', 'bytes')
  let loaded = 0
  let batch: Line[] = []
  let length = 0

  async function store(): Promise<void> {
    const lines = batch
    batch = []
    length = 0
    if (lines.length === 0) return
    const map = await target.map()
    try {
      map.setMany(lines.map(({ key, value }) => [key, value] as const))
      loaded += lines.length
    } catch (error) {
      const { stored } = error as DiskMapError
      if (stored !== undefined) {
        loaded += stored
        throw error
      }
      // A line does not fit, and so nothing is stored: those before it are to be.
      for (const { number, key, value } of lines) {
        fits(number, () => map.set(key, value))
        loaded++
      }
    }
  }

  function take(number: number, text: string): void {
    if (text.trim() === '') return
    fits(number, () => {
      const entry = entryOf(target.forms, text)
      target.check(entry.key, entry.value)
      batch.push({ number, ...entry })
      length += text.length
    })
  }

  try {
    let number = 0
    let bytes = 0
    for await (const chunk of chunksOf(addAbortSignal(shell.signal, input))) {
      for (const text of chunk.lines) {
        take(++number, text)
        if (batch.length >= BATCH || length >= BATCH_LENGTH) await store()
      }
      bytes += chunk.bytes
      await shell.turn()
      if (size !== undefined) bar.reached(bytes, size)
    }
    await store()
    // Of no lines a map without entries is made.
    await target.map()
    return loaded
  } catch (thrown) {
    const error: unknown = shell.signal.aborted ? shell.signal.reason : thrown
    if (target.isMade) await store().catch(() => {})
    const stored = loaded === 1 ? '1 entry is' : `${count(loaded)} entries are`
    throw amended('', error, ` ${stored} stored.`)
  } finally {
    input.destroy()
    bar.stop()
  }
}

/** Reads a line, and says which it was if it fails. */
function fits(number: number, read: () => void): void {
  try {
    read()
  } catch (error) {
    throw amended(`Line ${number}: `, error)
  }
}

function entryOf(forms: Forms, text: string): { key: unknown; value: unknown } {
  const entry = parseJson(text)
  const isEntry =
    typeof entry === 'object' &&
    entry !== null &&
    Object.keys(entry).length === 2 &&
    'key' in entry &&
    'value' in entry
  if (!isEntry) throw badArgument('An entry is an object with a key and a value.')
  return { key: forms.key.fromJson(entry.key), value: forms.value.fromJson(entry.value) }
}

// Not by node:readline, which takes U+2028 for the end of a line: JSON may hold it.
async function* chunksOf(input: Readable): AsyncGenerator<{ lines: string[]; bytes: number }> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const decode = (bytes?: Uint8Array): string => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined })
    } catch {
      throw badArgument('The input is not UTF-8.')
    }
  }
  let begun: string[] = []
  for await (const chunk of input as AsyncIterable<Buffer>) {
    const lines = decode(chunk).split('\n')
    begun.push(lines[0]!)
    if (lines.length > 1) {
      lines[0] = begun.join('')
      begun = [lines.pop()!]
      yield { lines, bytes: chunk.length }
    } else {
      yield { lines: [], bytes: chunk.length }
    }
  }
  begun.push(decode())
  yield { lines: [begun.join('')], bytes: 0 }
}
