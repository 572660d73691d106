import { makeConfig } from '../../../config/src/index.ts'
import { SystemClock } from '../../../daemon/src/actor/system-clock.ts'
import { VirtualClock } from '../../../daemon/src/actor/virtual-clock.ts'
import { Inbox } from '../../../daemon/src/delivery/inbox/inbox.ts'
import { Outbox } from '../../../daemon/src/delivery/outbox/outbox.ts'
import type { TransfersApi } from '../../../daemon/src/delivery/transfers/api.ts'
import { DaemonError } from '../../../daemon/src/errors.ts'
import { UnixAppServer } from '../../../daemon/src/ipc/http-server.ts'
import { MemoryAppServer } from '../../../daemon/src/ipc/memory.ts'
import type { AppServer } from '../../../daemon/src/ipc/port.ts'
import { createIpcServer, type IpcServer } from '../../../daemon/src/ipc/server.ts'
import { Counters } from '../../../daemon/src/observe/counters.ts'
import { Events } from '../../../daemon/src/observe/events.ts'
import { HealthBoard } from '../../../daemon/src/observe/health.ts'
import { Metrics } from '../../../daemon/src/observe/metrics.ts'
import type { Comparisons } from '../../../daemon/src/peer/compare/comparisons.ts'
import { seededRandomBytes } from '../../../daemon/src/random.ts'
import { MemoryDisk, MemoryStore } from '../../../daemon/src/store/memory.ts'
import { loopedRequests } from '../../../daemon/test/delivery/requests/loop.ts'
import { type ComparePair, comparePair } from '../../../daemon/test/peer/compare/loop.ts'
import { testSealer } from '../../../daemon/test/store/test-sealer.ts'
import { memoryAudit, vaultRig } from '../../../daemon/test/vault/support.ts'
import type { EventBody } from '../../src/contract/index.ts'
import type { OpenSocket } from '../../src/socket.ts'
import { CONTACT, LoopSession, loopPeers } from './loop.ts'

const MiB = 1024 * 1024
const REQUEST_BYTES_MAX = 2 * MiB
const LIMITS = { ...makeConfig().limits, requestBytesMax: REQUEST_BYTES_MAX, shutdownTimeoutMs: 1_000 }

/** The daemon's own socket server, outbox, inbox and events, with one contact, `me`, that leads back here. The disk outlives a boot. */
export class RealServer {
  readonly clock: VirtualClock | SystemClock
  #boot = 0
  #apps: AppServer | undefined
  #server: IpcServer | undefined
  #events: Events | undefined
  #outbox: Outbox | undefined
  #inbox: Inbox | undefined
  #session: LoopSession | undefined
  #store: MemoryStore | undefined
  #comparePair: ComparePair | undefined
  readonly #disk = new MemoryDisk()
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

  /** What the daemon of the contact `me` has of comparisons with this one, which it knows as `contact-near`. */
  get peerCompares(): Comparisons {
    if (this.#comparePair === undefined) throw new Error('the server has not started')
    return this.#comparePair.far
  }

  async start(): Promise<void> {
    const boot = `boot-${++this.#boot}`
    const { clock } = this
    const events = new Events({ clock, epoch: boot, options: { eventCountMax: 100, eventBytesMax: MiB } })
    const apps = this.#makeApps()
    const nothing = () => undefined
    const log = { debug: nothing, info: nothing, warn: nothing, error: nothing }
    const randomBytes = seededRandomBytes(boot)
    const store = new MemoryStore(this.#disk)
    await store.open()
    const deps = {
      ...{
        store,
        sealer: testSealer(),
        clock,
        randomBytes,
        emit: events.emit,
        log,
        options: { ...LIMITS, keptBytesMax: 16 * MiB }
      },
      contactName: () => 'me',
      health: new HealthBoard(clock, events.emit, [])
    }
    const outbox = await Outbox.open(deps)
    const inbox = await Inbox.open(deps)
    this.#outbox = outbox
    this.#inbox = inbox
    this.#store = store
    this.connectLoop()
    const pair = await comparePair(clock, CONTACT, events.emit)
    this.#comparePair = pair
    const refuse = () => {
      throw new DaemonError('NOT_SUPPORTED', 'there is no identity here')
    }
    this.#apps = apps
    this.#events = events
    const { keys, vault, vaultRuns } = vaultRig()
    this.#server = createIpcServer({
      apps,
      clock,
      inbox,
      outbox,
      requests: loopedRequests(clock, CONTACT, 'me'),
      comparisons: pair.near,
      vault,
      vaultRuns,
      audit: await memoryAudit(clock, keys),
      transfers: noTransfers,
      pairing: { invite: refuse, accept: refuse, cancel: refuse },
      events,
      randomBytes,
      log,
      peers: loopPeers(inbox),
      identity: { show: () => ({ id: 'me@host' }) as never, card: refuse, rotate: refuse },
      keys: { info: refuse, begin: refuse },
      node: {
        status: () => ({ comparisons: pair.near.waiting() }) as never,
        health: () => ({ ready: true, components: {} }),
        shutdown: () => void this.stop()
      },
      metrics: new Metrics(new Counters(), { hasProcessMetrics: false }),
      limits: LIMITS,
      version: '0.1.0',
      bootId: boot
    })
    await this.#server.start()
  }

  /** Ends the session with oneself: what is durable waits. */
  cutLoop(): void {
    this.#session?.end()
    this.#session = undefined
  }

  connectLoop(): void {
    if (this.#outbox !== undefined && this.#inbox !== undefined && this.#session === undefined)
      this.#session = new LoopSession(this.#outbox, this.#inbox)
  }

  async stop(): Promise<void> {
    if (this.#store === undefined) return
    await this.#server?.stop()
    this.cutLoop()
    await this.#outbox?.stop()
    await this.#inbox?.stop()
    await this.#store.close()
    this.#store = undefined
  }
}

/** The tests of transfers have whole daemons. */
const noTransfers = new Proxy({} as TransfersApi, {
  get: () => () => {
    throw new DaemonError('NOT_SUPPORTED', 'there are no transfers here')
  }
})
