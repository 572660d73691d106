import { type AppSocket, type Client, connect } from '@parley/client-sdk'
import { type Config, makeConfig } from '@parley/config'
import type { Clock } from '../../daemon/src/actor/clock.ts'
import { createIdentity, type Keyring } from '../../daemon/src/identity/keyring.ts'
import { heldInMemory, type KeyringHolder } from '../../daemon/src/identity/keyring-holder.ts'
import { MemoryAppServer } from '../../daemon/src/ipc/memory.ts'
import { createNode, type ParleyNode } from '../../daemon/src/node.ts'
import type { Log } from '../../daemon/src/observe/log-port.ts'
import { type RandomBytes, seededRandomBytes } from '../../daemon/src/random.ts'
import { GuardedStore } from '../../daemon/src/store/guarded.ts'
import { MemoryDisk } from '../../daemon/src/store/memory.ts'
import type { Store } from '../../daemon/src/store/port.ts'
import type { MemoryNetwork } from '../../daemon/src/transport/memory.ts'
import type { Transport } from '../../daemon/src/transport/port.ts'
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts'
import { FaultySocket } from './faulty-socket.ts'
import { FaultyStore } from './faulty-store.ts'
import { type FaultyStream, FaultyTransport } from './faulty-transport.ts'
import { MortalClock } from './mortal-clock.ts'
import type { SimulationEvent } from './tally.ts'

/** What a planted bug puts around the ports of every daemon and app. */
export interface Wraps {
  readonly store?: (store: Store, clock: Clock) => Store
  readonly transport?: (transport: Transport, clock: Clock) => Transport
  readonly socket?: (socket: AppSocket, host: string) => AppSocket
  /** Where the port is one between parts of the daemon: puts the bug in, and returns what takes it out. */
  readonly install?: () => () => void
}

/** What a host needs of its world. */
export interface HostDeps {
  readonly clock: Clock
  readonly network: MemoryNetwork
  readonly seed: string
  readonly index: number
  readonly limits: Partial<Config['limits']>
  readonly wraps: Wraps
  /** What its daemon says that it can do; everything where undefined. */
  readonly features: readonly string[] | undefined
  /** What must not be: a failed invariant, an error in a log. */
  finding(text: string): void
  count(event: SimulationEvent): void
  /** What the daemon logs. */
  trace(line: string): void
  /** What a daemon has counted, when it ends. */
  counted(counters: Readonly<Record<string, number>>): void
}

interface Boot {
  readonly clock: MortalClock
  readonly store: FaultyStore
  readonly guarded: GuardedStore
  readonly transport: FaultyTransport
  readonly node: ParleyNode
}

const DAY_MS = 24 * 60 * 60 * 1_000
const SOCKET_MESSAGE_BYTES_MAX = 2 * 1024 * 1024

/** Smaller than settings may be, since apps here send fewer at once: full queues cost little. */
const SMALL_QUEUES = { outboxMessageCountMax: 150, outboxLaneMessageCountMax: 100 }

/** A daemon with its disk, and apps that live through its restarts. */
export class Host {
  readonly name: string
  readonly #keys: KeyringHolder
  readonly random: SeededRandom
  /** How often it was restored from a backup. */
  generation = 0
  /** When its daemon was last up, by the world's clock. */
  bootedMs = 0
  readonly #deps: HostDeps
  readonly #config: Config
  readonly #sockets = new Set<FaultySocket>()
  readonly #duplicated: FaultyStream[] = []
  /** When its daemons read their store, in milliseconds since the clock's start. */
  readonly #reloadedMs: number[] = []
  readonly #startedAt: number
  #disk = new MemoryDisk()
  #features: readonly string[] | undefined
  #apps: MemoryAppServer
  #boots = 0
  #boot: Boot | undefined
  #starting: Boot | undefined
  #client: Client | undefined
  #onKilled: () => void = () => undefined
  #isStopping = false

  constructor(name: string, deps: HostDeps) {
    this.name = name
    this.#deps = deps
    this.#features = deps.features
    this.#startedAt = Math.floor(deps.clock.wallMs() - deps.clock.monotonicMs())
    this.random = seededRandom(`host ${name} ${deps.seed}`)
    const config = makeConfig({
      node: { profile: 'test' },
      network: { listen: [`/ip4/127.0.0.1/tcp/${7_000 + deps.index}`] },
      limits: deps.limits
    })
    this.#config = { ...config, limits: { ...config.limits, ...SMALL_QUEUES } }
    this.#apps = this.#newApps()
    const randomBytes = seededRandomBytes(`identity ${name} ${deps.seed}`)
    const now = deps.clock.wallMs()
    this.#keys = heldInMemory(createIdentity({ id: name, user: 'u', host: 'h', now, randomBytes }))
  }

