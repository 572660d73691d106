import { createHash } from 'node:crypto'
import type { EventBody, IdRange, MessageRun, MessageStateRange, PeerInfo } from '@parley/client-sdk/contract'
import { type Config, type ConfigInput, makeConfig } from '@parley/config'
import { Actor } from '../../src/actor/actor.ts'
import { VirtualClock } from '../../src/actor/virtual-clock.ts'
import { Inbox } from '../../src/delivery/inbox/inbox.ts'
import { Outbox } from '../../src/delivery/outbox/outbox.ts'
import type { LaneOrigin, LaneSink } from '../../src/delivery/port.ts'
import { Requests } from '../../src/delivery/requests/requests.ts'
import { DaemonError } from '../../src/errors.ts'
import { type Card, formatCard, makeCard } from '../../src/identity/card.ts'
import type { Keyring } from '../../src/identity/keyring.ts'
import { heldInMemory, type KeyringHolder } from '../../src/identity/keyring-holder.ts'
import { rotateIdentity } from '../../src/identity/rotate.ts'
import { Counters } from '../../src/observe/counters.ts'
import { HealthBoard } from '../../src/observe/health.ts'
import type { Log } from '../../src/observe/log-port.ts'
import { type ComparatorWorker, InProcessComparator } from '../../src/peer/compare/comparator.ts'
import { Comparisons } from '../../src/peer/compare/comparisons.ts'
import { mayGoTo } from '../../src/peer/contact.ts'
import { Directory } from '../../src/peer/directory.ts'
import { FEATURES, SESSION_PROTOCOL } from '../../src/peer/hello.ts'
import { type ManagerMessage, PeerManager } from '../../src/peer/manager.ts'
import { seededRandomBytes } from '../../src/random.ts'
import { GuardedStore } from '../../src/store/guarded.ts'
import { MemoryDisk, MemoryStore } from '../../src/store/memory.ts'
import type { Store, StoreEntry, StoreRange, StoreWrite, Sublevel } from '../../src/store/port.ts'
import { MemoryNetwork } from '../../src/transport/memory.ts'
import type { Refusal, Transport } from '../../src/transport/port.ts'
import { identityNamed } from '../identity/identities.ts'
import { testSealer } from '../store/test-sealer.ts'

/** Daemons without sockets on one virtual clock and one in-process network: contacts, sessions and inboxes are the real ones. */
export class Town {
  readonly clock = new VirtualClock()
  readonly seed: string
  readonly network: MemoryNetwork
  readonly houses: House[] = []

  constructor(seed: string) {
    this.seed = seed
    this.network = new MemoryNetwork({ clock: this.clock, random: seededRandomBytes(`network ${seed}`) })
  }

  /** A daemon that runs. Its address stays the same over restarts. */
  async house(name: string, input: ConfigInput = {}): Promise<House> {
    const house = new House(this, name, this.houses.length, makeConfig({ ...input, node: { profile: 'test' } }))
    this.houses.push(house)
    await house.start()
    return house
  }

  /** A second daemon with the keys that another one has now, at an address of its own: of a thief, or from a backup. */
  copyOf(house: House): House {
    const copy = new House(this, house.name, this.houses.length, house.config, house.keyring)
    this.houses.push(copy)
    return copy
  }

  /** Two daemons that have each other's cards, in session. */
  async pair(input: ConfigInput = {}): Promise<[House, House]> {
    const alice = await this.house('alice', input)
    const bob = await this.house('bob', input)
    await alice.knows(bob)
    await bob.knows(alice)
    await this.until(() => alice.state('bob') === 'established' && bob.state('alice') === 'established')
    return [alice, bob]
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

  /** Lets time pass until `condition` holds. */
  async until(condition: () => boolean, limitMs = 60_000, stepMs = 10): Promise<void> {
    const endMs = this.clock.monotonicMs() + limitMs
    while (!condition()) {
      if (this.clock.monotonicMs() > endMs) {
        const states = this.houses.map(house => [
          house.name,
          house.counters.all(),
          house.running?.manager.list().map(peer => peer.session)
        ])
        throw new Error(`seed ${this.seed}: not so after ${limitMs} ms: ${JSON.stringify(states)}`)
      }
      await this.clock.advance(stepMs)
    }
  }
}

interface Running {
  readonly actor: Actor<ManagerMessage>
  readonly manager: PeerManager
  readonly transport: Transport
  readonly directory: Directory
  readonly outbox: Outbox
  readonly inbox: Inbox
  readonly requests: Requests
  readonly comparisons: Comparisons
  readonly store: GuardedStore
}

/** A store whose writes fail while `isBroken`. */
class BreakableStore implements Store {
  readonly #inner: Store
  isBroken = false

