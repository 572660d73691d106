import type { LaneOrigin } from '../port.ts'
import { costBytes, type Entry } from './run-log.ts'
import type { Source } from './source.ts'

export interface LaneCreditOptions {
  /** Room for what is kept, in bytes with what the messages cost beside their bodies. */
  readonly inboxBytesMax: number
  /** What a sender may have sent that the slowest app has not taken, in one lane. */
  readonly laneCreditMessages: number
  readonly laneCreditBytes: number
  readonly messageBytesMax: number
}

/** When half of the room is kept or promised, a lane is promised no more than this, or one message of the largest size. */
const NARROW_MESSAGES = 256
/** Promises in all, as a multiple of the inbox's room: few are ever used at the same time, and one that is given cannot be taken back. */
const PROMISE_FACTOR = 16
/** The same for one contact, where a lane is to have no more than one message of the largest size: some 400 channels at the shipped limits. */
const CONTACT_PROMISE_FACTOR = 8

/** What one incoming lane was promised, has sent, and what of that the apps have taken. Totals since it was opened. */
export class Lane {
  readonly origin: LaneOrigin
  readonly source: Source
  grantedMessages = 0
  grantedBytes = 0
  receivedMessages = 0
  receivedBytes = 0
  takenMessages = 0
  takenBytes = 0
  #pending: Entry[] = []
  #pendingStart = 0

  constructor(origin: LaneOrigin, source: Source) {
    this.origin = origin
    this.source = source
  }

  /** What it may still send, as cost. */
  get promisedCostBytes(): number {
    return costBytes(this.grantedMessages - this.receivedMessages, this.grantedBytes - this.receivedBytes)
  }

  received(entry: Entry): void {
    this.receivedMessages += entry.end - entry.first
    this.receivedBytes += entry.bodyBytes
    this.#pending.push(entry)
  }

  /** Counts as taken what every live reader has passed. Whole runs only: they are small. */
  settle(): void {
    const taken = this.source.slowestNext
    for (let entry = this.#pending[this.#pendingStart]; entry !== undefined && entry.end <= taken; ) {
      this.takenMessages += entry.end - entry.first
      this.takenBytes += entry.bodyBytes
      entry = this.#pending[++this.#pendingStart]
    }
    if (this.#pendingStart < 64 || this.#pendingStart * 2 < this.#pending.length) return
    this.#pending = this.#pending.slice(this.#pendingStart)
    this.#pendingStart = 0
  }
}

/**
 * Decides what senders are promised. Nothing where nobody reads the lane; else up to a window beyond what the slowest live reader
 * has taken.
 *
 * Nothing is promised while `inboxBytesMax` or more is kept. One contact is promised at most `inboxBytesMax` over all its lanes, or 8 times
 * that where no lane has more than one message of the largest size; all together 16 times: a promise cannot be taken back, every lane in use
 * needs one as large as the largest message, and most lanes are idle. A lane for which there is no room waits its turn, first come first served.
 */
export class LaneCredit {
  readonly #options: LaneCreditOptions
  readonly #keptCostBytes: () => number
  readonly #waiting = new Set<Lane>()
  readonly #promisedByContact = new Map<string, number>()
  readonly #hasIndexes: (count: number) => boolean
  #promisedCostBytes = 0
  #promisedCount = 0

  constructor(options: LaneCreditOptions, keptCostBytes: () => number, hasIndexes: (count: number) => boolean) {
    this.#options = options
    this.#keptCostBytes = keptCostBytes
    this.#hasIndexes = hasIndexes
  }

  /** Messages that were promised and have not come. */
  get promisedCount(): number {
    return this.#promisedCount
  }

  /** What was promised and has not come, as cost. */
  get promisedCostBytes(): number {
    return this.#promisedCostBytes
  }

  /** Lanes that would be promised more if there were room. */
  get waitingCount(): number {
    return this.#waiting.size
  }

