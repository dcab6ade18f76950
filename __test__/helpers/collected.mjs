// Forgets a map without closing it, and waits until a second process can open it: collected.mjs PATH
import { spawnSync } from 'node:child_process'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { DiskMap, str } from '../../index.js'

const path = process.argv[2]
const opener = fileURLToPath(new URL('opens.mjs', import.meta.url))

function forget() {
  DiskMap.open(path, { key: str, value: str }).set('a', '1')
}

const opens = () => spawnSync(process.execPath, [opener, path], { encoding: 'utf8' }).stdout.trim()

forget()
let answer = ''
for (let turn = 0; turn < 100 && answer !== 'opened 1'; turn++) {
  globalThis.gc()
  await setTimeout(10)
  answer = opens()
}
console.log(answer === 'opened 1' ? 'given up' : answer)