  /** How often a daemon of it has read its store. */
  get reloads(): number {
    return this.#reloadedMs.length
  }

  /**
   * The same when an event happened, which an app may hear of long after. `at` is by the wall clock, whose steps are whole days, where no seed is as
   * long as one.
   */
  reloadsAt(at: number): number {
    const atMs = (((at - this.#startedAt) % DAY_MS) + DAY_MS) % DAY_MS
    return this.#reloadedMs.filter(reloadedMs => reloadedMs <= atMs).length
  }

  get keyring(): Keyring {
    return this.#keys.current
  }

  get node(): ParleyNode {
    if (this.#boot === undefined) throw new Error(`${this.name} is down`)
    return this.#boot.node
  }

  get isUp(): boolean {
    return this.#boot !== undefined
  }

  /** The store of the daemon that runs, to break it; undefined while none does. */
  get store(): FaultyStore | undefined {
    return (this.#boot ?? this.#starting)?.store
  }

  get transport(): FaultyTransport | undefined {
    return this.#boot?.transport
  }

  get apps(): MemoryAppServer {
    return this.#apps
  }

  /** The first app of this host. */
  get client(): Client {
    if (this.#client === undefined) throw new Error(`${this.name} has no app`)
    return this.#client
  }

  /** Streams on which a frame went out twice, of all its daemons. */
  get duplicated(): readonly FaultyStream[] {
    return [...this.#duplicated, ...(this.#boot?.transport.duplicated ?? [])]
  }

  /** Whether it is in session with every contact of which `isMeant` says so. */
  isInSessionWith(isMeant: (name: string) => boolean): boolean {
    return (
      this.isUp &&
      this.node.status().peers.every(({ name, session }) => session.state === 'established' || !isMeant(name))
    )
  }

  /** Resolves once the daemon is up. One that is killed meanwhile, or whose disk fails it, is down again. */
  async start(): Promise<void> {
    if (this.#boot !== undefined || this.#starting !== undefined) return
    const boot = this.#newBoot()
    this.#noteReload()
    this.#starting = boot
    const gone = new Promise<void>(resolve => {
      this.#onKilled = resolve
    })
    try {
      await Promise.race([gone, boot.guarded.open().then(() => boot.node.start())])
    } catch (error) {
      // A process that cannot start ends; whoever watches over it starts it again.
      if (this.#starting === boot) this.kill()
      if (!(error instanceof Error && 'code' in error && error.code === 'STORE_UNAVAILABLE')) throw error
      return
    }
    if (this.#starting !== boot) return
    this.#starting = undefined
    this.#boot = boot
    this.bootedMs = this.#deps.clock.monotonicMs()
  }

  /** Stops as an operator would. */
  async stop(): Promise<void> {
    const boot = this.#boot
    if (boot === undefined) return
    this.#deps.counted(boot.node.status().counters)
    const gone = new Promise<void>(resolve => {
      this.#onKilled = resolve
    })
    this.#isStopping = true
    await Promise.race([gone, boot.node.stop()])
    this.#isStopping = false
    if (this.#boot !== boot) return
    this.#bury(boot)
    this.#boot = undefined
    this.#apps = this.#newApps()
  }

  /** Another app of this host, or the same one again. */
  async connect(): Promise<Client> {
    const { clock, wraps, count } = this.#deps
    const client = await connect({
      socket: this.name,
      clock,
      wait: true,
      random: () => this.random.below(1_000) / 1_000,
      open: async () => {
        const plain = await this.#apps.open()
        const socket: FaultySocket = new FaultySocket(wraps.socket?.(plain, this.name) ?? plain, () => {
          this.#sockets.delete(socket)
          count('lost reply')
        })
        this.#sockets.add(socket)
        return socket
      }
    })
    this.#client ??= client
    return client
  }

  /** The answer to the next call of `method` on each connection that is up is lost with the connection. */
  loseAnswersTo(method: string): void {
    for (const socket of this.#sockets) socket.loseAnswerTo(method)
  }

  /** The daemon ends between two instructions: apps and peers see broken connections, the disk keeps what it must. */
  kill(): void {
    const boot = this.#boot ?? this.#starting
    if (boot === undefined) return
    if (boot === this.#boot && !this.#isStopping) this.#deps.counted(boot.node.status().counters)
    this.#boot = undefined
    this.#starting = undefined
    boot.clock.kill()
    boot.store.kill()
    const old = this.#apps
    this.#apps = this.#newApps()
    this.#sockets.clear()
    // In memory both are done when they return.
    old.stop().catch(error => this.#deps.finding(`${this.name}: ${error}`))
    boot.transport.kill().catch(error => this.#deps.finding(`${this.name}: ${error}`))
    this.#bury(boot)
    this.#disk.crash(length => this.random.bytes(length))
    this.#onKilled()
  }

  /** Its daemon is of the newest release from its next start on. */
  upgrade(): void {
    this.#features = undefined
  }

  /** What a backup of the store would hold now. */
  backup(): MemoryDisk {
    return this.#disk.copy()
  }

  /** Puts a backup in place of the store. The daemon must be down. */
  restore(backup: MemoryDisk): void {
    if (this.isUp) throw new Error(`${this.name} is up`)
    this.#disk = backup.copy()
    this.generation++
  }

  #noteReload(): void {
    this.#reloadedMs.push(Math.floor(this.#deps.clock.monotonicMs()))
  }

  #bury(boot: Boot): void {
    this.#duplicated.push(...boot.transport.duplicated)
  }

  #newBoot(): Boot {
    const { network, wraps, count } = this.#deps
    const clock = new MortalClock(this.#deps.clock)
    const randomBytes: RandomBytes = seededRandomBytes(`${this.name} ${this.#boots++} ${this.#deps.seed}`)
    const { limits } = this.#config
    const store: FaultyStore = new FaultyStore({
      disk: this.#disk,
      clock,
      random: this.random,
      onCrash: point => {
        count(`crash ${point} a store operation`)
        this.kill()
      },
      onFailedWrite: () => count('failed write')
    })
    let boot: Boot | undefined
    const guarded = new GuardedStore(
      {
        store: wraps.store?.(store, clock) ?? store,
        clock,
        randomBytes,
        onChange: availability => {
          if (availability.isAvailable) {
            this.#noteReload()
            count('store reopened')
          }
          if (boot !== undefined && (boot === this.#boot || boot === this.#starting))
            boot.node.storeChanged(availability)
        }
      },
      { backOffMs: limits.storeBackOffMinMs, backOffMaxMs: limits.storeBackOffMaxMs }
    )
    const plain = network.transport({
      nodeId: this.keyring.nodeId,
      listen: this.#config.network.listen,
      admission: { ...limits, unprovenDeadlineMs: limits.handshakeTimeoutMs }
    })
    const transport = new FaultyTransport(wraps.transport?.(plain, clock) ?? plain, () => count('duplicated frame'))
    const node = this.#newNode(clock, randomBytes, transport, guarded, () => boot)
    boot = { clock, store, guarded, transport, node }
    return boot
  }

  #newNode(
    clock: Clock,
    randomBytes: RandomBytes,
    transport: Transport,
    store: Store,
    boot: () => Boot | undefined
  ): ParleyNode {
    const isAlive = () => boot() !== undefined && (boot() === this.#boot || boot() === this.#starting)
    const log: Log = {
      debug: (fields, message) => this.#deps.trace(`${this.name}: ${message} ${describe(fields)}`),
      info: (fields, message) => this.#deps.trace(`${this.name}: ${message} ${describe(fields)}`),
      warn: (fields, message) => this.#deps.trace(`${this.name}: ${message} ${describe(fields)}`),
      error: (fields, message) => {
        if (isAlive()) this.#deps.finding(`${this.name}: ${message} ${describe(fields)}`)
      }
    }
    const node = createNode({
      config: this.#config,
      clock,
      randomBytes,
      transport,
      store,
      apps: this.#apps,
      keys: this.#keys,
      log,
      version: '0.0.0',
      pid: 1,
      home: null,
      ...(this.#features !== undefined && { features: this.#features }),
      interfaces: () => [],
      ownsProcess: false,
      requestStop: () => undefined
    })
    void node.failed.then(error => {
      if (isAlive()) this.#deps.finding(`${this.name} failed: ${describe({ err: error })}`)
    })
    return node
  }

  #newApps(): MemoryAppServer {
    return new MemoryAppServer(this.name, SOCKET_MESSAGE_BYTES_MAX, this.#deps.clock)
  }
}

function describe(fields: object): string {
  const error = 'err' in fields ? fields.err : undefined
  if (!(error instanceof Error)) return JSON.stringify(fields)
  const cause = error.cause instanceof Error ? `, because ${error.cause.stack}` : ''
  return `${error.stack}${cause}`
}
