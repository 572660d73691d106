import type { Timer } from '../actor/clock.ts'
import type { Credit, Receipt } from '../delivery/port.ts'
import type { Contender } from './arbitration.ts'
import type { DurableLink } from './durable-link.ts'
import type { Envelope, Ping } from './envelope.ts'
import { PeerFault } from './fault.ts'
import type { IncomingLanes } from './incoming.ts'
import type { Link } from './link.ts'
import { BATCH_BYTES, type OutgoingLanes, type OutgoingQueue, type SendJob } from './outgoing.ts'
import { ReceiptQueue } from './receipt-queue.ts'

/** Envelopes that are neither runs nor requests, in one frame. */
const CONTROL_COUNT_MAX = 64
/** Room for those beside a message of the largest size. A card alone may take a little more. */
const CONTROL_BYTES_MAX = 4_096
/** What an envelope without texts takes at most: a receipt. */
const CONTROL_HEADER_BYTES = 56
/** Replies to pings that wait to be sent. A peer pings once in seconds, so this many mean that it does not read. */
const PING_REPLY_COUNT_MAX = 64

/**
 * Something that fills frames: gives the next envelope whose bodies have at most `bytesMax` bytes, or one message where `mayExceed` says
 * so, and how many those are; undefined when it has nothing that may be sent now.
 */
export type Source = (
  bytesMax: number,
  mayExceed: boolean
) => { readonly envelope: Envelope; readonly bytes: number } | undefined

export type OpenLinkOptions = Pick<OpenLink, 'link' | 'outgoing' | 'incoming' | 'openedAtMs' | 'beganAt'>

/** A link whose session is up: what waits to be sent on it, its lanes, and how far its end has come. */
export class OpenLink implements Contender {
  readonly link: Link
  readonly outgoing: OutgoingLanes
  readonly incoming: IncomingLanes
  readonly openedAtMs: number
  /** When its handshake began, by the count of links that are over. */
  readonly beganAt: number
  /** Durable lanes of the peer, where both sides have them. */
  durable: DurableLink | undefined
  readonly generation: number
  readonly isRekey: boolean
  #control: Envelope[] = []
  readonly #credits = new Map<number, Credit>()
  readonly #receipts = new ReceiptQueue()
  /** The source that begins the next frame. */
  #turn = 0
  /** Our last envelope, `end` or `bye`, is written or waits to be. */
  isSendEnded = false
  /** The peer's last envelope has come, or its direction has ended. */
  isReceiveEnded = false
  /** The code under which it ends, once that is decided. */
  endCode: 'GLARE' | 'REKEYED' | 'STOPPING' | undefined
  drainTimer: Timer | undefined
  pulse: Timer | undefined
  hasAskedForRekey = false
  isSkewReported = false

  constructor({ link, outgoing, incoming, openedAtMs, beganAt }: OpenLinkOptions) {
    this.link = link
    this.outgoing = outgoing
    this.incoming = incoming
    this.openedAtMs = openedAtMs
    this.beganAt = beganAt
    this.isRekey = link.rekeyGeneration !== undefined
    this.generation = link.rekeyGeneration ?? 1
  }

  /** Lets messages in: no older link of the contact may deliver any more. */
  activate(): void {
    this.incoming.activate()
    this.durable?.activate()
  }

  get openedByUs(): boolean {
    return this.link.openedByUs
  }

  get peerBootId(): Uint8Array {
    return this.link.hello.bootId
  }

  /** Queues an envelope that costs no credit. It goes before all runs. */
  queue(envelope: Envelope): void {
    if (!this.isSendEnded) this.#control.push(envelope)
  }

  /** Queues new totals for a lane; only the newest are sent. */
  queueCredit(credit: Credit): void {
    if (!this.isSendEnded) this.#credits.set(credit.lane, credit)
  }

  /** Queues what is to be told of a durable lane. */
  queueReceipt(receipt: Receipt): void {
    if (!this.isSendEnded) this.#receipts.add(receipt)
  }

