import { PeerFault } from '../../peer/fault.ts'
import {
  type Credit,
  NEW_LANE_CREDIT_BYTES,
  NEW_LANE_CREDIT_MESSAGES,
  type OutgoingAttachment,
  type OutgoingSession,
  type TakenEnvelope
} from '../port.ts'
import type { Book } from './book.ts'
import type { ContactLanes } from './contact-lanes.ts'
import { type Entry, MESSAGE_COST_BYTES } from './entry.ts'
import type { Lane } from './lane.ts'

/** A lane sends so much before the next has its turn. */
const TURN_BYTES = 65_536

/** A lane within one session. */
interface LaneUse {
  messages: number
  bytes: number
  /** What may be sent in all. */
  grantedMessages: number
  grantedBytes: number
  /** What the receiver said last. */
  toldMessages: number
  toldBytes: number
}

export interface AttachmentHooks {
  /** Runs code as a part of the outbox. Faults and refusals go to the caller. */
  readonly run: <T>(code: () => T) => T
  /** A message that the peer's daemon would not take. */
  readonly tooLarge: (entry: Entry, messageBytesMax: number) => void
  /** A run's record does not open. False where that is because the store is lost. */
  readonly unreadable: (entry: Entry, error: unknown) => void
  readonly detached: (contact: ContactLanes) => void
}

type Next = { readonly type: 'skip'; readonly to: number } | { readonly type: 'run'; readonly entry: Entry }

/** Takes what is queued for one contact, for the session that sends. */
export class Attachment implements OutgoingAttachment {
  readonly #book: Book
  readonly #contact: ContactLanes
  readonly #session: OutgoingSession
  readonly #hooks: AttachmentHooks
  readonly #uses = new Map<number, LaneUse>()
  /** Lanes with something that may be taken, in the order of their turns. */
  readonly #ready = new Set<Lane>()
  readonly #closing: number[] = []
  #turnBytes = 0
  #isLive = true

  constructor(book: Book, contact: ContactLanes, session: OutgoingSession, hooks: AttachmentHooks) {
    this.#book = book
    this.#contact = contact
    this.#session = session
    this.#hooks = hooks
  }

  get messageBytesMax(): number {
    return this.#session.messageBytesMax
  }

  /** Ends it without a word. */
  end(): void {
    this.#isLive = false
  }

