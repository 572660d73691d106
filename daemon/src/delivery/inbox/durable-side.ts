import type { Entry } from './run-log.ts'

/** What the log leaves to whoever keeps durable entries. */
export interface DurableSide {
  /** The bodies; undefined while the store cannot be read. @throws {DaemonError} `RECORD_DAMAGED` */
  bodies(entry: Entry): readonly Uint8Array[] | undefined
  /** The entry's record does not open; it is gone from the log. */
  setAside(entry: Entry): void
  /** A consumer has acknowledged the messages at indexes `from` to `to`, or refused the one there. */
  acked(entry: Entry, from: number, to: number, refusal: string | undefined): void
  /** The entry is gone from the log. */
  removed(entry: Entry): void
}
