import type { IdentityInfo, NodeStatus, PeerInfo, StoreKeysInfo } from '@parley/client-sdk/contract'
import { makeConfig } from '@parley/config'
import type { Clock } from '../../src/actor/clock.ts'
import { SystemClock } from '../../src/actor/system-clock.ts'
import type { Inbox } from '../../src/delivery/inbox/inbox.ts'
import { Outbox } from '../../src/delivery/outbox/outbox.ts'
import type { LaneSink } from '../../src/delivery/port.ts'
import type { Requests } from '../../src/delivery/requests/requests.ts'
import type { TransfersApi } from '../../src/delivery/transfers/api.ts'
import { DaemonError } from '../../src/errors.ts'
import { decodeMessage, type Encoding, encodeMessage } from '../../src/ipc/codec.ts'
import type { IpcLimits } from '../../src/ipc/limits.ts'
import type { NodeApi, PeersApi, Recipient, SendRequest } from '../../src/ipc/node-api.ts'
import { createIpcServer, type IpcServer } from '../../src/ipc/server.ts'
import type { Audit } from '../../src/observe/audit/audit.ts'
import { Counters } from '../../src/observe/counters.ts'
import { Events } from '../../src/observe/events.ts'
import { HealthBoard } from '../../src/observe/health.ts'
import type { Log } from '../../src/observe/log-port.ts'
import { Metrics } from '../../src/observe/metrics.ts'
import type { Comparisons } from '../../src/peer/compare/comparisons.ts'
import type { PairingApi } from '../../src/peer/pairing/pairing.ts'
import { seededRandomBytes } from '../../src/random.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { OPTIONS, openInbox, testSealer } from '../delivery/inbox/support.ts'
import { loopedRequests } from '../delivery/requests/loop.ts'
import { comparePair } from '../peer/compare/loop.ts'
import { memoryAudit, type VaultRig, vaultRig } from '../vault/support.ts'
import { type AppEnd, type AppSide, memorySide } from './app-ends.ts'

export const MiB = 1024 * 1024

export const LIMITS: IpcLimits = { ...makeConfig().limits, callCountMax: 8, shutdownTimeoutMs: 1_000 }

export function peerInfo(name: string): PeerInfo {
  return {
    ...{
      contact: `contact-${name}`,
      name,
      id: `${name}@host`,
      nodeId: 'node',
      fingerprint: 'f'.repeat(64),
      trust: 'known'
    },
    ...{ addresses: ['/ip4/192.0.2.7/tcp/7390'], addressOverride: null, cardSerial: 1, lineage: 'l', addedAt: 1 },
    session: { state: 'offline', since: 1 },
    queue: { messages: 0, bytes: 0 }
  }
}

/** Contacts as the socket sees them, with a book and no sessions: what is sent is noted. */
export class BookOfPeers implements PeersApi {
  readonly book = new Map(['alice', 'bob'].map(name => [name, peerInfo(name)]))
  readonly sent: SendRequest[] = []
  /** Answers to `send` wait for this. */
  sendGate: Promise<void> = Promise.resolve()

  list(): readonly PeerInfo[] {
    return [...this.book.values()]
  }

  get(peer: string): PeerInfo {
    const info = this.book.get(peer) ?? this.list().find(({ contact }) => contact === peer)
    if (info !== undefined) return info
    throw new DaemonError('NO_SUCH_PEER', `no contact is called ${peer}`, { data: { peer } })
  }

  async add(card: string, name: string | undefined): Promise<{ peer: PeerInfo; added: boolean }> {
    if (!card.startsWith('parley:card:')) throw new DaemonError('CARD_INVALID', 'not a card')
    return { peer: this.#put(peerInfo(name ?? 'carol')), added: true }
  }

  async update(peer: string, addresses: readonly string[] | null): Promise<PeerInfo> {
    return this.#put({ ...this.get(peer), addressOverride: addresses })
  }

  async remove(peer: string): Promise<void> {
    this.book.delete(this.get(peer).name)
  }

  async rename(peer: string, name: string): Promise<PeerInfo> {
    const info = this.get(peer)
    this.book.delete(info.name)
    return this.#put({ ...info, name })
  }

  async block(peer: string, blocked: boolean): Promise<PeerInfo> {
    return this.#put({ ...this.get(peer), trust: blocked ? 'blocked' : 'known' })
  }

  async trust(peer: string, trust: 'known' | 'verified'): Promise<PeerInfo> {
    return this.#put({ ...this.get(peer), trust })
  }

  async acceptKey(peer: string): Promise<{ peer: PeerInfo; held: number }> {
    return { peer: this.get(peer), held: 2 }
  }

  resolve(peer: string): string {
    return this.get(peer).contact
  }

  recipient(peer: string): Recipient {
    const { contact, name } = this.get(peer)
    return { contact, name, fingerprint: new Uint8Array(32).fill(0xff) }
  }

  async send(request: SendRequest): Promise<{ ids: { first: string; count: number }[] }> {
    this.resolve(request.peer)
    this.sent.push(request)
    const first = `e.1.${this.sent.length}`
    await this.sendGate
    return { ids: [{ first, count: request.bodies.length }] }
  }

  #put(info: PeerInfo): PeerInfo {
    this.book.set(info.name, info)
    return info
  }
}

