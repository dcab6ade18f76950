// Backs a map up again and again while it is written, and prints each backup's name once it is done: backs-up.mjs PATH TARGET.
// The test kills it.
import { writeSync } from 'node:fs'
import { DiskMap, str } from '../../index.js'

const [path, target] = process.argv.slice(2)
const map = DiskMap.open(path, { key: str, value: str, shards: 2 })
for (let n = 0; n < 3000; n++) map.set(`key ${n}`, `${n} `.repeat(60))
for (let n = 0; n < 3; n++) map.set(`long ${n}`, `${n}`.repeat(400_000))
writeSync(1, 'open\n')
for (let round = 0; ; round++) {
  const done = map.backup(`${target}-${round}`)
  for (let n = 0; n < 300; n++) map.set(`key ${n}`, `${n} `.repeat(60))
  await done
  writeSync(1, `${round}\n`)
}
