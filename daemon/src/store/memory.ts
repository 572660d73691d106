import { DaemonError } from '../errors.ts'
import type { RandomBytes } from '../random.ts'
import { type Store, type StoreEntry, type StoreRange, type StoreWrite, SUBLEVELS, type Sublevel } from './port.ts'
import { SortedTable } from './sorted-table.ts'

type Batch = readonly StoreWrite[]

/** Every sublevel, in memory. */
class Tables {
  readonly #tables = new Map<Sublevel, SortedTable<Uint8Array>>()

  table(sublevel: Sublevel): SortedTable<Uint8Array> {
    let table = this.#tables.get(sublevel)
    if (table === undefined) {
      table = new SortedTable()
      this.#tables.set(sublevel, table)
    }
    return table
  }

  apply(batch: Batch): void {
    for (const write of batch) {
      const table = this.table(write.sublevel)
      if (write.type === 'put') table.set(write.key, write.value)
      else table.delete(write.key)
    }
  }
}

/**
 * What outlives a `MemoryStore`, as a disk outlives a process: one log of whole batches, known to be on disk up to the last
 * synced one. At most one store has it open.
 */
export class MemoryDisk {
  #durable = new Tables()
  /** Batches that were asked for since the last sync, in order. */
  readonly #unsynced: Batch[] = []
  #durableCount = 0
  #owner: MemoryStore | undefined

  /** The store that has the disk open. */
  get owner(): MemoryStore | undefined {
    return this.#owner
  }

  /** Gives the disk to `store`, or back, and returns what is on it. A store that closes has written all that it was given. */
  open(store: MemoryStore): Tables {
    this.#owner = store
    const tables = new Tables()
    for (const sublevel of SUBLEVELS) {
      for (const { key, value } of this.#durable.table(sublevel).range()) tables.table(sublevel).set(key, value)
    }
    for (const batch of this.#unsynced) tables.apply(batch)
    return tables
  }

  release(): void {
    this.#owner = undefined
  }

  /** Appends to the log. Returns how many batches it then holds, ever. */
  append(batch: Batch): number {
    return this.#durableCount + this.#unsynced.push(batch)
  }

  /** Puts the log on disk for good, up to where it held `count` batches. */
  sync(count: number): void {
    const batches = this.#unsynced.splice(0, Math.max(0, count - this.#durableCount))
    for (const batch of batches) this.#durable.apply(batch)
    this.#durableCount += batches.length
  }

  /** A disk of its own with what is surely on this one: a backup of it. */
  copy(): MemoryDisk {
    const copy = new MemoryDisk()
    for (const sublevel of SUBLEVELS) {
      for (const { key, value } of this.#durable.table(sublevel).range()) {
        copy.#durable.apply([{ type: 'put', sublevel, key, value }])
      }
    }
    return copy
  }

  /** How many batches a crash may lose. */
  get unsyncedCount(): number {
    return this.#unsynced.length
  }

  /**
   * Cuts the power: an arbitrary prefix of whole batches stays, never less than what was synced. The store that had the disk
   * open is closed; what it had not answered fails with `STORE_UNAVAILABLE`.
   */
  crash(randomBytes: RandomBytes): void {
    const draw = new DataView(randomBytes(4).buffer).getUint32(0)
    this.sync(this.#durableCount + (draw % (this.#unsynced.length + 1)))
    this.#unsynced.length = 0
    this.#owner?.abandon()
    this.#owner = undefined
  }
}

export interface MemoryStoreOptions {
  /** How long a batch is in the log before it is written, and before its writer hears of it; no time unless said. It must keep the order of the calls. */
  readonly written?: () => Promise<void>
}

/** A store in memory that loses in a crash what LevelDB may lose. For tests and simulations. */
export class MemoryStore implements Store {
  readonly #disk: MemoryDisk
  readonly #written: () => Promise<void>
  #tables: Tables | undefined

  constructor(disk: MemoryDisk = new MemoryDisk(), options: MemoryStoreOptions = {}) {
    this.#disk = disk
    this.#written = options.written ?? (async () => undefined)
  }

  async open(): Promise<void> {
    if (this.#tables !== undefined) return
    if (this.#disk.owner !== undefined) throw new DaemonError('STORE_LOCKED', 'another store has the disk open')
    this.#tables = this.#disk.open(this)
  }

  async close(): Promise<void> {
    if (this.#tables === undefined) return
    this.#tables = undefined
    this.#disk.release()
  }

  get(sublevel: Sublevel, key: Uint8Array): Uint8Array | undefined {
    return this.#opened().table(sublevel).get(key)?.slice()
  }

  async *range(sublevel: Sublevel, range: StoreRange = {}): AsyncGenerator<StoreEntry, void, undefined> {
    const entries = this.#opened().table(sublevel).range(range)
    for (const { key, value } of entries) {
      this.#opened()
      yield { key, value: value.slice() }
    }
  }

  async batch(writes: readonly StoreWrite[], { sync }: { readonly sync: boolean }): Promise<void> {
    const tables = this.#opened()
    if (writes.length === 0) return
    const batch = writes.map(copyWrite)
    const countToHere = this.#disk.append(batch)
    // A crash meanwhile finds the batch in the log, and may or may not keep it. Nobody reads it before it is written.
    await this.#written()
    if (this.#tables !== tables) throw unavailable()
    tables.apply(batch)
    if (sync) this.#disk.sync(countToHere)
  }

  /** The process that had the store open is gone. */
  abandon(): void {
    this.#tables = undefined
  }

  #opened(): Tables {
    if (this.#tables === undefined) throw unavailable()
    return this.#tables
  }
}

function copyWrite(write: StoreWrite): StoreWrite {
  const key = write.key.slice()
  return write.type === 'put' ? { ...write, key, value: write.value.slice() } : { ...write, key }
}

function unavailable(): DaemonError {
  return new DaemonError('STORE_UNAVAILABLE', 'the store is not open')
}
