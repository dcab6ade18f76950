// A primary that has a map open and forks a worker, which says whether it can open it, before and after the primary has
// closed it: clusters.mjs PATH
import cluster from 'node:cluster'
import { DiskMap, str } from '../../index.js'

const path = process.argv[2]
const codecs = { key: str, value: str }

function opens() {
  try {
    const map = DiskMap.open(path, codecs)
    map.set('worker', 'was here').close()
    return 'opened'
  } catch (error) {
    return `${error.code}: ${error.message}`
  }
}

if (cluster.isPrimary) {
  const map = DiskMap.open(path, codecs).set('primary', 'was here')
  console.log(process.pid)
  const worker = cluster.fork()
  worker.on('message', (said) => {
    console.log(said)
    map.close()
    if (said !== 'opened') worker.send('again')
  })
  worker.on('exit', (code) => process.exit(code))
} else {
  process.send(opens())
  process.once('message', () => process.send(opens(), () => process.exit()))
}
