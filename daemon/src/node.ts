import { ERRORS, type NodeStatus } from '@parley/client-sdk/contract'
import type { Config } from '@parley/config'
import { Actor, type Exit } from './actor/actor.ts'
import type { Clock, Timer } from './actor/clock.ts'
import { Inbox } from './delivery/inbox/inbox.ts'
import { Outbox } from './delivery/outbox/outbox.ts'
import { Requests } from './delivery/requests/requests.ts'
import { Transfers } from './delivery/transfers/transfers.ts'
import { DaemonError } from './errors.ts'
import { type Card, formatCard } from './identity/card.ts'
import type { KeyringHolder } from './identity/keyring-holder.ts'
import { cardAddresses, type InterfaceAddress, OwnCard } from './identity/own-card.ts'
import { rotateIdentity } from './identity/rotate.ts'
import type { IdentityApi, NodeApi } from './ipc/node-api.ts'
import type { AppServer } from './ipc/port.ts'
import { createIpcServer, type IpcServer } from './ipc/server.ts'
import { Audit } from './observe/audit/audit.ts'
import type { AuditEntry, AuditLog } from './observe/audit/port.ts'
import { Counters } from './observe/counters.ts'
import { Events } from './observe/events.ts'
import { HealthBoard } from './observe/health.ts'
import type { Log } from './observe/log-port.ts'
import { Metrics } from './observe/metrics.ts'
import { RefusedLog } from './observe/refused.ts'
import { type ComparatorWorker, InProcessComparator } from './peer/compare/comparator.ts'
import { Comparisons } from './peer/compare/comparisons.ts'
import { mayGoTo, offeredFingerprint } from './peer/contact.ts'
import { Directory, type DirectoryChange } from './peer/directory.ts'
import { FEATURES, SESSION_PROTOCOL } from './peer/hello.ts'
import { type ManagerMessage, PeerManager } from './peer/manager.ts'
import { DirectoryContacts } from './peer/pairing/contacts.ts'
import { Pairing } from './peer/pairing/pairing.ts'
import { Tries } from './peer/pairing/tries.ts'
import type { Self } from './peer/self.ts'
import type { RandomBytes } from './random.ts'
import type { Availability } from './store/guarded.ts'
import { migrate, schemaSteps } from './store/migrations.ts'
import type { Store } from './store/port.ts'
import { ResealingStore } from './store/resealing.ts'
import { StoreRotation } from './store/rotation.ts'
import { openSealer } from './store/sealed.ts'
import type { Sealer } from './store/sealer.ts'
import type { Transport } from './transport/port.ts'
import { vaultContacts } from './vault/contacts.ts'
import { VaultRuns } from './vault/runs.ts'
import { VaultThread } from './vault/thread.ts'
import { Vault } from './vault/vault.ts'

/** Everything that a node takes from outside: time, chance, network, disk, apps. */
export interface NodeDeps {
  readonly config: Config
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly transport: Transport
  /** Open. The node closes it when it stops. */
  readonly store: Store
  readonly apps: AppServer
  /** The identity, and the keys of `store`. */
  readonly keys: KeyringHolder
  readonly log: Log
  /** Where comparisons compute; in the daemon's own thread, unless said. */
  readonly comparatorWorker?: ComparatorWorker
  readonly version: string
  readonly pid: number
  readonly home: string | null
  /** What peers are told that this daemon can do; everything, unless said: then it is like one of an older minor version. */
  readonly features?: readonly string[]
  /** Addresses of the host's interfaces now, for the card. */
  interfaces(): readonly InterfaceAddress[]
  /** Whether metrics tell of the whole process too. */
  readonly ownsProcess: boolean
  /** An app asked the daemon to stop. */
  requestStop(): void
}

/** One daemon. Many can live in a process. */
export interface ParleyNode {
  /** Rebuilds what is kept, opens the socket, listens, dials. @throws {DaemonError} and nothing is left running */
  start(): Promise<void>
  /** Takes no more calls, says goodbye to peers, ends everything and closes the store. */
  stop(): Promise<void>
  /** Resolves when an actor that nothing can replace has failed: the daemon must end. */
  readonly failed: Promise<Error>
  /** The store was lost, or is back. */
  storeChanged(availability: Availability): void
  status(): NodeStatus
  card(): string
}

