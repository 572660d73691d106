import { PeerFault } from '../../peer/fault.ts'
import { isChannel } from '../../peer/incoming.ts'
import {
  type DurableLaneOpen,
  type DurableRun,
  EPOCH_BYTES,
  type IncomingAttachment,
  type IncomingSession,
  type Receipt,
  type Skip,
  TAG_BYTES
} from '../port.ts'
import { type DurableCredit, IncomingLane } from './durable-credit.ts'
import type { DurableLane } from './durable-lane.ts'
import { isDurableLaneNumber, type Sender } from './sender.ts'

/** Where attachments put what comes. */
export interface AttachmentHost {
  readonly messageBytesMax: number
  readonly laneCountMax: number
  readonly credit: DurableCredit
  /** Runs code as a part of the inbox: what it throws is the inbox's crash, unless it is the peer's fault. */
  enter<T>(code: () => T): T
  /** The lane that this opens, new or known. @throws {PeerFault} `PROTOCOL_VIOLATION` `CHANNEL_LIMIT` */
  openLane(sender: Sender, session: IncomingSession, opening: DurableLaneOpen): DurableLane
  /** Puts a run that is the lane's next on its way to the disk. */
  store(incoming: IncomingLane, run: DurableRun, bytes: number): void
  /** The same for numbers without messages. */
  storeSkip(incoming: IncomingLane, from: number, to: number): void
  /** The sender has closed its lane of this number, if it has one. */
  closeNumber(sender: Sender, number: number): void
  /** Tells all that the sender may not have heard, and forgets what is over. */
  tellAll(sender: Sender): void
}

/** The durable lanes of one contact on one session. */
export class Attachment implements IncomingAttachment {
  readonly #host: AttachmentHost
  readonly #sender: Sender
  readonly #session: IncomingSession
  readonly #lanes = new Map<number, IncomingLane>()
  isActive = false
  /** Detached, or from before the store was lost: what comes is dropped, and comes again by another session. */
  #isOver = false

  constructor(host: AttachmentHost, sender: Sender, session: IncomingSession) {
    this.#host = host
    this.#sender = sender
    this.#session = session
    sender.sessions.push(this)
  }

  receipt(receipt: Receipt): void {
    this.#session.receipt(receipt)
  }

  activate(): void {
    this.#enter(() => {
      if (this.isActive) return
      this.isActive = true
      this.#host.tellAll(this.#sender)
      for (const incoming of this.#lanes.values()) this.#grant(incoming)
    })
  }

  open(opening: DurableLaneOpen): void {
    this.#enter(() => {
      const { lane, channel, epoch } = opening
      if (!isDurableLaneNumber(lane)) throw violation('a durable lane with a number of others')
      if (epoch.length !== EPOCH_BYTES) throw violation('an epoch of another length')
      if (!isChannel(channel)) throw violation('a channel that is no name')
      const opened = this.#host.openLane(this.#sender, this.#session, opening)
      const before = this.#lanes.get(lane)
      if (before?.lane === opened) return
      if (before !== undefined) this.#host.credit.close(before)
      else if (this.#lanes.size >= this.#host.laneCountMax) this.#forgetClosed()
      const incoming = new IncomingLane(opened, this.#sender, this.#session)
      this.#lanes.set(lane, incoming)
      this.#host.credit.open(incoming)
      if (this.isActive) this.#grant(incoming)
    })
  }

  run(run: DurableRun): void {
    this.#enter(() => {
      const incoming = this.#lane(run.lane)
      const bytes = this.#check(run)
      const { credit } = this.#host
      const { lane } = incoming
      if (lane.isClosed) return
      const count = run.bodies.length
      const last = run.first + count - 1
      credit.received(incoming, count, bytes)
      if (last <= lane.received) {
        // It is on disk or on its way there; where it is on disk the sender has not heard of it.
        if (last <= lane.stored) this.#sender.tell(lane.confirm(run.first, last))
        incoming.settledMessages += count
        incoming.settledBytes += bytes
        credit.update(incoming)
        return
      }
      this.#assertNext(lane, run.first)
      if (run.first <= lane.received) throw violation('a run in other parts than before')
      this.#host.store(incoming, run, bytes)
    })
  }

  skip({ lane: number, from, to }: Skip): void {
    this.#enter(() => {
      const incoming = this.#lane(number)
      const { lane } = incoming
      if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 1 || to < from) {
        throw violation('a skip of no numbers')
      }
      if (lane.isClosed) return
      this.#assertNext(lane, from)
      const known = Math.min(to, lane.stored)
      if (from <= known) this.#sender.tell(lane.confirm(from, known))
      if (to > lane.received) this.#host.storeSkip(incoming, lane.received + 1, to)
    })
  }

  closeLane(number: number): void {
    this.#enter(() => {
      // It need not have been open on this session.
      this.#host.closeNumber(this.#sender, number)
    })
  }

  laneClosed(lane: DurableLane): void {
    const incoming = this.#lanes.get(lane.number)
    if (incoming?.lane === lane) this.#host.credit.close(incoming)
  }

  detach(): void {
    this.#enter(() => {
      this.end()
      this.#host.credit.retry()
    })
  }

  /** Takes nothing more and tells nothing more. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.isActive = false
    for (const incoming of this.#lanes.values()) this.#host.credit.close(incoming)
    const at = this.#sender.sessions.indexOf(this)
    if (at >= 0) this.#sender.sessions.splice(at, 1)
  }

  #enter(code: () => void): void {
    if (!this.#isOver) this.#host.enter(code)
  }

  #grant(incoming: IncomingLane): void {
    if (!incoming.lane.isClosed) this.#host.credit.activate(incoming)
  }

  /** What still comes by lanes that are over is an error from now on. */
  #forgetClosed(): void {
    for (const [number, { lane }] of this.#lanes) if (lane.isClosed) this.#lanes.delete(number)
  }

  #lane(number: number): IncomingLane {
    const incoming = this.#lanes.get(number)
    if (incoming === undefined) throw violation('a lane that was never opened')
    return incoming
  }

  #assertNext(lane: DurableLane, first: number): void {
    if (first <= lane.received + 1) return
    throw new PeerFault('LANE_GAP', `lane ${lane.number}: ${first} where ${lane.received + 1} was due`)
  }

  /** The bytes of a run that keeps the rules. */
  #check({ first, acceptedAt, tag, bodies }: DurableRun): number {
    if (bodies.length === 0) throw violation('an empty run')
    if (!Number.isSafeInteger(acceptedAt)) throw violation('a time beyond all numbers')
    if (!Number.isSafeInteger(first) || first < 1 || !Number.isSafeInteger(first + bodies.length)) {
      throw violation('a number beyond all numbers')
    }
    if (tag.length !== TAG_BYTES) throw violation('a tag of another length')
    let bytes = 0
    for (const body of bodies) {
      if (body.length > this.#host.messageBytesMax) throw violation('a message over the limit')
      bytes += body.length
    }
    return bytes
  }
}

function violation(detail: string): PeerFault {
  return new PeerFault('PROTOCOL_VIOLATION', detail)
}
