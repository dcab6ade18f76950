// Opens a map, stores one entry, says so, and holds it until its standard input ends: holds.mjs PATH [OPTIONS as JSON]
import { DiskMap, str } from '../../index.js'

const [path, options = '{}'] = process.argv.slice(2)
const map = DiskMap.open(path, { ...JSON.parse(options), key: str, value: str })
map.set('a', '1')
console.log('open')
process.stdin.resume().on('end', () => map.close())
