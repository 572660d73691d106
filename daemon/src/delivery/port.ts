/** One incoming lane that is not durable, as its session describes it to the inbox. Contact data is fixed for the life of the session. */
export interface LaneOrigin {
  readonly contact: string
  /** The sender's own ID. */
  readonly from: string
  /** What the owner calls the sender now. */
  fromName(): string
  readonly channel: string
  /** IDs of the lane's messages start with this: `<epoch>.<lane>.`, then the sequence. */
  readonly idPrefix: string
  /**
   * Raises what the sender may send: totals since the lane was opened, never falling. Called in the turn in which there is more room.
   */
  grant(messagesTotal: number, bytesTotal: number): void
}

/** The inbox's end of an incoming lane that is not durable. */
export interface LaneSink {
  /**
   * Takes consecutive messages within what was granted; `bodies` are the inbox's from here on.
   * `firstSeq` counts from 1 in the lane.
   */
  deliver(firstSeq: number, sentAt: number, bodies: readonly Uint8Array[]): void
  /** The lane is over with its session; what was delivered stays. */
  close(): void
}

/** What a session needs of the inbox. */
export interface Receiving {
  openLane(origin: LaneOrigin): LaneSink
}

/** Lanes that end with their session have the numbers below; durable lanes have these, which never come again in an epoch. */
export const DURABLE_LANE_MIN = 1_025
export const EPOCH_BYTES = 16
export const TAG_BYTES = 8
/** A new durable lane may send so much before it has been granted anything. */
export const NEW_LANE_CREDIT_MESSAGES = 1_024
export const NEW_LANE_CREDIT_BYTES = 65_536

/** How far a receiver has stored a durable lane, as its `hello` tells the sender. */
export interface LaneMark {
  readonly epoch: Uint8Array
  readonly lane: number
  /** Everything up to and including this number is stored, as a message or as skipped. */
  readonly stored: number
  /** Of the run that ends there; empty where the last number was skipped. */
  readonly tag: Uint8Array
}

export interface DurableLaneOpen {
  readonly lane: number
  readonly channel: string
  readonly epoch: Uint8Array
}

/** Consecutive messages that were accepted together. It is sent whole, and never in other parts than before. */
export interface DurableRun {
  readonly lane: number
  readonly first: number
  /** Unix milliseconds by the sender's clock. */
  readonly acceptedAt: number
  readonly ttlLeftMs: number
  readonly tag: Uint8Array
  /** The messages may have arrived before, under other numbers: their sender was restored from a backup. */
  readonly maybeDuplicate: boolean
  readonly bodies: readonly Uint8Array[]
}

/** Numbers of a lane that have no message any more. */
export interface Skip {
  readonly lane: number
  readonly from: number
  readonly to: number
}

export const STORED = 1
export const HANDLED = 2
export const REJECTED = 3
/** The reason of a rejection that confirms a skip: these numbers were stored as skipped, and no app ever sees a message of them. */
export const SKIPPED = 'SKIPPED'

/** What the receiver says of a range of a durable lane. States only go forward; the same again changes nothing. */
export interface Receipt {
  readonly epoch: Uint8Array
  readonly lane: number
  readonly state: typeof STORED | typeof HANDLED | typeof REJECTED
  readonly from: number
  readonly to: number
  /** Of a rejection: `SKIPPED`, `NOT_HANDLED`, or what the app said. */
  readonly reason: string
}

/** Totals of one lane in one session. */
export interface Credit {
  readonly lane: number
  readonly messages: number
  readonly bytes: number
}

export type OutgoingEnvelope =
  | { readonly laneOpen: DurableLaneOpen & { readonly durable: true } }
  | { readonly run: DurableRun }
  | { readonly skip: Skip }
  /** The sender of a durable lane closes it for good: the receiver forgets it. */
  | { readonly reject: { readonly lane: number; readonly code: 'LANE_CLOSED'; readonly text: string } }

export interface TakenEnvelope {
  readonly envelope: OutgoingEnvelope
  /** Of bodies. */
  readonly bytes: number
}

/**
 * Where a session that becomes the one to send on goes on with durable lanes.
 *
 * `{ marks }`: at what the peer's hello says, the first session after none. `stored`: at what receipts have told, where the session before it died while
 * this one was up already.
 */
export type AttachStart = { readonly marks: readonly LaneMark[] } | 'stored'

