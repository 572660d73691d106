/** One incoming lane, as its session describes it to the inbox. Contact data is fixed for the life of the session. */
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

/** The inbox's end of an incoming lane. */
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
