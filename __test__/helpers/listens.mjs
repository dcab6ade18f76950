// Opens a map, subscribes to its flushes, and writes: listens.mjs PATH HOW, where HOW says what else there is.
import { DiskMap, str } from '../../index.js'

const [path, how] = process.argv.slice(2)
const diagnostics = process.getBuiltinModule('node:diagnostics_channel')
// A runtime without that module, or without the way to it.
if (how === 'absent') process.getBuiltinModule = () => undefined
if (how === 'old') process.getBuiltinModule = undefined

const map = DiskMap.open(path, { key: str, value: str, flushInterval: false })
let told = 0
diagnostics.subscribe('opendiskmap:flush', () => {
  told++
  if (how === 'throws') throw new Error(`at ${told}`)
})
process.on('uncaughtException', ({ message }) => console.log(message))
// Else what is printed of that would throw again.
process.stdout.on('error', () => process.exit(1))
for (let i = 1; i <= 2; i++) {
  map.set('key', `${i}`)
  await map.flush()
  // An event loop that goes on hears of it.
  const isHeard = () => how !== 'throws' || told >= i
  while (!isHeard()) await new Promise((resolve) => setTimeout(resolve, 1))
}
console.log(map.get('key'))
// Open, and with a subscriber: the process ends nevertheless.
globalThis.kept = map
