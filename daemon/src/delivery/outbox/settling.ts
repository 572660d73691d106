import { cleanText } from '../../identity/names.ts'
import { PeerFault } from '../../peer/fault.ts'
import { HANDLED, type LaneMark, REJECTED, type Receipt, SKIPPED, STORED } from '../port.ts'
import { type Range, RangeSet } from '../ranges.ts'
import type { Book } from './book.ts'
import type { ContactLanes } from './contact-lanes.ts'
import type { Entry } from './entry.ts'
import { idsOf, type Lane } from './lane.ts'
import { judgeMarks } from './reconcile.ts'
import type { Removing } from './removing.ts'
import { rotate } from './rotation.ts'

const REASON_LENGTH_MAX = 200

/** Takes in what peers say of the messages that were sent to them. */
export class Settling {
  readonly #book: Book
  readonly #removing: Removing

  constructor(book: Book, removing: Removing) {
    this.#book = book
    this.#removing = removing
  }

  /** @throws {PeerFault} `PROTOCOL_VIOLATION` for what was never sent, with nothing changed */
  receipt(contact: ContactLanes, receipt: Receipt): void {
    const lane = this.#laneOf(contact, receipt)
    if (lane === undefined) return
    const { from, state } = receipt
    const isLive = lane.endedAtMs === undefined
    if (isLive && receipt.to > lane.sentThrough) throw violation('a receipt for what was never sent')
    const to = isLive ? receipt.to : Math.min(receipt.to, lane.next - 1)
    if (state === STORED) {
      if (!lane.mayEndAt(to)) throw violation('a receipt for a part of a run')
      this.#stored(lane, to, { from, to })
    } else if (state === REJECTED && receipt.reason === SKIPPED) this.#skipped(lane, from, to)
    else this.#final(lane, from, to, state === HANDLED ? undefined : cleanReason(receipt.reason))
    this.#book.writeLane(lane)
    this.#book.tidy()
    contact.attachment?.refresh(lane)
  }

  /** Takes in what the peer's `hello` says. What this needs on the disk before anything is sent is in the batch that is being gathered. */
  marks(contact: ContactLanes, marks: readonly LaneMark[]): void {
    const book = this.#book
    const verdicts = judgeMarks(contact, marks)
    for (const [lane, verdict] of verdicts.lanes) {
      if (verdict.type === 'stored') {
        lane.hole = undefined
        this.#stored(lane, verdict.to, undefined)
        lane.cursor = verdict.to + 1
      } else if (verdict.type === 'behind') this.#behind(contact, lane, verdict.to)
      book.writeLane(lane)
    }
    contact.attachment?.close(verdicts.closed)
    book.tidy()
    if (verdicts.isRestored) rotate(book, this.#removing, contact, verdicts)
  }

  /** Undefined for what this store has forgotten, or lost in a restore: that is no fault of the peer. */
  #laneOf(contact: ContactLanes, { epoch, lane: number, from, to }: Receipt): Lane | undefined {
    if (!(from >= 1 && from <= to && Number.isSafeInteger(to))) throw violation('a receipt for no range')
    const name = Buffer.from(epoch).toString('hex')
    const lane = contact.lanes.get(number)
    if (lane?.epoch === name) return lane
    if (name === contact.epoch && number >= contact.nextLane)
      throw violation('a receipt for a lane that was never opened')
    return undefined
  }

  /** Everything through `to` is with the receiver; of numbers in `told` it has said that those not skipped were stored. */
  #stored(lane: Lane, to: number, told: Range | undefined): void {
    const book = this.#book
    const contact = book.laneContact(lane)
    const arrived = new RangeSet()
    if (to > lane.stored) {
      for (const entry of lane.advance(to)) {
        const isExpiring = entry.kind === 'expiring'
        if (entry.kind === 'run') arrived.add(entry.first, entry.last)
        if (isExpiring) lane.unsettled.add(entry)
        else {
          book.release(entry)
          book.deleteEntry(entry)
        }
      }
    }
    if (told !== undefined) {
      if (lane.hole !== undefined && to >= lane.hole.to) lane.hole = undefined
      for (const entry of [...lane.unsettled]) {
        if (entry.first < told.from || entry.last > told.to) continue
        lane.unsettled.delete(entry)
        contact.expiring.delete(entry)
        book.deleteEntry(entry)
        arrived.add(entry.first, entry.last)
      }
    }
    if (lane.isEmpty) lane.idleSinceMs = book.nowMs()
    for (const range of arrived.ranges) {
      const news = lane.withoutLastWord(range.from, range.to)
      for (const { from, to: end } of news) book.tell(lane, from, end, 'stored')
    }
  }

  /** The receiver has skipped these numbers: no app will see their messages. */
  #skipped(lane: Lane, from: number, to: number): void {
    const isIn = (entry: Entry) => entry.lane === lane && entry.first >= from && entry.last <= to
    for (const entry of [...this.#book.laneContact(lane).expiring].filter(isIn))
      this.#removing.finishExpiring(entry, 'no', false)
    if (lane.isEmpty) lane.idleSinceMs = this.#book.nowMs()
  }

  #final(lane: Lane, from: number, to: number, reason: string | undefined): void {
    const book = this.#book
    if (lane.endedAtMs === undefined && to > lane.stored) {
      // It was stored before it was handled, with the run in which it is, whatever has become of that receipt.
      const entry = lane.at(to)
      this.#stored(lane, entry === undefined || entry.kind === 'skip' ? to : entry.last, undefined)
    }
    for (const news of lane.withoutLastWord(from, to)) {
      const ranges =
        reason === undefined ? lane.handled.add(news.from, news.to) : lane.reject(news.from, news.to, reason)
      for (const range of ranges) {
        if (reason === undefined) book.tell(lane, range.from, range.to, 'handled')
        else book.tell(lane, range.from, range.to, 'rejected', { reason })
      }
    }
    lane.forgetOldest()
  }

  /** The receiver has forgotten what it had confirmed: it is told to skip that, and so are the apps here, once. */
  #behind(contact: ContactLanes, lane: Lane, to: number): void {
    const { emit, contactName } = this.#book.deps
    const known = new RangeSet(lane.hole === undefined ? [] : [lane.hole])
    lane.hole = { from: to + 1, to: lane.stored }
    lane.isStoredBySkip = true
    lane.cursor = to + 1
    const name = contactName(contact.contact)
    for (const range of known.missing(to + 1, lane.stored)) {
      for (const named of lane.named(range.from, range.to)) {
        emit({ kind: 'peer.lost-state', contact: contact.contact, name, ...idsOf(named) })
      }
    }
  }
}

function cleanReason(reason: string): string {
  return [...cleanText(reason, 4 * REASON_LENGTH_MAX)].slice(0, REASON_LENGTH_MAX).join('')
}

function violation(detail: string): PeerFault {
  return new PeerFault('PROTOCOL_VIOLATION', detail)
}
