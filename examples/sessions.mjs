// A session store for a server of several worker threads: who logged in with one is known to all of them, and still is
// after a restart.
//   node examples/sessions.mjs
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { DELETE, DiskMap, json, str } from 'opendiskmap'

/** @typedef {{ user: string, visits: number, expires: number }} Session */

const HOUR = 3_600_000
const codecs = {
  key: str,
  value: /** @type {import('opendiskmap').ValueCodec<Session>} */ (json()),
}

/** One of the server's threads. @param {DiskMap<string, Session>} sessions */
function serve(sessions) {
  return createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
    const id = request.headers.authorization ?? ''
    if (pathname === '/login') {
      const created = randomBytes(16).toString('base64url')
      const user = searchParams.get('user') ?? 'nobody'
      sessions.set(created, { user, visits: 0, expires: Date.now() + HOUR })
      response.end(created)
    } else if (pathname === '/logout') {
      response.end(String(sessions.delete(id)))
    } else {
      // Counts the visit and renews the session in one step, if it is there: no other thread comes between.
      const { value } = sessions
        .entry(id)
        .andModify((old) => ({ ...old, visits: old.visits + 1, expires: Date.now() + HOUR }))
      response.statusCode = value === undefined ? 401 : 200
      response.end(value === undefined ? '' : `${value.user} ${value.visits}`)
    }
  })
}

async function work() {
  const sessions = DiskMap.attach(workerData, codecs)
  const server = serve(sessions).listen(0, '127.0.0.1')
  await once(server, 'listening')
  parentPort?.postMessage(/** @type {import('node:net').AddressInfo} */ (server.address()).port)
  parentPort?.once('message', () => {
    server.close(() => sessions.close())
    server.closeAllConnections()
  })
}

async function main() {
  const home = mkdtempSync(join(tmpdir(), 'opendiskmap-'))
  process.on('exit', () => rmSync(home, { recursive: true, force: true }))
  const path = join(home, 'sessions.odm')
  const sessions = DiskMap.open(path, codecs)

  const workers = Array.from(
    { length: 2 },
    () => new Worker(new URL(import.meta.url), { workerData: sessions.handle }),
  )
  /** @type {number[]} */
  const ports = await Promise.all(
    workers.map(async (worker) => {
      const [port] = await once(worker, 'message')
      return port
    }),
  )
  /** @param {number} thread @param {string} what @param {string} [authorization] */
  const ask = async (thread, what, authorization = '') => {
    const response = await fetch(`http://127.0.0.1:${ports[thread]}/${what}`, {
      headers: { authorization },
    })
    return { status: response.status, text: await response.text() }
  }

  // Logged in with the first thread, and known to the second.
  const { text: ada } = await ask(0, 'login?user=ada')
  assert.deepEqual(await ask(1, '', ada), { status: 200, text: 'ada 1' })
  assert.equal((await ask(1, '', 'no such session')).status, 401)

  // Requests to both threads at once: each visit counts.
  await Promise.all(Array.from({ length: 50 }, (_, n) => ask(n % 2, '', ada)))
  assert.equal(sessions.get(ada)?.visits, 51)

  // Logged out with the second thread, and gone from the first.
  const { text: grace } = await ask(0, 'login?user=grace')
  assert.equal((await ask(1, 'logout', grace)).text, 'true')
  assert.equal((await ask(0, '', grace)).status, 401)

  // What has expired is swept: the look and the removal are one step, so a session that was just renewed stays.
  sessions.set('forgotten', { user: 'eve', visits: 3, expires: Date.now() - 1 })
  for (const id of sessions.keys()) {
    sessions.entry(id).andModify((old) => (old.expires < Date.now() ? DELETE : old))
  }
  assert.deepEqual([...sessions.keys()], [ada])

  // The server restarts: the sessions are there.
  for (const worker of workers) worker.postMessage('close')
  await Promise.all(workers.map((worker) => once(worker, 'exit')))
  sessions.close()
  const again = DiskMap.open(path, codecs)
  assert.equal(again.get(ada)?.user, 'ada')
  console.log(`${again.size} session, ${again.get(ada)?.visits} visits, counted by 2 threads`)
  again.close()
}

await (isMainThread ? main() : work())
