// Writes 1,000 entries and ends without closing: leaves-open.mjs PATH
import { DiskMap, str } from '../../index.js'

const map = DiskMap.open(process.argv[2], { key: str, value: str })
for (let i = 0; i < 1000; i++) map.set(`${i}`, `value ${i}`)
globalThis.kept = [map, map.keys()]
globalThis.kept[1].next()
