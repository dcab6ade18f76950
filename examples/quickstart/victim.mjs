// The child of the quickstart that is killed. It says a key only after `set` has returned.
import { writeSync } from 'node:fs'
import { DiskMap, json, str } from 'opendiskmap'

const map = DiskMap.open(process.argv[2] ?? '', { key: str, value: json() })
for (let n = 0; ; n++) {
  map.set(`acknowledged/${n}`, { n, text: 'x'.repeat(n % 500) })
  writeSync(1, `acknowledged/${n}\n`)
}
