/// <reference types="node" preserve="true" />
/// <reference lib="esnext.disposable" preserve="true" />

export type { AttachOptions, DiskMapHandle } from './lib/attach.js'
export {
  bytes,
  json,
  native,
  primitive,
  str,
  structured,
  type JsonCodec,
  type NativeCodecs,
  type StructuredCodec,
} from './lib/codecs/index.js'
export type { Primitive } from './lib/codecs/primitive.js'
export type { KeyAndValueCodec, KeyCodec, Sink, ValueCodec } from './lib/codecs/types.js'
export { DiskMapError, type DiskMapErrorCode } from './lib/errors.js'
export { DiskMap } from './lib/map.js'
export type { DiskMapOptions } from './lib/options.js'
export type { DiskMapStats } from './lib/stats.js'
export { DELETE, type Delete } from './lib/update.js'
