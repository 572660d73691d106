import { PeerFault } from '../../peer/fault.ts'
import { type IncomingSession, NEW_LANE_CREDIT_BYTES, NEW_LANE_CREDIT_MESSAGES } from '../port.ts'
import type { DurableLane } from './durable-lane.ts'
import { costBytes } from './run-log.ts'
import type { Sender } from './sender.ts'

export interface DurableCreditOptions {
  /** Room on disk, in bytes with what the messages cost beside their bodies: in all, for one contact, for one lane. */
  readonly inboxDiskBytesMax: number
  readonly inboxContactBytesMax: number
  readonly inboxLaneBytesMax: number
  /** What a sender may have sent that is not on disk yet, in one lane. */
  readonly laneCreditMessages: number
  readonly laneCreditBytes: number
  readonly messageBytesMax: number
}

/** A sender sends a run whole or not at all, so a window below this would stop a lane for good. */
const RUN_MESSAGES_MAX = NEW_LANE_CREDIT_MESSAGES
const RUN_BYTES_MAX = NEW_LANE_CREDIT_BYTES
/**
 * A promise cannot be taken back and most lanes are idle: for one message of the largest size in each lane this multiple of the room may be
 * promised.
 */
const PROMISE_FACTOR = 4

/** One durable lane on one session: totals since the session began. */
export class IncomingLane {
  readonly lane: DurableLane
  readonly sender: Sender
  readonly session: IncomingSession
  isActive = false
  grantedMessages = 0
  grantedBytes = 0
  receivedMessages = 0
  receivedBytes = 0
  /** Of what was received, what is on disk or was dropped. */
  settledMessages = 0
  settledBytes = 0
  /** The sender knows what it was granted: one that was restarted does not take a lane for a new one. */
  isTold = false

  constructor(lane: DurableLane, sender: Sender, session: IncomingSession) {
    this.lane = lane
    this.sender = sender
    this.session = session
  }

  get promisedCostBytes(): number {
    return costBytes(this.grantedMessages - this.receivedMessages, this.grantedBytes - this.receivedBytes)
  }
}

/**
 * Decides what senders of durable lanes are promised: a window beyond what is on disk, whatever programs do, while the lane, the contact
 * and the whole have room.
 */
export class DurableCredit {
  readonly #options: DurableCreditOptions
  /** Makes room by letting go what was handled; says whether some went. */
  readonly #makeRoom: (lane: DurableLane) => boolean
  readonly #waiting = new Set<IncomingLane>()
  #costBytes = 0
  #promisedCostBytes = 0

  constructor(options: DurableCreditOptions, makeRoom: (lane: DurableLane) => boolean) {
    this.#options = options
    this.#makeRoom = makeRoom
  }

  get promisedCostBytes(): number {
    return this.#promisedCostBytes
  }

  /** Lanes that would be promised more if there were room. */
  get waitingCount(): number {
    return this.#waiting.size
  }

  /** A lane is open on a session. One that never took anything may send a little unasked. */
  open(incoming: IncomingLane): void {
    if (incoming.lane.received > 0) return
    incoming.grantedMessages = NEW_LANE_CREDIT_MESSAGES
    incoming.grantedBytes = NEW_LANE_CREDIT_BYTES
    this.#promise(incoming, incoming.promisedCostBytes)
  }

  close(incoming: IncomingLane): void {
    this.#waiting.delete(incoming)
    incoming.isActive = false
    this.#promise(incoming, -incoming.promisedCostBytes)
    incoming.grantedMessages = incoming.receivedMessages
    incoming.grantedBytes = incoming.receivedBytes
  }

  /** @throws {PeerFault} `CREDIT_EXCEEDED` */
  received(incoming: IncomingLane, messages: number, bytes: number): void {
    if (
      incoming.receivedMessages + messages > incoming.grantedMessages ||
      incoming.receivedBytes + bytes > incoming.grantedBytes
    ) {
      throw new PeerFault('CREDIT_EXCEEDED', `lane ${incoming.lane.number}`)
    }
    incoming.receivedMessages += messages
    incoming.receivedBytes += bytes
    this.#promise(incoming, -costBytes(messages, bytes))
  }

  /** Something of the lane is kept, or (negative) no more. */
  kept(lane: DurableLane, sender: Sender | undefined, byCostBytes: number): void {
    lane.costBytes += byCostBytes
    if (sender !== undefined) sender.costBytes += byCostBytes
    this.#costBytes += byCostBytes
  }

