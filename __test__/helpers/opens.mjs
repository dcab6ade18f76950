// Opens a map and says how many entries it has, or which error it got: opens.mjs PATH [OPTIONS as JSON] [UID]
import { DiskMap } from '../../index.js'

const [path, options = '{}', uid] = process.argv.slice(2)
// Root may do everything: the packages are loaded by now, the map is opened as somebody else.
if (uid !== undefined) process.setuid(Number(uid))
try {
  const map = DiskMap.open(path, JSON.parse(options))
  console.log(`opened ${map.size}`)
  map.close()
} catch (error) {
  console.log(`${error.code}: ${error.message}`)
}
