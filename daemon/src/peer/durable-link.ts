import { DURABLE_LANE_MIN, type DurableRun, type IncomingAttachment } from '../delivery/port.ts'
import type { Envelope, LaneOpen, Reject, Run } from './envelope.ts'
import { PeerFault } from './fault.ts'
import { isChannel } from './incoming.ts'

/**
 * What comes on one link for durable lanes, on its way to the inbox. Whether the numbers are in order and within the credit is the inbox's to
 * say: lanes live longer than links.
 */
export class DurableLink {
  readonly #attachment: IncomingAttachment
  readonly #messageBytesMax: number
  #isOver = false

  constructor(attachment: IncomingAttachment, messageBytesMax: number) {
    this.#attachment = attachment
    this.#messageBytesMax = messageBytesMax
  }

  /** No older link delivers any more. */
  activate(): void {
    if (!this.#isOver) this.#attachment.activate()
  }

  /** @throws {PeerFault} for what breaks the rules of durable lanes */
  open({ lane, channel, epoch }: LaneOpen): void {
    if (lane < DURABLE_LANE_MIN || epoch === undefined) throw violation('a durable lane with the number of another')
    if (!isChannel(channel)) throw violation('a channel that is no name')
    this.#attachment.open({ lane, channel, epoch })
  }

  /** @throws {PeerFault} as the inbox does, and for a run without a body or with one that is too long */
  run(run: Run): void {
    if (run.bodies.length === 0) throw violation('an empty run')
    if (run.bodies.some(body => body.length > this.#messageBytesMax)) throw violation('a message over the limit')
    this.#attachment.run(run as DurableRun)
  }

  /** @throws {PeerFault} */
  skip(skip: { readonly lane: number; readonly from: number; readonly to: number }): void {
    this.#attachment.skip(skip)
  }

  /** @throws {PeerFault} `PROTOCOL_VIOLATION` for any code but `LANE_CLOSED` */
  rejected({ lane, code }: Reject): void {
    if (lane === undefined || lane < DURABLE_LANE_MIN || code !== 'LANE_CLOSED') throw violation('a lane is refused')
    this.#attachment.closeLane(lane)
  }

  /** The link is over. */
  over(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#attachment.detach()
  }
}

/** Whether an envelope belongs to durable lanes, to requests, or to comparisons. */
export function featureOf(envelope: Envelope): 'durable' | 'requests' | 'compare' | undefined {
  if ('run' in envelope) return envelope.run.lane >= DURABLE_LANE_MIN ? 'durable' : undefined
  if ('credit' in envelope) {
    if (envelope.credit.lane === 0) return 'requests'
    return envelope.credit.lane >= DURABLE_LANE_MIN ? 'durable' : undefined
  }
  if ('laneOpen' in envelope) return envelope.laneOpen.durable ? 'durable' : undefined
  if ('skip' in envelope || 'receipt' in envelope) return 'durable'
  if ('request' in envelope || 'response' in envelope) return 'requests'
  if ('reject' in envelope) return envelope.reject.lane === undefined ? 'requests' : 'durable'
  if ('compare' in envelope) return 'compare'
  return undefined
}

function violation(detail: string): PeerFault {
  return new PeerFault('PROTOCOL_VIOLATION', detail)
}
