import type { AuditProblem, AuditVerdict } from '@parley/client-sdk/contract'
import { DaemonError } from '../../errors.ts'
import { hexOf, sameBytes } from '../../identity/fields.ts'
import type { AuditHead } from '../../identity/keyring.ts'
import { type AuditAnchor, type AuditRecord, type AuditRecords, indexOfKey, NO_MAC } from './records.ts'

/**
 * Goes through the log from its anchor on, entry by entry in the order of their keys, and finds the first one that is not as it was
 * written. The chain's own MACs tell edits, holes and swaps; that its end was cut off only the keyring's head tells.
 */
export class ChainCheck {
  readonly #records: AuditRecords
  readonly #expected: AuditHead
  #anchor = 0
  #last = 0
  #mac = NO_MAC
  #found: { readonly at: number; readonly problem: AuditProblem } | undefined

  /** @param expected - count and head in the keyring, from before the entries were read */
  constructor(records: AuditRecords, expected: AuditHead) {
    this.#records = records
    this.#expected = expected
  }

  /** @returns whether to go on: false once something was found */
  take(key: Uint8Array, value: Uint8Array): boolean {
    const index = indexOfKey(key)
    if (index === 0) this.#takeAnchor(value)
    else if (index === undefined) this.#find('edited')
    // What has left may come back by a copy that was made meanwhile; the anchor speaks for it.
    else if (index > this.#anchor) this.#takeEntry(index, key, value)
    return this.#found === undefined
  }

  end(): AuditVerdict {
    if (this.#found === undefined && this.#last < this.#expected.count) this.#find('cut-off')
    if (this.#found !== undefined) return { ok: false, ...this.#found }
    return { ok: true, count: this.#last, head: hexOf(this.#mac) }
  }

  #takeAnchor(value: Uint8Array): void {
    const anchor = opened((): AuditAnchor => this.#records.openAnchor(value))
    if (anchor === undefined || !this.#records.anchorHolds(anchor)) {
      this.#find('edited')
      return
    }
    this.#anchor = anchor.index
    this.#last = anchor.index
    this.#mac = anchor.mac
    this.#holdToHead()
  }

  #takeEntry(index: number, key: Uint8Array, value: Uint8Array): void {
    const expected = this.#last + 1
    const record = opened((): AuditRecord => this.#records.open(key, value))
    if (index > expected) this.#find('missing')
    else if (record === undefined || !this.#records.holds(record)) this.#find('edited')
    else if (record.index !== index) this.#find('reordered')
    else if (!sameBytes(record.previous, this.#mac)) this.#find('edited')
    if (this.#found !== undefined || record === undefined) return
    this.#last = index
    this.#mac = record.mac
    this.#holdToHead()
  }

  #holdToHead(): void {
    const { count, head } = this.#expected
    if (this.#last === count && !sameBytes(this.#mac, head)) this.#found ??= { at: count, problem: 'edited' }
  }

  #find(problem: AuditProblem): void {
    this.#found ??= { at: this.#last + 1, problem }
  }
}

/** What opens, or undefined for what the store did not seal for this place. */
export function opened<T>(open: () => T): T | undefined {
  try {
    return open()
  } catch (error) {
    if (error instanceof DaemonError && error.code === 'RECORD_DAMAGED') return undefined
    throw error
  }
}
