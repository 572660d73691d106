import { hexOf } from '../../identity/fields.ts'
import { type DurableLaneOpen, HANDLED, type LaneMark, REJECTED, type Receipt, SKIPPED, STORED } from '../port.ts'
import { type Range, RangeSet } from '../ranges.ts'
import type { LaneRecord } from './records.ts'
import type { Source } from './source.ts'

/** Ranges of one kind that a lane remembers to tell them again; the oldest go first. */
const RANGE_COUNT_MAX = 1_024

interface Rejection extends Range {
  readonly reason: string
}

/** A durable lane as its receiver knows it. What is said here is on disk with the next batch; `stored` and `tag` are there already. */
export class DurableLane {
  readonly contact: string
  readonly channel: string
  readonly epoch: Uint8Array
  readonly number: number
  readonly source: Source
  /** IDs of its messages start with this. */
  readonly idPrefix: string
  stored = 0
  tag: Uint8Array = new Uint8Array(0)
  /** Everything up to here has come. */
  received = 0
  receivedTag: Uint8Array = new Uint8Array(0)
  /** The sender has closed it, or begun another epoch: it takes nothing more. */
  isClosed = false
  /** It has no record any more. */
  isForgotten = false
  entryCount = 0
  costBytes = 0
  /** What may come by sessions that are up. */
  promisedCostBytes = 0
  #handled = new RangeSet()
  readonly #refused = new RangeSet()
  #rejections: Rejection[] = []
  #skipped = new RangeSet()
  #skipsForgottenThrough = 0

  constructor(contact: string, { lane, channel, epoch }: DurableLaneOpen, source: Source) {
    this.contact = contact
    this.channel = channel
    this.epoch = epoch
    this.number = lane
    this.source = source
    this.idPrefix = `${hexOf(epoch)}.${lane}.`
  }

  /** The lane of a record. */
  static of(record: LaneRecord, source: Source): DurableLane {
    const lane = new DurableLane(record.contact, record, source)
    lane.stored = record.stored
    lane.received = record.stored
    lane.tag = record.tag
    lane.receivedTag = record.tag
    lane.isClosed = record.isClosed
    lane.#handled = new RangeSet(unflat(record.handled))
    lane.#skipped = new RangeSet(unflat(record.skipped))
    lane.#skipsForgottenThrough = record.skipsForgottenThrough
    for (const [from, to, reason] of record.rejected) {
      lane.#rejections.push({ from, to, reason })
      lane.#refused.add(from, to)
    }
    source.goneThrough = Math.max(source.goneThrough, record.goneThrough)
    return lane
  }

  toRecord(): LaneRecord {
    return {
      contact: this.contact,
      channel: this.channel,
      epoch: this.epoch,
      lane: this.number,
      stored: this.received,
      tag: this.receivedTag,
      isClosed: this.isClosed,
      handled: flat(this.#handled.ranges),
      rejected: this.#rejections.map(({ from, to, reason }) => [from, to, reason]),
      skipped: flat(this.#skipped.ranges),
      skipsForgottenThrough: this.#skipsForgottenThrough,
      goneThrough: this.source.goneThrough
    }
  }

  get mark(): LaneMark {
    return { epoch: this.epoch, lane: this.number, stored: this.stored, tag: this.tag }
  }

  /** Notes that a program has acknowledged the messages. Returns what there is to tell. */
  handle(from: number, to: number): Receipt[] {
    const ranges = this.#open(from, to)
    for (const range of ranges) this.#handled.add(range.from, range.to)
    bounded(this.#handled)
    return ranges.map(range => this.#receipt(HANDLED, range, ''))
  }

  /** Notes that the messages are refused, where none of them was handled before. Returns what there is to tell. */
  reject(from: number, to: number, reason: string): Receipt[] {
    const ranges = this.#open(from, to)
    for (const range of ranges) {
      const last = this.#rejections.at(-1)
      this.#refused.add(range.from, range.to)
      if (last?.to === range.from - 1 && last.reason === reason) {
        this.#rejections[this.#rejections.length - 1] = { from: last.from, to: range.to, reason }
      } else {
        this.#rejections.push({ ...range, reason })
      }
    }
    while (this.#rejections.length > RANGE_COUNT_MAX) {
      const forgotten = this.#rejections.shift()
      if (forgotten !== undefined) this.#refused.remove(forgotten.from, forgotten.to)
    }
    return ranges.map(range => this.#receipt(REJECTED, range, reason))
  }

  /** Whether each of the messages was handled or refused. */
  isSettled(from: number, to: number): boolean {
    return this.#open(from, to).length === 0
  }

  skip(from: number, to: number): void {
    this.#skipped.add(from, to)
    const { ranges } = this.#skipped
    const forgotten = ranges[ranges.length - RANGE_COUNT_MAX - 1]
    if (forgotten === undefined) return
    // Rather nothing is said of these numbers than that they were stored.
    this.#skipsForgottenThrough = Math.max(this.#skipsForgottenThrough, forgotten.to)
    this.#skipped.dropThrough(forgotten.to)
  }

  /** What confirms that the numbers are stored: first which of them as skipped. */
  confirm(from: number, to: number): Receipt[] {
    const receipts = this.#skipped.within(from, to).map(range => this.#receipt(REJECTED, range, SKIPPED))
    const sure = Math.max(from, this.#skipsForgottenThrough + 1)
    if (sure <= to) receipts.push(this.#receipt(STORED, { from: sure, to }, ''))
    return receipts
  }

  /** Everything that the sender may not have heard. */
  everything(): Receipt[] {
    const receipts = this.stored > 0 ? this.confirm(1, this.stored) : []
    for (const range of this.#handled.ranges) receipts.push(this.#receipt(HANDLED, range, ''))
    for (const range of this.#rejections) receipts.push(this.#receipt(REJECTED, range, range.reason))
    return receipts
  }

  /** The parts that are neither handled nor refused. */
  #open(from: number, to: number): Range[] {
    return this.#handled.missing(from, to).flatMap(range => this.#refused.missing(range.from, range.to))
  }

  #receipt(state: Receipt['state'], { from, to }: Range, reason: string): Receipt {
    return { epoch: this.epoch, lane: this.number, state, from, to, reason }
  }
}

function flat(ranges: readonly Range[]): number[] {
  return ranges.flatMap(({ from, to }) => [from, to])
}

function unflat(numbers: readonly number[]): Range[] {
  const ranges: Range[] = []
  for (let at = 0; at + 1 < numbers.length; at += 2) {
    ranges.push({ from: numbers[at] as number, to: numbers[at + 1] as number })
  }
  return ranges
}

/** Without the oldest ranges beyond the bound. */
function bounded(set: RangeSet): void {
  const beyond = set.ranges[set.ranges.length - RANGE_COUNT_MAX - 1]
  if (beyond !== undefined) set.dropThrough(beyond.to)
}
