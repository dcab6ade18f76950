import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

/** Starts a worker thread with a job of thread.mjs, without the loader that the specs run under. */
export function startThread(path: string, job: string, given: object = {}): Worker {
  return new Worker(new URL('thread.mjs', import.meta.url), {
    workerData: { path, job, ...given },
    execArgv: [],
  })
}

/** Waits for a thread's result and its end; what it throws rejects. */
export async function resultOf<T>(worker: Worker): Promise<T> {
  let result: T | undefined
  worker.on('message', (message: { result: T }) => {
    result = message.result
  })
  await once(worker, 'exit')
  return result as T
}

/** Runs a job in a thread of its own. */
export function inThread<T = void>(path: string, job: string, given: object = {}): Promise<T> {
  return resultOf<T>(startThread(path, job, given))
}

/** Posts a message to a thread and waits for its answer. */
export async function ask<T>(worker: Worker, message: unknown): Promise<T> {
  const answer = once(worker, 'message') as Promise<[T]>
  worker.postMessage(message)
  return (await answer)[0]
}
