import { hexOf, sameBytes } from '../../identity/fields.ts'
import { DURABLE_LANE_MIN, type LaneMark, type Receipt } from '../port.ts'
import type { DurableLane } from './durable-lane.ts'
import type { SenderRecord } from './records.ts'

/** Former epochs that are recognised. */
const FORMER_COUNT_MAX = 8
const HOUR_MS = 3_600_000

/** A session that can be told receipts. */
export interface ReceiptTaker {
  readonly isActive: boolean
  receipt(receipt: Receipt): void
  /** The lane takes nothing more. */
  laneClosed(lane: DurableLane): void
}

/** A contact as the sender of durable lanes. */
export class Sender {
  readonly contact: string
  /** The sender's own ID as it was last. */
  from: string
  epoch: Uint8Array | undefined
  /** The highest number of a lane of the epoch by which something came; 0 before. */
  lastLane = 0
  /** Lanes of the epoch that may take more, by number. */
  readonly lanes = new Map<number, DurableLane>()
  /** Lanes that take nothing more, of which something is kept or may have to be told. */
  readonly closed = new Set<DurableLane>()
  readonly sessions: ReceiptTaker[] = []
  costBytes = 0
  promisedCostBytes = 0
  #former: Uint8Array[] = []
  #epochsAtMs: number[] = []
  isCloned = false

  constructor(contact: string, from: string) {
    this.contact = contact
    this.from = from
  }

  static of(record: SenderRecord): Sender {
    const sender = new Sender(record.contact, record.from)
    sender.epoch = record.epoch
    sender.lastLane = record.lastLane
    sender.#former = [...record.former]
    sender.#epochsAtMs = [...record.epochsAtMs]
    return sender
  }

  /** @throws {RangeError} when it has no epoch yet, and so no record */
  toRecord(): SenderRecord {
    if (this.epoch === undefined) throw new RangeError('a sender without an epoch')
    const { contact, from, epoch, lastLane } = this
    return { contact, from, epoch, lastLane, former: [...this.#former], epochsAtMs: [...this.#epochsAtMs] }
  }

  /**
   * How far each lane is; and the last lane of the epoch, also where it is over: a sender that was restored to a time before it
   * learns of that by it, and uses none of its numbers again.
   */
  get marks(): LaneMark[] {
    const marks = [...this.lanes.values()].filter(lane => lane.stored > 0).map(lane => lane.mark)
    if (this.epoch !== undefined && this.lastLane > 0 && !this.lanes.has(this.lastLane)) {
      marks.push({ epoch: this.epoch, lane: this.lastLane, stored: 0, tag: new Uint8Array(0) })
    }
    return marks
  }

  isCurrent(epoch: Uint8Array): boolean {
    return this.epoch !== undefined && sameBytes(this.epoch, epoch)
  }

  isFormer(epoch: Uint8Array): boolean {
    return this.#former.some(former => sameBytes(former, epoch))
  }

  /** The lane of this number in this epoch, whatever its state. */
  find(epoch: Uint8Array, number: number): DurableLane | undefined {
    if (this.isCurrent(epoch)) {
      const open = this.lanes.get(number)
      if (open !== undefined) return open
    }
    const name = hexOf(epoch)
    for (const lane of this.closed) if (lane.number === number && hexOf(lane.epoch) === name) return lane
    return undefined
  }

  ofChannel(channel: string): DurableLane | undefined {
    for (const lane of this.lanes.values()) if (lane.channel === channel) return lane
    return undefined
  }

  /** Begins an epoch. Says how many began in the last hour, the first of all not counted. */
  begin(epoch: Uint8Array, nowMs: number): number {
    if (this.epoch !== undefined) {
      this.#former = [...this.#former, this.epoch].slice(-FORMER_COUNT_MAX)
      this.#epochsAtMs = [...this.#epochsAtMs.filter(at => at > nowMs - HOUR_MS), nowMs].slice(-1_000)
    }
    this.epoch = epoch
    this.lastLane = 0
    return this.#epochsAtMs.length
  }

  /** Tells a receipt by a session that is up, or nobody: then a session that comes is told. */
  tell(receipts: readonly Receipt[]): void {
    const session = this.sessions.findLast(each => each.isActive) ?? this.sessions.at(-1)
    if (session !== undefined) for (const receipt of receipts) session.receipt(receipt)
  }
}

export function isDurableLaneNumber(number: number): boolean {
  return Number.isSafeInteger(number) && number >= DURABLE_LANE_MIN && number < 2 ** 32
}
