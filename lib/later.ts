import { adopt, type Verbs } from './verbs.js'

/**
 * `get` with the read on a thread of the pool. The key is encoded and checked before it starts; what decodes the value
 * runs in this thread after it, also if the map is closed by then.
 */
export async function getAsync<K, V>(verbs: Verbs<K, V>, key: K): Promise<V | undefined> {
  const found = await verbs.native.getAsync(verbs.keys.put(key))
  if (found === undefined) return undefined
  const { values } = verbs
  return values.kind === 'text'
    ? values.fromText(found as string)
    : adopt(values, found as Buffer<ArrayBuffer>)
}