/** No peer, and so no file on its way. */
const NO_PAIRING: PairingApi = { invite: noPeer, accept: noPeer, cancel: noPeer }

const NO_TRANSFERS: TransfersApi = {
  offer: noPeer,
  accept: noPeer,
  write: noPeer,
  read: noPeer,
  finish: noPeer,
  pause: noPeer,
  cancel: noPeer,
  list: async () => ({ transfers: [], revision: '1' })
}

function noPeer(): never {
  throw new DaemonError('PEER_OFFLINE', 'there are no peers here')
}

export interface Rig {
  readonly side: AppSide
  readonly server: IpcServer
  readonly peers: BookOfPeers
  readonly audit: Audit
  readonly vault: VaultRig
  readonly inbox: Inbox
  readonly outbox: Outbox
  readonly requests: Requests
  /** What bob's daemon has of comparisons with this host, which it knows as `contact-near`. */
  readonly bobCompares: Comparisons
  readonly events: Events
  readonly health: HealthBoard
  readonly logged: { readonly fields: object; readonly message: string }[]
  readonly isShutDown: () => boolean
  /** A lane whose messages arrive within the credit; throws where there is none. */
  openLane(
    contact?: string,
    channel?: string
  ): {
    deliver(...texts: string[]): void /** Resolves once somebody reads the lane. */
    readonly granted: Promise<void>
  }
  [Symbol.asyncDispose](): Promise<void>
}

/** The local socket with everything behind it, but for the contacts. Requests to bob come back here. */
export async function makeRig(
  makeSide: (clock: Clock, requestBytesMax: number) => Promise<AppSide> = memorySide,
  options: { readonly clock?: Clock; readonly limits?: Partial<IpcLimits> } = {}
): Promise<Rig> {
  const clock = options.clock ?? new SystemClock()
  const limits = { ...LIMITS, ...options.limits }
  const side = await makeSide(clock, limits.requestBytesMax)
  const events = new Events({ clock, epoch: 'boot', options: { eventCountMax: 100, eventBytesMax: MiB } })
  const health = new HealthBoard(clock, events.emit, ['store'])
  const inboxOptions = {
    ...OPTIONS,
    inboxBytesMax: 64 * MiB,
    laneCreditBytes: 4 * MiB,
    messageBytesMax: MiB,
    consumerUnackedBytesMax: 8 * MiB
  }
  const store = new MemoryStore()
  await store.open()
  const sealer = await testSealer(store)
  const randomBytes = seededRandomBytes('ipc')
  const peers = new BookOfPeers()
  const logged: { fields: object; message: string }[] = []
  const note = (fields: object, message: string) => logged.push({ fields, message })
  const log: Log = { debug: note, info: note, warn: note, error: note }
  const { emit } = events
  const contactName = (contact: string) => contact.replace('contact-', '')
  const inbox = await openInbox({ store, sealer, clock, emit, log, contactName }, inboxOptions)
  const { limits: allLimits } = makeConfig()
  const outbox = await Outbox.open({
    store,
    sealer,
    clock,
    randomBytes,
    emit,
    log,
    health,
    contactName,
    options: allLimits
  })
  const requests = loopedRequests(clock, 'contact-bob', 'bob')
  const { near: comparisons, far: bobCompares } = await comparePair(clock, 'contact-bob', emit)
  let isShutDown = false
  const node: NodeApi = {
    status: () => STATUS,
    health: () => health.health(),
    shutdown: () => {
      isShutDown = true
    }
  }
  const vault = vaultRig()
  const audit = await memoryAudit(clock, vault.keys)
  const server = createIpcServer({
    ...{
      apps: side.server,
      clock,
      log,
      peers,
      node,
      inbox,
      outbox,
      requests,
      comparisons,
      transfers: NO_TRANSFERS,
      audit,
      vault: vault.vault,
      vaultRuns: vault.vaultRuns,
      pairing: NO_PAIRING,
      events,
      limits,
      version: '0.1.0',
      bootId: 'boot'
    },
    identity: { show: () => IDENTITY, card: () => 'parley:card:own', rotate: async () => IDENTITY },
    keys: { info: () => STORE_KEYS, begin: async () => STORE_KEYS },
    metrics: new Metrics(new Counters(), { hasProcessMetrics: false }),
    randomBytes
  })
  await server.start()
  let laneCount = 0
  return {
    ...{
      side,
      server,
      peers,
      audit,
      vault,
      inbox,
      outbox,
      requests,
      bobCompares,
      events,
      health,
      logged,
      isShutDown: () => isShutDown
    },
    openLane(contact = 'alice', channel = 'chat') {
      const idPrefix = `e.${++laneCount}.`
      const granted = Promise.withResolvers<void>()
      let seq = 1
      const grant = () => granted.resolve()
      const origin = {
        contact: `contact-${contact}`,
        from: `${contact}@host`,
        fromName: () => contact,
        channel,
        idPrefix,
        grant
      }
      const sink: LaneSink = inbox.openLane(origin)
      return {
        granted: granted.promise,
        deliver(...texts) {
          const bodies = texts.map(text => new TextEncoder().encode(text))
          sink.deliver(seq, 1_700_000_000_000, bodies)
          seq += bodies.length
        }
      }
    },
    async [Symbol.asyncDispose]() {
      await server.stop()
      await inbox.stop()
      await outbox.stop()
      requests.stop()
      await comparisons.stop()
      await side[Symbol.asyncDispose]()
    }
  }
}

