import type { DurableReceiving, DurableSending, LaneMark, Requesting } from '../delivery/port.ts'
import type { CompareEnds, Comparing } from './compare/port.ts'
import { DurableLink, featureOf } from './durable-link.ts'
import type { Compare, Envelope } from './envelope.ts'
import { PeerFault } from './fault.ts'
import { COMPARE, DURABLE, REQUESTS } from './hello.ts'
import type { OpenLink, Source } from './open-link.ts'
import { Outbound } from './outbound.ts'
import type { Self } from './self.ts'

/** Where durable lanes, requests and comparisons come from and go to. */
export interface ExchangePorts {
  /** What this side announces, but for durable lanes while the store cannot be used. */
  readonly features: readonly string[]
  readonly durableReceiving: DurableReceiving
  readonly durableSending: DurableSending
  readonly requesting: Requesting
  readonly comparing: Comparing
}

export interface ExchangeDeps extends ExchangePorts {
  readonly contact: string
  readonly messageBytesMax: number
  /** The peer's own ID. */
  readonly from: string
  readonly self: Pick<Self, 'id'>
  /** What the owner calls the peer now. */
  fromName(): string
  /** The link that carries what is sent now. */
  current(): OpenLink | undefined
  /** There may be something to write. */
  wake(): void
}

/** What lasts longer than a link, with one contact: durable lanes both ways, requests, and comparisons. */
export class Exchange {
  readonly #deps: ExchangeDeps
  readonly #outbound: Outbound
  /** Of the peer's daemon with which there is a session, as comparisons see it. */
  #peerBootId: Uint8Array | undefined

  constructor(deps: ExchangeDeps) {
    const { contact, durableSending, requesting, wake } = deps
    this.#deps = deps
    this.#outbound = new Outbound({ contact, sending: durableSending, requesting, wake })
  }

  /** A time to compare with, for links whose handshake begins now. */
  get now(): number {
    return this.#outbound.now
  }

  /** What our hello says. */
  greeting(): { readonly features: readonly string[]; readonly lanes: readonly LaneMark[] } {
    const { features, durableReceiving, contact } = this.#deps
    const lanes = features.includes(DURABLE) ? durableReceiving.marks(contact) : undefined
    return lanes === undefined
      ? { features: features.filter(feature => feature !== DURABLE), lanes: [] }
      : { features, lanes }
  }

  /** A link has come up, and is not known to the others yet. */
  opened(open: OpenLink): void {
    this.#compareOn(open)
    if (!open.link.hasFeature(DURABLE)) return
    const { durableReceiving, contact, from, fromName, messageBytesMax, wake } = this.#deps
    const attachment = durableReceiving.attach(contact, {
      from,
      fromName,
      receipt: receipt => {
        this.#receiptLink(open)?.queueReceipt(receipt)
        wake()
      },
      credit: credit => {
        open.queueCredit(credit)
        wake()
      }
    })
    open.durable = new DurableLink(attachment, messageBytesMax)
  }

  /** Takes an envelope of durable lanes or requests; false for any other. @throws {PeerFault} */
  received(open: OpenLink, envelope: Envelope): boolean {
    const feature = featureOf(envelope)
    if (feature === undefined) return false
    if (!open.link.hasFeature(feature))
      throw new PeerFault('PROTOCOL_VIOLATION', `an envelope without the feature ${feature}`)
    const { contact, durableSending, requesting } = this.#deps
    if ('compare' in envelope) this.#deps.comparing.received(contact, envelope.compare, this.#endsOf(open))
    else if ('run' in envelope) open.durable?.run(envelope.run)
    else if ('receipt' in envelope) durableSending.receipt(contact, envelope.receipt)
    else if ('credit' in envelope) this.#outbound.credit(open, envelope.credit)
    else if ('laneOpen' in envelope) open.durable?.open(envelope.laneOpen)
    else if ('skip' in envelope) open.durable?.skip(envelope.skip)
    else if ('request' in envelope || 'response' in envelope) requesting.received(contact, envelope)
    else if ('reject' in envelope) {
      const { request, code, text } = envelope.reject
      if (request === undefined) open.durable?.rejected(envelope.reject)
      else requesting.received(contact, { reject: { request, code, text } })
    }
    return true
  }

  /** Goes on with the current link. `links` are all that are up. */
  follow(links: readonly OpenLink[]): void {
    this.#outbound.follow(this.#deps.current(), links)
  }

  /** What may be written on `open` now, beside what is not durable. */
  sources(open: OpenLink): Source[] {
    return this.#outbound.sources(open)
  }

  /** Tells requests that wait when the session that is up cannot take them. */
  checkRequests(): void {
    const current = this.#deps.current()
    if (current === undefined || current.link.hasFeature(REQUESTS)) return
    const { requesting, contact, fromName } = this.#deps
    requesting.unreachable(contact, 'NOT_SUPPORTED', `${fromName()} runs a version that has no requests`)
  }

  /** What waits cannot be sent: there is no session. */
  unreachable(code: 'PEER_OFFLINE' | 'NOT_ACCEPTED', message: string): void {
    this.#deps.requesting.unreachable(this.#deps.contact, code, message)
  }

  /** A link is over. `isInOrder` where both sides have ended it after their last envelope. */
  over(open: OpenLink, isInOrder: boolean): void {
    open.durable?.over()
    this.#outbound.over(open, isInOrder)
    if (this.#deps.current() === undefined) this.#compareNoMore()
  }

  /** A comparison outlives a link, and not the peer's daemon. */
  #compareOn({ link, peerBootId }: OpenLink): void {
    const { comparing, contact } = this.#deps
    if (this.#peerBootId !== undefined && Buffer.compare(this.#peerBootId, peerBootId) === 0) return
    this.#compareNoMore()
    this.#peerBootId = peerBootId
    comparing.opened(contact, {
      isSupported: link.hasFeature(COMPARE),
      send: envelope => this.#sendCompare(envelope)
    })
  }

  #compareNoMore(): void {
    if (this.#peerBootId === undefined) return
    this.#peerBootId = undefined
    this.#deps.comparing.closed(this.#deps.contact)
  }

  #sendCompare(compare: Compare): CompareEnds | undefined {
    const current = this.#deps.current()
    if (current === undefined || current.isSendEnded || !current.link.hasFeature(COMPARE)) return undefined
    current.queue({ compare })
    this.#deps.wake()
    return this.#endsOf(current)
  }

  #endsOf({ link }: OpenLink): CompareEnds {
    const { self, from } = this.#deps
    const { own: ownPublicKey, peer: peerPublicKey } = link.publicKeys
    return {
      ...{ transcript: link.transcript, ownPublicKey, peerPublicKey },
      ...{ ownId: self.id, peerId: from }
    }
  }

  /** Receipts go back by the link on which the run came, or, when nothing may follow there, by the one that replaces it. */
  #receiptLink(open: OpenLink): OpenLink | undefined {
    if (!open.isSendEnded) return open
    const current = this.#deps.current()
    return current?.link.hasFeature(DURABLE) === true ? current : undefined
  }
}