  /** The lane may have something to take that it had not before, or the other way round. */
  refresh(lane: Lane): void {
    if (!this.#isActive) return
    if (this.#next(lane) === undefined) this.#ready.delete(lane)
    else {
      this.#ready.add(lane)
      this.#session.wake()
    }
  }

  /** Looks at every lane anew. */
  refreshAll(): void {
    for (const lane of this.#contact.byChannel.values())
      if (!lane.isQueueEmpty || lane.hole !== undefined) this.refresh(lane)
    if (this.#closing.length > 0) this.#session.wake()
  }

  /** Tells the peer that the lane is closed for good. */
  close(lanes: readonly number[]): void {
    this.#closing.push(...lanes)
    if (this.#isActive && lanes.length > 0) this.#session.wake()
  }

  forget(lane: Lane): void {
    this.#ready.delete(lane)
    this.#uses.delete(lane.number)
  }

  /** Whether the lane has something that may be taken now. */
  isReady(lane: Lane): boolean {
    return this.#ready.has(lane)
  }

  take(bytesMax: number, mayExceed: boolean): TakenEnvelope | undefined {
    return this.#hooks.run(() => (this.#isActive ? this.#take(bytesMax, mayExceed) : undefined))
  }

  credit({ lane: number, messages, bytes }: Credit): void {
    this.#hooks.run(() => {
      if (!this.#isLive || this.#book.isLost) return
      const use = this.#uses.get(number)
      const lane = this.#contact.lanes.get(number)
      if (use === undefined) {
        // A lane that was closed meanwhile, or of an epoch that has ended, is no fault of the peer.
        if (number < this.#contact.nextLane && lane?.endedAtMs !== undefined) return
        if (number < this.#contact.nextLane && lane === undefined) return
        throw new PeerFault('PROTOCOL_VIOLATION', 'credit for a lane that was never opened')
      }
      if (!Number.isSafeInteger(messages) || !Number.isSafeInteger(bytes))
        throw new PeerFault('PROTOCOL_VIOLATION', 'credit beyond all numbers')
      if (messages < use.toldMessages || bytes < use.toldBytes)
        throw new PeerFault('PROTOCOL_VIOLATION', 'credit that falls')
      use.toldMessages = messages
      use.toldBytes = bytes
      use.grantedMessages = Math.max(use.grantedMessages, messages)
      use.grantedBytes = Math.max(use.grantedBytes, bytes)
      if (lane !== undefined) this.refresh(lane)
    })
  }

  detach(): void {
    this.#hooks.run(() => {
      if (!this.#isLive) return
      this.#isLive = false
      if (!this.#book.isLost) this.#hooks.detached(this.#contact)
    })
  }

  get #isActive(): boolean {
    return this.#isLive && !this.#book.isLost && this.#book.nowMs() >= this.#contact.restUntilMs
  }

  #take(bytesMax: number, mayExceed: boolean): TakenEnvelope | undefined {
    const closed = this.#closing.shift()
    if (closed !== undefined) {
      return { envelope: { reject: { lane: closed, code: 'LANE_CLOSED', text: 'the lane was idle' } }, bytes: 0 }
    }
    for (const lane of this.#ready) {
      const next = this.#next(lane)
      if (next === undefined) this.#ready.delete(lane)
      else if (!this.#uses.has(lane.number)) return this.#open(lane)
      else if (next.type === 'skip') return this.#takeSkip(lane, next.to)
      else {
        if (next.entry.bytes > bytesMax && !mayExceed) return undefined
        const taken = this.#takeRun(lane, next.entry)
        if (taken !== undefined) return taken
        this.#ready.delete(lane)
      }
    }
    return undefined
  }

  #open(lane: Lane): TakenEnvelope {
    const { number, channel, epoch, sentThrough } = lane
    const isNew = sentThrough === 0
    this.#uses.set(number, {
      messages: 0,
      bytes: 0,
      grantedMessages: isNew ? NEW_LANE_CREDIT_MESSAGES : 0,
      grantedBytes: isNew ? NEW_LANE_CREDIT_BYTES : 0,
      toldMessages: 0,
      toldBytes: 0
    })
    const bytes = new Uint8Array(Buffer.from(epoch, 'hex'))
    return { envelope: { laneOpen: { lane: number, channel, epoch: bytes, durable: true } }, bytes: 0 }
  }

  #takeSkip(lane: Lane, to: number): TakenEnvelope {
    const from = lane.cursor
    this.#taken(lane, to, 0)
    return { envelope: { skip: { lane: lane.number, from, to } }, bytes: 0 }
  }

  /** Undefined where the run cannot be read: then it is no run any more. */
  #takeRun(lane: Lane, entry: Entry): TakenEnvelope | undefined {
    let bodies: readonly Uint8Array[]
    try {
      bodies = this.#book.bodies(entry)
    } catch (error) {
      this.#hooks.unreadable(entry, error)
      return undefined
    }
    this.#book.uncache(entry)
    const use = this.#uses.get(lane.number) as LaneUse
    use.messages += entry.count
    use.bytes += entry.bytes
    const isFirstTime = entry.last > lane.sentThrough
    const ttlLeftMs = Math.max(1, entry.expiresMs - this.#book.nowMs())
    this.#taken(lane, entry.last, entry.costBytes)
    if (isFirstTime) this.#book.tell(lane, entry.first, entry.last, 'sent')
    const tag = new Uint8Array(Buffer.from(entry.tag, 'hex'))
    const { first, acceptedAt, maybeDuplicate, bytes } = entry
    return {
      envelope: { run: { lane: lane.number, first, acceptedAt, ttlLeftMs, tag, maybeDuplicate, bodies } },
      bytes
    }
  }

  #taken(lane: Lane, to: number, costBytes: number): void {
    lane.cursor = to + 1
    lane.sentThrough = Math.max(lane.sentThrough, to)
    this.#turnBytes += costBytes + MESSAGE_COST_BYTES
    const isReady = this.#next(lane) !== undefined
    if (isReady && this.#turnBytes < TURN_BYTES) return
    this.#turnBytes = 0
    this.#ready.delete(lane)
    if (isReady) this.#ready.add(lane)
  }

  /** What the lane would send now; undefined where it must wait. A lane that is not open in this session is opened first. */
  #next(lane: Lane): Next | undefined {
    if (lane.endedAtMs !== undefined) return undefined
    const { cursor, hole } = lane
    if (hole !== undefined && cursor <= hole.to) return { type: 'skip', to: hole.to }
    const entry = lane.at(cursor)
    if (entry === undefined || !entry.isSynced || entry.last > lane.takeableThrough) return undefined
    if (entry.kind !== 'run') return { type: 'skip', to: entry.last }
    if (this.#book.isHeld(entry)) return undefined
    if (entry.largestBytes > this.#session.messageBytesMax) {
      this.#hooks.tooLarge(entry, this.#session.messageBytesMax)
      return undefined
    }
    const use = this.#uses.get(lane.number)
    const isCredited =
      use === undefined ||
      (use.messages + entry.count <= use.grantedMessages && use.bytes + entry.bytes <= use.grantedBytes)
    return isCredited ? { type: 'run', entry } : undefined
  }
}
