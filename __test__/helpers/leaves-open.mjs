// Writes 1,000 entries and ends without closing: leaves-open.mjs PATH [HOW], where HOW says what is left.
import { DiskMap, str } from '../../index.js'

const [path, how = 'open'] = process.argv.slice(2)
const codecs = { key: str, value: str }
const map = how === 'openAsync' ? await DiskMap.openAsync(path, codecs) : DiskMap.open(path, codecs)
for (let i = 0; i < 1000; i++) map.set(`${i}`, `value ${i}`)
globalThis.kept = [map, map.keys()]
globalThis.kept[1].next()
if (how === 'attach') globalThis.kept.push(DiskMap.attach(map.handle, codecs))
if (how === 'getAsync' && (await map.getAsync('7')) !== 'value 7') process.exitCode = 1
// Work that nobody waits for is done, and then the process ends.
if (how === 'pending') {
  const pending = [map.getAsync('7'), map.flush(), map.compact(), DiskMap.openAsync(path, codecs)]
  Promise.all(pending).then(() => console.log('settled'))
}
