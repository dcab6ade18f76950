import binding from '../native.cjs'

/** How the bytes of a key or value cross: as a JavaScript string. */
export const TEXT = 0
/** As a Uint8Array that the engine reads in place. */
export const BYTES = 1
/** In the scratch; the argument is their length. */
export const PACKED = 2

/** A key or value on its way to the engine, by lane. */
export type Passed = string | Uint8Array | number

/** The size that all keys or values of a batch have, or the size of each. */
export type Sizes = number | Uint8Array

/** What the addon throws and rejects with is made by the face. */
export type Fail = (code: string, message: string, errno?: number) => Error

export type Collect = (...texts: (string | undefined)[]) => (string | undefined)[]

/** Gives its arguments back as an array: the addon makes many strings into one in a single call. */
export const collect: Collect = (...texts) => texts

/** Options as the addon takes them; what is absent was not stated. */
export interface NativeOptions {
  create: boolean
  readOnly: boolean
  shards?: number
  /** Milliseconds; -1: never. */
  flushInterval?: number
  recovery?: 'auto' | 'full'
  onCorrupt?: 'throw' | 'quarantine'
  mode?: number
  secureDelete?: boolean
  capacityEntries?: number
  capacityBytes?: number
  keyCodec?: string
  keyParam?: Uint8Array
  valueCodec?: string
  valueParam?: Uint8Array
}

/** What tells one opening of a map from every other. */
export interface NativeIdentity {
  path: string
  device: bigint
  inode: bigint
  instance: number
}

/** The codecs a map was made with. */
export interface StoredCodecs {
  key: string
  keyParam: Buffer
  value: string
  valueParam: Buffer
}

/** A long call: its promise, and what watches it and calls it off. */
export interface NativeJob<T> {
  promise: Promise<T>
  /** Bytes that were dealt with. */
  progress(): number
  /** Bytes that there were to deal with when it began; 0 before. */
  total(): number
  /** It ends soon, with `ERR_CLOSED`. */
  cancel(): void
}

/** A damaged place; the key as it is stored. */
export interface NativeDamage {
  code: string
  file: string
  offset: number
  key?: Buffer
}

/** What a verification found. */
export interface NativeVerification {
  records: number
  bytes: number
  errors: NativeDamage[]
  errorCount: number
}

/** What a salvage did. */
export interface NativeSalvage {
  records: number
  bytes: number
  dropped: number
  errors: NativeDamage[]
  errorCount: number
}