  /** Nothing is kept, waits or is promised: what is counted before is over. */
  reset(): void {
    this.#waiting.clear()
    this.#costBytes = 0
    this.#promisedCostBytes = 0
  }

  /** From now on the lane is promised more. Its sender is told what it may send in any case. */
  activate(incoming: IncomingLane): void {
    incoming.isActive = true
    this.update(incoming)
    if (!incoming.isTold && incoming.grantedMessages > 0) tell(incoming)
  }

  /** Promises the lane more where there is room and it is worth a word. */
  update(incoming: IncomingLane): void {
    if (!incoming.isActive || incoming.lane.isClosed) return
    const { laneCreditMessages, laneCreditBytes, messageBytesMax } = this.#options
    const isTight = this.#isTight(incoming)
    // Where room is scarce, what the largest run needs.
    const leastBytes = Math.max(messageBytesMax, RUN_BYTES_MAX)
    const windows = [{ messages: RUN_MESSAGES_MAX, bytes: leastBytes }]
    if (!isTight) {
      const messages = Math.max(laneCreditMessages, RUN_MESSAGES_MAX)
      windows.unshift({ messages, bytes: Math.max(laneCreditBytes, leastBytes) })
    }
    for (const window of windows) {
      const moreMessages = Math.max(0, incoming.settledMessages + window.messages - incoming.grantedMessages)
      const moreBytes = Math.max(0, incoming.settledBytes + window.bytes - incoming.grantedBytes)
      const isLow =
        (incoming.grantedBytes - incoming.receivedBytes < leastBytes && moreBytes > 0) ||
        (incoming.grantedMessages - incoming.receivedMessages < RUN_MESSAGES_MAX && moreMessages > 0)
      const isWorthIt = isLow || moreMessages * 4 >= window.messages || moreBytes * 4 >= window.bytes
      if (!isWorthIt || (moreMessages === 0 && moreBytes === 0)) {
        this.#waiting.delete(incoming)
        return
      }
      if (!this.#hasRoom(incoming, costBytes(moreMessages, moreBytes), window === windows.at(-1))) continue
      this.#waiting.delete(incoming)
      this.#promise(incoming, costBytes(moreMessages, moreBytes))
      incoming.grantedMessages += moreMessages
      incoming.grantedBytes += moreBytes
      tell(incoming)
      return
    }
    this.#waiting.add(incoming)
  }

  /** Tries again for lanes that wait: there may be room now. */
  retry(): void {
    for (const incoming of [...this.#waiting]) this.update(incoming)
  }

  #isTight({ lane, sender }: IncomingLane): boolean {
    const { inboxDiskBytesMax, inboxContactBytesMax, inboxLaneBytesMax } = this.#options
    return (
      lane.costBytes > inboxLaneBytesMax / 2 ||
      sender.costBytes + sender.promisedCostBytes > inboxContactBytesMax / 2 ||
      this.#costBytes + this.#promisedCostBytes > inboxDiskBytesMax / 2
    )
  }

  #hasRoom(incoming: IncomingLane, cost: number, isNarrow: boolean): boolean {
    if (this.#fits(incoming, cost, isNarrow)) return true
    // What was handled gives way, but only for the least that the lane needs.
    return isNarrow && this.#makeRoom(incoming.lane) && this.#fits(incoming, cost, isNarrow)
  }

  #fits({ lane, sender }: IncomingLane, cost: number, isNarrow: boolean): boolean {
    const { inboxDiskBytesMax, inboxContactBytesMax, inboxLaneBytesMax } = this.#options
    if (lane.costBytes + lane.promisedCostBytes + cost > inboxLaneBytesMax) return false
    const factor = isNarrow ? PROMISE_FACTOR : 1
    return (
      hasRoom(sender.costBytes, sender.promisedCostBytes, cost, inboxContactBytesMax, factor) &&
      hasRoom(this.#costBytes, this.#promisedCostBytes, cost, inboxDiskBytesMax, factor)
    )
  }

  #promise(incoming: IncomingLane, byCostBytes: number): void {
    incoming.lane.promisedCostBytes += byCostBytes
    incoming.sender.promisedCostBytes += byCostBytes
    this.#promisedCostBytes += byCostBytes
  }
}

function tell(incoming: IncomingLane): void {
  const { lane, session, grantedMessages: messages, grantedBytes: bytes } = incoming
  incoming.isTold = true
  session.credit({ lane: lane.number, messages, bytes })
}

function hasRoom(used: number, promised: number, cost: number, max: number, factor: number): boolean {
  if (used + promised + cost <= max) return true
  return factor > 1 && used + cost <= max && promised + cost <= max * factor
}
