import type { Sublevel } from './port.ts'

/** Seals the values of records and hides names in their keys. One for each open store. */
export interface Sealer {
  /**
   * A Secure Cell (Seal) of `plaintext`, one byte or more, bound to where it lies.
   * The result is the caller's; it names the store key that opens it.
   */
  seal(sublevel: Sublevel, key: Uint8Array, plaintext: Uint8Array): Uint8Array
  /** @throws {DaemonError} `RECORD_DAMAGED` naming the sublevel, for anything that this store did not seal for this place */
  open(sublevel: Sublevel, key: Uint8Array, sealed: Uint8Array): Uint8Array
  /** 16 bytes that stand for `parts` in a key of this store, and tell nothing of them. */
  hiddenName(...parts: readonly (string | Uint8Array)[]): Uint8Array
}