  /** Counts `entry` as come. */
  received(lane: Lane, entry: Entry): void {
    const messages = lane.receivedMessages + entry.end - entry.first
    const bytes = lane.receivedBytes + entry.bodyBytes
    if (messages > lane.grantedMessages || bytes > lane.grantedBytes) {
      throw new RangeError(`more than was granted to lane ${lane.origin.idPrefix}`)
    }
    this.#promisedCount -= entry.end - entry.first
    this.#promise(lane, -costBytes(entry.end - entry.first, entry.bodyBytes))
    lane.received(entry)
  }

  /** Forgets what a lane was promised. */
  close(lane: Lane): void {
    this.#waiting.delete(lane)
    this.#promisedCount -= lane.grantedMessages - lane.receivedMessages
    this.#promise(lane, -lane.promisedCostBytes)
  }

  /** Promises `lane` more when its readers have taken enough for it to be worth a word. */
  update(lane: Lane): void {
    lane.settle()
    if (lane.source.readers.size === 0) {
      this.#waiting.delete(lane)
      return
    }
    const { laneCreditMessages, laneCreditBytes, messageBytesMax } = this.#options
    const isTight = this.#isTight(lane)
    const windowMessages = isTight ? Math.min(laneCreditMessages, NARROW_MESSAGES) : laneCreditMessages
    const windowBytes = isTight ? Math.min(laneCreditBytes, messageBytesMax) : laneCreditBytes
    const moreMessages = Math.max(0, lane.takenMessages + windowMessages - lane.grantedMessages)
    const moreBytes = Math.max(0, lane.takenBytes + windowBytes - lane.grantedBytes)
    const isLow = lane.grantedBytes - lane.receivedBytes < messageBytesMax && moreBytes > 0
    if (!isLow && moreMessages * 4 < windowMessages && moreBytes * 4 < windowBytes) return
    if (moreMessages === 0 && moreBytes === 0) return
    if (!this.#hasRoom(lane, costBytes(moreMessages, moreBytes), isTight) || !this.#hasIndexes(moreMessages)) {
      this.#waiting.add(lane)
      return
    }
    this.#waiting.delete(lane)
    lane.grantedMessages += moreMessages
    lane.grantedBytes += moreBytes
    this.#promisedCount += moreMessages
    this.#promise(lane, costBytes(moreMessages, moreBytes))
    lane.origin.grant(lane.grantedMessages, lane.grantedBytes)
  }

  /** Tries again for lanes that wait: there may be room now. */
  retry(): void {
    for (const lane of [...this.#waiting]) this.update(lane)
  }

  #isTight(lane: Lane): boolean {
    const { inboxBytesMax } = this.#options
    const used = this.#keptCostBytes() + this.#promisedCostBytes
    return used > inboxBytesMax / 2 || this.#promisedTo(lane.origin.contact) > inboxBytesMax / 4
  }

  #hasRoom(lane: Lane, cost: number, isTight: boolean): boolean {
    const { inboxBytesMax } = this.#options
    if (this.#keptCostBytes() >= inboxBytesMax) return false
    if (this.#promisedCostBytes + cost > inboxBytesMax * PROMISE_FACTOR) return false
    const promised = this.#promisedTo(lane.origin.contact)
    // However small the inbox is, there is room for one message of a contact.
    return promised === 0 || promised + cost <= inboxBytesMax * (isTight ? CONTACT_PROMISE_FACTOR : 1)
  }

  #promisedTo(contact: string): number {
    return this.#promisedByContact.get(contact) ?? 0
  }

  #promise(lane: Lane, byCostBytes: number): void {
    this.#promisedCostBytes += byCostBytes
    const promised = this.#promisedTo(lane.origin.contact) + byCostBytes
    if (promised === 0) this.#promisedByContact.delete(lane.origin.contact)
    else this.#promisedByContact.set(lane.origin.contact, promised)
  }
}
