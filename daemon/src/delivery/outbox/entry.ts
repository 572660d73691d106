import type { Lane } from './lane.ts'

/** What each message counts beside its bytes. */
export const MESSAGE_COST_BYTES = 128

export type EntryKind =
  /** Messages that are to be sent. */
  | 'run'
  /** Their time was over after they had been on a wire: they are skipped, and a receipt tells whether they had arrived. */
  | 'expiring'
  /** What became of the numbers is known here; the receiver is to skip them. */
  | 'skip'

export interface EntryFields {
  readonly kind: EntryKind
  readonly first: number
  readonly count: number
  /** Of all bodies. */
  readonly bytes: number
  /** The largest body. */
  readonly largestBytes: number
  /** Unix milliseconds. */
  readonly acceptedAt: number
  /** Elapsed time. */
  readonly acceptedMs: number
  readonly ttlMs: number
  /** Hexadecimal. */
  readonly tag: string
  /** Of the key that it was accepted for. */
  readonly fingerprint: Uint8Array
  readonly maybeDuplicate: boolean
  /** The lane under whose number the record lies: another than its own where the epoch has changed since. */
  readonly home: Lane
  /** The number of the first message there. */
  readonly homeFirst: number
}

/** Consecutive numbers of a lane that have one record. The head of it stays in memory, the bodies where there is room. */
export class Entry implements EntryFields {
  /** Another, with other numbers, once the epoch has changed. */
  lane: Lane
  kind: EntryKind
  first: number
  count: number
  bytes: number
  largestBytes: number
  readonly acceptedAt: number
  readonly acceptedMs: number
  readonly ttlMs: number
  tag: string
  readonly fingerprint: Uint8Array
  maybeDuplicate: boolean
  readonly home: Lane
  readonly homeFirst: number
  /** Its record is deleted, or will be. */
  isGone = false
  /** Changes of it that are not on disk. */
  unsyncedCount = 0
  /** It will be on the disk with the batch that is being gathered, which more may join. */
  isGathering = false
  bodies: readonly Uint8Array[] | undefined
  /** The bodies count in the cache; else they stay until the entry is on disk. */
  isCached = false
  /** Where it is among what expires. */
  expiryIndex = -1

  constructor(lane: Lane, fields: EntryFields) {
    this.lane = lane
    this.kind = fields.kind
    this.first = fields.first
    this.count = fields.count
    this.bytes = fields.bytes
    this.largestBytes = fields.largestBytes
    this.acceptedAt = fields.acceptedAt
    this.acceptedMs = fields.acceptedMs
    this.ttlMs = fields.ttlMs
    this.tag = fields.tag
    this.fingerprint = fields.fingerprint
    this.maybeDuplicate = fields.maybeDuplicate
    this.home = fields.home
    this.homeFirst = fields.homeFirst
  }

  get last(): number {
    return this.first + this.count - 1
  }

  get isSynced(): boolean {
    return this.unsyncedCount === 0
  }

  get costBytes(): number {
    return this.kind === 'run' ? this.bytes + MESSAGE_COST_BYTES * this.count : 0
  }

  /** Elapsed time at which its messages have expired. */
  get expiresMs(): number {
    return this.acceptedMs + this.ttlMs
  }
}
