import { createHash } from 'node:crypto'
import type { EventBody, MessageRun, PeerInfo } from '@parley/client-sdk/contract'
import { type Config, type ConfigInput, makeConfig } from '@parley/config'
import { Actor } from '../../src/actor/actor.ts'
import { VirtualClock } from '../../src/actor/virtual-clock.ts'
import { Inbox } from '../../src/delivery/inbox/inbox.ts'
import type { LaneOrigin, LaneSink } from '../../src/delivery/port.ts'
import { type Card, formatCard, makeCard } from '../../src/identity/card.ts'
import type { Keyring } from '../../src/identity/keyring.ts'
import { Counters } from '../../src/observe/counters.ts'
import { HealthBoard } from '../../src/observe/health.ts'
import { Directory } from '../../src/peer/directory.ts'
import { SESSION_PROTOCOL } from '../../src/peer/hello.ts'
import { type ManagerMessage, PeerManager } from '../../src/peer/manager.ts'
import { seededRandomBytes } from '../../src/random.ts'
import { MemoryDisk, MemoryStore } from '../../src/store/memory.ts'
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
}

export class House {
  readonly name: string
  readonly keyring: Keyring
  readonly inbox: Inbox
  readonly counters = new Counters()
  readonly events: EventBody[] = []
  readonly refusals: Refusal[] = []
  /** Errors of session actors. */
  readonly failures: object[] = []
  /** Health components that say `QUARANTINED`. */
  readonly quarantined: string[] = []
  #brokenFor: string | undefined
  readonly disk = new MemoryDisk()
  readonly config: Config
  readonly address: string
  readonly #town: Town
  #boots = 0
  running: Running | undefined

  constructor(town: Town, name: string, index: number, config: Config) {
    this.#town = town
    this.name = name
    this.config = config
    this.keyring = identityNamed(name)
    this.address = `/ip4/127.0.0.1/tcp/${7_000 + index}`
    const emit = (body: EventBody) => this.events.push(body)
    const keptBytesMax = config.limits.inboxBytesMax / 4
    this.inbox = new Inbox({ clock: town.clock, emit, id: name, options: { ...config.limits, keptBytesMax } })
  }

  get manager(): PeerManager {
    if (this.running === undefined) throw new Error(`${this.name} is down`)
    return this.running.manager
  }

  card(serial = 1): Card {
    return makeCard(this.keyring, { addresses: [this.address], serial, time: 1_000 })
  }

  async start(): Promise<void> {
    const { clock, network, seed } = this.#town
    const { limits } = this.config
    const randomBytes = seededRandomBytes(`${this.name} ${this.#boots++} ${seed}`)
    const store = new MemoryStore(this.disk)
    await store.open()
    const directory = await Directory.open(store, {
      own: this.keyring,
      sealer: testSealer(),
      clock,
      randomBytes,
      contactCountMax: limits.contactCountMax
    })
    const transport = network.transport({
      nodeId: this.keyring.nodeId,
      listen: [this.address],
      admission: { ...limits, unprovenDeadlineMs: limits.handshakeTimeoutMs }
    })
    const card = this.card()
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
          receiving: { openLane: origin => this.#openLane(origin) },
          health: new HealthBoard(clock, body => this.#noteHealth(body)),
          log: { debug: () => {}, info: () => {}, warn: () => {}, error: fields => this.failures.push(fields) },
          emit: body => this.events.push(body),
          count: name => this.counters.add(name),
          self: {
            id: this.keyring.id,
            privateKey: this.keyring.identityKey(),
            publicKeyBytes: this.keyring.publicKeyBytes,
            fingerprint: this.keyring.fingerprint,
            nodeId: this.keyring.nodeId,
            bootId: randomBytes(16),
            cardSerial: () => card.serial,
            cardBytes: () => card.bytes
          }
        })
        return manager
      }
    )
    if (manager === undefined) throw new Error('the actor did not start')
    directory.onChange(change => void actor.tell({ type: 'directory', change }, 'control'))
    const running = { actor, manager, transport, directory }
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
    this.disk.crash(seededRandomBytes(`crash ${this.name} ${this.#boots}`))
    await this.#town.clock.settle()
  }

  async knows(other: House): Promise<void> {
    await this.manager.add(formatCard(other.card()), other.name)
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

  #openLane(origin: LaneOrigin): LaneSink {
    if (origin.from === this.#brokenFor) throw new Error('the inbox is broken')
    return this.inbox.openLane(origin)
  }

  #noteHealth(body: EventBody): void {
    if (body.kind === 'health.changed' && body.health.code === 'QUARANTINED') this.quarantined.push(body.component)
  }

  /** Reads everything that comes, as an app that never waits. */
  listen(channel = 'c'): Heard {
    const heard = new Heard()
    const subscription = this.inbox.subscribe({
      consumer: `app-${channel}`,
      filter: { contacts: null, channels: new Set([channel]) },
      from: 'start',
      by: 'test',
      owner: 'test',
      creditMessages: 1_000_000_000,
      creditBytes: 1_000_000_000_000,
      take: run => {
        heard.take(run)
        acknowledge(run.first + run.bodies.length - 1)
        return true
      },
      ended: () => {}
    })
    const acknowledge = (index: number) => this.#town.clock.endOfTurn(() => this.inbox.ack(`app-${channel}`, index))
    subscription.resume()
    return heard
  }
}

/** What an app heard: bodies in order, and a hash over them all. */
export class Heard {
  readonly runs: MessageRun[] = []
  readonly #hash = createHash('sha256')
  count = 0

  take(run: MessageRun): void {
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
