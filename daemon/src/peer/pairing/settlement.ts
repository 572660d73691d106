import { DaemonError } from '../../errors.ts'
import { type Card, decodeCard } from '../../identity/card.ts'
import { sameBytes } from '../../identity/fields.ts'
import { commitmentOf, confirmStatement, isConfirm, type PairingRole } from './binding.ts'
import type { PairingChannel } from './channel.ts'
import { PairingFault } from './fault.ts'
import type { PairedContact, PairingContacts, PairingSelf, PairingWishes, PreparedContact } from './port.ts'
import type { Match } from './run.ts'

/** How far the cards and confirms after a match have come. `settled`: the other side has said that it is done as well. */
export type SettlementState = 'matched' | 'pending' | 'verified' | 'settled'

export interface SettlementDeps {
  readonly self: PairingSelf
  readonly contacts: PairingContacts
  /** The contact is verified and on disk. Awaited before the other side is told. */
  verified(contact: PairedContact): Promise<void>
  /** The other side has shown its card, and is not verified yet. */
  pending(card: Card): void
}

/**
 * What comes after a match: cards are opened, held against the commitments, and confirmed. It may run over several streams, each from
 * its beginning; what was done is not done twice.
 *
 *     inviter                              joiner
 *     open                           →
 *                                    ←     open, confirm      it holds a pending contact
 *     confirm                        →                        the inviter holds a pending contact
 *                                    ←     done               the joiner's contact is verified
 *     done                           →                        the inviter's contact is verified
 *
 * A contact is verified by the own match and the peer's confirm, both about the same run: neither side is by itself.
 */
export class Settlement {
  readonly match: Match
  readonly #deps: SettlementDeps
  readonly #wishes: PairingWishes
  readonly #confirm: Uint8Array
  #state: SettlementState = 'matched'
  #card: Card | undefined
  #prepared: PreparedContact | undefined
  #contact: PairedContact | undefined
  #channel: PairingChannel | undefined
  /** What runs now; a new stream waits for it. */
  #running: Promise<unknown> = Promise.resolve()

  constructor(match: Match, wishes: PairingWishes, deps: SettlementDeps) {
    this.match = match
    this.#deps = deps
    this.#wishes = wishes
    this.#confirm = deps.self.signStatement(confirmStatement(match.role, match.binding, match.comparison))
  }

  get state(): SettlementState {
    return this.#state
  }

  /** Set once `verified`. */
  get contact(): PairedContact | undefined {
    return this.#contact
  }

  /** Addresses of the other side's card, once it was shown. */
  get addresses(): readonly string[] {
    return this.#card?.addresses ?? []
  }

  /**
   * Goes on over a stream, an earlier one being ended first.
   *
   * @throws {PairingFault} the stream ended before its end: after which another one may go on, where that is an interruption; {@link DaemonError} for a card
   * that cannot become a contact here. Any other end is final
   */
  run(channel: PairingChannel): Promise<void> {
    this.#channel?.fail('PEER_CLOSED', 'another stream goes on')
    this.#channel = channel
    const before = this.#running
    const run = before.then(() => this.#run(channel))
    this.#running = run.catch(() => undefined) // whoever called run hears of it
    return run
  }

  /** Ends what is not verified, and takes the pending contact back. */
  async abandon(): Promise<void> {
    this.#channel?.fail('CANCELLED', 'given up')
    await this.#running
    if (this.#contact === undefined) await this.#prepared?.drop()
  }

  async #run(channel: PairingChannel): Promise<void> {
    channel.expectCard()
    const { role, card, blind } = this.match
    try {
      if (role === 'inviter') {
        channel.send({ kind: 'open', card, blind })
        await this.#takeOpen(channel)
        await this.#takeConfirm(channel, 'joiner')
        await this.#prepare(channel)
        channel.send({ kind: 'confirm', signed: this.#confirm })
        await channel.next('done')
        await this.#verify()
        channel.send({ kind: 'done' })
      } else {
        await this.#takeOpen(channel)
        await this.#prepare(channel)
        channel.send({ kind: 'open', card, blind })
        channel.send({ kind: 'confirm', signed: this.#confirm })
        await this.#takeConfirm(channel, 'inviter')
        await this.#verify()
        channel.send({ kind: 'done' })
        await channel.next('done')
      }
      this.#state = 'settled'
      channel.end()
    } catch (error) {
      if (error instanceof PairingFault) channel.fail(error.code, error.message)
      throw error
    }
  }

  async #takeOpen(channel: PairingChannel): Promise<void> {
    const { card: bytes, blind } = await channel.next('open')
    if (!sameBytes(commitmentOf(bytes, blind), this.match.peerCommitment)) {
      throw new PairingFault('TAMPERED', 'a card that was not committed to')
    }
    if (this.#card !== undefined) return
    const card = decodeCommitted(bytes)
    if (card.nodeId !== this.match.peer) throw new PairingFault('TAMPERED', 'a card of another node')
    this.#card = card
  }

  async #takeConfirm(channel: PairingChannel, of: PairingRole): Promise<void> {
    const { signed } = await channel.next('confirm')
    const { binding, comparison } = this.match
    const card = this.#card as Card
    if (isConfirm(signed, card.publicKey, confirmStatement(of, binding, comparison))) return
    throw new PairingFault('TAMPERED', 'a confirm that does not hold')
  }

  async #prepare(channel: PairingChannel): Promise<void> {
    if (this.#prepared !== undefined) return
    const card = this.#card as Card
    try {
      this.#prepared = await this.#deps.contacts.prepare(card, this.#wishes)
    } catch (error) {
      if (error instanceof DaemonError) channel.fail('REFUSED', 'the card cannot become a contact here')
      throw error
    }
    this.#state = 'pending'
    this.#deps.pending(card)
    if (channel.fault !== undefined && channel.fault.code !== 'PEER_CLOSED') throw channel.fault
  }

  async #verify(): Promise<void> {
    if (this.#contact !== undefined) return
    const contact = await (this.#prepared as PreparedContact).verify()
    this.#contact = contact
    this.#state = 'verified'
    await this.#deps.verified(contact)
  }
}

function decodeCommitted(bytes: Uint8Array): Card {
  try {
    return decodeCard(bytes)
  } catch (cause) {
    throw new PairingFault('TAMPERED', 'a card whose signatures do not hold', { cause })
  }
}
