import type { LaneMark } from '../delivery/port.ts'
import type { Succession } from '../identity/succession.ts'
import { decodeBatch, type Envelope, encodeBatch } from './envelope.ts'
import type { EndCode } from './fault.ts'
import { SESSION } from './hello.ts'
import { type Greeting, SecureLink, type SecureLinkDeps } from './secure-link.ts'

export type { LinkLimits, LinkPeer } from './secure-link.ts'

export interface LinkDeps extends SecureLinkDeps {
  /** Set where this side dials to replace a session: the generation of the new one. */
  readonly rekeyGeneration?: number
  /** What this side says of durable lanes, asked for when the hello is written: the features, and how far the peer's lanes are stored. */
  greeting(): { readonly features: readonly string[]; readonly lanes: readonly LaneMark[] }
}

/** What a link tells its session, from inside `feed`, `ended` and `closed`. */
export interface LinkListener {
  /** The peer has proven a key to which these lead from the one that is held; the link goes on with `proceed`. */
  following(link: Link, links: readonly Succession[]): void
  /** Four messages and both hellos have passed. */
  opened(link: Link): void
  /** Envelopes of an open link, one at a time, in order. What it throws as `PeerFault` ends the link. */
  received(link: Link, envelope: Envelope): void
  /** The peer sends no more; what comes is only its `closed`. */
  peerEnded(link: Link): void
  /** The link is over. The last call. */
  over(link: Link, code: EndCode, detail: string): void
}

/** A session stream: frames of envelopes behind the hellos. */
export class Link extends SecureLink {
  readonly #deps: LinkDeps
  readonly #listener: LinkListener
  /** Features of our own hello. */
  #announced: readonly string[] = []

  constructor(deps: LinkDeps, listener: LinkListener) {
    super(deps, SESSION)
    this.#deps = deps
    this.#listener = listener
  }

  /** Whether both sides announced a feature. */
  hasFeature(name: string): boolean {
    return this.#announced.includes(name) && this.hello.features.includes(name)
  }

  /** Whether the opener marked this session as the successor of another, and its generation. */
  get rekeyGeneration(): number | undefined {
    if (this.openedByUs) return this.#deps.rekeyGeneration
    return this.hello.rekey ? this.hello.generation : undefined
  }

  /** The first part of message IDs, one for each direction: both sides name a message alike, and no two messages of a session. */
  get epochs(): { readonly ours: string; readonly theirs: string } {
    const hex = Buffer.from(this.transcript.subarray(0, 16)).toString('hex')
    const [dialler, acceptor] = [hex.slice(0, 16), hex.slice(16)] as const
    return this.openedByUs ? { ours: dialler, theirs: acceptor } : { ours: acceptor, theirs: dialler }
  }

  /** Sends envelopes as one frame. */
  send(envelopes: readonly Envelope[]): void {
    this.sendPlaintext([encodeBatch(envelopes)])
  }

  protected override greeting(): Greeting {
    const { rekeyGeneration } = this.#deps
    const own = this.#deps.greeting()
    this.#announced = own.features
    return { ...own, rekey: rekeyGeneration !== undefined, generation: rekeyGeneration ?? 0 }
  }

  protected override onFollowing(links: readonly Succession[]): void {
    this.#listener.following(this, links)
  }

  protected override onOpen(rest: readonly Envelope[]): void {
    this.#listener.opened(this)
    this.#envelopes(rest)
  }

  protected override onPlaintext(plaintext: Uint8Array): void {
    this.#envelopes(decodeBatch(plaintext))
  }

  protected override onPeerEnd(): void {
    this.#listener.peerEnded(this)
  }

  protected override onOver(code: EndCode, detail: string): void {
    this.#listener.over(this, code, detail)
  }

  #envelopes(envelopes: readonly Envelope[]): void {
    for (const envelope of envelopes) {
      if (this.isOver) return
      this.#listener.received(this, envelope)
    }
  }
}