export interface OutgoingSession {
  readonly start: AttachStart
  /** The largest body that the peer takes. */
  readonly messageBytesMax: number
  /** There may be something to take now. */
  wake(): void
}

/** Durable lanes to one contact, on the session that sends. Not used after `detach`. */
export interface OutgoingAttachment {
  /**
   * What to write next, or undefined when nothing may be sent now. Lanes take turns. A run has at most `bytesMax` bytes of bodies, or one
   * message where `mayExceed`. What was taken counts as sent from here on.
   */
  take(bytesMax: number, mayExceed: boolean): TakenEnvelope | undefined
  /** @throws {PeerFault} `PROTOCOL_VIOLATION` for a lane that was never opened here, or a total that falls */
  credit(credit: Credit): void
  /** The session sends no more. Receipts may still come by it. */
  detach(): void
}

/** The outbox, as sessions see it. */
export interface DurableSending {
  attach(contact: string, session: OutgoingSession): OutgoingAttachment
  /** Takes a receipt, by whatever session it came. @throws {PeerFault} `PROTOCOL_VIOLATION` for what was never sent */
  receipt(contact: string, receipt: Receipt): void
}

/** A session that is up, as the inbox sees it. */
export interface IncomingSession {
  /** The sender's own ID. */
  readonly from: string
  /** What the owner calls the sender now. */
  fromName(): string
  receipt(receipt: Receipt): void
  credit(credit: Credit): void
}

/** Durable lanes from one contact, on one session. Everything throws `PeerFault` for what breaks the rules. */
export interface IncomingAttachment {
  /** No older session delivers any more: from now on there is credit. Says again what the sender may not have heard. */
  activate(): void
  open(opening: DurableLaneOpen): void
  run(run: DurableRun): void
  skip(skip: Skip): void
  closeLane(lane: number): void
  /** The session is over. What came and has not synced yet is stored all the same. */
  detach(): void
}

/** The inbox, as sessions see it for durable lanes. */
export interface DurableReceiving {
  /** For `hello`: lanes of the newest epoch. Undefined while the store cannot be used; then the session has no durable lanes. */
  marks(contact: string): readonly LaneMark[] | undefined
  attach(contact: string, session: IncomingSession): IncomingAttachment
}

/** A request or its answer, on its way out. */
export type RequestEnvelope =
  | {
      readonly request: {
        readonly id: Uint8Array
        readonly name: string
        readonly timeLeftMs: number
        readonly body: Uint8Array
      }
    }
  | { readonly response: { readonly id: Uint8Array; readonly body: Uint8Array } }
  | { readonly reject: { readonly request: Uint8Array; readonly code: string; readonly text: string } }

/** Requests and answers with one contact, on the session that sends. Not used after `detach`. */
export interface RequestAttachment {
  /** As for runs: what to write next. */
  take(bytesMax: number, mayExceed: boolean): { readonly envelope: RequestEnvelope; readonly bytes: number } | undefined
  /** Credit for lane 0, which is that of requests. @throws {PeerFault} for a total that falls */
  credit(credit: Credit): void
  detach(): void
}

/** The session that sends, as requests see it. */
export interface RequestSession {
  /** The largest body that the peer takes. */
  readonly messageBytesMax: number
  /** There may be something to take now. */
  wake(): void
  /** Tells the peer how many requests it may make, in all on this session: lane 0. */
  credit(credit: Credit): void
}

/** Requests, as sessions see them. */
export interface Requesting {
  /** The session to send on from now on. Only where the peer has the feature. */
  attach(contact: string, session: RequestSession): RequestAttachment
  /** By whatever session of the contact it came. @throws {PeerFault} `PROTOCOL_VIOLATION` `CREDIT_EXCEEDED` */
  received(contact: string, envelope: RequestEnvelope): void
  /** What was written and is not answered may be lost: the session that carried it has died. Called after its `detach`. */
  lost(contact: string): void
  /**
   * What waits cannot be sent now: no session could be made (`PEER_OFFLINE`, `NOT_ACCEPTED`), or the one that is up is with a peer that lacks
   * the feature (`NOT_SUPPORTED`). `message` is for people.
   */
  unreachable(contact: string, code: 'PEER_OFFLINE' | 'NOT_ACCEPTED' | 'NOT_SUPPORTED', message: string): void
}
