// Makes a map and a backup of it where nothing is masked: umask.mjs PATH TARGET. A worker cannot set the umask.
import { DiskMap, str } from '../../index.js'

process.umask(0)
const [path, target] = process.argv.slice(2)
const map = DiskMap.open(path, { key: str, value: str })
for (let n = 0; n < 3000; n++) map.set(`key ${n}`, 'value '.repeat(20))
map.set('long', 'long '.repeat(100_000))
await map.compact()
await map.backup(target)
// Not closed: every file that an open map has is there.
process.stdout.write('done\n')
