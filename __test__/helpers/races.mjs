// For each line on its standard input: opens the map of that path and says how that went, or closes the one it has for an
// empty line: races.mjs
import { createInterface } from 'node:readline'
import { DiskMap, str } from '../../index.js'

/** @type {DiskMap<string, string> | undefined} */
let map
console.log('ready')
for await (const path of createInterface({ input: process.stdin })) {
  if (path === '') {
    map?.close()
    map = undefined
    console.log('closed')
    continue
  }
  try {
    map = DiskMap.open(path, { key: str, value: str })
    map.set(`${process.pid}`, 'was here')
    console.log('opened')
  } catch (error) {
    console.log(error.code)
  }
}
