import type { Clock, Timer } from '../../actor/clock.ts'
import type { Envelope } from '../../peer/envelope.ts'
import { type EndCode, PeerFault } from '../../peer/fault.ts'
import type { LinkProtocol } from '../../peer/hello.ts'
import { type Greeting, type LinkLimits, SecureLink, type SecureLinkDeps } from '../../peer/secure-link.ts'
import { decodeFrame, encodeFrame, type TransferFrame } from './frames.ts'

export const TRANSFER_PROTOCOL = '/parley/transfer/1.0.0'

const TRANSFER: LinkProtocol = { id: TRANSFER_PROTOCOL, minor: 0, features: [], requiredFeatures: [] }

export interface TransferLinkLimits extends LinkLimits {
  readonly handshakeTimeoutMs: number
  readonly pingAfterMs: number
  readonly peerDeadAfterMs: number
  readonly rekeyAfterMs: number
  readonly rekeyAfterWraps: number
}

export interface TransferLinkDeps extends SecureLinkDeps {
  readonly limits: TransferLinkLimits
  readonly clock: Clock
}

/** The actor that has a link now. Everything is called within `run`, as a part of that actor. */
export interface TransferLinkOwner {
  run(code: () => void): void
  opened(link: TransferLink): void
  /** What it throws as `PeerFault` ends the link. */
  received(link: TransferLink, frame: TransferFrame): void
  /** There may be room to write again. */
  drained(link: TransferLink): void
  /** The last call. */
  over(link: TransferLink, code: EndCode, detail: string): void
}

/**
 * One transfer stream: who it belongs to, its deadlines, and that the peer is alive. It ends before its keys are worn out; whoever sends the file then
 * dials anew.
 */
export class TransferLink extends SecureLink {
  /** Changed when a stream that came in turns out to belong to a transfer that is there. */
  owner: TransferLinkOwner
  readonly #deps: TransferLinkDeps
  readonly #openedAtMs: number
  #timer: Timer
  #isPinged = false

  constructor(deps: TransferLinkDeps, owner: TransferLinkOwner) {
    super(deps, TRANSFER)
    this.#deps = deps
    this.owner = owner
    const { clock, limits, stream } = deps
    this.#openedAtMs = clock.monotonicMs()
    this.#timer = clock.timer(limits.handshakeTimeoutMs, () =>
      this.#asOwner(() => this.close('HANDSHAKE_TIMED_OUT', 'the handshake took too long'))
    )
    stream.read({
      data: chunk => this.#asOwner(() => this.feed(chunk)),
      drained: () => this.#asOwner(() => this.#drained()),
      ended: () => this.#asOwner(() => this.ended()),
      closed: end => this.#asOwner(() => this.closed(end))
    })
  }

  send(frame: TransferFrame): void {
    if (this.isOpen) this.sendPlaintext(encodeFrame(frame))
  }

  protected override greeting(): Greeting {
    return { features: TRANSFER.features, lanes: [], rekey: false, generation: 0 }
  }

  protected override onOpen(rest: readonly Envelope[]): void {
    if (rest.length > 0) throw new PeerFault('PROTOCOL_VIOLATION', 'envelopes on a transfer stream')
    this.#pulseLater(this.#deps.limits.pingAfterMs)
    this.owner.opened(this)
  }

  protected override onPlaintext(plaintext: Uint8Array): void {
    this.#isPinged = false
    const frame = decodeFrame(plaintext)
    if (frame === undefined) return
    if (!('ping' in frame)) this.#asOwner(() => this.owner.received(this, frame))
    else if (!frame.ping.reply) this.#answerPing()
  }

  protected override onPeerEnd(): void {
    this.close('PEER_CLOSED', 'the peer ended the stream')
  }

  protected override onOver(code: EndCode, detail: string): void {
    this.#timer.cancel()
    this.owner.over(this, code, detail)
  }

  #answerPing(): void {
    // A peer pings once in seconds; one that does not read what it asks for is not answered.
    if (this.isWritable) this.send({ ping: { reply: true } })
  }

  #drained(): void {
    if (this.isOpen) this.owner.drained(this)
  }

  #pulseLater(delayMs: number): void {
    this.#timer.cancel()
    this.#timer = this.#deps.clock.timer(delayMs, () => this.#asOwner(() => this.#pulse()))
  }

  #pulse(): void {
    const { clock, limits } = this.#deps
    const nowMs = clock.monotonicMs()
    const silentMs = nowMs - this.lastByteMs
    const isWorn = nowMs - this.#openedAtMs >= limits.rekeyAfterMs || this.wrapCount >= limits.rekeyAfterWraps
    if (silentMs >= limits.peerDeadAfterMs) this.close('PEER_SILENT', 'the peer is silent')
    else if (isWorn) this.close('SESSION_EXPIRED', 'the stream has served its time')
    else {
      if (silentMs >= limits.pingAfterMs && !this.#isPinged) {
        this.#isPinged = true
        this.send({ ping: { reply: false } })
      }
      this.#pulseLater(Math.max(1, Math.min(limits.pingAfterMs, limits.peerDeadAfterMs - silentMs)))
    }
  }

  /** Runs code as a part of the owner; a fault of the peer that it finds goes on to whoever called. */
  #asOwner(code: () => void): void {
    const faults: PeerFault[] = []
    this.owner.run(() => {
      try {
        code()
      } catch (error) {
        if (!(error instanceof PeerFault)) throw error
        faults.push(error)
      }
    })
    if (faults[0] !== undefined) throw faults[0]
  }
}
