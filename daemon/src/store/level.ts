import { Level } from 'level'
import { DaemonError } from '../errors.ts'
import { assertWhole } from './level-files.ts'
import type { Store, StoreEntry, StoreRange, StoreWrite, Sublevel } from './port.ts'

type Operation =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array }

interface WaitingBatch {
  readonly operations: readonly Operation[]
  readonly sync: boolean
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Read from the iterator at once: enough to make the thread switch cheap, little enough to hold. */
const READ_AHEAD_BYTES = 256 * 1_024
const READ_AHEAD_COUNT = 1_000

/**
 * The store on LevelDB, in one directory of which it is the only user.
 *
 * Batches asked for while a write is in flight are written together, whole and in order, by the next one: they share one sync.
 * Keys and values given to `batch` must not change until it has settled.
 */
export class LevelStore implements Store {
  readonly #directory: string
  readonly #isRepaired: boolean
  /** Undefined from the first failed write on, though the database may still be closing. */
  #db: Level<Uint8Array, Uint8Array> | undefined
  #waiting: WaitingBatch[] = []
  #isWriting = false

  /** @param isRepaired - LevelDB's repair made its files, which are compressed and are not looked through again */
  constructor(directory: string, { isRepaired = false }: { readonly isRepaired?: boolean } = {}) {
    this.#directory = directory
    this.#isRepaired = isRepaired
  }

  async open(): Promise<void> {
    if (this.#db !== undefined) return
    try {
      await assertFree(this.#directory)
      // Before the object is made, for that begins to open the database.
      if (!this.#isRepaired) await assertWhole(this.#directory)
      const db = new Level<Uint8Array, Uint8Array>(this.#directory, {
        keyEncoding: 'view',
        valueEncoding: 'view',
        // Values are sealed or random, so compressing them costs time and saves nothing.
        compression: false
      })
      await db.open()
      this.#db = db
    } catch (error) {
      throw failureOf(error)
    }
  }

  async close(): Promise<void> {
    const db = this.#db
    this.#db = undefined
    this.#failWaiting(unavailable())
    await db?.close()
  }

  get(sublevel: Sublevel, key: Uint8Array): Uint8Array | undefined {
    const db = this.#opened()
    try {
      const value = db.getSync(prefixed(sublevel, key))
      return value === undefined ? undefined : asPlain(value)
    } catch (error) {
      throw failureOf(error)
    }
  }

  async *range(sublevel: Sublevel, range: StoreRange = {}): AsyncGenerator<StoreEntry, void, undefined> {
    const prefixLengthBytes = prefixes[sublevel].length
    const iterator = this.#opened().iterator({
      gte: prefixed(sublevel, range.gte ?? new Uint8Array()),
      lt: range.lt === undefined ? endOf(sublevel) : prefixed(sublevel, range.lt),
      limit: range.limit ?? -1,
      reverse: range.reverse ?? false,
      highWaterMarkBytes: READ_AHEAD_BYTES
    })
    try {
      for (;;) {
        const entries = await iterator.nextv(READ_AHEAD_COUNT).catch(error => Promise.reject(failureOf(error)))
        if (entries.length === 0) return
        for (const [key, value] of entries) {
          this.#opened()
          yield { key: asPlain(key.subarray(prefixLengthBytes)), value: asPlain(value) }
        }
      }
    } finally {
      await iterator.close()
    }
  }

  async batch(writes: readonly StoreWrite[], { sync }: { readonly sync: boolean }): Promise<void> {
    const db = this.#opened()
    if (writes.length === 0) return
    const operations = writes.map((write): Operation => {
      const key = prefixed(write.sublevel, write.key)
      return write.type === 'put' ? { type: 'put', key, value: write.value } : { type: 'del', key }
    })
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiting.push({ operations, sync, resolve, reject })
    if (!this.#isWriting) void this.#writeWaiting(db)
    return promise
  }

  async compact(): Promise<void> {
    // The types of `level` are those of its browser side too, which compacts nothing.
    const db = this.#opened() as unknown as { compactRange(start: Uint8Array, end: Uint8Array): Promise<void> }
    try {
      await db.compactRange(new Uint8Array(0), Uint8Array.of(0xff))
    } catch (error) {
      throw failureOf(error)
    }
  }

  async #writeWaiting(db: Level<Uint8Array, Uint8Array>): Promise<void> {
    this.#isWriting = true
    while (this.#waiting.length > 0) {
      const batches = this.#waiting
      this.#waiting = []
      const operations = batches.flatMap(batch => batch.operations)
      try {
        await db.batch(operations, { sync: batches.some(batch => batch.sync) })
        for (const batch of batches) batch.resolve()
      } catch (error) {
        await this.#fail(db, batches, error)
      }
    }
    this.#isWriting = false
  }

