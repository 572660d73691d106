import type { Clock } from '../actor/clock.ts'
import { DaemonError } from '../errors.ts'
import type { Store } from '../store/port.ts'
import type { Sealer } from '../store/sealer.ts'
import {
  dialableAddress,
  formatTcpAddress,
  isLoopback,
  isWildcard,
  parseTcpAddress,
  type TcpAddress
} from './address.ts'
import { CARD_ADDRESS_COUNT_MAX, type Card, decodeCard, makeCard } from './card.ts'
import { sameBytes, textBytes } from './fields.ts'
import type { Keyring } from './keyring.ts'

/** An address of one of the host's interfaces, as `os.networkInterfaces` gives it. */
export interface InterfaceAddress {
  readonly address: string
  readonly family: 'IPv4' | 'IPv6'
}

export interface CardAddressSources {
  /** What the owner announces; when not empty, only this is listed. */
  readonly announce: readonly string[]
  /** What is bound, ports filled in. */
  readonly listen: readonly string[]
  /** Addresses of the host's interfaces, for wildcards. */
  readonly interfaces: readonly InterfaceAddress[]
}

/**
 * The addresses that the card lists, canonical and at most 8: those announced, or else those listened on, with wildcards expanded to
 * the host's own. Loopback is listed only where nothing else is; link-local IPv6 addresses mean nothing elsewhere and never are.
 *
 * @throws {DaemonError} `ADDRESS_INVALID` an announced address is not a TCP multiaddr to dial, or there are more than 8
 */
export function cardAddresses({ announce, listen, interfaces }: CardAddressSources): readonly string[] {
  if (announce.length > 0) return announcedAddresses(announce)
  const expanded = listen.flatMap(text => {
    const address = parseTcpAddress(text)
    return address === undefined ? [] : expand(address, interfaces)
  })
  const reachable = expanded.filter(address => !isLoopback(address))
  const listed = (reachable.length > 0 ? reachable : expanded).map(formatTcpAddress)
  return [...new Set(listed)].filter(text => dialableAddress(text) !== undefined).slice(0, CARD_ADDRESS_COUNT_MAX)
}

function announcedAddresses(announce: readonly string[]): readonly string[] {
  const addresses = announce.map(text => {
    const address = dialableAddress(text)
    if (address === undefined) {
      throw new DaemonError('ADDRESS_INVALID', `Not a TCP multiaddr that others can dial: ${text}`)
    }
    return address
  })
  const distinct = [...new Set(addresses)]
  if (distinct.length > CARD_ADDRESS_COUNT_MAX) {
    throw new DaemonError('ADDRESS_INVALID', `A card has at most ${CARD_ADDRESS_COUNT_MAX} addresses.`)
  }
  return distinct
}

function expand(address: TcpAddress, interfaces: readonly InterfaceAddress[]): readonly TcpAddress[] {
  if (!isWildcard(address)) return [address]
  const family = address.kind === 'ip4' ? 'IPv4' : 'IPv6'
  return interfaces
    .filter(own => own.family === family && !isLinkLocal(own))
    .flatMap(own => parseTcpAddress(`/${address.kind}/${own.address}/tcp/${address.port}`) ?? [])
}

function isLinkLocal({ family, address }: InterfaceAddress): boolean {
  return family === 'IPv6' && /^fe[89ab]/i.test(address)
}

export interface OwnCardDeps {
  readonly store: Store
  readonly sealer: Sealer
  readonly keyring: Keyring
  readonly clock: Pick<Clock, 'wallMs'>
}

/** Where in `meta` the card lies. */
export const OWN_CARD_KEY: Uint8Array = textBytes('own-card')

/**
 * This daemon's card. It stays the same, byte for byte and over restarts, until what it says changes; then it gets a higher serial,
 * and is on disk before it can be shown.
 */
export class OwnCard {
  readonly #deps: OwnCardDeps
  #last: Card | undefined
  #lastUpdate: Promise<unknown> = Promise.resolve()

  /** Reads the last card from an open store. @throws {DaemonError} `RECORD_DAMAGED` `STORE_UNAVAILABLE` */
  constructor(deps: OwnCardDeps) {
    this.#deps = deps
    const stored = deps.store.get('meta', OWN_CARD_KEY)
    this.#last = stored === undefined ? undefined : decodeStored(deps.sealer.open('meta', OWN_CARD_KEY, stored))
  }

  /** The card last made; undefined before the first {@link OwnCard.update} of a fresh home. */
  get current(): Card | undefined {
    return this.#last
  }

  /**
   * The card for these addresses, canonical and at most 8: the current one if it says the same already, else a new one.
   *
   * @throws {DaemonError} `ADDRESS_INVALID` `STORE_UNAVAILABLE`; then the current card stays
   */
  update(addresses: readonly string[]): Promise<Card> {
    const done = this.#lastUpdate.then(() => this.#update(addresses))
    // Each caller gets its own outcome; the next update only waits for the end of this one.
    this.#lastUpdate = done.catch(() => undefined)
    return done
  }

  async #update(addresses: readonly string[]): Promise<Card> {
    const { store, sealer, keyring, clock } = this.#deps
    const last = this.#last
    if (last !== undefined && says(last, keyring, addresses)) return last
    const now = clock.wallMs()
    // Time as a floor: contacts refuse lower serials, and a keyring outlives a store that was lost or put back from a backup.
    const serial = Math.max((last?.serial ?? 0) + 1, now)
    const card = makeCard(keyring, { addresses, serial, time: now })
    const value = sealer.seal('meta', OWN_CARD_KEY, card.bytes)
    await store.batch([{ type: 'put', sublevel: 'meta', key: OWN_CARD_KEY, value }], { sync: true })
    this.#last = card
    return card
  }
}

function says(card: Card, keyring: Keyring, addresses: readonly string[]): boolean {
  return (
    card.id === keyring.id &&
    card.nodeId === keyring.nodeId &&
    sameBytes(card.fingerprint, keyring.fingerprint) &&
    sameBytes(card.lineage, keyring.lineage) &&
    sameBytes(card.boxKey, keyring.boxKey) &&
    card.addresses.length === addresses.length &&
    card.addresses.every((address, position) => address === addresses[position])
  )
}

function decodeStored(bytes: Uint8Array): Card {
  try {
    return decodeCard(bytes)
  } catch (cause) {
    throw new DaemonError('RECORD_DAMAGED', 'The own card in the store does not decode.', {
      cause,
      data: { sublevel: 'meta' }
    })
  }
}
