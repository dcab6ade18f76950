import { checkAttach, type AttachOptions, type DiskMapHandle } from './attach.js'
import { defineAtomicVerbs, type AtomicVerbs } from './atomic.js'
import { backup } from './backup.js'
import { deleteMany, getMany, getManyInto, hasMany, setMany, type IntegerArray } from './batch.js'
import { driversOf, type StatedCodecs } from './codecs/resolve.js'
import type { CodecVerb, ValueCodec } from './codecs/types.js'
import { entry, type Entry } from './entry.js'
import { badArgument, describe, fail } from './errors.js'
import { EntryIterator, type Part } from './iterator.js'
import { watchChannels } from './events.js'
import { checkJob, finish, type JobOptions, type SignalOptions } from './job.js'
import { getAsync } from './later.js'
import { native, TEXT, type NativeHandle } from './native.js'
import { asAsked, type GetOptions } from './owned.js'
import {
  checkOptions,
  type CheckedOptions,
  type DiskMapAsyncOptions,
  type DiskMapOptions,
} from './options.js'
import { tellRecovery } from './recovery.js'
import type { DiskMapStats } from './stats.js'
import { getOrInsert, getOrInsertComputed, update, type Delete } from './update.js'
import { bindVerbs, type Verbs } from './verbs.js'
import { verify, type VerifyReport } from './verify.js'
import type { View } from './view.js'
import { ViewIterator } from './view-iterator.js'
import { read, viewMany, Views, type Shown, type ViewMode } from './views.js'

// `new DiskMap()` has no map to stand for: only `open` knows this.
const opening = Symbol('opening')

/** Gives a handle up that nobody has seen yet. */
export function giveUp(handle: NativeHandle): void {
  handle.bind(TEXT, TEXT).close()
}

// Its verbs are defined when the class is, below; the rule warns of such that nobody defines.
// oxlint-disable typescript/no-unsafe-declaration-merging, no-unused-vars
export interface DiskMap<
  K,
  V,
  out Allows extends CodecVerb = CodecVerb,
  out Viewed = unknown,
> extends AtomicVerbs<K, V, Allows> {
  /** Iterates over the entries: the same function as {@link DiskMap.entries}, as in `Map`. */
  [Symbol.iterator](): MapIterator<[K, V]>
}
// oxlint-enable typescript/no-unsafe-declaration-merging, no-unused-vars

/**
 * A persistent hash map in a directory of memory-mapped files, used like `Map` and shared by every thread of the
 * process that opens the same directory.
 *
 * - If the process dies, nothing that returned is lost. If the machine dies, everything up to the last `flush` is there.
 * - Every thread sees a write as soon as the call that made it has returned.
 * - No order is promised. Values are copies: changing what `get` returned changes nothing.
 *
 * Every verb may throw a {@link DiskMapError}: `ERR_CLOSED` after `close`; `ERR_INVALID_KEY`, `ERR_INVALID_VALUE` and
 * `ERR_TOO_LARGE` for what cannot be stored, before anything is written; `ERR_IO`, `ERR_CORRUPT` and `ERR_FILE_GONE` when
 * the files fail. Those that write: `ERR_READ_ONLY`, `ERR_NO_SPACE` (nothing was changed; reads go on). Keys have
 * at most 65,535 bytes, values at most 2^31 − 1.
 *
 * The third type parameter names the verbs that only some value codecs allow ({@link CodecVerb}). It follows from the
 * codec, and a map of every kind is a `DiskMap<K, V>`: where it is not stated they may be called, and throw
 * `ERR_INVALID_ARGUMENT` if the codec does not allow them. The fourth is what a view's `value` is; it follows from the codec too.
 *
 * @example
 * const map = DiskMap.open('users.odm', { key: native.u64, value: str })
 * map.set(42n, 'Hello').set(100n, 'Rust')
 * for (const [key, value] of map) console.log(key, value)
 * map.close()
 */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging
