import type { EventBody, IdRange, PeerInfo, PeerSessionInfo, QueueInfo } from '@parley/client-sdk/contract'
import type { Actor, ActorRef, Behaviour } from '../actor/actor.ts'
import { supervise } from '../actor/supervisor.ts'
import { costBytes } from '../delivery/inbox/run-log.ts'
import type { OutboxApi } from '../delivery/outbox-api.ts'
import type { Receiving } from '../delivery/port.ts'
import { DaemonError } from '../errors.ts'
import { parseCard } from '../identity/card.ts'
import { hexOf, sameBytes } from '../identity/fields.ts'
import type { Succession } from '../identity/succession.ts'
import type { KeyDecision, PeersApi, Recipient, SendRequest } from '../ipc/node-api.ts'
import type { HealthBoard } from '../observe/health.ts'
import type { Log } from '../observe/log-port.ts'
import type { RandomBytes } from '../random.ts'
import type { ByteStream, NodeId, Transport } from '../transport/port.ts'
import { CardLearner } from './card-learner.ts'
import { type Contact, trustOf } from './contact.ts'
import type { Directory, DirectoryChange } from './directory.ts'
import type { ExchangePorts } from './exchange.ts'
import { isChannel } from './incoming.ts'
import type { SendJob } from './outgoing.ts'
import type { Self } from './self.ts'
import { PeerSession } from './session.ts'
import { SessionCounts } from './session-counts.ts'
import type { SessionLimits, SessionMessage, SuccessionPort } from './session-port.ts'
import { changeText, trustDetails } from './trust-text.ts'

export interface PeerLimits extends SessionLimits {
  readonly sessionCountMax: number
  readonly unsentBytesMax: number
}

export interface PeerManagerDeps extends ExchangePorts {
  readonly self: Self
  readonly directory: Directory
  readonly transport: Transport
  readonly receiving: Receiving
  readonly randomBytes: RandomBytes
  readonly limits: PeerLimits
  /** The trust that a contact must have before anything passes. */
  readonly requiredTrust: 'known' | 'verified'
  /** Whether a key that a contact has signed with the one before is taken at once. */
  readonly succession: 'follow' | 'ask'
  readonly health: HealthBoard
  readonly log: Log
  /** What waits for a contact. */
  queue(contact: string): QueueInfo
  /** What waits for the owner, as it was accepted for another key. */
  readonly queued: Pick<OutboxApi, 'held' | 'cancelHeld'>
  /** A contact was removed, and its session is over. */
  forget(contact: string): void
  emit(body: EventBody): void
  count(name: string): void
}

export type ManagerMessage =
  | { readonly type: 'inbound'; readonly stream: ByteStream }
  | { readonly type: 'directory'; readonly change: DirectoryChange }
  | { readonly type: 'dial-all' }
  /** A request waits for the contact's session. */
  | { readonly type: 'request'; readonly contact: string }
  | { readonly type: 'tick' }
  | { readonly type: 'addresses-changed' }
  | { readonly type: 'own-card' }
  /** This daemon has another Themis key. */
  | { readonly type: 'own-key' }
  | { readonly type: 'store-reopened' }
  | { readonly type: 'say-bye' }

interface Peer {
  readonly session: ActorRef<SessionMessage>
  info: PeerSessionInfo
  isClosed: boolean
}

const TICK_MS = 5_000
/** The wall clock ran this much further than the monotonic one: the host slept, and the network may be another. */
const SLEPT_MS = 15_000
const SESSION_MAIL = { dataCountMax: 4_096, controlCountMax: 16_384 }
const CRASH_COUNT_MAX = 4
const CRASH_WINDOW_MS = 60_000
const CRASH_BACK_OFF_MAX_MS = 10_000

const OFFLINE: Omit<PeerSessionInfo, 'since'> = { state: 'offline' }

/**
 * The actor over all contacts: one session actor for each that is not blocked. It gives inbound streams to the session of the contact to
 * whom the node ID belongs, and follows the directory.
 */
export class PeerManager implements Behaviour<ManagerMessage>, PeersApi {
  readonly #actor: Actor<ManagerMessage>
  readonly #deps: PeerManagerDeps
  readonly #peers = new Map<string, Peer>()
  readonly #cards: CardLearner
  readonly #counts = new SessionCounts()
  readonly #succession: SuccessionPort
  #unsentBytes = 0
  #tickAt: { wallMs: number; monotonicMs: number }
  #allClosed: (() => void) | undefined

