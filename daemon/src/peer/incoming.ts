import type { LaneOrigin, LaneSink, Receiving } from '../delivery/port.ts'
import type { LaneOpen, Run } from './envelope.ts'
import { PeerFault } from './fault.ts'

export const CHANNEL_BYTES_MAX = 64

interface IncomingLane {
  readonly number: number
  readonly channel: string
  nextSeq: number
  receivedBytes: number
  grantedMessages: number
  grantedBytes: number
  /** Absent until the lane may receive: a session that replaces another grants nothing before the old one has ended. */
  sink: LaneSink | undefined
}

export interface IncomingLanesDeps {
  readonly receiving: Receiving
  readonly countMax: number
  readonly messageBytesMax: number
  /** The origin of a lane, but for what these lanes know themselves. */
  readonly origin: Omit<LaneOrigin, 'channel' | 'idPrefix' | 'grant'>
  /** The first part of the IDs of the messages that come through this session. */
  readonly epoch: string
  /** New totals for a lane, to be told to the peer. */
  credit(lane: number, messages: number, bytes: number): void
}

/** The lanes that the peer opened in one session. What breaks their rules is a `PeerFault`. */
export class IncomingLanes {
  readonly #deps: IncomingLanesDeps
  readonly #lanes: IncomingLane[] = []
  #isActive = false
  #isClosed = false

  constructor(deps: IncomingLanesDeps) {
    this.#deps = deps
  }

  /** From now on lanes are open in the inbox, which grants them credit. */
  activate(): void {
    if (this.#isActive || this.#isClosed) return
    this.#isActive = true
    for (const lane of this.#lanes) this.#connect(lane)
  }

  /** @throws {PeerFault} `CHANNEL_LIMIT`, or `PROTOCOL_VIOLATION` for a number out of order or a channel that is no name */
  open(opening: LaneOpen): void {
    if (opening.lane !== this.#lanes.length + 1)
      throw new PeerFault('PROTOCOL_VIOLATION', 'lane numbers are not consecutive')
    if (this.#lanes.length >= this.#deps.countMax) throw new PeerFault('CHANNEL_LIMIT', 'too many lanes')
    if (!isChannel(opening.channel)) throw new PeerFault('PROTOCOL_VIOLATION', 'a channel that is no name')
    if (this.#lanes.some(lane => lane.channel === opening.channel))
      throw new PeerFault('PROTOCOL_VIOLATION', 'a second lane of one channel')
    const lane = {
      number: opening.lane,
      channel: opening.channel,
      nextSeq: 1,
      receivedBytes: 0,
      grantedMessages: 0,
      grantedBytes: 0,
      sink: undefined
    }
    this.#lanes.push(lane)
    if (this.#isActive) this.#connect(lane)
  }

  /** @throws {PeerFault} `LANE_GAP` `CREDIT_EXCEEDED` `PROTOCOL_VIOLATION` */
  receive(run: Run): void {
    const lane = this.#lanes[run.lane - 1]
    if (lane === undefined) throw new PeerFault('PROTOCOL_VIOLATION', 'a run in a lane that was never opened')
    if (run.bodies.length === 0) throw new PeerFault('PROTOCOL_VIOLATION', 'an empty run')
    if (!Number.isSafeInteger(run.acceptedAt)) throw new PeerFault('PROTOCOL_VIOLATION', 'a time beyond all numbers')
    if (run.first !== lane.nextSeq)
      throw new PeerFault('LANE_GAP', `lane ${run.lane}: ${run.first} where ${lane.nextSeq} was due`)
    let bytes = 0
    for (const body of run.bodies) {
      if (body.length > this.#deps.messageBytesMax)
        throw new PeerFault('PROTOCOL_VIOLATION', 'a message over the limit')
      bytes += body.length
    }
    lane.nextSeq += run.bodies.length
    lane.receivedBytes += bytes
    if (lane.sink === undefined || lane.nextSeq - 1 > lane.grantedMessages || lane.receivedBytes > lane.grantedBytes) {
      throw new PeerFault('CREDIT_EXCEEDED', `lane ${run.lane}`)
    }
    lane.sink.deliver(run.first, run.acceptedAt, run.bodies)
  }

  /** Ends every lane with its session. What was delivered stays. */
  close(): void {
    this.#isClosed = true
    for (const lane of this.#lanes) lane.sink?.close()
    this.#lanes.length = 0
  }

  #connect(lane: IncomingLane): void {
    const { receiving, origin, epoch, credit } = this.#deps
    lane.sink = receiving.openLane({
      ...origin,
      channel: lane.channel,
      idPrefix: `${epoch}.${lane.number}.`,
      grant: (messages, bytes) => {
        if (this.#isClosed) return
        lane.grantedMessages = messages
        lane.grantedBytes = bytes
        credit(lane.number, messages, bytes)
      }
    })
  }
}

/** Channels are 1 to 64 bytes of well-formed text without control characters. */
export function isChannel(channel: string): boolean {
  const bytes = Buffer.byteLength(channel)
  return bytes > 0 && bytes <= CHANNEL_BYTES_MAX && channel.isWellFormed() && !/\p{Cc}/u.test(channel)
}
