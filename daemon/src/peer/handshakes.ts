import type { Actor } from '../actor/actor.ts'
import type { Timer } from '../actor/clock.ts'
import type { ByteStream } from '../transport/port.ts'
import type { Contact } from './contact.ts'
import type { EndCode } from './fault.ts'
import { Link, type LinkDeps, type LinkListener } from './link.ts'
import type { SessionDeps, SessionMessage } from './session-port.ts'
import { SuccessionPreludes } from './succession/prelude.ts'

/** Streams of one contact whose handshake is under way, each with its deadline. What comes on them is mail of the session's actor. */
export class Handshakes {
  readonly #actor: Actor<SessionMessage>
  readonly #deps: Pick<SessionDeps, 'self' | 'limits' | 'randomBytes' | 'succession'>
  readonly #listener: LinkListener
  readonly #links = new Map<Link, { readonly deadline: Timer; readonly beganAt: number }>()

  constructor(
    actor: Actor<SessionMessage>,
    deps: Pick<SessionDeps, 'self' | 'limits' | 'randomBytes' | 'succession'>,
    listener: LinkListener
  ) {
    this.#actor = actor
    this.#deps = deps
    this.#listener = listener
  }

  get count(): number {
    return this.#links.size
  }

  /** Begins one. `beganAt` is given back by `opened`. */
  begin(
    stream: ByteStream,
    contact: Contact,
    beganAt: number,
    own: Pick<LinkDeps, 'greeting' | 'rekeyGeneration'> & { readonly followed: number }
  ): void {
    const { self, limits, randomBytes, succession } = this.#deps
    const { card, publicKey, fingerprint } = contact
    const { followed, ...greeting } = own
    const preludes = new SuccessionPreludes({
      own: self.chain(),
      followed,
      held: contact,
      forked: (held, shown) => succession.forked(contact.contact, held, shown)
    })
    const { id, nodeId, serial } = card
    const peer = { id, publicKey, fingerprint, nodeId, cardSerial: serial }
    const link = new Link(
      { ...greeting, stream, self, limits, randomBytes, clock: this.#actor.clock, peer, preludes },
      this.#listener
    )
    const deadline = this.#actor.after(limits.handshakeTimeoutMs, { type: 'handshake-due', link })
    this.#links.set(link, { deadline, beganAt })
    stream.read({
      data: chunk => {
        if (!this.#actor.tell({ type: 'bytes', link, chunk })) stream.reset('more chunks than fit')
      },
      drained: () => void this.#actor.tell({ type: 'drained', link }, 'control'),
      ended: () => void this.#actor.tell({ type: 'ended', link }, 'control'),
      closed: end => void this.#actor.tell({ type: 'closed', link, end }, 'control')
    })
  }

  /** The handshake of a link has passed, or the link is over. Returns when it began; undefined where it was none of these. */
  done(link: Link): number | undefined {
    const handshake = this.#links.get(link)
    handshake?.deadline.cancel()
    this.#links.delete(link)
    return handshake?.beganAt
  }

  /** Ends them all at once. */
  close(code: EndCode, detail: string): void {
    for (const link of [...this.#links.keys()]) link.close(code, detail)
  }
}