export const STORE_KEYS: StoreKeysInfo = { newest: 2, rotating: true, resealed: 7 }

export const IDENTITY: IdentityInfo = {
  ...{
    id: 'me@host',
    fingerprint: 'f',
    nodeId: 'node',
    lineage: 'l',
    rotations: 0,
    cardSerial: 1,
    publicKey: 'cHVi',
    boxKey: 'Ym94'
  },
  createdAt: 1
}

export const STATUS: NodeStatus = {
  ...{
    pid: 1,
    id: 'me@host',
    nodeId: 'node',
    fingerprint: 'f',
    version: '0.1.0',
    bootId: 'boot',
    startedAt: 1,
    uptimeMs: 2
  },
  ...{
    home: null,
    socket: 'memory',
    listen: [],
    announce: [],
    sessions: 0,
    peers: [],
    refused: [],
    counters: { rekeys: 1 },
    queue: { messages: 0, bytes: 0 },
    inbox: { messages: 0, bytes: 0, durableMessages: 0, durableBytes: 0 },
    consumers: [],
    comparisons: []
  },
  ready: true
}

export interface RpcAnswer {
  readonly jsonrpc: '2.0'
  readonly id: string | number | null
  readonly result?: Record<string, unknown>
  readonly error?: { readonly code: number; readonly message: string; readonly data: Record<string, unknown> }
}

export interface Notified {
  readonly method: string
  readonly params: Record<string, unknown>
}

/** A program's side of JSON-RPC, written against SPEC alone: bytes are base64 in JSON. */
export interface RpcClient {
  /** Sends one whole message and resolves with its answer. */
  raw(message: unknown): Promise<RpcAnswer>
  call(method: string, params?: object): Promise<RpcAnswer>
  /** The next notification; never on a client that calls by POST. */
  notified(): Promise<Notified>
  readonly end: AppEnd | undefined
}

/** A client over a WebSocket that has said hello, unless told otherwise. */
export async function webSocketClient(rig: Rig, encoding: Encoding, hasHello = true): Promise<RpcClient> {
  const end = await rig.side.open(encoding)
  const answers: RpcAnswer[] = []
  const notifications: Notified[] = []
  let isReading = false
  const waiting = new Set<() => void>()
  // One reader at a time takes a message off the socket and wakes all, so that askers of both kinds are served.
  const read = async () => {
    if (isReading) {
      await new Promise<void>(resolve => waiting.add(resolve))
      return
    }
    isReading = true
    const message = decodeMessage(encoding, await end.next()) as RpcAnswer & Notified
    isReading = false
    if (message.method === undefined) answers.push(message)
    else notifications.push(message)
    for (const wake of waiting) wake()
    waiting.clear()
  }
  const take = async <T>(list: T[], isIt: (item: T) => boolean): Promise<T> => {
    for (;;) {
      const at = list.findIndex(isIt)
      if (at >= 0) return list.splice(at, 1)[0] as T
      await read()
    }
  }
  let lastId = 0
  const raw = (message: unknown) => {
    end.send(encodeMessage(encoding, message as object))
    const id = (message as { id?: unknown }).id
    return take(
      answers,
      answer => answer.id === (typeof id === 'number' || typeof id === 'string' ? id : null) || answer.id === null
    )
  }
  const call = (method: string, params: object = {}) => raw({ jsonrpc: '2.0', id: ++lastId, method, params })
  if (hasHello) await call('node.hello', HELLO)
  return { raw, call, end, notified: () => take(notifications, () => true) }
}

export const HELLO = { client: { name: 'tester', version: '1' }, apiMajor: 1, apiMinor: 0 }

/** A client that makes each call by POST. */
export async function postClient(rig: Rig, encoding: Encoding): Promise<RpcClient> {
  let lastId = 0
  const raw = async (message: unknown) => {
    const head = {
      method: 'POST',
      path: '/rpc',
      headers: { host: 'parley', 'content-type': `application/${encoding}` }
    }
    const { body, status } = await rig.side.request(head, encodeMessage(encoding, message as object))
    if (status !== 200) throw new Error(`status ${status}`)
    return decodeMessage(encoding, body) as RpcAnswer
  }
  const call = (method: string, params: object = {}) => raw({ jsonrpc: '2.0', id: ++lastId, method, params })
  return { raw, call, end: undefined, notified: () => Promise.reject(new Error('a POST is not notified')) }
}
