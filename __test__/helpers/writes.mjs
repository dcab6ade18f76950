// Writes for ever, and says so once it has begun: writes.mjs PATH. For tests that kill it.
import { writeSync } from 'node:fs'
import { DiskMap, str } from '../../index.js'

const map = DiskMap.open(process.argv[2], { key: str, value: str })
map.set('0', 'value 0')
writeSync(1, 'open\n')
for (let n = 1; ; n++) map.set(`${n % 1000}`, `value ${n}`)
