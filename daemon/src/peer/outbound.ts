import type {
  AttachStart,
  Credit,
  DurableSending,
  OutgoingAttachment,
  RequestAttachment,
  Requesting
} from '../delivery/port.ts'
import { DURABLE, REQUESTS } from './hello.ts'
import type { OpenLink, Source } from './open-link.ts'

export interface OutboundDeps {
  readonly contact: string
  readonly sending: DurableSending
  readonly requesting: Requesting
  /** There may be something to write. */
  wake(): void
}

interface Attached<Attachment> {
  readonly open: OpenLink
  readonly attachment: Attachment
}

/**
 * Durable lanes and requests of one contact on their way out: they follow the current link.
 *
 * Durable lanes move only once the link that carried them is over. What was written there is then stored, or lost; the next link goes on at what
 * receipts have told, and what the peer has twice it drops. Numbers alone would not do: a run that was lost with the old link
 * would leave a gap that nobody notices until the lane is used again.
 */
export class Outbound {
  readonly #deps: OutboundDeps
  #lanes: Attached<OutgoingAttachment> | undefined
  #requests: Attached<RequestAttachment> | undefined
  /** The link that carried durable lanes last, until it is over. */
  #former: OpenLink | undefined
  /** Credit for requests that came by a link before they went out on it: two links may be up, and the sides do not change over at once. */
  readonly #earlyCredit = new WeakMap<OpenLink, Credit>()
  /** Links that carried requests, until they are over. */
  readonly #carriers = new Set<OpenLink>()
  /** The peer's process whose link ended last, and when. */
  #lastOver: { readonly peerBootId: Uint8Array; readonly at: number } | undefined
  /** Counts links that are over. */
  #now = 0

  constructor(deps: OutboundDeps) {
    this.#deps = deps
  }

  /** A time to compare with, for links whose handshake begins now. */
  get now(): number {
    return this.#now
  }

  /**
   * Goes on with `current`, if it is another than before. `links` are all that are up.
   */
  follow(current: OpenLink | undefined, links: readonly OpenLink[]): void {
    this.#followWithLanes(current, links)
    this.#followWithRequests(current)
  }

  /** What may be written on `open` now. */
  sources(open: OpenLink): Source[] {
    const sources: Source[] = []
    const lanes = this.#lanes?.open === open ? this.#lanes.attachment : undefined
    const requests = this.#requests?.open === open ? this.#requests.attachment : undefined
    if (lanes !== undefined) sources.push((bytesMax, mayExceed) => lanes.take(bytesMax, mayExceed))
    if (requests !== undefined) sources.push((bytesMax, mayExceed) => requests.take(bytesMax, mayExceed))
    return sources
  }

  /**
   * Credit by `open` for a durable lane, or for requests, which have lane 0. For a durable lane of a link that carries none any more it means
   * nothing.
   *
   * @throws {PeerFault} `PROTOCOL_VIOLATION`
   */
  credit(open: OpenLink, credit: Credit): void {
    const attached = credit.lane === 0 ? this.#requests : this.#lanes
    if (attached?.open === open) attached.attachment.credit(credit)
    else if (credit.lane === 0) this.#earlyCredit.set(open, credit)
  }

  /** A link is over. `isInOrder` where both sides have ended it, and read what was on it. */
  over(open: OpenLink, isInOrder: boolean): void {
    this.#lastOver = { peerBootId: open.peerBootId, at: ++this.#now }
    if (this.#lanes?.open === open) this.#leaveLanes()
    if (this.#requests?.open === open) this.#leaveRequests()
    if (this.#former === open) this.#former = undefined
    if (this.#carriers.delete(open) && !isInOrder) this.#deps.requesting.lost(this.#deps.contact)
  }

  #followWithLanes(current: OpenLink | undefined, links: readonly OpenLink[]): void {
    if (this.#lanes?.open === current) return
    if (this.#lanes !== undefined) this.#leaveLanes()
    if (current === undefined || this.#former !== undefined || !current.link.hasFeature(DURABLE)) return
    const { sending, contact, wake } = this.#deps
    const { limits } = current.link.hello
    const session = { start: this.#startOn(current, links), messageBytesMax: limits.messageBytes, wake }
    this.#lanes = { open: current, attachment: sending.attach(contact, session) }
  }

  #leaveLanes(): void {
    this.#former = this.#lanes?.open
    this.#lanes?.attachment.detach()
    this.#lanes = undefined
  }

  #followWithRequests(current: OpenLink | undefined): void {
    if (this.#requests?.open === current) return
    this.#leaveRequests()
    if (current === undefined || !current.link.hasFeature(REQUESTS)) return
    const { requesting, contact, wake } = this.#deps
    const attachment = requesting.attach(contact, {
      messageBytesMax: current.link.hello.limits.messageBytes,
      wake,
      credit: credit => {
        current.queueCredit({ ...credit, lane: 0 })
        wake()
      }
    })
    this.#requests = { open: current, attachment }
    this.#carriers.add(current)
    const early = this.#earlyCredit.get(current)
    if (early !== undefined) attachment.credit(early)
  }

  #leaveRequests(): void {
    this.#requests?.attachment.detach()
    this.#requests = undefined
  }

  /**
   * What the peer's hello says counts where nothing can have passed since it was written: no link to the same process of the peer was up
   * from the beginning of this one's handshake on.
   */
  #startOn({ beganAt, link, peerBootId }: OpenLink, links: readonly OpenLink[]): AttachStart {
    const isSame = (other: Uint8Array) => Buffer.compare(other, peerBootId) === 0
    const last = this.#lastOver
    const wasUp = last !== undefined && last.at > beganAt && isSame(last.peerBootId)
    const isUp = links.some(other => other.link !== link && isSame(other.peerBootId))
    return wasUp || isUp ? 'stored' : { marks: link.hello.lanes }
  }
}
