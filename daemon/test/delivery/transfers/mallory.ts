import { makeConfig } from '@parley/config'
import type { TransferFrame } from '../../../src/delivery/transfers/frames.ts'
import {
  TRANSFER_PROTOCOL,
  TransferLink,
  type TransferLinkOwner
} from '../../../src/delivery/transfers/transfer-link.ts'
import { makeCard } from '../../../src/identity/card.ts'
import { contactOf } from '../../../src/peer/contact.ts'
import { seededRandomBytes } from '../../../src/random.ts'
import type { ByteStream, Transport } from '../../../src/transport/port.ts'
import { identityNamed } from '../../identity/identities.ts'
import type { TransferHouse, TransferTown } from './support.ts'

const ADDRESS = '/ip4/127.0.0.1/tcp/7666'

/** A contact that passes the handshake, and then says what it likes. */
export class Mallory {
  readonly heard: TransferFrame[] = []
  readonly #town: TransferTown
  readonly #victim: TransferHouse
  readonly #transport: Transport
  readonly #keyring = identityNamed('mallory')
  readonly #card = makeCard(this.#keyring, { addresses: [ADDRESS], serial: 1, time: 1_000 })
  link: TransferLink | undefined
  endCode: string | undefined

  private constructor(town: TransferTown, victim: TransferHouse) {
    const { limits } = makeConfig({ node: { profile: 'test' } })
    this.#town = town
    this.#victim = victim
    this.#transport = town.network.transport({
      nodeId: this.#keyring.nodeId,
      listen: [ADDRESS],
      admission: { ...limits, unprovenDeadlineMs: limits.handshakeTimeoutMs }
    })
  }

  /** A contact of `victim`, known by its card. */
  static async of(town: TransferTown, victim: TransferHouse): Promise<Mallory> {
    const mallory = new Mallory(town, victim)
    victim.book.put(
      contactOf({
        ...{ contact: 'malloryaaaaaaaaa', name: 'mallory', card: mallory.#card, addressOverride: null },
        ...{ trust: 'known', blocked: false, addedAt: 1 }
      })
    )
    await mallory.#transport.start({ admitsNode: () => true, refused: () => {} })
    await mallory.#transport.handle(TRANSFER_PROTOCOL, stream => mallory.#begin(stream))
    return mallory
  }

  /** Dials the victim and shakes hands. */
  async dial(): Promise<void> {
    const { keyring, card } = this.#victim
    const signal = new AbortController().signal
    const address = card.addresses[0] as string
    const request = { nodeId: keyring.nodeId, address, protocol: TRANSFER_PROTOCOL, signal }
    this.#begin(await this.#town.run(this.#transport.dial(request)))
    await this.#town.until(() => this.link?.isOpen === true)
  }

  say(frame: TransferFrame): void {
    this.link?.send(frame)
  }

  #begin(stream: ByteStream): void {
    const { limits } = makeConfig({ node: { profile: 'test' } })
    const { keyring, card } = this.#victim
    const own = this.#keyring
    const owner: TransferLinkOwner = {
      run: code => code(),
      opened: () => undefined,
      received: (_link, frame) => void this.heard.push(frame),
      drained: () => undefined,
      over: (link, code) => {
        if (link === this.link) this.endCode = code
      }
    }
    const self = {
      ...{ id: own.id, privateKey: own.identityKey(), publicKeyBytes: own.publicKeyBytes, nodeId: own.nodeId },
      ...{ fingerprint: own.fingerprint, bootId: new Uint8Array(16), cardSerial: () => 1, chain: () => [] },
      cardBytes: () => this.#card.bytes
    }
    const peer = {
      ...{ id: keyring.id, publicKey: card.publicKey, fingerprint: card.fingerprint },
      ...{ nodeId: card.nodeId, cardSerial: 1 }
    }
    const { clock } = this.#town
    this.endCode = undefined
    this.link = new TransferLink(
      { stream, self, peer, limits, clock, randomBytes: seededRandomBytes('mallory') },
      owner
    )
  }
}
