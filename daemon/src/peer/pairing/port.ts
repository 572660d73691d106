import type { Card } from '../../identity/card.ts'
import type { NodeId } from '../../transport/port.ts'

/** Who we are to the other side. */
export interface PairingSelf {
  readonly nodeId: NodeId
  /** The card as it is now. @throws {DaemonError} `NOT_READY` */
  card(): Card
  /** Signs with the Themis key: a Secure Message. */
  signStatement(statement: Uint8Array): Uint8Array
}

/** What the owner said about the contact to be. */
export interface PairingWishes {
  /** What to call it. */
  readonly name?: string
  /** contactId of the contact whose keys and card give way to those of the other side. */
  readonly renew?: string
}

/** A contact as it is told of. */
export interface PairedContact {
  readonly contact: string
  readonly name: string
}

/** What becomes of the other side's card. Every change is on disk when it resolves. */
export interface PairingContacts {
  /**
   * Holds a card to the contacts that are there, and stores it as a pending contact where it is a new one.
   *
   * @throws {DaemonError} `SELF` `BLOCKED` `CONTACT_EXISTS` `CARD_CONFLICT` `CARD_OUTDATED` `TOO_MANY_CONTACTS` `NAME_TAKEN` `NAME_INVALID`
   * `NO_SUCH_PEER` `STORE_UNAVAILABLE`
   */
  prepare(card: Card, wishes: PairingWishes): Promise<PreparedContact>
}

export interface PreparedContact {
  /** Absent where the contact is there already, by itself or to be replaced. */
  readonly pending: PairedContact | undefined
  /** The contact is verified by pairing, with this card. @throws {DaemonError} as `prepare` */
  verify(): Promise<PairedContact>
  /** Takes back what `prepare` has stored. Nothing where the contact is verified, or gone. @throws {DaemonError} `STORE_UNAVAILABLE` */
  drop(): Promise<void>
}
