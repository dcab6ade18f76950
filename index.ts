/// <reference types="node" preserve="true" />
/// <reference lib="esnext.disposable" preserve="true" />

export type { AttachOptions, DiskMapHandle } from './lib/attach.js'
export {
  StringStringMap,
  StringU64Map,
  U64StringMap,
  type AliasAsyncOptions,
  type AliasOptions,
  type DiskMapAlias,
} from './lib/aliases.js'
export type { IntegerArray } from './lib/batch.js'
export type { ArchArray, ArchStruct, ArchValue, ArchView } from './lib/codecs/arch/infer.js'
export {
  array,
  fixed,
  optional,
  pairs,
  struct,
  tuple,
  variants,
  type Schema,
} from './lib/codecs/arch/schema.js'
export {
  arch,
  bytes,
  json,
  msgpack,
  native,
  primitive,
  str,
  structured,
  type ArchCodec,
  type JsonCodec,
  type MsgpackCodec,
  type NativeCodecs,
  type NumberCodec,
  type StructuredCodec,
} from './lib/codecs/index.js'
export type { Primitive } from './lib/codecs/primitive.js'
export type { CodecVerb, KeyAndValueCodec, KeyCodec, Sink, ValueCodec } from './lib/codecs/types.js'
export type { Entry } from './lib/entry.js'
export { DiskMapError, type DiskMapErrorCode } from './lib/errors.js'
export type {
  CompactionEvent,
  DiskMapEvent,
  DiskMapEvents,
  FailureEvent,
  FlushEvent,
  GrowthEvent,
  RecoveryEvent,
} from './lib/events.js'
export type { JobOptions, Progress, SignalOptions } from './lib/job.js'
export { DiskMap } from './lib/map.js'
export type { GetOptions } from './lib/owned.js'
export type { DiskMapAsyncOptions, DiskMapOptions } from './lib/options.js'
export type { DiskMapRecovery, ShardRecovery } from './lib/recovery.js'
export { salvage, type SalvageOptions, type SalvageReport } from './lib/salvage.js'
export type { DiskMapStats } from './lib/stats.js'
export { DELETE, type Delete } from './lib/update.js'
export type { Damage, VerifyReport } from './lib/verify.js'
export type { View } from './lib/view.js'
export type { ViewMode } from './lib/views.js'
