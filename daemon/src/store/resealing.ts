import type { Store, StoreEntry, StoreRange, StoreWrite, Sublevel } from './port.ts'
import { isPlainRecord, keyNumberOf } from './sealed.ts'
import type { Sealer } from './sealer.ts'

export interface ResealingStoreDeps {
  readonly store: Store
  /** Of `store`. */
  readonly sealer: Sealer
  /** The number of the store key that seals now. */
  readonly newest: () => number
}

/** What a look at some records found. */
export interface Reseal {
  /** Records that were sealed anew. */
  readonly count: number
  /** Records that do not open with any key: they are left as they are. */
  readonly damagedCount: number
}

/**
 * A store whose records can be sealed anew beside its writers. Whatever is written through it is sealed with the newest key, also what
 * was sealed before that key came; and a record is sealed anew only as it is, so that no newer value is ever written over.
 */
export class ResealingStore implements Store {
  readonly #deps: ResealingStoreDeps
  /** Batches that were given to the store and are not written yet: reading does not show them. */
  readonly #inFlight = new Map<readonly StoreWrite[], Promise<unknown>>()

  constructor(deps: ResealingStoreDeps) {
    this.#deps = deps
  }

  open(): Promise<void> {
    return this.#deps.store.open()
  }

  close(): Promise<void> {
    return this.#deps.store.close()
  }

  get(sublevel: Sublevel, key: Uint8Array): Uint8Array | undefined {
    return this.#deps.store.get(sublevel, key)
  }

  range(sublevel: Sublevel, range?: StoreRange): AsyncIterable<StoreEntry> {
    return this.#deps.store.range(sublevel, range)
  }

  batch(writes: readonly StoreWrite[], options: { readonly sync: boolean }): Promise<void> {
    const newest = this.#deps.newest()
    const current = writes.some(write => isSealedWithOther(write, newest))
      ? writes.map(write => (isSealedWithOther(write, newest) ? this.#resealed(write) : write))
      : writes
    const written = this.#deps.store.batch(current, options)
    this.#inFlight.set(current, written)
    const settled = (): void => void this.#inFlight.delete(current)
    written.then(settled, settled)
    return written
  }

  async compact(): Promise<void> {
    await this.#deps.store.compact?.()
  }

  /** Resolves once every batch that is in flight now has been written, or has failed. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#inFlight.values())
  }

  /**
   * Seals records anew that an older key sealed, in one synced batch. One that is being written is left: the writer has sealed it.
   *
   * @throws {DaemonError} `STORE_UNAVAILABLE`
   */
  async reseal(sublevel: Sublevel, keys: readonly Uint8Array[]): Promise<Reseal> {
    const { store, sealer, newest } = this.#deps
    const writes: StoreWrite[] = []
    let damagedCount = 0
    // From here to the batch nothing is awaited: no writer comes between what is read and what is written.
    const beingWritten = this.#keysInFlight(sublevel)
    for (const key of keys) {
      const value = store.get(sublevel, key)
      if (value === undefined || keyNumberOf(value) === newest() || beingWritten.has(textOf(key))) continue
      const content = contentOf(sealer, sublevel, key, value)
      if (content === undefined) damagedCount++
      else writes.push({ type: 'put', sublevel, key, value: sealer.seal(sublevel, key, content) })
    }
    await this.batch(writes, { sync: true })
    return { count: writes.length, damagedCount }
  }

  /** What does not open is written as it is: a damaged record is set aside like that. */
  #resealed(write: StoreWrite & { type: 'put' }): StoreWrite {
    const { sublevel, key, value } = write
    const { sealer } = this.#deps
    const content = contentOf(sealer, sublevel, key, value)
    return content === undefined ? write : { ...write, value: sealer.seal(sublevel, key, content) }
  }

  #keysInFlight(sublevel: Sublevel): ReadonlySet<string> {
    const keys = new Set<string>()
    for (const writes of this.#inFlight.keys()) {
      for (const write of writes) if (write.sublevel === sublevel) keys.add(textOf(write.key))
    }
    return keys
  }
}

function isSealedWithOther(write: StoreWrite, newest: number): write is StoreWrite & { type: 'put' } {
  return write.type === 'put' && !isPlainRecord(write.sublevel, write.key) && keyNumberOf(write.value) !== newest
}

function contentOf(sealer: Sealer, sublevel: Sublevel, key: Uint8Array, value: Uint8Array): Uint8Array | undefined {
  try {
    return sealer.open(sublevel, key, value)
  } catch {
    // Whoever needs the record says what is wrong with it; no key that is kept would mend it.
    return undefined
  }
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')
}
