// Opens a map three times, closes it as often as it is told, and kills itself: closes.mjs PATH COUNT
import { DiskMap, str } from '../../index.js'

const [path, count] = process.argv.slice(2)
const codecs = { key: str, value: str }
const map = DiskMap.open(path, codecs).set('a', '1')
const maps = [map, DiskMap.attach(map.handle, codecs), await DiskMap.openAsync(path, codecs)]
for (const open of maps.slice(0, Number(count))) open.close()
process.kill(process.pid, 'SIGKILL')
