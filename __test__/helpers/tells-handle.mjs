// Opens a map, prints its handle, and closes it: tells-handle.mjs PATH
import { DiskMap } from '../../index.js'

const map = DiskMap.open(process.argv[2])
const { path, device, inode, instance } = map.handle
console.log(JSON.stringify([path, String(device), String(inode), instance]))
map.close()
