import { makeConfig } from '../../../config/src/index.ts'
import { SystemClock } from '../../../daemon/src/actor/system-clock.ts'
import { VirtualClock } from '../../../daemon/src/actor/virtual-clock.ts'
import { Inbox } from '../../../daemon/src/delivery/inbox/inbox.ts'
import type { LaneSink } from '../../../daemon/src/delivery/port.ts'
import { DaemonError } from '../../../daemon/src/errors.ts'
import { UnixAppServer } from '../../../daemon/src/ipc/http-server.ts'
import { MemoryAppServer } from '../../../daemon/src/ipc/memory.ts'
import type { PeersApi, SendRequest } from '../../../daemon/src/ipc/node-api.ts'
import type { AppServer } from '../../../daemon/src/ipc/port.ts'
import { createIpcServer, type IpcServer } from '../../../daemon/src/ipc/server.ts'
import { Counters } from '../../../daemon/src/observe/counters.ts'
import { Events } from '../../../daemon/src/observe/events.ts'
import { Metrics } from '../../../daemon/src/observe/metrics.ts'
import { seededRandomBytes } from '../../../daemon/src/random.ts'
import type { EventBody, PeerInfo } from '../../src/contract/index.ts'
import type { OpenSocket } from '../../src/socket.ts'

const MiB = 1024 * 1024
const REQUEST_BYTES_MAX = 2 * MiB
const INBOX = {
  inboxBytesMax: 64 * MiB,
  keptBytesMax: 16 * MiB,
  laneCreditMessages: 4_096,
  laneCreditBytes: 4 * MiB,
  messageBytesMax: MiB,
  consumerCountMax: 100,
  consumerUnackedCountMax: 10_000,
  consumerUnackedBytesMax: 64 * MiB
}
const LIMITS = { ...makeConfig().limits, requestBytesMax: REQUEST_BYTES_MAX, shutdownTimeoutMs: 1_000 }

/** One channel that leads back to this very host, within the credit that the inbox grants. */
class LoopLane {
  readonly #sink: LaneSink
  readonly #queue: { readonly bodies: readonly Uint8Array[]; readonly done: (id: string) => void }[] = []
  readonly #idPrefix: string
  #grantedMessages = 0
  #grantedBytes = 0
  #sentMessages = 0
  #sentBytes = 0

  constructor(inbox: Inbox, channel: string, number: number) {
    this.#idPrefix = `loop.${number}.`
    const grant = (messages: number, bytes: number) => {
      this.#grantedMessages = messages
      this.#grantedBytes = bytes
      process.nextTick(() => this.#pump())
    }
    const origin = { contact: 'c-me', from: 'me@host', fromName: () => 'me', channel, idPrefix: this.#idPrefix, grant }
    this.#sink = inbox.openLane(origin)
  }

  send(bodies: readonly Uint8Array[]): Promise<{ ids: { first: string; count: number }[] }> {
    return new Promise(resolve => {
      this.#queue.push({ bodies, done: first => resolve({ ids: [{ first, count: bodies.length }] }) })
      this.#pump()
    })
  }

  #pump(): void {
    for (let head = this.#queue[0]; head !== undefined; head = this.#queue[0]) {
      const bytes = head.bodies.reduce((sum, body) => sum + body.length, 0)
      const fits =
        this.#sentMessages + head.bodies.length <= this.#grantedMessages &&
        this.#sentBytes + bytes <= this.#grantedBytes
      if (!fits) return
      this.#queue.shift()
      const firstSeq = this.#sentMessages + 1
      this.#sentMessages += head.bodies.length
      this.#sentBytes += bytes
      this.#sink.deliver(firstSeq, 1_700_000_000_000, head.bodies)
      head.done(`${this.#idPrefix}${firstSeq}`)
    }
  }
}

function loopPeers(inbox: Inbox): PeersApi {
  const lanes = new Map<string, LoopLane>()
  const resolve = (peer: string) => {
    if (peer !== 'me' && peer !== 'c-me') throw new DaemonError('NO_SUCH_PEER', `there is no ${peer}`)
    return 'c-me'
  }
  const get = (peer: string): PeerInfo => {
    throw new DaemonError('NO_SUCH_PEER', `there is no ${peer}`)
  }
  const send = async ({ peer, channel, bodies }: SendRequest) => {
    resolve(peer)
    const lane = lanes.get(channel) ?? new LoopLane(inbox, channel, lanes.size + 1)
    lanes.set(channel, lane)
    return lane.send(bodies)
  }
  const refuse = async (peer: string) => get(peer)
  return {
    list: () => [],
    get,
    add: async () => Promise.reject(new DaemonError('CARD_INVALID', 'no card')),
    update: refuse,
    remove: async peer => void get(peer),
    rename: refuse,
    block: refuse,
    resolve,
    send
  }
}

/** The daemon's own socket server, inbox and events, with one contact, `me`, that leads back here. Each boot has a new inbox. */
export class RealServer {
  readonly clock: VirtualClock | SystemClock
  #boot = 0
  #apps: AppServer | undefined
  #server: IpcServer | undefined
  #events: Events | undefined
  readonly #makeApps: () => AppServer

  private constructor(clock: VirtualClock | SystemClock, makeApps: () => AppServer) {
    this.clock = clock
    this.#makeApps = makeApps
  }

  /** In memory, on a virtual clock. */
  static inMemory(): { readonly server: RealServer; readonly clock: VirtualClock; readonly open: OpenSocket } {
    const clock = new VirtualClock()
    const server = new RealServer(clock, () => new MemoryAppServer('memory', REQUEST_BYTES_MAX, clock))
    return { server, clock, open: async () => (server.#apps as MemoryAppServer).open() }
  }

  static onSocket(path: string): RealServer {
    const clock = new SystemClock()
    const options = {
      path,
      mode: 0o600,
      group: undefined,
      requestBytesMax: REQUEST_BYTES_MAX,
      connectionCountMax: 16,
      requestTimeoutMs: 10_000
    }
    return new RealServer(clock, () => new UnixAppServer(options, clock))
  }

  emit(body: EventBody): void {
    this.#events?.emit(body)
  }

  get clientCount(): number {
    return this.#server?.clientCount ?? 0
  }

  async start(): Promise<void> {
    const boot = `boot-${++this.#boot}`
    const { clock } = this
    const events = new Events({ clock, epoch: boot, options: { eventCountMax: 100, eventBytesMax: MiB } })
    const inbox = new Inbox({ clock, emit: events.emit, id: `inbox-${boot}`, options: INBOX })
    const apps = this.#makeApps()
    const nothing = () => undefined
    const refuse = () => {
      throw new DaemonError('NOT_SUPPORTED', 'there is no identity here')
    }
    this.#apps = apps
    this.#events = events
    this.#server = createIpcServer({
      apps,
      clock,
      inbox,
      events,
      randomBytes: seededRandomBytes(boot),
      log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
      peers: loopPeers(inbox),
      identity: { show: () => ({ id: 'me@host' }) as never, card: refuse },
      node: { status: refuse, health: () => ({ ready: true, components: {} }), shutdown: () => void this.stop() },
      metrics: new Metrics(new Counters(), { hasProcessMetrics: false }),
      limits: LIMITS,
      version: '0.1.0',
      bootId: boot
    })
    await this.#server.start()
  }

  async stop(): Promise<void> {
    await this.#server?.stop()
  }
}
