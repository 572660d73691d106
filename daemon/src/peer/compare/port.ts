import type { Compare } from '../envelope.ts'

/** The two ends of a link, as a comparison is bound to them. */
export interface CompareEnds {
  /** Of the link's handshake, 32 bytes. */
  readonly transcript: Uint8Array
  /** The container's bytes, as in the cards. */
  readonly ownPublicKey: Uint8Array
  readonly peerPublicKey: Uint8Array
  readonly ownId: string
  readonly peerId: string
}

/** A session as a comparison sees it: it lasts over rekeys, until no link is left or the peer's daemon was started anew. */
export interface ComparingSession {
  /** Whether both sides have announced the feature. */
  readonly isSupported: boolean
  /**
   * Queues an envelope on the link that carries what is sent now.
   *
   * @returns the ends of that link; undefined when there is none, and then nothing is sent
   */
  send(envelope: Compare): CompareEnds | undefined
}

/** What sessions know of comparisons. Calls are made inside the session's actor, and return at once. */
export interface Comparing {
  /** A session has come up. */
  opened(contact: string, session: ComparingSession): void
  /**
   * An envelope has come.
   *
   * @param ends - of the link on which it came
   * @throws {PeerFault} for what no honest peer sends; the link ends
   */
  received(contact: string, envelope: Compare, ends: CompareEnds): void
  /** The session is over. */
  closed(contact: string): void
}