export class DiskMap<K, V, out Allows extends CodecVerb = CodecVerb, out Viewed = unknown> {
  static {
    defineAtomicVerbs(this.prototype as DiskMap<unknown, unknown>, (map) => map.#verbs)
    Object.defineProperty(this.prototype, Symbol.toStringTag, {
      value: 'DiskMap',
      configurable: true,
    })
    Object.defineProperty(this.prototype, Symbol.iterator, {
      value: this.prototype.entries,
      writable: true,
      configurable: true,
    })
    // As in Map: what may be left out does not count.
    for (const verb of [this.prototype.get, this.prototype.forEach]) {
      Object.defineProperty(verb, 'length', { value: 1, configurable: true })
    }
  }

  readonly #verbs: Verbs<K, V>
  readonly #viewMode: ViewMode
  /** Made when a value is viewed for the first time. */
  #views: Views<K, V, Viewed> | undefined

  private constructor(token: symbol, verbs: Verbs<K, V>, viewMode: ViewMode) {
    if (token !== opening) throw badArgument('A DiskMap is made by DiskMap.open(path, options).')
    this.#verbs = verbs
    this.#viewMode = viewMode
  }

  /**
   * Opens the map in a directory, and makes it if it is not there. Every thread that opens the same directory has the
   * same map. The types of keys and values follow from the codecs; without codecs they are what you say, unchecked.
   *
   * @param path The directory, as a string or a file URL. Its parent must exist.
   * @param options See {@link DiskMapOptions}.
   * @throws {DiskMapError} `ERR_INVALID_ARGUMENT`, `ERR_NOT_FOUND`, `ERR_NOT_A_MAP`, `ERR_LOCKED` (with the owner's pid),
   * `ERR_CODEC_MISMATCH`, `ERR_OPTIONS_MISMATCH`, `ERR_VERSION`, `ERR_CORRUPT`, `ERR_NO_SPACE`, `ERR_FS_UNSUPPORTED`,
   * `ERR_IO` (also for missing permissions).
   */
  static open<K = unknown, V = unknown, Allows extends CodecVerb = never, Viewed = unknown>(
    path: string | URL,
    options: DiskMapOptions<K, V> & { value: ValueCodec<V, Allows, Viewed> },
  ): DiskMap<K, V, Allows, Shown<V, Viewed>>
  static open<K = unknown, V = unknown>(
    path: string | URL,
    options?: DiskMapOptions<K, V>,
  ): DiskMap<K, V>
  static open<K, V>(path: string | URL, options?: DiskMapOptions<K, V>): DiskMap<K, V> {
    const checked = checkOptions<K, V>(path, options, false)
    watchChannels()
    return DiskMap.#over(native.open(checked.path, checked.native, fail), checked)
  }

  /**
   * As {@link DiskMap.open}, but the files are opened, and where need be the index made from the log, off the event loop.
   * Every error rejects the promise, also one of an argument.
   *
   * A thread that is terminated waits for it, as for every work in libuv's pool; then the map is closed again, and the
   * promise, which nobody can see any more, is not settled.
   *
   * @example
   * const signal = AbortSignal.timeout(60_000)
   * const map = await DiskMap.openAsync('users.odm', { key: native.u64, value: str, signal })
   */
  static openAsync<K = unknown, V = unknown, Allows extends CodecVerb = never, Viewed = unknown>(
    path: string | URL,
    options: DiskMapAsyncOptions<K, V> & { value: ValueCodec<V, Allows, Viewed> },
  ): Promise<DiskMap<K, V, Allows, Shown<V, Viewed>>>
  static openAsync<K = unknown, V = unknown>(
    path: string | URL,
    options?: DiskMapAsyncOptions<K, V>,
  ): Promise<DiskMap<K, V>>
  static async openAsync<K, V>(
    path: string | URL,
    options?: DiskMapAsyncOptions<K, V>,
  ): Promise<DiskMap<K, V>> {
    const checked = checkOptions<K, V>(path, options, true)
    checked.signal?.throwIfAborted()
    watchChannels()
    const opening = native.openAsync(checked.path, checked.native, fail)
    return DiskMap.#over(await finish(opening, checked, giveUp), checked)
  }

  /**
   * Joins a map that is open in this process, from any thread. Opens and makes nothing.
   *
   * @param handle The {@link DiskMap.handle} of an open map, also as another thread posted it.
   * @param options See {@link AttachOptions}.
   * @throws {DiskMapError} `ERR_CLOSED` if that map is closed, also when its directory was opened again since;
   * `ERR_INVALID_ARGUMENT`, `ERR_CODEC_MISMATCH`, `ERR_LOCKED`.
   * @example
   * worker.postMessage(map.handle)
   * // and in the worker
   * parentPort.once('message', (handle) => {
   *   const map = DiskMap.attach(handle, { key: native.u64, value: str })
   * })
   */
  static attach<K = unknown, V = unknown, Allows extends CodecVerb = never, Viewed = unknown>(
    handle: DiskMapHandle,
    options: AttachOptions<K, V> & { value: ValueCodec<V, Allows, Viewed> },
  ): DiskMap<K, V, Allows, Shown<V, Viewed>>
  static attach<K = unknown, V = unknown>(
    handle: DiskMapHandle,
    options?: AttachOptions<K, V>,
  ): DiskMap<K, V>
  static attach<K, V>(handle: DiskMapHandle, options?: AttachOptions<K, V>): DiskMap<K, V> {
    const checked = checkAttach<K, V>(handle, options)
    watchChannels()
    return DiskMap.#over(native.attach(checked.identity, checked.native, fail), checked)
  }

  static #over<K, V>(
    handle: NativeHandle,
    options: StatedCodecs<K, V> &
      Pick<CheckedOptions<K, V>, 'views'> &
      Partial<Pick<CheckedOptions<K, V>, 'onRecovery'>>,
  ): DiskMap<K, V> {
    try {
      const { key, value } = driversOf(handle, options)
      const map = new DiskMap(opening, bindVerbs(handle, key, value), options.views)
      tellRecovery(handle, options.onRecovery)
      return map
    } catch (error) {
      giveUp(handle)
      throw error
    }
  }

