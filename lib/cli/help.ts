import { InvalidArgumentError, type Command } from 'commander'
import { codecOf, type AnyCodec } from './codecs.js'
import { columns } from './figures.js'

const section = (title: string, text: string): string =>
  `\n${title}:\n${text.replaceAll(/^(?=.)/gm, '  ')}\n`

/** A section of lines to type, each with what it is for where that is not plain. */
export function examples(...lines: readonly (readonly [line: string, what?: string])[]): string {
  const shown = lines.map(([line, what]) => (what === undefined ? '' : `# ${what}\n`) + line)
  return section('Examples', shown.join('\n')).trimEnd()
}

/** The option for output that programs read. */
export const jsonOption = (what: string): ['--json', string] => ['--json', what]

/** The options that name the codecs of a map. */
export function codecOptions(
  command: Command,
  when: string = 'of a new map; one that is there knows its own',
): Command {
  const parser =
    (role: 'key' | 'value') =>
    (stated: string): AnyCodec => {
      const codec = codecOf(role, stated)
      if (typeof codec === 'string') throw new InvalidArgumentError(codec)
      return codec
    }
  return command
    .option('--key-codec <name>', `codec of the keys ${when}`, parser('key'))
    .option('--value-codec <name>', `codec of the values ${when}`, parser('value'))
}

/** The section of a command's exit statuses. */
export function statuses(command: string): string {
  const absent = command === 'get' || command === 'delete' ? '; 3 a key is not there' : ''
  return section(
    'Exit status',
    `0 done; 1 failed, with one line on the standard error; 2 not understood${absent}`,
  )
}

/** What the help of the program has besides its commands. */
export const guide: string = [
  section(
    'Keys and values',
    `A map knows its codecs. They say how its keys and values are written, as arguments and as
output; with --json, and in the lines of dump and load, as JSON:

${columns([
  ['codec', 'written as', 'as JSON'],
  ['u8 u16 u32 i8 i16 i32', '42', '42'],
  ['u64 i64', '42', '"42"'],
  ['f32 f64', '1.5  -0  NaN  Infinity', '1.5  "-0"  "NaN"  "Infinity"'],
  ['bool', 'true', 'true'],
  ['str', 'the text itself', '"text"'],
  ['bytes', 'base64', '{"$bytes":"base64"}'],
  ['json', 'JSON', 'JSON'],
  ['arch:SCHEMA', 'JSON', 'JSON by the schema: u64 as "42", bytes as above'],
  ['primitive', 'JSON, or a word', 'tagged JSON'],
  ['structured msgpack', 'tagged JSON', 'tagged JSON'],
  ["a program's own", 'base64', '{"$bytes":"base64"}'],
])}

Keys are never json, arch, structured or msgpack. SCHEMA is the text that docs/arch.md
describes, as in arch:{id:u32,name:string,scores:f64[]}.

Tagged JSON is JSON with objects of one property for what JSON has no words for:
{"$bigint":"42"}, {"$number":"NaN"}, {"$undefined":true}, {"$bytes":"base64"} (a Buffer),
{"$uint8array":"base64"}, {"$date":"2026-01-31T12:00:00.000Z"}, {"$regexp":["a+","i"]},
{"$map":[[key,value]]}, {"$set":[value]}. {"$object":{…}} is an object that looks like one of
them and is meant as it is, and {"$stored":"base64"} any other value, as its codec stores it.

An argument that begins with a dash stands behind -- if it is not a number.`,
  ),
  section(
    'Exit status',
    `0    done
1    failed: one line on the standard error, opendiskmap: ERR_CODE: a sentence
2    not understood: the same with ERR_USAGE
3    get, delete: a key is not there
130  called off by an interrupt from the keyboard; 143 by SIGTERM`,
  ),
  section(
    'Notes',
    `A map that a process has open for writing is ERR_LOCKED for all others, and for these
commands. get, keys, dump, stats, verify and backup open a map for reading only and change
nothing. Bars are shown if the standard error is a terminal.`,
  ),
  examples(
    ['npx opendiskmap set --key-codec str --value-codec json new.odm ada \'{"born":1815}\''],
    ['npx opendiskmap get new.odm ada'],
    ['npx opendiskmap dump new.odm > new.ndjson'],
  ),
].join('')