const MANAGER_MAIL = { dataCountMax: 4_096, controlCountMax: 65_536 }
/** Of the inbox's room, what may be taken by messages that no program is reading. */
const KEPT_SHARE = 4
const INTERFACES_POLL_MS = 10_000
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** Puts a daemon together from its ports. It owns no module state and reads neither process nor clock by itself. */
export function createNode(deps: NodeDeps): ParleyNode {
  return new Node(deps)
}

/** What is there between start and stop. */
interface Parts {
  readonly manager: PeerManager
  readonly actor: Actor<ManagerMessage>
  readonly directory: Directory
  readonly ownCard: OwnCard
  readonly ipc: IpcServer
  readonly transfers: Transfers
  readonly outbox: Outbox
  readonly inbox: Inbox
  readonly requests: Requests
  readonly comparisons: Comparisons
  readonly pairing: Pairing
}

/** What messages go through, between apps and sessions. */
type Delivery = Pick<Parts, 'directory' | 'outbox' | 'inbox' | 'requests' | 'comparisons'>

class Node implements ParleyNode {
  readonly failed: Promise<Error>
  #deps: NodeDeps
  readonly #bootId: Uint8Array
  readonly #startedAt: number
  readonly #startedAtMonotonicMs: number
  readonly #counters = new Counters()
  readonly #events: Events
  readonly #health: HealthBoard
  readonly #metrics: Metrics
  readonly #refused: RefusedLog
  readonly #failed = Promise.withResolvers<Error>()
  #parts: Parts | undefined
  #audit: Audit | undefined
  /** For parts that are there before the log is open. */
  readonly #auditLog: AuditLog = {
    record: async entry => {
      if (this.#audit === undefined) throw new DaemonError('NOT_READY', 'the audit log is not open')
      await this.#audit.record(entry)
    }
  }
  readonly #vaultThread = new VaultThread()
  #rotation: StoreRotation | undefined
  #poll: Timer | undefined
  /** How often the store was lost or came back. */
  #storeLosses = 0
  #reloading: Promise<void> = Promise.resolve()
  #interfaces = ''

  constructor(deps: NodeDeps) {
    const { clock, randomBytes, config } = deps
    this.#deps = deps
    this.#bootId = randomBytes(16)
    this.#startedAt = clock.wallMs()
    this.#startedAtMonotonicMs = clock.monotonicMs()
    this.failed = this.#failed.promise
    this.#events = new Events({ clock, epoch: hex(randomBytes(8)), options: config.limits })
    this.#health = new HealthBoard(clock, this.#events.emit, ['store', 'network'])
    this.#metrics = new Metrics(this.#counters, { hasProcessMetrics: deps.ownsProcess })
    this.#refused = new RefusedLog(clock)
    this.#metrics.gauge('sessions', 'Contacts in session.', () => this.#parts?.manager.sessionCount ?? 0)
  }

