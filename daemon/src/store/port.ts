/** The parts of the store. Each is an ordered map from byte strings to byte strings. */
export const SUBLEVELS = ['meta', 'peers', 'lanes', 'outbox', 'inbox', 'consumers', 'clients', 'audit'] as const
export type Sublevel = (typeof SUBLEVELS)[number]

export type StoreWrite =
  | { readonly type: 'put'; readonly sublevel: Sublevel; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'delete'; readonly sublevel: Sublevel; readonly key: Uint8Array }

export interface StoreRange {
  readonly gte?: Uint8Array
  readonly lt?: Uint8Array
  readonly limit?: number
  readonly reverse?: boolean
}

export interface StoreEntry {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/**
 * The daemon's database: ordered keys, atomic batches, one log. Implemented by `level.ts` (LevelDB) and `memory.ts`, which
 * models a crash; `daemon/test/store/contract.ts` holds both to this.
 *
 * After any failed write the store is closed and every call fails with `STORE_UNAVAILABLE` until it is opened again: LevelDB
 * acknowledges synced writes after a failed log write that are gone on reopening. A read that meets damage fails with `STORE_DAMAGED`,
 * and closes nothing.
 */
export interface Store {
  /** Opens or creates the database. @throws {DaemonError} `STORE_LOCKED` another process has it; `STORE_DAMAGED`; `STORE_UNAVAILABLE` */
  open(): Promise<void>
  close(): Promise<void>
  /** The value, or undefined when there is none. Synchronous: on one event loop LevelDB's synchronous read costs a sixteenth of the awaited one. */
  get(sublevel: Sublevel, key: Uint8Array): Uint8Array | undefined
  /** Entries in key order (byte-wise), as one snapshot. */
  range(sublevel: Sublevel, range?: StoreRange): AsyncIterable<StoreEntry>
  /** Writes all or nothing. With `sync`, resolves after the log is on disk. Batches are applied in the order of the calls. */
  batch(writes: readonly StoreWrite[], options: { readonly sync: boolean }): Promise<void>
  /** Rewrites the files, so that nothing is left in them of what was overwritten or deleted. Absent where nothing ever is. */
  compact?(): Promise<void>
}
