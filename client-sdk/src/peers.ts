import type { Result } from './contract/methods.ts'
import type { PeerInfo } from './contract/types.ts'
import type { Link } from './link.ts'

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

/**
 * The contacts of this daemon. `peer` is a local name, an ID, a contact ID, or a unique prefix of one; each method may throw
 * `NO_SUCH_PEER` and `AMBIGUOUS_PEER`.
 */
export class Peers {
  readonly #link: Link

  constructor(link: Link) {
    this.#link = link
  }

  async list(options: CallOptions = {}): Promise<readonly PeerInfo[]> {
    const { peers } = await this.#link.call('peers.list', {}, options.signal)
    return peers
  }

  get(peer: string, options: CallOptions = {}): Promise<PeerInfo> {
    return this.#link.call('peers.get', { peer }, options.signal)
  }

  /**
   * Adds a contact by its card, or updates it by a newer one.
   *
   * @throws {ParleyError} `CARD_INVALID` `CARD_CONFLICT` `CARD_OUTDATED` `CONTACT_EXISTS` `SELF` `NAME_TAKEN` `NAME_INVALID` `TOO_MANY_CONTACTS`
   */
  add(card: string, options: CallOptions & { readonly name?: string | undefined } = {}): Promise<Result<'peers.add'>> {
    const { name, signal } = options
    return this.#link.call('peers.add', { card, ...(name !== undefined && { name }) }, signal)
  }

  /**
   * Sets addresses that are used instead of those of the contact's card; null goes back to the card.
   *
   * @throws {ParleyError} `ADDRESS_INVALID`
   */
  update(peer: string, addresses: readonly string[] | null, options: CallOptions = {}): Promise<PeerInfo> {
    return this.#link.call('peers.update', { peer, addresses }, options.signal)
  }

  async remove(peer: string, options: CallOptions = {}): Promise<void> {
    await this.#link.call('peers.remove', { peer }, options.signal)
  }

  /** @throws {ParleyError} `NAME_TAKEN` `NAME_INVALID` */
  rename(peer: string, name: string, options: CallOptions = {}): Promise<PeerInfo> {
    return this.#link.call('peers.rename', { peer, name }, options.signal)
  }

  /**
   * Takes a contact as verified because you say so, or with `known` takes that back. With `fingerprint` only while it has that key.
   */
  trust(
    peer: string,
    trust: 'known' | 'verified',
    options: CallOptions & { readonly fingerprint?: string | undefined } = {}
  ): Promise<PeerInfo> {
    const { fingerprint, signal } = options
    return this.#link.call('peers.trust', { peer, trust, ...(fingerprint !== undefined && { fingerprint }) }, signal)
  }

  /**
   * Decides on the key of a contact that is `changed`, on what becomes of messages that were accepted for other keys, or on both. `held` is how
   * many of those still wait.
   */
  acceptKey(
    peer: string,
    options: CallOptions & {
      /** Of the key that is the contact's from now on: the one it showed, or the one that is held. */
      readonly fingerprint?: string | undefined
      readonly queue?: 'send' | 'cancel' | undefined
    }
  ): Promise<{ readonly peer: PeerInfo; readonly held: number }> {
    const { fingerprint, queue, signal } = options
    const decision = { ...(fingerprint !== undefined && { fingerprint }), ...(queue !== undefined && { queue }) }
    return this.#link.call('peers.accept-key', { peer, ...decision }, signal)
  }

  /** Blocks the contact, or with `blocked: false` ends that. */
  block(peer: string, options: CallOptions & { readonly blocked?: boolean | undefined } = {}): Promise<PeerInfo> {
    return this.#link.call('peers.block', { peer, blocked: options.blocked ?? true }, options.signal)
  }
}