  async start(): Promise<void> {
    try {
      await this.#start()
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  async #start(): Promise<void> {
    const { store: plain, clock, keys, transport, apps, randomBytes, config } = this.#deps
    const sealer = await openSealer({ store: plain, keys: () => keys.current.storeKeys, randomBytes })
    await migrate(plain, schemaSteps(sealer))
    const store = new ResealingStore({ store: plain, sealer, newest: () => keys.current.storeKeys.newest })
    this.#deps = { ...this.#deps, store }
    this.#rotation = new StoreRotation({ store, keys, clock, randomBytes, log: this.#deps.log })
    const ownCard = new OwnCard({
      ...{ store, sealer, clock },
      get keyring() {
        return keys.current
      }
    })
    const directory = await Directory.open(store, {
      get own() {
        return keys.current
      },
      sealer,
      clock,
      randomBytes,
      contactCountMax: config.limits.contactCountMax
    })
    const audit = await Audit.open({ store, sealer, clock, keys, options: config.limits })
    this.#audit = audit
    const delivery = await this.#openDelivery(directory, sealer)
    this.#health.report('store', { state: 'ok' })
    const self = this.#selfOf(ownCard)
    const { actor, manager } = this.#createManager(delivery, self)
    const transfers = this.#createTransfers(directory, self, manager)
    const { outbox, inbox, requests, comparisons } = delivery
    const pairing = await this.#createPairing(directory, sealer, ownCard)
    const contact = vaultContacts(manager, directory)
    const vault = new Vault({ keys, randomBytes, worker: this.#vaultThread, contact })
    const ipc = createIpcServer({
      apps,
      clock,
      randomBytes,
      log: this.#deps.log,
      peers: manager,
      identity: this.#identityApi(ownCard),
      keys: this.#rotation,
      node: this.#nodeApi(),
      transfers,
      inbox,
      outbox,
      requests,
      comparisons,
      pairing,
      vault,
      vaultRuns: new VaultRuns({ vault, randomBytes, limits: config.limits }),
      audit,
      events: this.#events,
      metrics: this.#metrics,
      limits: config.limits,
      version: this.#deps.version,
      bootId: hex(this.#bootId)
    })
    this.#parts = { actor, manager, transfers, ownCard, ipc, pairing, ...delivery }
    await ipc.start()
    await transport.start({
      admitsNode: nodeId => manager.admitsNode(nodeId) || (pairing.admits(nodeId) ? 'pairing' : false),
      refused: refusal => {
        this.#counters.add(`refused_${refusal.reason}`)
        this.#refused.add(refusal)
      }
    })
    await transport.handle(SESSION_PROTOCOL, stream => {
      if (!actor.tell({ type: 'inbound', stream }, 'control')) stream.reset('stopping')
    })
    await transfers.start()
    await this.#updateCard()
    this.#health.report('network', { state: 'ok' })
    actor.tell({ type: 'dial-all' }, 'control')
    this.#rotation.resume()
    this.#pollInterfaces()
  }

  async stop(): Promise<void> {
    const { transport, store } = this.#deps
    const parts = this.#parts
    this.#parts = undefined
    this.#poll?.cancel()
    this.#events.emit({ kind: 'node.stopping' })
    await this.#rotation?.stop()
    if (parts !== undefined) await this.#stopParts(parts)
    await transport.stop()
    // One that has crashed runs no more, and would never be done.
    if (parts !== undefined) {
      await Promise.race([parts.outbox.stop(), parts.outbox.actor.exited])
      await Promise.race([parts.inbox.stop(), parts.inbox.exited])
    }
    await this.#vaultThread.stop()
    await this.#audit?.stop()
    await store.close()
  }

  /**
   * Apps first, so that what they were promised is on disk before they are let go; then peers, while what came from them can still be
   * stored and told.
   */
  async #stopParts({ requests, comparisons, pairing, transfers, ipc, manager, actor }: Parts): Promise<void> {
    const { clock, config } = this.#deps
    requests.stop()
    await comparisons.stop()
    await pairing.stop()
    await transfers.stop()
    await ipc.stop()
    const deadline = Promise.withResolvers<void>()
    const timer = clock.timer(config.limits.shutdownTimeoutMs, deadline.resolve)
    await Promise.race([manager.sayBye(), deadline.promise])
    timer.cancel()
    actor.stop('the daemon is stopping')
    await actor.exited
  }

  storeChanged(availability: Availability): void {
    this.#storeLosses++
    if (availability.isAvailable) {
      const losses = this.#storeLosses
      this.#reloading = this.#reloading.then(() => this.#reload(losses))
      return
    }
    const { error } = availability
    // Opened again, a store may turn out to be damaged.
    const code = error instanceof DaemonError ? error.code : 'STORE_UNAVAILABLE'
    this.#health.report('store', {
      state: 'down',
      code,
      detail: error instanceof Error ? error.message : 'the store cannot be written',
      action: ERRORS[code].action
    })
    this.#parts?.outbox.storeLost()
    this.#parts?.inbox.storeLost()
    this.#audit?.storeLost()
    this.#parts?.comparisons.storeLost()
  }

  /** What is in memory is rebuilt: a write that failed may be on disk all the same. Sessions begin anew, and settle what was under way. */
  async #reload(losses: number): Promise<void> {
    const parts = this.#parts
    // It was lost again meanwhile: the next return is the one that counts.
    if (parts === undefined || losses !== this.#storeLosses) return
    try {
      await this.#audit?.reload()
      await parts.directory.reload()
      await parts.inbox.reload()
      await parts.outbox.reload()
      await parts.comparisons.reload()
    } catch (error) {
      if (this.#parts === undefined || losses !== this.#storeLosses) return
      this.#deps.log.error({ err: error }, 'what is kept could not be read again')
      this.#failed.resolve(new Error('what is kept could not be read again', { cause: error }))
      return
    }
    if (this.#parts === undefined || losses !== this.#storeLosses) return
    this.#rotation?.resume()
    this.#updateCard().catch(error => this.#deps.log.error({ err: error }, 'the card could not be renewed'))
    parts.actor.tell({ type: 'store-reopened' }, 'control')
    this.#health.report('store', { state: 'ok' })
  }

  status(): NodeStatus {
    const { keys, clock, config, version, pid, home, apps, transport } = this.#deps
    const keyring = keys.current
    const { manager, ownCard, outbox, inbox, comparisons } = this.#running()
    return {
      pid,
      id: keyring.id,
      nodeId: keyring.nodeId,
      fingerprint: hex(keyring.fingerprint),
      version,
      bootId: hex(this.#bootId),
      startedAt: this.#startedAt,
      uptimeMs: Math.floor(clock.monotonicMs() - this.#startedAtMonotonicMs),
      home,
      socket: apps.address,
      listen: transport.listenAddresses(),
      announce: ownCard.current?.addresses ?? config.network.announce,
      sessions: manager.sessionCount,
      peers: manager.list(),
      refused: this.#refused.list(),
      counters: this.#counters.all(),
      queue: outbox.queue(),
      inbox: inbox.info(),
      consumers: inbox.consumers(),
      comparisons: comparisons.waiting(),
      ready: this.#health.isReady
    }
  }

  card(): string {
    return formatCard(currentCard(this.#running().ownCard))
  }

  async #openDelivery(directory: Directory, sealer: Sealer): Promise<Delivery> {
    const { store, clock, randomBytes, config, log } = this.#deps
    const deps = {
      ...{ store, sealer, clock, randomBytes, log },
      emit: this.#events.emit,
      contactName: (contact: string) => directory.byContact(contact)?.name ?? contact,
      isContact: (contact: string) => directory.byContact(contact) !== undefined,
      mayGoTo: (contact: string, fingerprint: Uint8Array) => {
        const found = directory.byContact(contact)
        return found === undefined || mayGoTo(found, fingerprint)
      }
    }
    const { limits } = config
    const inbox = await Inbox.open({
      ...deps,
      options: { ...limits, keptBytesMax: limits.inboxBytesMax / KEPT_SHARE },
      damaged: sublevel =>
        this.#health.report(sublevel, {
          state: 'degraded',
          code: 'RECORD_DAMAGED',
          detail: 'received messages were lost: their record does not open',
          action: 'See the store.damaged events for which; their senders are told. Check the disk.'
        })
    })
    const outbox = await this.#orStop(inbox, Outbox.open({ ...deps, health: this.#health, options: limits }))
    const requests = new Requests({
      clock,
      randomBytes,
      limits,
      peer: contact => {
        const found = directory.byContact(contact)
        return found === undefined ? undefined : { id: found.card.id, name: found.name }
      },
      dial: contact => void this.#parts?.actor.tell({ type: 'request', contact }, 'control')
    })
    const comparisons = await this.#orStop(inbox, this.#openComparisons(directory, sealer))
    this.#watch('the comparisons', comparisons.exited)
    this.#watch('the inbox', inbox.exited)
    this.#watch('the outbox', outbox.actor.exited)
    outbox.register(this.#metrics)
    requests.register(this.#metrics)
    return { directory, outbox, inbox, requests, comparisons }
  }

  #openComparisons(directory: Directory, sealer: Sealer): Promise<Comparisons> {
    const { store, clock, randomBytes, config, log, comparatorWorker } = this.#deps
    return Comparisons.open({
      ...{ store, sealer, clock, randomBytes, log },
      options: config.limits,
      comparator: comparatorWorker ?? new InProcessComparator({ randomBytes, clock }),
      peer: contact => {
        const found = directory.byContact(contact)
        return found === undefined ? undefined : { name: found.name, publicKeyBytes: found.publicKeyBytes }
      },
      dial: contact => void this.#parts?.actor.tell({ type: 'request', contact }, 'control'),
      verify: contact => directory.verify(contact, 'comparison', clock.wallMs()),
      audit: this.#auditLog,
      emit: this.#events.emit,
      count: name => this.#counters.add(name)
    })
  }

  #createManager(delivery: Delivery, self: Self): { actor: Actor<ManagerMessage>; manager: PeerManager } {
    const { clock, randomBytes, transport, config, log, features } = this.#deps
    const { directory, inbox, outbox, requests, comparisons } = delivery
    let manager: PeerManager | undefined
    const actor = new Actor<ManagerMessage>({ name: 'peers', ...MANAGER_MAIL }, clock, own => {
      manager = new PeerManager(own, {
        self,
        directory,
        transport,
        randomBytes,
        log,
        limits: config.limits,
        requiredTrust: config.trust.require,
        succession: config.trust.succession,
        features: features ?? FEATURES,
        receiving: inbox,
        durableReceiving: inbox,
        durableSending: outbox,
        requesting: requests,
        comparing: comparisons,
        health: this.#health,
        queue: contact => outbox.queue(contact),
        queued: outbox,
        forget: contact => {
          for (const part of [outbox, inbox, requests, comparisons]) part.forgetContact(contact)
        },
        emit: body => {
          this.#events.emit(body)
          const isUp = body.kind === 'peer.session' && body.state === 'established'
          if (isUp) this.#parts?.transfers.peerIsUp(body.contact)
        },
        count: name => this.#counters.add(name)
      })
      return manager
    })
    this.#watch('the peer manager', actor.exited)
    if (manager === undefined) throw new TypeError('an actor starts at once')
    directory.onChange(change => {
      void actor.tell({ type: 'directory', change }, 'control')
      delivery.outbox.keyChanged(change.contact.contact)
      this.#writeDown(change)
    })
    return { actor, manager }
  }

  /** What contacts cause, and nobody called for. */
  #writeDown({ kind, contact, before }: DirectoryChange): void {
    const { fingerprint, change } = contact
    const isNew = change !== null && (before?.change ?? null) === null
    if (kind !== 'followed' && !isNew) return
    const entry: AuditEntry = {
      action: isNew ? 'peer.changed' : 'identity.followed',
      subject: contact.contact,
      by: 'peer',
      detail: {
        fingerprint: hex(fingerprint),
        ...(isNew
          ? { reason: change.reason, offered: hex(offeredFingerprint(change)) }
          : { former: hex(before?.fingerprint ?? fingerprint) })
      }
    }
    this.#auditLog
      .record(entry)
      .catch(error => this.#deps.log.error({ err: error }, 'a change of a key could not be written down'))
  }

  /** Where a later part does not open, an earlier one must not run on. */
  async #orStop<T>(earlier: { stop(): Promise<void> }, opening: Promise<T>): Promise<T> {
    try {
      return await opening
    } catch (error) {
      await earlier.stop()
      throw error
    }
  }

  /** Nothing can replace these: their crash is the end of the daemon. */
  #watch(what: string, exited: Promise<Exit>): void {
    void exited.then(exit => {
      if (exit.type === 'crashed') this.#failed.resolve(new Error(`${what} failed`, { cause: exit.error }))
    })
  }

  #createTransfers(directory: Directory, self: Self, manager: PeerManager): Transfers {
    const { clock, randomBytes, transport, config, log } = this.#deps
    return new Transfers({
      self,
      directory,
      transport,
      clock,
      randomBytes,
      log,
      limits: config.limits,
      isAllowed: contact => manager.admitsNode(contact.card.nodeId),
      emit: this.#events.emit,
      count: name => this.#counters.add(name)
    })
  }

  async #createPairing(directory: Directory, sealer: Sealer, ownCard: OwnCard): Promise<Pairing> {
    const { clock, randomBytes, transport, store, keys, log } = this.#deps
    const contacts = new DirectoryContacts(directory, clock)
    await contacts.dropAllPending()
    return new Pairing({
      ...{ clock, randomBytes, transport, contacts, log },
      tries: new Tries({ store, sealer, clock }),
      self: {
        nodeId: keys.current.nodeId,
        card: () => currentCard(ownCard),
        signStatement: statement => keys.current.signStatement(statement)
      },
      audit: this.#auditLog,
      isBlocked: nodeId => directory.byNodeId(nodeId)?.blocked ?? false,
      emit: this.#events.emit,
      count: name => this.#counters.add(name)
    })
  }