  /** Queues a ping unless one waits already. */
  queuePing(ping: Ping): void {
    if (!this.#control.some(envelope => 'ping' in envelope && !envelope.ping.reply)) this.queue({ ping })
  }

  /** Queues the reply to a ping. @throws {PeerFault} `FLOODED` for pings that come faster than their replies can leave */
  queuePingReply(nonce: Uint8Array): void {
    const waitingCount = this.#control.filter(envelope => 'ping' in envelope && envelope.ping.reply).length
    if (waitingCount >= PING_REPLY_COUNT_MAX) throw new PeerFault('FLOODED', 'more pings than can be answered')
    this.queue({ ping: { nonce, reply: true, rekey: false } })
  }

  /** Queues our last envelope. */
  queueEnd(last: Envelope): void {
    if (this.isSendEnded) return
    this.queue(last)
    this.isSendEnded = true
  }

  /** Runs that are not durable, as a source. Jobs that it completes are added to `completed`. */
  runs(queue: OutgoingQueue, completed: SendJob[]): Source {
    return (bytesMax, mayExceed) => {
      const taken = this.outgoing.take(queue, bytesMax, mayExceed)
      if (taken === undefined) return undefined
      completed.push(...taken.completed)
      return { envelope: { run: taken.run }, bytes: taken.bytes }
    }
  }

  /**
   * Writes what waits and may be written now, and what the sources have. They take turns: each fills a frame before the others, if it can.
   * A link whose last envelope waits or is written asks no source.
   */
  flush(sources: readonly Source[], frameBytesMax: number): void {
    while (this.link.isWritable) {
      const batch = this.#takeControl()
      if (!this.isSendEnded) this.#fill(batch, sources, frameBytesMax - CONTROL_BYTES_MAX)
      if (batch.length === 0) break
      this.link.send(batch)
    }
  }

  #fill(batch: Envelope[], sources: readonly Source[], bytesMax: number): void {
    const start = this.#turn
    let bytes = 0
    for (let step = 0; step < sources.length && bytes < BATCH_BYTES; step++) {
      const index = (start + step) % sources.length
      while (bytes < BATCH_BYTES && bytes <= bytesMax) {
        const taken = sources[index]?.(BATCH_BYTES - bytes, bytes === 0)
        if (taken === undefined) break
        // Who began this frame begins the next one last.
        if (bytes === 0) this.#turn = index + 1
        batch.push(taken.envelope)
        bytes += taken.bytes + headerBytesOf(taken.envelope)
      }
    }
  }

  #takeControl(): Envelope[] {
    // Taken only as they go: while they wait, what a slow reader is told of a lane becomes one.
    if (this.#control.length <= CONTROL_COUNT_MAX) {
      const totals: Envelope[] = this.#receipts.take(CONTROL_COUNT_MAX).map(receipt => ({ receipt }))
      for (const [lane, credit] of this.#credits) {
        if (totals.length >= CONTROL_COUNT_MAX) break
        totals.push({ credit })
        this.#credits.delete(lane)
      }
      // Before an end that waits, so that what is last stays last.
      if (totals.length > 0) this.#control = [...totals, ...this.#control]
    }
    let count = 0
    let bytes = 0
    for (const envelope of this.#control) {
      bytes += controlBytesOf(envelope)
      if (count === CONTROL_COUNT_MAX || (count > 0 && bytes > CONTROL_BYTES_MAX)) break
      count++
    }
    return this.#control.splice(0, count)
  }
}

const ENVELOPE_HEADER_BYTES = 64
const BODY_HEADER_BYTES = 4

/** What an envelope of a source takes beside its bodies, at most. */
function headerBytesOf(envelope: Envelope): number {
  const bodyCount = 'run' in envelope ? envelope.run.bodies.length : 1
  return ENVELOPE_HEADER_BYTES + bodyCount * BODY_HEADER_BYTES
}

function controlBytesOf(envelope: Envelope): number {
  if ('card' in envelope) return CONTROL_HEADER_BYTES + envelope.card.card.length
  if ('receipt' in envelope) return CONTROL_HEADER_BYTES + Buffer.byteLength(envelope.receipt.reason)
  if ('laneOpen' in envelope) return CONTROL_HEADER_BYTES + Buffer.byteLength(envelope.laneOpen.channel)
  if ('compare' in envelope) {
    const { message, question, result } = envelope.compare
    return CONTROL_HEADER_BYTES + message.length + Buffer.byteLength(question) + Buffer.byteLength(result)
  }
  if ('bye' in envelope) return CONTROL_HEADER_BYTES + Buffer.byteLength(envelope.bye.text)
  return CONTROL_HEADER_BYTES
}
