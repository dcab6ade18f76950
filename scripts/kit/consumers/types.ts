// What a program in TypeScript says of the package; the same text as an ES and as a CommonJS module.
import { arch, DiskMap, DiskMapError, json, native, str, struct } from 'opendiskmap'
import type { DiskMapErrorCode, DiskMapOptions, DiskMapStats, View } from 'opendiskmap'

const map = DiskMap.open('typed.odm', { key: native.u64, value: str })
export const value: string | undefined = map.get(42n)
export const asMap: Map<bigint, string> = map
// @ts-expect-error a number is no key of this map
map.get(42)

const users = DiskMap.open('users.odm', { key: str, value: json<{ name: string }>() })
export const name: string | undefined = users.get('a')?.name
// @ts-expect-error json has no compareAndSet
users.compareAndSet('a', undefined, { name: '' })

const point = arch(struct({ id: 'u32', scores: 'f64[]' }))
export const scores: readonly number[] | undefined = DiskMap.open('points.odm', {
  key: str,
  value: point,
}).get('a')?.scores

export class OwnError extends DiskMapError {}
export const code = (error: DiskMapError): DiskMapErrorCode => error.code
export const options: DiskMapOptions<bigint, string> = { key: native.u64, value: str, shards: 4 }
export const stats = (): DiskMapStats => map.stats()
export const view = (): View<string> | undefined => map.view(42n)
