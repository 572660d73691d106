import type { Timer } from '../actor/clock.ts'
import type { Credit } from '../delivery/port.ts'
import type { Contender } from './arbitration.ts'
import type { Envelope, Ping } from './envelope.ts'
import { PeerFault } from './fault.ts'
import type { IncomingLanes } from './incoming.ts'
import type { Link } from './link.ts'
import { BATCH_BYTES, type OutgoingLanes, type OutgoingQueue, type SendJob } from './outgoing.ts'

/** Envelopes that are neither runs nor requests, in one frame. */
const CONTROL_COUNT_MAX = 64
/** Room for those beside a message of the largest size. */
const CONTROL_BYTES_MAX = 4_096
/** Replies to pings that wait to be sent. A peer pings once in seconds, so this many mean that it does not read. */
const PING_REPLY_COUNT_MAX = 64

/** A link whose session is up: what waits to be sent on it, its lanes, and how far its end has come. */
export class OpenLink implements Contender {
  readonly link: Link
  readonly outgoing: OutgoingLanes
  readonly incoming: IncomingLanes
  readonly openedAtMs: number
  readonly generation: number
  readonly isRekey: boolean
  readonly #control: Envelope[] = []
  readonly #credits = new Map<number, Credit>()
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

  constructor(link: Link, outgoing: OutgoingLanes, incoming: IncomingLanes, openedAtMs: number) {
    this.link = link
    this.outgoing = outgoing
    this.incoming = incoming
    this.openedAtMs = openedAtMs
    this.isRekey = link.rekeyGeneration !== undefined
    this.generation = link.rekeyGeneration ?? 1
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

  /** Writes what waits and may be written now; with a queue, runs from it too. Returns the jobs that it completed. */
  flush(queue: OutgoingQueue | undefined, frameBytesMax: number): SendJob[] {
    const completed: SendJob[] = []
    while (this.link.isWritable) {
      const batch = this.#takeControl()
      let bytes = 0
      while (queue !== undefined && !this.isSendEnded && bytes < BATCH_BYTES) {
        const isFirst = bytes === 0
        const taken = this.outgoing.take(queue, BATCH_BYTES - bytes, isFirst)
        if (taken === undefined) break
        batch.push({ run: taken.run })
        bytes += taken.bytes + RUN_HEADER_BYTES + taken.run.bodies.length * BODY_HEADER_BYTES
        completed.push(...taken.completed)
        if (bytes > frameBytesMax - CONTROL_BYTES_MAX) break
      }
      if (batch.length === 0) break
      this.link.send(batch)
    }
    return completed
  }

  #takeControl(): Envelope[] {
    if (this.#credits.size > 0) {
      // Credit stands before an end that waits, so that what is last stays last.
      this.#control.unshift(...[...this.#credits.values()].map(credit => ({ credit })))
      this.#credits.clear()
    }
    return this.#control.splice(0, CONTROL_COUNT_MAX)
  }
}

const RUN_HEADER_BYTES = 32
const BODY_HEADER_BYTES = 4