  constructor(inner: Store) {
    this.#inner = inner
  }

  open(): Promise<void> {
    return this.#inner.open()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  get(sublevel: Sublevel, key: Uint8Array): Uint8Array | undefined {
    return this.#inner.get(sublevel, key)
  }

  range(sublevel: Sublevel, range?: StoreRange): AsyncIterable<StoreEntry> {
    return this.#inner.range(sublevel, range)
  }

  async batch(writes: readonly StoreWrite[], options: { readonly sync: boolean }): Promise<void> {
    if (this.isBroken) throw new DaemonError('STORE_UNAVAILABLE', 'the disk is broken')
    await this.#inner.batch(writes, options)
  }
}

export class House {
  readonly name: string
  readonly keys: KeyringHolder
  #card: Card | undefined
  #said: Card | undefined
  #shown: readonly Uint8Array[] | undefined
  readonly counters = new Counters()
  readonly events: EventBody[] = []
  readonly refusals: Refusal[] = []
  /** Errors of session actors. */
  readonly failures: object[] = []
  /** Health components that say `QUARANTINED`. */
  readonly quarantined: string[] = []
  #brokenFor: string | undefined
  /** What it announces from its next start on. */
  features: readonly string[] = FEATURES
  /** Where it compares from its next start on; in its own thread, unless said. */
  comparator: ComparatorWorker | undefined
  /** Contacts that comparisons made verified. */
  readonly verified: string[] = []
  /** What was written down. */
  readonly audited: string[] = []
  disk = new MemoryDisk()
  #breakable: BreakableStore | undefined
  readonly config: Config
  readonly address: string
  readonly #town: Town
  #boots = 0
  running: Running | undefined

  constructor(town: Town, name: string, index: number, config: Config, keyring: Keyring = identityNamed(name)) {
    this.#town = town
    this.name = name
    this.config = config
    this.keys = heldInMemory(keyring)
    this.address = `/ip4/127.0.0.1/tcp/${7_000 + index}`
  }

  get keyring(): Keyring {
    return this.keys.current
  }

  get directory(): Directory {
    return this.#parts.directory
  }

  get manager(): PeerManager {
    return this.#parts.manager
  }

  get inbox(): Inbox {
    return this.#parts.inbox
  }

  get outbox(): Outbox {
    return this.#parts.outbox
  }

  get requests(): Requests {
    return this.#parts.requests
  }

  get comparisons(): Comparisons {
    return this.#parts.comparisons
  }

  get #parts(): Running {
    if (this.running === undefined) throw new Error(`${this.name} is down`)
    return this.running
  }

  card(serial = 1): Card {
    return makeCard(this.keyring, { addresses: [this.address], serial, time: 1_000 })
  }

  /** From now on its preludes show these statements. */
  shows(statements: readonly Uint8Array[]): void {
    this.#shown = statements
  }

  /** From now on it sends this card instead of its own, and does so at once. */
  says(card: Card | undefined): void {
    this.#said = card
    if (card !== undefined) this.running?.actor.tell({ type: 'own-card' }, 'control')
  }

  /** Another Themis key, as the node does it. */
  async rotate(): Promise<void> {
    const { clock, seed } = this.#town
    const randomBytes = seededRandomBytes(`rotation ${this.keyring.chain.length} ${this.address} ${seed}`)
    await rotateIdentity({ keys: this.keys, clock, randomBytes })
    this.#card = this.card((this.#card?.serial ?? 1) + 1)
    for (const type of ['own-card', 'own-key'] as const) this.running?.actor.tell({ type }, 'control')
  }