/** The verbs of one map, for one lane of keys and one of values. Every member is a closure; none needs `this`. */
export interface NativeMap {
  /** Text lane: the string or undefined. Else the length, -1 for a miss; the bytes are in the scratch or, if they do not fit, to be fetched with `take` at once. */
  get(key: Passed): string | undefined | number
  take(target: Uint8Array): void
  /** In the text lane the string, else a Buffer of its own; undefined for a miss. Done when `close` returns. */
  getAsync(key: Passed): Promise<string | Buffer | undefined>
  has(key: Passed): boolean
  set(key: Passed, value: Passed): void
  delete(key: Passed): boolean
  /** As `get` in a lane of bytes, whatever the lane of values; the sequence number goes to `meta`. */
  read(key: Passed): number
  /** Stores if the sequence number is still the one in `meta`. */
  swap(key: Passed, value: Passed): boolean
  swapDelete(key: Passed): boolean
  /**
   * Stores `next`, or removes the key, if what is stored has the bytes of `expected`; undefined: absent. A value crosses by
   * its lane, which is not the packed one.
   */
  compareAndSet(key: Passed, expected: Passed | undefined, next: Passed | undefined): boolean
  /** Adds the amount in the scratch, where a value goes: a double, or an integer of 16 bytes. The result replaces it. */
  increment(key: Passed, type: number): void
  /**
   * The verbs for many keys, which stand side by side, whatever the lane: all of one size, or each of its own (32 bits each).
   *
   * Fills `out` with a length and the value for each key, in order; a miss is 0xffffffff. Returns the bytes used, or -n if
   * the first value needs n bytes; `meta[1]` has the bytes of keys that were dealt with.
   */
  getMany(keys: Uint8Array, sizes: Sizes, out: Uint8Array): number
  /**
   * Puts values that all have this size into their places in `out`, and counts them; a miss leaves its place as it was. -1:
   * a value has another size.
   */
  getManyFixed(keys: Uint8Array, sizes: Sizes, out: Uint8Array, size: number): number
  /**
   * As `getMany` in the text lane of values: what `collect` makes of the strings of the first keys, undefined for a miss.
   */
  getManyTexts(keys: Uint8Array, sizes: Sizes, collect: Collect): (string | undefined)[]
  /** Writes 0 or 1 for each key, and returns how many were there. */
  hasMany(keys: Uint8Array, sizes: Sizes, out: Uint8Array): number
  /** Returns how many keys were there; if it throws, `meta[1]` has how many it had dealt with. */
  deleteMany(keys: Uint8Array, sizes: Sizes): number
  /** Stores as many entries as there are keys and values. If it throws, `meta[1]` has how many are stored. */
  setMany(keys: Uint8Array, keySizes: Sizes, values: Uint8Array, valueSizes: Sizes): number
  size(): number
  capacity(): number
  clear(): void
  /** Fills the page with entries and returns the bytes used, 0 at the end, -n if the next entry needs n bytes. */
  cursor(): (page: Uint8Array) => number
  /**
   * The same where keys and values are text: gives what `collect` makes of the next entries' strings, a key before its value;
   * undefined at the end.
   */
  textCursor(part: number): (collect: Collect) => string[] | undefined
  /** From now on views show files. The callback is called when something was freed that they may show. */
  openViews(relinquish: () => void): void
  /**
   * The number of the window that shows the key's value, or the ArrayBuffer of one that was made for it, whose number goes to
   * `meta[4]`; offset and length go to `meta[2]` and `[3]`. -1: a miss. -2: the value is left to be copied, as by `read`. -3:
   * V8 has refused the memory. `meta[5]` is set to 1 if there may be windows to detach.
   */
  view(key: Passed): number | ArrayBuffer
  /** Another ArrayBuffer for a window whose own was lost, with its number in `meta[4]`; undefined if there is none. */
  renewView(window: number): ArrayBuffer | undefined
  /** Whether the window is to be detached now that one view less looks through it. */
  endView(window: number): boolean
  /** The next window from a number on that is to be detached; -1 if there is none. */
  nextIdle(from: number): number
  /** Goes one entry on and gives what `view` does, -1 at the end. The key is in the scratch, its length in `meta[6]`. */
  viewCursor(): () => number | ArrayBuffer
  /** Remembers memory that views are copied to, and keeps none of it alive. */
  trackCopy(slab: ArrayBuffer): void
  /** Leaves all of it with length 0. */
  detachCopies(): void
  flush(): Promise<void>
  flushSync(): void
  compact(): NativeJob<void>
  verify(): NativeJob<NativeVerification>
  backup(path: string): NativeJob<void>
  stats(): object
  identity(): NativeIdentity
  close(): void
}

/** One open map of one thread. */
export interface NativeHandle {
  codecs(): StoredCodecs
  bind(keyLane: number, valueLane: number): NativeMap
  /** What this handle's open recovered; undefined if that was nothing. */
  recovered(): object | undefined
}

/** What the format and the boundary can hold. */
export interface Limits {
  readonly maxKeyBytes: number
  readonly maxValueBytes: number
  readonly maxShards: number
  readonly maxCodecNameBytes: number
  readonly maxCodecParamBytes: number
  readonly scratchBytes: number
  readonly pageBytes: number
}

/** The addon. */
export interface Addon {
  errorCodes(): string[]
  limits(): Limits
  scratch(): ArrayBuffer
  meta(): ArrayBuffer
  open(path: string, options: NativeOptions, fail: Fail): NativeHandle
  /** Its progress is that of a rebuild. */
  openAsync(path: string, options: NativeOptions, fail: Fail): NativeJob<NativeHandle>
  attach(identity: NativeIdentity, options: NativeOptions, fail: Fail): NativeHandle
  /** Whether views can show mapped files in this thread. */
  canShow(): boolean
  /** Leaves an ArrayBuffer with length 0. */
  detach(buffer: ArrayBuffer): void
  salvage(from: string, to: string, options: NativeOptions, fail: Fail): NativeJob<NativeSalvage>
  /** From now on events are kept, and the callback is called when there are some. Only the first one counts. */
  listen(relay: () => void): void
  stopListening(): void
  /** What happened since the last time. */
  takeEvents(fail: Fail): object[]
}

/** The only way to the addon: no other module imports it. */
export const native: Addon = binding as unknown as Addon

/** What the engine can hold, as the engine says. */
export const limits: Limits = native.limits()
