// Opens a map, stores one entry, says so, and holds it until its standard input ends: holds.mjs PATH
import { DiskMap, str } from '../../index.js'

const map = DiskMap.open(process.argv[2], { key: str, value: str })
map.set('a', '1')
console.log('open')
process.stdin.resume().on('end', () => map.close())
