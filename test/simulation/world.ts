import { type Client, connect } from '@parley/client-sdk'
import { type Config, makeConfig } from '@parley/config'
import type { Clock } from '../../daemon/src/actor/clock.ts'
import { VirtualClock } from '../../daemon/src/actor/virtual-clock.ts'
import { createIdentity, type Keyring } from '../../daemon/src/identity/keyring.ts'
import { MemoryAppServer } from '../../daemon/src/ipc/memory.ts'
import { createNode, type ParleyNode } from '../../daemon/src/node.ts'
import type { Log } from '../../daemon/src/observe/log-port.ts'
import { type RandomBytes, seededRandomBytes } from '../../daemon/src/random.ts'
import { MemoryDisk, MemoryStore } from '../../daemon/src/store/memory.ts'
import { createStoreKeys, type StoreKeys } from '../../daemon/src/store/store-keys.ts'
import { MemoryNetwork } from '../../daemon/src/transport/memory.ts'

/** Errors of a daemon are findings; what it says besides is not looked at. */
const loud = (name: string): Log => ({
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: (fields, message) => {
    throw new Error(`${name}: ${message} ${JSON.stringify(fields)}`)
  }
})

/** Whole daemons and their apps in one process: every port is the one in memory, and time is a number. */
export class World {
  readonly clock: VirtualClock = new VirtualClock()
  readonly seed: string
  readonly random: RandomBytes
  readonly network: MemoryNetwork
  readonly hosts: Host[] = []

  constructor(seed: string) {
    this.seed = seed
    this.random = seededRandomBytes(`world ${seed}`)
    this.network = new MemoryNetwork({ clock: this.clock, random: seededRandomBytes(`network ${seed}`) })
  }

  /** Hosts that all know each other, in session. */
  static async of(names: readonly string[], seed: string): Promise<World> {
    const world = new World(seed)
    for (const name of names) await world.#host(name)
    for (const host of world.hosts) {
      for (const other of world.hosts) {
        if (other !== host) await world.run(host.client.peers.add(other.node.card(), { name: other.name }))
      }
    }
    await world.inSession()
    return world
  }

  async #host(name: string): Promise<void> {
    const host = new Host(this, name, this.hosts.length)
    this.hosts.push(host)
    await host.start()
    await this.run(host.connect())
  }

  host(index: number): Host {
    const host = this.hosts[index % this.hosts.length]
    if (host === undefined) throw new RangeError('no hosts')
    return host
  }

  /** A number from 0 to `below - 1`. */
  pick(below: number): number {
    const [a = 0, b = 0, c = 0] = this.random(3)
    return ((a << 16) | (b << 8) | c) % below
  }

  /** Lets time pass until `work` is done. */
  async run<T>(work: Promise<T>, limitMs = 120_000): Promise<T> {
    let isDone = false
    const done = work.finally(() => {
      isDone = true
    })
    done.catch(() => {}) // it is thrown at the end
    await this.until(() => isDone, limitMs)
    return done
  }

  async until(condition: () => boolean, limitMs = 120_000): Promise<void> {
    const endMs = this.clock.monotonicMs() + limitMs
    while (!condition()) {
      if (this.clock.monotonicMs() > endMs) throw new Error(`seed ${this.seed}: not so within ${limitMs} ms`)
      await this.clock.advance(20)
    }
  }

  /** Waits until every two hosts that run are in one session. */
  async inSession(limitMs = 400_000): Promise<void> {
    await this.until(() => this.hosts.every(host => host.isInSessionWithAll()), limitMs)
  }
}

export class Host {
  readonly name: string
  readonly keyring: Keyring
  readonly #world: World
  readonly #config: Config
  readonly #disk: MemoryDisk = new MemoryDisk()
  readonly #storeKeys: StoreKeys
  #apps: MemoryAppServer
  #boots = 0
  #node: ParleyNode | undefined
  #transport: { stop(): Promise<void> } | undefined
  #client: Client | undefined

  constructor(world: World, name: string, index: number) {
    this.#world = world
    this.name = name
    this.#config = makeConfig({
      node: { profile: 'test' },
      network: { listen: [`/ip4/127.0.0.1/tcp/${7_000 + index}`] }
    })
    this.#apps = this.#newApps()
    const randomBytes = seededRandomBytes(`identity ${name} ${world.seed}`)
    this.keyring = createIdentity({ id: name, user: 'u', host: 'h', now: world.clock.wallMs(), randomBytes })
    this.#storeKeys = createStoreKeys(randomBytes)
  }

  get node(): ParleyNode {
    if (this.#node === undefined) throw new Error(`${this.name} is down`)
    return this.#node
  }

  get isUp(): boolean {
    return this.#node !== undefined
  }

  /** An app of this host. It lives through restarts of the daemon. */
  get client(): Client {
    if (this.#client === undefined) throw new Error(`${this.name} has no app`)
    return this.#client
  }

  isInSessionWithAll(): boolean {
    return this.node.status().peers.every(({ session }) => session.state === 'established')
  }

  async start(): Promise<void> {
    const { clock, network, seed } = this.#world
    const randomBytes = seededRandomBytes(`${this.name} ${this.#boots++} ${seed}`)
    const store = new MemoryStore(this.#disk)
    await store.open()
    const { limits, network: addresses } = this.#config
    const transport = network.transport({
      nodeId: this.keyring.nodeId,
      listen: addresses.listen,
      admission: { ...limits, unprovenDeadlineMs: limits.handshakeTimeoutMs }
    })
    this.#transport = transport
    const node = createNode({
      config: this.#config,
      clock,
      randomBytes,
      transport,
      store,
      apps: this.#apps,
      keyring: this.keyring,
      storeKeys: this.#storeKeys,
      log: loud(this.name),
      version: '0.0.0',
      pid: 1,
      home: null,
      interfaces: () => [],
      ownsProcess: false,
      requestStop: () => {}
    })
    await node.start()
    this.#node = node
  }

  async connect(): Promise<void> {
    const clock: Clock = this.#world.clock
    this.#client = await connect({
      socket: this.name,
      clock,
      random: () => this.#world.pick(1_000) / 1_000,
      open: () => this.#apps.open()
    })
  }

  /** The daemon ends between two instructions: apps and peers see broken connections, the disk keeps what it must. */
  async crash(): Promise<void> {
    const { clock, random } = this.#world
    this.#node = undefined
    const old = this.#apps
    this.#apps = this.#newApps()
    await this.#transport?.stop()
    await old.stop()
    this.#disk.crash(random)
    await clock.settle()
  }

  #newApps(): MemoryAppServer {
    return new MemoryAppServer(this.name, 2 * 1024 * 1024, this.#world.clock)
  }
}
