import type { EventBody } from '@parley/client-sdk/contract'
import { VirtualClock } from '../../../src/actor/virtual-clock.ts'
import { DaemonError } from '../../../src/errors.ts'
import { type Card, makeCard } from '../../../src/identity/card.ts'
import type { Keyring } from '../../../src/identity/keyring.ts'
import type { AuditEntry } from '../../../src/observe/audit/port.ts'
import { Counters } from '../../../src/observe/counters.ts'
import { Directory } from '../../../src/peer/directory.ts'
import { DirectoryContacts } from '../../../src/peer/pairing/contacts.ts'
import { Pairing } from '../../../src/peer/pairing/pairing.ts'
import { Tries } from '../../../src/peer/pairing/tries.ts'
import { seededRandomBytes } from '../../../src/random.ts'
import { MemoryDisk, MemoryStore } from '../../../src/store/memory.ts'
import type { Store } from '../../../src/store/port.ts'
import { MemoryNetwork } from '../../../src/transport/memory.ts'
import type { Transport } from '../../../src/transport/port.ts'
import { identityNamed } from '../../identity/identities.ts'
import { testSealer } from '../../store/test-sealer.ts'

const ADMISSION = {
  unprovenCountMax: 32,
  connectionsPerSecondPerAddress: 1_000,
  connectionsPerSecondPerNode: 1_000,
  unprovenDeadlineMs: 10_000
}

export type PairingEvent = Extract<EventBody, { readonly kind: 'pairing.state' }>

/** Daemons that can do nothing but pair, on one virtual clock and one in-process network. Everything of pairing is the real thing. */
export class Street {
  readonly clock = new VirtualClock()
  readonly seed: string
  readonly network: MemoryNetwork
  readonly #houses: PairingHouse[] = []

  constructor(seed: string) {
    this.seed = seed
    this.network = new MemoryNetwork({ clock: this.clock, random: seededRandomBytes(`network ${seed}`) })
  }

  /** @param wrap - stands between the house and the network */
  async house(name: string, wrap: (transport: Transport) => Transport = plain => plain): Promise<PairingHouse> {
    const house = new PairingHouse(this, name, this.#houses.length, wrap)
    this.#houses.push(house)
    await house.start()
    return house
  }

  transport(keyring: Keyring, listen: readonly string[]): Transport {
    return this.network.transport({ nodeId: keyring.nodeId, listen, admission: ADMISSION })
  }

  /** Lets time pass until `condition` holds. */
  async until(condition: () => boolean, limitMs = 60_000, stepMs = 2): Promise<void> {
    const endMs = this.clock.monotonicMs() + limitMs
    while (!condition()) {
      if (this.clock.monotonicMs() > endMs) {
        const told = this.#houses.map(({ name, events }) => [name, events])
        throw new Error(`seed ${this.seed}: not so after ${limitMs} ms: ${JSON.stringify(told)}`)
      }
      await this.clock.advance(stepMs)
    }
  }

  /** Lets time pass until `work` is done. */
  async run<T>(work: Promise<T>): Promise<T> {
    let isDone = false
    const done = work.finally(() => {
      isDone = true
    })
    done.catch(() => {}) // it is thrown at the end
    await this.until(() => isDone)
    return done
  }

  async stop(): Promise<void> {
    for (const house of this.#houses) await house.stop()
  }
}

export class PairingHouse {
  readonly name: string
  readonly keyring: Keyring
  readonly address: string
  readonly disk = new MemoryDisk()
  readonly #wrap: (transport: Transport) => Transport
  readonly events: PairingEvent[] = []
  readonly audit: AuditEntry[] = []
  readonly counters = new Counters()
  readonly failures: object[] = []
  /** Tries cannot be written while it is. */
  isStoreBroken = false
  readonly #street: Street
  #boots = 0
  #running:
    | { store: MemoryStore; transport: Transport; pairing: Pairing; directory: Directory; tries: Tries }
    | undefined

  constructor(street: Street, name: string, index: number, wrap: (transport: Transport) => Transport) {
    this.#street = street
    this.name = name
    this.#wrap = wrap
    this.keyring = identityNamed(name)
    this.address = `/ip4/127.0.0.1/tcp/${7_000 + index}`
  }

  get pairing(): Pairing {
    return this.#parts.pairing
  }

  get directory(): Directory {
    return this.#parts.directory
  }

  get tries(): Tries {
    return this.#parts.tries
  }

  get transport(): Transport {
    return this.#parts.transport
  }

  get #parts() {
    if (this.#running === undefined) throw new Error(`${this.name} is down`)
    return this.#running
  }

  card(serial = 1): Card {
    return makeCard(this.keyring, { addresses: [this.address], serial, time: 1_000 })
  }

  async start(): Promise<void> {
    const { clock, seed } = this.#street
    const randomBytes = seededRandomBytes(`${this.name} ${this.#boots++} ${seed}`)
    const store = new MemoryStore(this.disk)
    await store.open()
    const sealer = testSealer()
    const directory = await Directory.open(store, {
      own: this.keyring,
      sealer,
      clock,
      randomBytes,
      contactCountMax: 100
    })
    const transport = this.#wrap(this.#street.transport(this.keyring, [this.address]))
    const card = this.card()
    const breakable: Store = {
      open: () => store.open(),
      close: () => store.close(),
      get: (sublevel, key) => store.get(sublevel, key),
      range: (sublevel, range) => store.range(sublevel, range),
      batch: async (writes, options) => {
        if (this.isStoreBroken) throw new DaemonError('STORE_UNAVAILABLE', 'the disk is broken')
        await store.batch(writes, options)
      }
    }
    const tries = new Tries({ store: breakable, sealer, clock })
    const contacts = new DirectoryContacts(directory, clock)
    const pairing: Pairing = new Pairing({
      ...{ clock, randomBytes, transport, tries, contacts },
      self: {
        nodeId: this.keyring.nodeId,
        card: () => card,
        signStatement: statement => this.keyring.signStatement(statement)
      },
      audit: { record: async entry => void this.audit.push(entry) },
      log: { debug: () => {}, info: () => {}, warn: () => {}, error: fields => void this.failures.push(fields) },
      isBlocked: nodeId => directory.byNodeId(nodeId)?.blocked ?? false,
      emit: body => {
        if (body.kind === 'pairing.state') this.events.push(body)
      },
      count: name => this.counters.add(name)
    })
    await contacts.dropAllPending()
    await transport.start({
      admitsNode: nodeId => (pairing.admits(nodeId) ? 'pairing' : false),
      refused: () => {}
    })
    this.#running = { store, transport, pairing, directory, tries }
  }

  async stop(): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    await running.pairing.stop()
    await running.transport.stop()
    await running.store.close()
    this.#running = undefined
  }

  /** Ends as a crash does: nothing is taken back. */
  async crash(): Promise<void> {
    const { transport, store } = this.#parts
    await transport.stop()
    await store.close()
    this.#running = undefined
  }

  /** What was told of a pairing, or of all. */
  states(pairing?: string): string[] {
    return this.events.filter(event => pairing === undefined || event.pairing === pairing).map(({ state }) => state)
  }

  last(pairing: string): PairingEvent | undefined {
    return this.events.findLast(event => event.pairing === pairing)
  }

  /** Names of contacts with their trust. */
  get book(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.directory.list().map(({ name, trust }) => [name, trust]))
  }
}