  async start(): Promise<void> {
    const { keys } = this
    const { clock, network, seed } = this.#town
    const { limits } = this.config
    const randomBytes = seededRandomBytes(`${this.name} ${this.#boots++} ${seed}`)
    const breakable = new BreakableStore(new MemoryStore(this.disk))
    this.#breakable = breakable
    const store = new GuardedStore(
      {
        ...{ store: breakable, clock, randomBytes },
        // What a killed daemon still finds out is of no interest.
        onChange: ({ isAvailable }) => this.running?.store === store && this.#storeChanged(this.running, isAvailable)
      },
      { backOffMs: limits.storeBackOffMinMs, backOffMaxMs: limits.storeBackOffMaxMs }
    )
    await store.open()
    const sealer = testSealer()
    const directory = await Directory.open(store, {
      get own() {
        return keys.current
      },
      sealer,
      clock,
      randomBytes,
      contactCountMax: limits.contactCountMax
    })
    const transport = network.transport({
      nodeId: this.keyring.nodeId,
      listen: [this.address],
      admission: { ...limits, unprovenDeadlineMs: limits.handshakeTimeoutMs }
    })
    this.#card ??= this.card()
    const card = () => this.#card ?? this.card()
    const emit = (body: EventBody) => void this.events.push(body)
    const log: Log = {
      debug: () => {},
      info: () => {},
      warn: () => {},
      error: fields => void this.failures.push(fields)
    }
    const nameOf = (contact: string) => directory.byContact(contact)?.name
    const delivery = { store, sealer, clock, randomBytes, emit, log, contactName: (id: string) => nameOf(id) ?? id }
    const mayGo = (contact: string, fingerprint: Uint8Array) => {
      const found = directory.byContact(contact)
      return found === undefined || mayGoTo(found, fingerprint)
    }
    const keptBytesMax = limits.inboxBytesMax / 4
    const inbox = await Inbox.open({ ...delivery, options: { ...limits, keptBytesMax } })
    const health = new HealthBoard(clock, body => this.#noteHealth(body))
    const outbox = await Outbox.open({ ...delivery, health, mayGoTo: mayGo, options: limits })
    const requests = new Requests({
      clock,
      randomBytes,
      limits,
      peer: contact => {
        const found = directory.byContact(contact)
        return found === undefined ? undefined : { id: found.card.id, name: found.name }
      },
      dial: contact => void actor.tell({ type: 'request', contact }, 'control')
    })
    const comparisons = await Comparisons.open({
      ...{ store, sealer, clock, randomBytes, log, emit },
      options: limits,
      comparator: this.comparator ?? new InProcessComparator({ randomBytes, clock }),
      peer: contact => {
        const found = directory.byContact(contact)
        return found === undefined ? undefined : { name: found.name, publicKeyBytes: found.publicKeyBytes }
      },
      verify: async contact => void this.verified.push(contact),
      audit: { record: async ({ action }) => void this.audited.push(action) },
      dial: contact => void actor.tell({ type: 'request', contact }, 'control'),
      count: name => this.counters.add(name)
    })
    let manager: PeerManager | undefined
    const actor = new Actor<ManagerMessage>(
      { name: 'peers', dataCountMax: 1_000, controlCountMax: 10_000 },
      clock,
      self => {
        manager = new PeerManager(self, {
          directory,
          transport,
          randomBytes,
          limits,
          requiredTrust: this.config.trust.require,
          succession: this.config.trust.succession,
          receiving: { openLane: origin => this.#openLane(origin) },
          features: this.features,
          durableReceiving: inbox,
          durableSending: outbox,
          requesting: requests,
          comparing: comparisons,
          queue: contact => outbox.queue(contact),
          queued: outbox,
          forget: contact => {
            for (const part of [outbox, inbox, requests, comparisons]) part.forgetContact(contact)
          },
          health,
          log,
          emit,
          count: name => this.counters.add(name),
          self: {
            id: this.keyring.id,
            get privateKey() {
              return keys.current.identityKey()
            },
            get publicKeyBytes() {
              return keys.current.publicKeyBytes
            },
            get fingerprint() {
              return keys.current.fingerprint
            },
            chain: () => this.#shown ?? keys.current.chain,
            nodeId: this.keyring.nodeId,
            bootId: randomBytes(16),
            cardSerial: () => card().serial,
            cardBytes: () => (this.#said ?? card()).bytes
          }
        })
        return manager
      }
    )
    if (manager === undefined) throw new Error('the actor did not start')
    directory.onChange(change => {
      void actor.tell({ type: 'directory', change }, 'control')
      outbox.keyChanged(change.contact.contact)
    })
    const running = { actor, manager, transport, directory, outbox, inbox, requests, comparisons, store }
    this.running = running
    await transport.start({
      admitsNode: nodeId => running.manager.admitsNode(nodeId),
      refused: refusal => this.refusals.push(refusal)
    })
    await transport.handle(SESSION_PROTOCOL, stream => void actor.tell({ type: 'inbound', stream }, 'control'))
    actor.tell({ type: 'dial-all' }, 'control')
  }

  /** Ends as `kill -9` does: nobody is told. */
  async kill(): Promise<void> {
    const { running } = this
    this.running = undefined
    await running?.transport.stop()
    running?.actor.stop('killed')
    // It is gone at once: what it still does reaches no disk.
    void running?.store.close()
    this.disk.crash(seededRandomBytes(`crash ${this.name} ${this.#boots}`))
    await this.#town.clock.settle()
  }

  async knows(other: House): Promise<void> {
    await this.manager.add(formatCard(other.#card ?? other.card()), other.name)
  }

  state(name: string): PeerInfo['session']['state'] {
    return this.manager.get(name).session.state
  }

  send(peer: string, bodies: readonly Uint8Array[], channel = 'c', timeoutMs = 10_000) {
    return this.manager.send({ peer, channel, bodies, timeoutMs })
  }

  /** From now on the inbox fails for what comes from `id`. */
  breakInbox(id: string): void {
    this.#brokenFor = id
  }

  /** From now on its disk takes no write, until it is mended. */
  breakDisk(isBroken: boolean): void {
    if (this.#breakable !== undefined) this.#breakable.isBroken = isBroken
  }

  /** As the node does it. */
  #storeChanged({ outbox, inbox, comparisons, directory, actor }: Running, isAvailable: boolean): void {
    if (!isAvailable) {
      outbox.storeLost()
      inbox.storeLost()
      comparisons.storeLost()
      return
    }
    directory
      .reload()
      .then(() => inbox.reload())
      .then(() => outbox.reload())
      .then(() => comparisons.reload())
      .then(
        () => void actor.tell({ type: 'store-reopened' }, 'control'),
        error => void this.failures.push({ error })
      )
  }

  /** Sends durably, and resolves once that is on disk. */
  async post(peer: string, texts: readonly string[], channel = 'c', ttlMs = 3_600_000): Promise<readonly IdRange[]> {
    const { contact, fingerprint } = this.manager.recipient(peer)
    const { ids } = await this.outbox.accept({
      ...{ contact, fingerprint, channel, ttlMs, key: undefined },
      bodies: texts.map(textBody)
    })
    return ids
  }

  /** The states of messages, as texts. */
  states(ids: readonly IdRange[]): string[] {
    return ids.flatMap(({ first, count }) => this.outbox.get(first, count).ranges.flatMap(statesOf))
  }

  #openLane(origin: LaneOrigin): LaneSink {
    if (origin.from === this.#brokenFor) throw new Error('the inbox is broken')
    return this.inbox.openLane(origin)
  }

  #noteHealth(body: EventBody): void {
    if (body.kind === 'health.changed' && body.health.code === 'QUARANTINED') this.quarantined.push(body.component)
  }

  /** Reads everything that comes, as an app that never waits. What was heard before a restart is not heard twice. */
  listen(channel = 'c', heard: Heard = new Heard()): Heard {
    this.#listen(channel, heard).catch(error => this.failures.push({ error }))
    return heard
  }

  async #listen(channel: string, heard: Heard): Promise<void> {
    const { inbox } = this
    const consumer = `app-${channel}`
    const subscription = await inbox.subscribe({
      consumer,
      filter: { contacts: null, channels: new Set([channel]) },
      from: 'start',
      by: 'test',
      owner: 'test',
      creditMessages: 1_000_000_000,
      creditBytes: 1_000_000_000_000,
      take: run => {
        heard.take(run)
        this.#town.clock.endOfTurn(() => this.#acknowledge(inbox, consumer, run.first + run.bodies.length - 1))
        return true
      },
      ended: () => {}
    })
    subscription.resume()
  }

  #acknowledge(inbox: Inbox, consumer: string, index: number): void {
    inbox.ack(consumer, index).catch(error => {
      // Of a daemon that was killed, or lost its disk, in this turn: the messages come again.
      const isGone =
        error instanceof DaemonError && (error.code === 'STORE_UNAVAILABLE' || error.code === 'SHUTTING_DOWN')
      if (!isGone) this.failures.push({ error })
    })
  }
}

function statesOf({ state, count, reached, reason }: MessageStateRange): string[] {
  return Array.from({ length: count }, () => [state, reached, reason].filter(Boolean).join(' '))
}

/** What an app heard: bodies in order, and a hash over them all. */
export class Heard {
  readonly runs: MessageRun[] = []
  readonly #hash = createHash('sha256')
  count = 0

  /** The index that comes next. */
  #next = 0

  take(run: MessageRun): void {
    if (run.first < this.#next) return
    this.#next = run.first + run.bodies.length
    this.runs.push(run)
    this.count += run.bodies.length
    for (const body of run.bodies) this.#hash.update(lengthOf(body)).update(body)
  }

  texts(): string[] {
    return this.runs.flatMap(run => run.bodies.map(body => Buffer.from(body).toString()))
  }

  digest(): string {
    return this.#hash.copy().digest('hex')
  }
}

export function digestOf(bodies: readonly Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const body of bodies) hash.update(lengthOf(body)).update(body)
  return hash.digest('hex')
}

function lengthOf(body: Uint8Array): string {
  return `${body.length} `
}

export const textBody = (text: string): Uint8Array => new TextEncoder().encode(text)