  constructor(actor: Actor<ManagerMessage>, deps: PeerManagerDeps) {
    this.#actor = actor
    this.#deps = deps
    this.#cards = new CardLearner(deps.directory, (contact, error) => this.#cardRefused(contact, error))
    this.#succession = {
      follow: (contact, links) => deps.directory.follow(contact, links, deps.succession),
      forked: (contact, held, shown) => this.#forked(contact, held, shown)
    }
    this.#tickAt = { wallMs: actor.clock.wallMs(), monotonicMs: actor.clock.monotonicMs() }
  }

  /** Node IDs that may connect: those of contacts that are not blocked and have the trust that is asked for. */
  admitsNode(nodeId: NodeId): boolean {
    const contact = this.#deps.directory.byNodeId(nodeId)
    return contact !== undefined && this.#isAllowed(contact)
  }

  get sessionCount(): number {
    return this.#counts.up
  }

  receive(message: ManagerMessage): void {
    switch (message.type) {
      case 'inbound':
        this.#inbound(message.stream)
        break
      case 'directory':
        this.#follow(message.change)
        break
      case 'dial-all':
        for (const contact of this.#deps.directory.list()) {
          this.#startSession(contact)
          this.#reportChange(contact)
        }
        this.#actor.after(TICK_MS, { type: 'tick' })
        break
      case 'request':
        this.#request(message.contact)
        break
      case 'tick':
        this.#tick()
        break
      case 'addresses-changed':
        this.#tellAll({ type: 'awake' })
        break
      case 'own-card':
      case 'own-key':
      case 'store-reopened':
        this.#tellAll({ type: message.type })
        break
      case 'say-bye':
        this.#tellAll({ type: 'say-bye' })
        this.#checkAllClosed()
        break
    }
  }

  /** Ends all sessions in good order. Resolves when none is left. */
  sayBye(): Promise<void> {
    return new Promise(resolve => {
      this.#allClosed = resolve
      this.#actor.tell({ type: 'say-bye' }, 'control')
    })
  }

  // PeersApi

  list(): readonly PeerInfo[] {
    return this.#deps.directory.list().map(contact => this.#describe(contact))
  }

  get(peer: string): PeerInfo {
    return this.#describe(this.#deps.directory.resolve(peer))
  }

  resolve(peer: string): string {
    return this.#deps.directory.resolve(peer).contact
  }

  recipient(peer: string): Recipient {
    const { contact, fingerprint, name } = this.#allowed(peer)
    return { contact, fingerprint, name }
  }

  async add(card: string, name: string | undefined): Promise<{ readonly peer: PeerInfo; readonly added: boolean }> {
    const { contact, change } = await this.#deps.directory.add(parseCard(card), name)
    return { peer: this.#describe(contact), added: change === 'added' }
  }

  async update(peer: string, addresses: readonly string[] | null): Promise<PeerInfo> {
    return this.#describe(await this.#deps.directory.setAddressOverride(this.resolve(peer), addresses))
  }

  async remove(peer: string): Promise<void> {
    await this.#deps.directory.remove(this.resolve(peer))
  }

  async rename(peer: string, name: string): Promise<PeerInfo> {
    return this.#describe(await this.#deps.directory.rename(this.resolve(peer), name))
  }

  async block(peer: string, blocked: boolean): Promise<PeerInfo> {
    return this.#describe(await this.#deps.directory.block(this.resolve(peer), blocked))
  }

  async trust(peer: string, trust: 'known' | 'verified', fingerprint: string | undefined): Promise<PeerInfo> {
    const { directory } = this.#deps
    const { contact } = directory.resolve(peer)
    if (trust === 'known') return this.#describe(await directory.unverify(contact))
    return this.#describe(await directory.vouch(contact, fingerprint === undefined ? undefined : bytesOf(fingerprint)))
  }

  async acceptKey(
    peer: string,
    { fingerprint, queue }: KeyDecision
  ): Promise<{ readonly peer: PeerInfo; readonly held: number }> {
    const { directory, queued } = this.#deps
    const { contact } = directory.resolve(peer)
    if (fingerprint !== undefined) await directory.acceptKey(contact, bytesOf(fingerprint))
    // What is to be sent is what waits now: with a key that is not decided on nothing does.
    if (queue !== undefined && directory.byContact(contact)?.change !== null)
      throw new DaemonError('UNTRUSTED', 'The key of that contact is to be decided on first.')
    if (queue === 'send') await directory.sendFor(contact, queued.held(contact).fingerprints)
    else if (queue === 'cancel') await queued.cancelHeld(contact)
    return { peer: this.get(contact), held: queued.held(contact).messages }
  }

  async send(request: SendRequest): Promise<{ readonly ids: readonly IdRange[] }> {
    const { limits } = this.#deps
    const contact = this.#allowed(request.peer)
    if (!isChannel(request.channel))
      throw new DaemonError('INVALID_PARAMS', 'channel is 1 to 64 bytes of text without control characters')
    let bytes = 0
    for (const body of request.bodies) {
      if (body.length > limits.messageBytesMax) {
        throw new DaemonError(
          'TOO_LARGE',
          `a message has at most ${limits.messageBytesMax} bytes, this one ${body.length}`
        )
      }
      bytes += body.length
    }
    const cost = costBytes(request.bodies.length, bytes)
    if (this.#unsentBytes + cost > limits.unsentBytesMax) {
      const freeBytes = Math.max(0, limits.unsentBytesMax - this.#unsentBytes)
      throw new DaemonError('QUEUE_FULL', 'too much waits to be sent', { data: { scope: 'all', freeBytes } })
    }
    const session = this.#peers.get(contact.contact)?.session
    if (session === undefined) throw new DaemonError('PEER_OFFLINE', `${contact.name} has no session`)
    return this.#hand(session, request, cost)
  }

  /** The contact that `peer` means, if the policy lets something be sent to it. */
  #allowed(peer: string): Contact {
    const contact = this.#deps.directory.resolve(peer)
    if (contact.blocked) throw new DaemonError('BLOCKED', `${contact.name} is blocked`)
    if (this.#isAllowed(contact)) return contact
    if (contact.change !== null) throw new DaemonError('UNTRUSTED', changeText(contact))
    const why = contact.trust === 'pending' ? 'its pairing is not confirmed' : 'the policy asks for verified'
    throw new DaemonError('UNTRUSTED', `${contact.name} is ${contact.trust}, and ${why}`)
  }

  #hand(
    session: ActorRef<SessionMessage>,
    request: SendRequest,
    cost: number
  ): Promise<{ readonly ids: readonly IdRange[] }> {
    const { clock } = this.#actor
    const { promise, resolve, reject } = Promise.withResolvers<{ readonly ids: readonly IdRange[] }>()
    this.#unsentBytes += cost
    const ids: IdRange[] = []
    const job: SendJob = {
      channel: request.channel,
      bodies: request.bodies,
      acceptedAt: clock.wallMs(),
      deadlineMs: clock.monotonicMs() + request.timeoutMs,
      costBytes: cost,
      sentCount: 0,
      ids,
      done: () => {
        this.#unsentBytes -= cost
        resolve({ ids })
      },
      failed: error => {
        this.#unsentBytes -= cost
        reject(error)
      }
    }
    if (!session.tell({ type: 'send', job }))
      job.failed(new DaemonError('MAILBOX_FULL', 'too many sends wait for this contact'))
    return promise
  }

  // Sessions

  #inbound(stream: ByteStream): void {
    const { directory, limits } = this.#deps
    const contact = directory.byNodeId(stream.nodeId)
    const peer = contact === undefined ? undefined : this.#peers.get(contact.contact)
    if (contact === undefined || peer === undefined || !this.#isAllowed(contact)) {
      stream.reset('not a contact')
    } else if (!hasStream(peer.info) && this.#counts.streaming >= limits.sessionCountMax) {
      this.#deps.count('SESSION_LIMIT')
      stream.reset('too many sessions')
    } else if (!peer.session.tell({ type: 'inbound', stream }, 'control')) stream.reset('no session')
  }

  #request(contact: string): void {
    if (this.#peers.get(contact)?.session.tell({ type: 'request' }, 'control') === true) return
    this.#deps.requesting.unreachable(contact, 'PEER_OFFLINE', 'the contact has no session')
  }

  #isAllowed({ blocked, trust }: Contact): boolean {
    // With a pending contact nothing passes but the end of its pairing, which has a protocol of its own.
    // With one whose key is in question nothing does until the owner has decided.
    return (
      !blocked &&
      trust !== 'pending' &&
      trust !== 'changed' &&
      (this.#deps.requiredTrust === 'known' || trust === 'verified')
    )
  }

  #startSession(contact: Contact): void {
    if (!this.#isAllowed(contact) || this.#peers.has(contact.contact)) return
    const { limits, log } = this.#deps
    const id = contact.contact
    const peer: Peer = {
      info: { ...OFFLINE, since: this.#actor.clock.wallMs() },
      isClosed: false,
      session: supervise<SessionMessage>(this.#actor, {
        name: `session/${id}`,
        ...SESSION_MAIL,
        start: actor => {
          const reports = {
            changed: (info: PeerSessionInfo) => this.#changed(id, info),
            counted: (name: string) => this.#deps.count(name),
            skewed: (skewMs: number) => this.#skewed(id, skewMs),
            cardReceived: (card: Uint8Array) => this.#cards.learn(id, card),
            closed: () => this.#closed(id)
          }
          const room = {
            mayDial: () => this.#counts.busy < limits.sessionCountMax,
            mayOpen: () => this.#counts.streaming < limits.sessionCountMax
          }
          const current = this.#deps.directory.byContact(id) ?? contact
          return new PeerSession(actor, current, { ...this.#deps, reports, room, succession: this.#succession })
        },
        restart: {
          type: 'transient',
          restartCountMax: CRASH_COUNT_MAX,
          windowMs: CRASH_WINDOW_MS,
          backOffMs: limits.backOffMinMs,
          backOffMaxMs: CRASH_BACK_OFF_MAX_MS,
          whenExhausted: 'give-up'
        },
        onExit: (exit, consequence) => {
          if (exit.type === 'crashed')
            log.error({ contact: id, err: exit.error, consequence }, 'a session actor failed')
          if (consequence === 'give-up') this.#quarantine(id)
        }
      })
    }
    this.#peers.set(id, peer)
    this.#counts.move(undefined, peer.info.state)
  }

  #stopSession(contact: Contact, reason: 'BLOCKED' | 'CHANGED' | 'REMOVED' | 'RENEWED'): void {
    const peer = this.#peers.get(contact.contact)
    peer?.session.stop(reason)
    this.#counts.move(peer?.info.state, undefined)
    this.#peers.delete(contact.contact)
    this.#deps.health.clear(healthName(contact))
    this.#deps.transport.disconnect(contact.card.nodeId, reason)
  }

  /** The contact has another node or key now: what was with the former one is over before anything begins with the new one. */
  #renew(before: Contact): void {
    const over = this.#peers.get(before.contact)?.session.exited ?? Promise.resolve()
    this.#stopSession(before, 'RENEWED')
    void over.then(() =>
      this.#actor.run(() => {
        const contact = this.#deps.directory.byContact(before.contact)
        if (contact !== undefined) this.#startSession(contact)
      })
    )
  }

  /** Nothing passes until the owner has decided. */
  #stopForChange(contact: Contact): void {
    this.#stopSession(contact, 'CHANGED')
    this.#reportChange(contact)
  }

  #reportChange(contact: Contact): void {
    if (contact.change === null || contact.blocked) return
    this.#deps.health.report(healthName(contact), {
      state: 'degraded',
      code: contact.change.reason === 'fork' ? 'FORK' : 'KEY_CHANGED',
      detail: changeText(contact),
      action: `Ask ${contact.name} by another way which key is right; then parley peer accept-key, or parley pair --renew.`
    })
  }

  #remove(contact: Contact): void {
    const over = this.#peers.get(contact.contact)?.session.exited ?? Promise.resolve()
    this.#stopSession(contact, 'REMOVED')
    void over.then(() => this.#deps.forget(contact.contact))
  }

  #follow({ kind, contact, before }: DirectoryChange): void {
    const { emit } = this.#deps
    const named = { contact: contact.contact, name: contact.name }
    if (kind === 'trust') emit({ kind: 'peer.trust', ...named, trust: trustOf(contact) })
    else if (kind === 'followed') {
      const former = hexOf((before ?? contact).fingerprint)
      emit({ kind: 'peer.followed', ...named, fingerprint: hexOf(contact.fingerprint), former })
    } else emit({ kind: `peer.${kind}`, ...named })
    if (kind === 'removed') this.#remove(contact)
    else if (contact.blocked) this.#stopSession(contact, 'BLOCKED')
    else if (contact.change !== null) this.#stopForChange(contact)
    else if (kind !== 'followed' && before !== undefined && isAnother(before, contact)) this.#renew(before)
    else if (this.#peers.has(contact.contact))
      this.#peers.get(contact.contact)?.session.tell({ type: 'contact', contact }, 'control')
    else this.#startSession(contact)
    if (before !== undefined && before.name !== contact.name) this.#deps.health.clear(healthName(before))
  }

  #changed(id: string, info: PeerSessionInfo): void {
    const peer = this.#peers.get(id)
    const contact = this.#deps.directory.byContact(id)
    if (peer === undefined || contact === undefined) return
    const wasUp = isUp(peer.info)
    this.#setInfo(peer, info)
    if (info.lastEnd?.code === 'VERSION_MISMATCH' && !isUp(info)) {
      this.#deps.health.report(healthName(contact), {
        state: 'degraded',
        code: 'VERSION_MISMATCH',
        detail: `${contact.name} runs a version that this one cannot talk to`,
        action: 'Bring both to the same release.'
      })
    } else if (isUp(info)) this.#deps.health.clear(healthName(contact))
    if (wasUp === isUp(info)) return
    const { code, detail } = info.lastEnd ?? {}
    const end = isUp(info) || code === undefined || detail === undefined ? {} : { code, detail }
    this.#deps.emit({ kind: 'peer.session', contact: id, name: contact.name, state: info.state, ...end })
  }

  #setInfo(peer: Peer, info: PeerSessionInfo): void {
    this.#counts.move(peer.info.state, info.state)
    peer.info = info
  }

  #quarantine(id: string): void {
    const contact = this.#deps.directory.byContact(id)
    const peer = this.#peers.get(id)
    if (contact === undefined || peer === undefined) return
    this.#setInfo(peer, { ...peer.info, state: 'offline' })
    this.#deps.count('quarantines')
    this.#deps.health.report(healthName(contact), {
      state: 'degraded',
      code: 'QUARANTINED',
      detail: `the session with ${contact.name} failed too often`,
      action: 'Look into the log and report it; restart the daemon to try again.'
    })
    this.#deps.emit({ kind: 'peer.quarantined', contact: id, name: contact.name })
  }

  #skewed(id: string, skewMs: number): void {
    const contact = this.#deps.directory.byContact(id)
    if (contact !== undefined) this.#deps.emit({ kind: 'peer.skew', contact: id, name: contact.name, skewMs })
  }

  #forked(contact: string, held: Succession, shown: readonly Succession[]): void {
    this.#deps.directory.noteFork(contact, held, shown).catch(error => {
      // The peer shows it again with its next session; until then nothing was let through.
      this.#deps.log.error({ contact, err: error }, 'a fork could not be written down')
    })
  }

  #cardRefused(contact: string, error: unknown): void {
    this.#deps.count('cards_refused')
    const code = error instanceof DaemonError ? error.code : 'INTERNAL'
    this.#deps.log.warn({ contact, code }, 'the card that a peer sent was refused')
  }

  #tick(): void {
    const { clock } = this.#actor
    const now = { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() }
    const leapMs = now.wallMs - this.#tickAt.wallMs - (now.monotonicMs - this.#tickAt.monotonicMs)
    if (leapMs > SLEPT_MS) this.#tellAll({ type: 'awake' })
    this.#tickAt = now
    this.#actor.after(TICK_MS, { type: 'tick' })
  }

  #tellAll(message: SessionMessage): void {
    for (const { session } of this.#peers.values()) session.tell(message, 'control')
  }

  #closed(id: string): void {
    const peer = this.#peers.get(id)
    if (peer !== undefined) peer.isClosed = true
    this.#checkAllClosed()
  }

  #checkAllClosed(): void {
    for (const { isClosed, info } of this.#peers.values()) if (!isClosed && info.state !== 'offline') return
    this.#allClosed?.()
  }

  #describe(contact: Contact): PeerInfo {
    const { card } = contact
    return {
      contact: contact.contact,
      name: contact.name,
      id: card.id,
      nodeId: card.nodeId,
      fingerprint: hexOf(contact.fingerprint),
      trust: trustOf(contact),
      ...trustDetails(contact),
      addresses: card.addresses,
      addressOverride: contact.addressOverride,
      cardSerial: card.serial,
      lineage: Buffer.from(card.lineage).toString('hex'),
      addedAt: contact.addedAt,
      session: this.#peers.get(contact.contact)?.info ?? { ...OFFLINE, since: contact.addedAt },
      queue: this.#deps.queue(contact.contact)
    }
  }
}

function isAnother(before: Contact, { card, fingerprint }: Contact): boolean {
  return before.card.nodeId !== card.nodeId || !sameBytes(before.fingerprint, fingerprint)
}

function bytesOf(fingerprint: string): Uint8Array {
  return new Uint8Array(Buffer.from(fingerprint, 'hex'))
}

function isUp(info: PeerSessionInfo): boolean {
  return info.state === 'established' || info.state === 'rekeying'
}

function hasStream(info: PeerSessionInfo): boolean {
  return isUp(info) || info.state === 'negotiating'
}

function healthName(contact: Contact): string {
  return `peer ${contact.name}`
}
