// Forgets a map without closing it, and waits until a second process can open it: collected.mjs PATH [HOW]
import { spawnSync } from 'node:child_process'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { DiskMap, str } from '../../index.js'

const [path, how = 'open'] = process.argv.slice(2)
const opener = fileURLToPath(new URL('opens.mjs', import.meta.url))
const codecs = { key: str, value: str }

async function forget() {
  const map =
    how === 'openAsync' ? await DiskMap.openAsync(path, codecs) : DiskMap.open(path, codecs)
  map.set('a', '1')
  // Plain data, which may be kept.
  globalThis.kept = map.handle
  if (how === 'attach') DiskMap.attach(map.handle, codecs).get('a')
  // The promises outlive the map.
  if (how === 'pending') return Promise.all([map.getAsync('a'), map.flush()])
}

const opens = () => spawnSync(process.execPath, [opener, path], { encoding: 'utf8' }).stdout.trim()

const pending = forget()
if (how !== 'pending') await pending
let answer = ''
for (let turn = 0; turn < 100 && answer !== 'opened 1'; turn++) {
  globalThis.gc()
  await setTimeout(10)
  answer = opens()
}
await pending
console.log(answer === 'opened 1' ? 'given up' : answer)