  /**
   * Closes the database for good measure: after a failed log write LevelDB acknowledges synced writes that are gone on
   * reopening.
   */
  async #fail(db: Level<Uint8Array, Uint8Array>, batches: readonly WaitingBatch[], error: unknown): Promise<void> {
    this.#db = undefined
    const failure = unavailable(error, error instanceof Error ? error.message : '')
    await db.close().catch(() => {
      // The write that failed says more than a close that fails after it, and `open` reports what is still wrong.
    })
    for (const batch of batches) batch.reject(failure)
    this.#failWaiting(failure)
  }

  #failWaiting(failure: DaemonError): void {
    const batches = this.#waiting
    this.#waiting = []
    for (const batch of batches) batch.reject(failure)
  }

  #opened(): Level<Uint8Array, Uint8Array> {
    if (this.#db === undefined) throw unavailable()
    return this.#db
  }
}

/** As `abstract-level` prefixes its sublevels, so that its tools can read the database. */
const prefixes: Readonly<Record<Sublevel, Uint8Array>> = {
  meta: Buffer.from('!meta!'),
  peers: Buffer.from('!peers!'),
  lanes: Buffer.from('!lanes!'),
  outbox: Buffer.from('!outbox!'),
  inbox: Buffer.from('!inbox!'),
  consumers: Buffer.from('!consumers!'),
  clients: Buffer.from('!clients!'),
  audit: Buffer.from('!audit!')
}

function prefixed(sublevel: Sublevel, key: Uint8Array): Uint8Array {
  const prefix = prefixes[sublevel]
  const bytes = new Uint8Array(prefix.length + key.length)
  bytes.set(prefix)
  bytes.set(key, prefix.length)
  return bytes
}

/** The first key behind those of the sublevel: its prefix with the last byte, `!`, one higher. */
function endOf(sublevel: Sublevel): Uint8Array {
  const end = prefixed(sublevel, new Uint8Array())
  end[end.length - 1] = '!'.charCodeAt(0) + 1
  return end
}

/** LevelDB's buffers as what they are declared to be; each is memory of its own. */
function asPlain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/**
 * Takes the lock of the database and gives it back, and does nothing else: it asks for what cannot be.
 *
 * @throws {DaemonError} `STORE_LOCKED` `STORE_UNAVAILABLE`
 */
export async function assertFree(directory: string): Promise<void> {
  const db = new Level(directory, { createIfMissing: false, errorIfExists: true })
  try {
    await db.open()
  } catch (error) {
    const { cause } = error as Error
    if (!(cause instanceof Error) || !/\((?:create_if_missing is false|error_if_exists is true)\)$/.test(cause.message))
      throw failureOf(error)
  }
}

/** What an error of LevelDB means: another user, damage, or a disk that does not serve. */
function failureOf(error: unknown): DaemonError {
  if (error instanceof DaemonError) return error
  // `abstract-level` wraps what a failed `open` says.
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = inner instanceof Error && 'code' in inner ? inner.code : undefined
  if (code === 'LEVEL_LOCKED') {
    return new DaemonError('STORE_LOCKED', 'another process has the store open', { cause: error })
  }
  const text = inner instanceof Error ? inner.message : ''
  if (code === 'LEVEL_CORRUPTION' || DAMAGE_TEXT.test(text)) {
    return new DaemonError('STORE_DAMAGED', `the database is damaged: ${text}`, { cause: error })
  }
  return unavailable(error, text)
}

/** A table that is gone, or shorter than it was, is no failure of the disk, whatever LevelDB calls it. */
const DAMAGE_TEXT = /^Corruption: |\.(ldb|sst): (Invalid argument|No such file or directory)$/

function unavailable(cause?: unknown, detail = ''): DaemonError {
  const text = detail === '' ? 'the store cannot be used' : `the store cannot be used: ${detail}`
  return new DaemonError('STORE_UNAVAILABLE', text, cause === undefined ? {} : { cause })
}

/** Makes what is left of a damaged database readable, as LevelDB can. For copies: it moves and rewrites files. @throws {DaemonError} */
export async function repairLevel(directory: string): Promise<void> {
  try {
    // The types of `level` are those of its browser side too, which has no repair.
    await (Level as unknown as { repair(location: string): Promise<void> }).repair(directory)
  } catch (error) {
    throw failureOf(error)
  }
}
