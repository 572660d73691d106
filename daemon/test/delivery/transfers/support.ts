import { createHash } from 'node:crypto'
import type { EventBody, TransferInfo } from '@parley/client-sdk/contract'
import { type ConfigInput, makeConfig } from '@parley/config'
import { VirtualClock } from '../../../src/actor/virtual-clock.ts'
import type { TransferApp } from '../../../src/delivery/transfers/api.ts'
import { CHUNK_BYTES } from '../../../src/delivery/transfers/position.ts'
import { Transfers } from '../../../src/delivery/transfers/transfers.ts'
import { makeCard } from '../../../src/identity/card.ts'
import { Counters } from '../../../src/observe/counters.ts'
import { contactOf } from '../../../src/peer/contact.ts'
import type { DirectoryChange } from '../../../src/peer/directory.ts'
import { DirectoryIndex } from '../../../src/peer/directory-index.ts'
import type { Self } from '../../../src/peer/self.ts'
import { seededRandomBytes } from '../../../src/random.ts'
import { MemoryNetwork } from '../../../src/transport/memory.ts'
import type { Transport } from '../../../src/transport/port.ts'
import { identityNamed } from '../../identity/identities.ts'

/** A whole file of `chunkCount` chunks, the last one short. */
export function fileOf(chunkCount: number, seed = 'file'): Uint8Array {
  const bytes = new Uint8Array(Math.max(0, chunkCount * CHUNK_BYTES - 1_000))
  const block = createHash('sha512').update(seed).digest()
  for (let at = 0; at < bytes.length; at += 64) {
    block[0] = (block[0] as number) + 1
    bytes.set(block.subarray(0, Math.min(64, bytes.length - at)), at)
  }
  return bytes
}

export const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest())
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** A program with a connection that can go. */
export class App implements TransferApp {
  readonly key: object = {}
  readonly #gone = new AbortController()
  readonly signal: AbortSignal = this.#gone.signal

  leave(): void {
    this.#gone.abort()
  }
}

/** Daemons with nothing but contacts and transfers, on one virtual clock and one in-process network. */
export class TransferTown {
  readonly clock = new VirtualClock()
  readonly network = new MemoryNetwork({ clock: this.clock })
  readonly alice: TransferHouse
  readonly bob: TransferHouse

  private constructor(input: ConfigInput) {
    this.alice = new TransferHouse(this, 'alice', 0, input)
    this.bob = new TransferHouse(this, 'bob', 1, input)
  }

  static async start(limits: ConfigInput['limits'] = {}): Promise<TransferTown> {
    const town = new TransferTown({ node: { profile: 'test' }, ...(limits && { limits }) })
    town.alice.knows(town.bob)
    town.bob.knows(town.alice)
    await town.alice.start()
    await town.bob.start()
    return town
  }

  /** Lets time pass until `condition` holds. */
  async until(condition: () => boolean, limitMs = 120_000): Promise<void> {
    const endMs = this.clock.monotonicMs() + limitMs
    while (!condition()) {
      if (this.clock.monotonicMs() > endMs) {
        throw new Error(`not so after ${limitMs} ms: ${JSON.stringify([this.alice.infos(), this.bob.infos()])}`)
      }
      await this.clock.advance(5)
    }
  }

  async run<T>(work: Promise<T>): Promise<T> {
    let isDone = false
    const done = work.finally(() => {
      isDone = true
    })
    done.catch(() => {}) // it is thrown at the end
    await this.until(() => isDone)
    return done
  }

  cut(): void {
    this.network.cut(this.alice.transport.nodeId, this.bob.transport.nodeId)
  }

  heal(): void {
    this.network.heal()
  }
}

export class TransferHouse {
  readonly name: string
  readonly events: EventBody[] = []
  readonly counters = new Counters()
  readonly failures: object[] = []
  readonly book = new DirectoryIndex()
  readonly #listeners = new Set<(change: DirectoryChange) => void>()
  readonly #town: TransferTown
  readonly #address: string
  readonly #input: ConfigInput
  #boots = 0
  #running: { readonly transport: Transport; readonly transfers: Transfers } | undefined

  constructor(town: TransferTown, name: string, index: number, input: ConfigInput) {
    this.#town = town
    this.name = name
    this.#input = input
    this.#address = `/ip4/127.0.0.1/tcp/${7_000 + index}`
  }

  get transfers(): Transfers {
    if (this.#running === undefined) throw new Error(`${this.name} is down`)
    return this.#running.transfers
  }

  get transport(): Transport {
    if (this.#running === undefined) throw new Error(`${this.name} is down`)
    return this.#running.transport
  }

  get keyring() {
    return identityNamed(this.name)
  }

  get card() {
    return makeCard(this.keyring, { addresses: [this.#address], serial: 1, time: 1_000 })
  }

  knows(other: TransferHouse): void {
    this.book.put(
      contactOf({
        ...{ contact: `${other.name}aaaaaaaaaaaaaaaa`.slice(0, 16), name: other.name, card: other.card },
        ...{ addressOverride: null, trust: 'known', blocked: false, addedAt: 1 }
      })
    )
  }

  block(name: string): void {
    const before = this.book.resolve(name)
    const contact = contactOf({ ...before, blocked: true })
    this.book.put(contact)
    for (const listener of this.#listeners) listener({ kind: 'trust', contact, before })
  }

  async start(): Promise<void> {
    const { clock, network } = this.#town
    const { limits } = makeConfig(this.#input)
    const { keyring, card } = this
    const randomBytes = seededRandomBytes(`${this.name} ${this.#boots++}`)
    const transport = network.transport({
      nodeId: keyring.nodeId,
      listen: [this.#address],
      admission: { ...limits, unprovenDeadlineMs: limits.handshakeTimeoutMs }
    })
    const self: Self = {
      ...{ id: keyring.id, privateKey: keyring.identityKey(), publicKeyBytes: keyring.publicKeyBytes },
      ...{ fingerprint: keyring.fingerprint, nodeId: keyring.nodeId, bootId: randomBytes(16) },
      ...{ cardSerial: () => card.serial, cardBytes: () => card.bytes, chain: () => [] }
    }
    const note = (fields: object) => this.failures.push(fields)
    const transfers = new Transfers({
      ...{ self, transport, clock, randomBytes, limits },
      directory: {
        byContact: contact => this.book.byContact(contact),
        byNodeId: nodeId => this.book.byNodeId(nodeId),
        resolve: reference => this.book.resolve(reference),
        onChange: listener => {
          this.#listeners.add(listener)
          return () => this.#listeners.delete(listener)
        }
      },
      log: { debug: () => {}, info: () => {}, warn: () => {}, error: note },
      isAllowed: contact => this.book.byContact(contact.contact)?.blocked === false,
      emit: body => this.events.push(body),
      count: name => this.counters.add(name)
    })
    this.#running = { transport, transfers }
    await transport.start({ admitsNode: nodeId => this.book.byNodeId(nodeId) !== undefined, refused: () => {} })
    await transfers.start()
  }

  /** Ends as `kill -9` does: nobody is told. */
  async kill(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    this.#listeners.clear()
    await running?.transport.stop()
    const stopped = running?.transfers.stop()
    await this.#town.clock.settle()
    await stopped
  }

  infos(): readonly TransferInfo[] {
    let found: readonly TransferInfo[] = []
    void this.#running?.transfers.list(undefined, 0, new AbortController().signal).then(page => {
      found = page.transfers
    })
    return found
  }

  async list(): Promise<readonly TransferInfo[]> {
    return (await this.transfers.list(undefined, 0, new AbortController().signal)).transfers
  }
}
