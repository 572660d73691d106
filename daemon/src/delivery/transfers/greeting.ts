import type { Actor, Behaviour, Exit } from '../../actor/actor.ts'
import { UnexpectedMessageError } from '../../actor/actor.ts'
import { type EndCode, PeerFault } from '../../peer/fault.ts'
import type { Offer, TransferFrame } from './frames.ts'
import type { TransferLink, TransferLinkOwner } from './transfer-link.ts'

export interface GreetingDeps {
  makeLink(owner: TransferLinkOwner): TransferLink
  /** The stream belongs to this file: whoever has that takes the link over. */
  offered(link: TransferLink, offer: Offer): void
}

/** A transfer stream that came in, until its first frame says which file it is for. */
export class Greeting implements Behaviour<never>, TransferLinkOwner {
  readonly #actor: Actor<never>
  readonly #deps: GreetingDeps
  readonly #link: TransferLink

  constructor(actor: Actor<never>, deps: GreetingDeps) {
    this.#actor = actor
    this.#deps = deps
    this.#link = deps.makeLink(this)
  }

  receive(): void {
    throw new UnexpectedMessageError('mail', 'greeting')
  }

  stopped(exit: Exit): void {
    if (this.#link.owner === this) {
      this.#link.close(exit.type === 'crashed' ? 'FAILED' : 'STOPPING', 'the stream was not taken over')
    }
  }

  run(code: () => void): void {
    this.#actor.run(code)
  }

  opened(_link: TransferLink): void {
    // The peer speaks first.
  }

  received(link: TransferLink, frame: TransferFrame): void {
    if (!('offer' in frame)) throw new PeerFault('PROTOCOL_VIOLATION', 'the first frame is no offer')
    this.#deps.offered(link, frame.offer)
    this.#actor.stop('taken over')
  }

  drained(_link: TransferLink): void {
    // Nothing is written before the offer.
  }

  over(_link: TransferLink, code: EndCode, _detail: string): void {
    this.#actor.stop(code)
  }
}