  /** What other threads {@link DiskMap.attach} to this map by; frozen, and it holds nothing open. */
  get handle(): DiskMapHandle {
    return Object.freeze(this.#verbs.native.identity())
  }

  /** How many entries the map has. */
  get size(): number {
    return this.#verbs.native.size()
  }

  /**
   * Entries up to which the map was made to grow without splitting a table or making a file: the smallest power of two
   * that is neither below the option `capacity` nor below `size`. `compact` gives that room back, `clear` its tables.
   */
  get capacity(): number {
    return this.#verbs.native.capacity()
  }

  /**
   * The value of a key, or undefined.
   *
   * @param key The key.
   * @param options See {@link GetOptions}.
   */
  get(key: K, options?: GetOptions): V | undefined {
    const value = this.#verbs.get(key)
    return options === undefined ? value : asAsked(value, options)
  }

  /**
   * As {@link DiskMap.get}, but a cold page or a long value is read off the event loop. The key is taken at the call; what
   * is written after it may be seen or not. Every error rejects the promise. `close` waits for the read, and the promise
   * resolves after it. It takes no signal: it is one read of the disk, and the system does not end one that has begun.
   */
  getAsync(key: K): Promise<V | undefined> {
    return getAsync(this.#verbs, key)
  }

  /** Whether the map has the key. */
  has(key: K): boolean {
    return this.#verbs.has(key)
  }

  /** Stores a value under a key, in place of one that is there. */
  set(key: K, value: V): this {
    this.#verbs.set(key, value)
    return this
  }

  /** Removes a key; gives whether it was there. */
  delete(key: K): boolean {
    return this.#verbs.delete(key)
  }

  /** Removes every key at once. May wait for writes in all parts of the map. */
  clear(): void {
    this.#verbs.native.clear()
  }

  /**
   * Stores what fn makes of a key's value, unless another thread wrote the key meanwhile: then fn is called again with
   * the new value. Returns what was stored, or undefined if fn returned `DELETE`, which removes the key.
   *
   * @param key The key.
   * @param fn Gets the value, or undefined if there is none, and returns the value to store or `DELETE`. What it throws
   * passes through and changes nothing. It may use the map.
   * @throws {DiskMapError} `ERR_CONFLICT` after 1,000 lost races; `ERR_INVALID_VALUE` if fn returns undefined or a
   * promise.
   * @example
   * counts.update('ES', (count) => (count ?? 0) + 1)
   */
  update(key: K, fn: (value: V | undefined) => V): V
  update(key: K, fn: (value: V | undefined) => V | Delete): V | undefined
  update(key: K, fn: (value: V | undefined) => V | Delete): V | undefined {
    return update(this.#verbs, key, fn)
  }

  /**
   * The value of a key; if there is none, stores this one and returns it.
   *
   * @throws {DiskMapError} `ERR_CONFLICT` if the key came and went 1,000 times meanwhile.
   */
  getOrInsert(key: K, defaultValue: V): V {
    return getOrInsert(this.#verbs, key, defaultValue)
  }

  /**
   * The value of a key; if there is none, stores what fn returns and returns it. fn is called at most once; if another
   * thread stores a value meanwhile, that one stays and is returned.
   *
   * @throws {DiskMapError} `ERR_CONFLICT` if the key came and went 1,000 times meanwhile; `ERR_INVALID_VALUE` if fn returns
   * a promise.
   */
  getOrInsertComputed(key: K, callback: (key: K) => V): V {
    return getOrInsertComputed(this.#verbs, key, callback)
  }

  /**
   * What the map has under a key now, as a snapshot with the verbs `insert`, `orInsert`, `orInsertWith`, `andModify` and
   * `remove`.
   *
   * @example
   * map.entry('visits').andModify((count) => count + 1).orInsert(1)
   */
  entry(key: K): Entry<K, V> {
    return entry(this.#verbs, key)
  }

  /**
   * The values of many keys, in the order of the keys, with undefined for a miss. Much faster than as many calls of `get`.
   *
   * @param keys An iterable or an array of keys. Fastest are a typed array whose elements are the key codec's integers
   * (`BigUint64Array` for `native.u64`), and strings of ASCII. Each key is looked up by itself: together
   * the values are not of one moment.
   * @throws {DiskMapError} `ERR_INVALID_ARGUMENT` for what is not iterable.
   * @example
   * const [first, second] = map.getMany(['a', 'b'])
   */
  getMany(keys: Iterable<K>): (V | undefined)[] {
    return getMany(this.#verbs, keys)
  }

  /**
   * The values of many keys, put into a typed array in the order of the keys; returns how many of them are there. The place
   * of a key that is not there stays as it is. Several times as fast as {@link DiskMap.getMany}, for no value of JavaScript's
   * is made.
   *
   * Only for the value codecs `native.u8` to `native.i64`; with others calling it is `ERR_INVALID_ARGUMENT`.
   *
   * @param keys As for {@link DiskMap.getMany}.
   * @param into A typed array of the value codec's integers (`BigUint64Array` for `native.u64`) with a place for each key.
   * @throws {DiskMapError} `ERR_INVALID_ARGUMENT` for another array, or one that is too short; then nothing is read.
   * @example
   * const counts = new BigUint64Array(2).fill(-1n)
   * const found = visits.getManyInto(['a', 'b'], counts)
   */
  getManyInto(keys: Iterable<K>, into: IntegerArray<V>): number {
    return getManyInto(this.#verbs, keys, into)
  }

  /** Whether each of many keys is there, in the order of the keys; see {@link DiskMap.getMany}. */
  hasMany(keys: Iterable<K>): boolean[] {
    return hasMany(this.#verbs, keys)
  }

  /**
   * Stores many pairs; of several with one key the last one stays. All pairs are encoded, in memory, before the first is
   * stored: an iterable, a codec or a pair that fails changes nothing. Each key is atomic by itself.
   *
   * @param pairs Arrays of a key and a value: an array of them, a `Map`, a DiskMap or another iterable.
   * @throws {DiskMapError} `ERR_INVALID_ARGUMENT` for what is not an iterable of pairs. If the map itself fails midway, as
   * with `ERR_NO_SPACE`, the error's `stored` has how many pairs are stored, from the first one on.
   * @example
   * map.setMany([['a', 1], ['b', 2]]).setMany(new Map([['c', 3]]))
   */
  setMany(pairs: Iterable<readonly [K, V]>): this {
    setMany(this.#verbs, pairs)
    return this
  }

  /**
   * Removes many keys, and returns how many were there. A key that is refused changes nothing; see
   * {@link DiskMap.getMany}.
   */
  deleteMany(keys: Iterable<K>): number {
    return deleteMany(this.#verbs, keys)
  }

  /**
   * The value of a key where it lies, or undefined: its bytes are the map's own pages, and nothing is copied or decoded.
   * Costs the same for a value of any length. See {@link View} for how long it lasts; `map.stats().pins` shows what views
   * hold.
   *
   * @example
   * using view = map.view('avatar')
   * response.end(view?.bytes)
   */
  view(key: K): View<Viewed> | undefined {
    return this.#viewer.view(key)
  }

  /** The views of many keys, in the order of the keys, with undefined for a miss; see {@link DiskMap.view}. */
  viewMany(keys: Iterable<K>): (View<Viewed> | undefined)[] {
    return viewMany(this.#viewer, keys)
  }

  /**
   * Calls fn with the bytes of a key's value where they lie, and returns what it returns; undefined, without a call, if the
   * key is absent. The view ends with the call: fn keeps nothing of the bytes.
   *
   * @throws {DiskMapError} `ERR_INVALID_ARGUMENT` if fn is not a function. What fn throws passes through.
   * @example
   * const crc = map.read('avatar', (bytes) => crc32(bytes))
   */
  read<R>(key: K, fn: (bytes: Buffer, view: View<Viewed>) => R): R | undefined {
    return read(this.#viewer, key, fn)
  }

  /**
   * Iterates over the entries with their values in place; see {@link DiskMap.entries} and {@link DiskMap.view}. Until it is at
   * its end, or left, an iteration holds a few segments too.
   */
  views(): MapIterator<[K, View<Viewed>]> {
    return new ViewIterator(this.#verbs, this.#viewer) as unknown as MapIterator<[K, View<Viewed>]>
  }

  get #viewer(): Views<K, V, Viewed> {
    return (this.#views ??= new Views(this.#verbs, this.#viewMode))
  }

  /**
   * Iterates over the entries, in no promised order. A key that is there throughout is given exactly once, whatever is
   * written meanwhile, here or in other threads; nobody waits for an iterator.
   */
  entries(): MapIterator<[K, V]> {
    return this.#iterate('entries')
  }

  /** Iterates over the keys; see {@link DiskMap.entries}. */
  keys(): MapIterator<K> {
    return this.#iterate('keys')
  }

  /** Iterates over the values; see {@link DiskMap.entries}. */
  values(): MapIterator<V> {
    return this.#iterate('values')
  }

  /**
   * Calls fn with the value, the key and the map for each entry; see {@link DiskMap.entries}.
   *
   * @throws {TypeError} If fn is not a function.
   */
  forEach(
    callbackfn: (value: V, key: K, map: DiskMap<K, V, Allows, Viewed>) => void,
    thisArg?: unknown,
  ): void {
    if (typeof callbackfn !== 'function') {
      throw new TypeError(`${describe(callbackfn)} is not a function`)
    }
    for (const [key, value] of this.entries()) callbackfn.call(thisArg, value, key, this)
  }

  /**
   * Makes everything written so far safe from a crash of the machine, off the event loop. It takes no signal: a sync that
   * has begun goes on in the system, and others may wait for the same one.
   *
   * @throws {DiskMapError} `ERR_IO` if the disk failed; the map is read-only from then on.
   */
  async flush(): Promise<void> {
    await this.#verbs.native.flush()
  }

  /** As {@link DiskMap.flush}, but this thread waits for it. */
  flushSync(): void {
    this.#verbs.native.flushSync()
  }

  /**
   * Gives back the space of replaced and removed values, off the event loop, as far as the disk bound has left any.
   * The map does so by itself in the background; this does all there is. Called off, it keeps what it has done so far.
   *
   * @param options See {@link SignalOptions}.
   * @throws {DiskMapError} `ERR_CLOSED` if this map is closed meanwhile; and what the signal gives as its reason.
   */
  async compact(options?: SignalOptions): Promise<void> {
    const job = checkJob(options, ['signal'])
    await finish(this.#verbs.native.compact(), job)
  }

  /**
   * Checks every record, every slot and counter of the index and every value in a file of its own, off the event loop,
   * while others read and write: a writer waits for a fraction of a millisecond at a time. Damage does not reject the
   * promise; the report lists it. Nothing is changed. What the system has in its cache is what is checked.
   *
   * @param options See {@link JobOptions}.
   * @throws {DiskMapError} `ERR_CLOSED` if this map is closed meanwhile; and what the signal gives as its reason.
   * @example
   * const { ok, errors } = await map.verify({ signal: AbortSignal.timeout(60_000) })
   * if (!ok) console.error(errors)
   */
  async verify(options?: JobOptions): Promise<VerifyReport<K>> {
    return verify(this.#verbs, checkJob(options))
  }

  /**
   * Copies the map to a new directory, off the event loop and while everybody goes on writing. The copy is what the map
   * held at one moment: every change that had returned before the call is in it, and of those made meanwhile all up to that
   * moment and none after it. When the promise resolves the copy is safe from a crash of the machine. Where the file system
   * can, it shares its blocks with the map and takes no room.
   *
   * The copy is a map like any other; its first open verifies every byte and makes the index from the log. It is for
   * its owner alone (0700, files 0600), whatever the map's permissions are. A backup that fails or is called off leaves
   * nothing. If the process dies there may be a directory `NAME.partial-…`, which does not open unless it is whole; delete it.
   *
   * @param path Where the copy goes, as a string or a file URL: nothing may be there, and its parent must exist.
   * @param options See {@link JobOptions}.
   * @throws {DiskMapError} `ERR_INVALID_ARGUMENT` if there is something at the path, or if it lies in the map;
   * `ERR_NOT_FOUND` if the parent does not exist; `ERR_NO_SPACE`, `ERR_IO`, `ERR_CORRUPT` if a file of the map is missing;
   * `ERR_CLOSED` if this handle is closed meanwhile. Every error rejects the promise.
   * @example
   * await map.backup('users.backup', {
   *   signal: AbortSignal.timeout(60_000),
   *   onProgress: ({ bytes, totalBytes }) => console.log(`${bytes} of ${totalBytes}`),
   * })
   */
  backup(path: string | URL, options?: JobOptions): Promise<void> {
    return backup(this.#verbs.native, path, options)
  }

  /** Facts about the map: entries, bytes, files, background work. */
  stats(): DiskMapStats {
    return this.#verbs.native.stats() as DiskMapStats
  }

  /**
   * Ends this handle and its views; a second call does nothing. The last handle of the process syncs the map and marks it cleanly
   * closed, which may wait for the disk: `await flush()` before it if that must not happen here.
   *
   * @throws {DiskMapError} `ERR_IO` if the sync failed. The handle is closed all the same.
   */
  close(): void {
    this.#verbs.closed = true
    this.#views?.end()
    this.#verbs.native.close()
  }

  /** As {@link DiskMap.close}: `using map = DiskMap.open(…)`. */
  [Symbol.dispose](): void {
    this.close()
  }

  /** Flushes off the event loop, then closes: `await using map = DiskMap.open(…)`. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#verbs.closed) return
    try {
      await this.#verbs.native.flush()
    } finally {
      this.close()
    }
  }

  /** `'DiskMap'`. */
  declare readonly [Symbol.toStringTag]: string

  #iterate<T>(part: Part): MapIterator<T> {
    return new EntryIterator<K, V, T>(this.#verbs, part) as unknown as MapIterator<T>
  }
}