  #selfOf(ownCard: OwnCard): Self {
    const { keys } = this.#deps
    const { id, nodeId } = keys.current
    return {
      id,
      nodeId,
      get privateKey() {
        return keys.current.identityKey()
      },
      get publicKeyBytes() {
        return keys.current.publicKeyBytes
      },
      get fingerprint() {
        return keys.current.fingerprint
      },
      chain: () => keys.current.chain,
      bootId: this.#bootId,
      cardSerial: () => ownCard.current?.serial ?? 0,
      cardBytes: () => ownCard.current?.bytes ?? new Uint8Array(0)
    }
  }

  #identityApi(ownCard: OwnCard): IdentityApi {
    const { keys } = this.#deps
    const show = () => {
      const keyring = keys.current
      return {
        id: keyring.id,
        fingerprint: hex(keyring.fingerprint),
        nodeId: keyring.nodeId,
        lineage: hex(keyring.lineage),
        rotations: keyring.chain.length,
        cardSerial: ownCard.current?.serial ?? 0,
        publicKey: Buffer.from(keyring.publicKeyBytes).toString('base64'),
        boxKey: Buffer.from(keyring.boxKey).toString('base64'),
        createdAt: keyring.createdAt
      }
    }
    return {
      show,
      card: () => this.card(),
      rotate: async () => {
        await this.#rotateIdentity()
        return show()
      }
    }
  }

  /** From here on sessions begin with the new key; those that are up give way to such ones. */
  async #rotateIdentity(): Promise<void> {
    const { keys, clock, randomBytes, log } = this.#deps
    const { former, fingerprint } = await rotateIdentity({ keys, clock, randomBytes })
    this.#events.emit({ kind: 'identity.rotated', fingerprint: hex(fingerprint), former: hex(former) })
    // The key is another one, card or not: a card that could not be written is made once the store is back.
    await this.#updateCard().catch(error => log.error({ err: error }, 'the card could not be renewed'))
    this.#parts?.actor.tell({ type: 'own-key' }, 'control')
  }

  #nodeApi(): NodeApi {
    return {
      status: () => this.status(),
      health: () => this.#health.health(),
      shutdown: () => this.#deps.requestStop()
    }
  }

  async #updateCard(): Promise<void> {
    const { config, transport, interfaces } = this.#deps
    const { ownCard, actor } = this.#running()
    const own = interfaces()
    this.#interfaces = JSON.stringify(own)
    const before = ownCard.current
    const { announce } = config.network
    const card = await ownCard.update(cardAddresses({ announce, listen: transport.listenAddresses(), interfaces: own }))
    if (card.serial !== before?.serial) actor.tell({ type: 'own-card' }, 'control')
  }

  /** Follows the host's addresses: the card is to be true, and what failed on another network is to be tried again. */
  #pollInterfaces(): void {
    this.#poll = this.#deps.clock.timer(INTERFACES_POLL_MS, () => {
      const parts = this.#parts
      if (parts === undefined) return
      if (JSON.stringify(this.#deps.interfaces()) !== this.#interfaces) {
        parts.actor.tell({ type: 'addresses-changed' }, 'control')
        this.#updateCard().catch(error => this.#deps.log.error({ err: error }, 'the card could not be renewed'))
      }
      this.#pollInterfaces()
    })
  }

  #running(): Parts {
    if (this.#parts === undefined) throw new DaemonError('SHUTTING_DOWN', 'the daemon is not running')
    return this.#parts
  }
}

function currentCard({ current }: OwnCard): Card {
  if (current === undefined) throw new DaemonError('NOT_READY', 'the daemon is starting')
  return current
}
