import type { EventBody, TransferInfo } from '@parley/client-sdk/contract'
import { Actor, type ActorRef, UnexpectedMessageError } from '../../actor/actor.ts'
import type { Clock, Timer } from '../../actor/clock.ts'
import { supervise } from '../../actor/supervisor.ts'
import { DaemonError } from '../../errors.ts'
import { hexOf } from '../../identity/fields.ts'
import { cleanText } from '../../identity/names.ts'
import type { Log } from '../../observe/log-port.ts'
import type { Contact } from '../../peer/contact.ts'
import { dialRound } from '../../peer/dial-round.ts'
import type { Directory, DirectoryChange } from '../../peer/directory.ts'
import type { Self } from '../../peer/self.ts'
import type { RandomBytes } from '../../random.ts'
import type { ByteStream, Transport } from '../../transport/port.ts'
import type { TransferApp, TransferChunks, TransfersApi } from './api.ts'
import { FILE_NAME_BYTES_MAX, type Offer, TRANSFER_ID_BYTES, type TransferFrame } from './frames.ts'
import { Greeting } from './greeting.ts'
import { IncomingTransfer } from './incoming-transfer.ts'
import { OutgoingTransfer } from './outgoing-transfer.ts'
import { StreamBudget } from './stream-budget.ts'
import {
  endError,
  type TransferDeps,
  type TransferLimits,
  type TransferOutcome,
  type TransferSubject
} from './transfer.ts'
import { TransferBook } from './transfer-book.ts'
import { TRANSFER_PROTOCOL, TransferLink, type TransferLinkLimits, type TransferLinkOwner } from './transfer-link.ts'

export interface TransfersLimits extends TransferLimits, TransferLinkLimits {
  readonly transferCountMax: number
  readonly transferContactCountMax: number
  readonly transferBytesMax: number
  readonly handshakesAtOncePerContact: number
  readonly handshakesPerMinutePerContact: number
}

export interface TransfersDeps {
  readonly self: Self
  readonly directory: Pick<Directory, 'byNodeId' | 'byContact' | 'resolve' | 'onChange'>
  readonly transport: Transport
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly limits: TransfersLimits
  readonly log: Log
  /** Whether the contact is not blocked and has the trust that is asked for. */
  isAllowed(contact: Contact): boolean
  emit(body: EventBody): void
  count(name: string): void
}

/** Streams that only have to end. */
const LINGERING_COUNT_MAX = 64
const MAIL = { dataCountMax: 16, controlCountMax: 256 }
const TEXT_LENGTH_MAX = 200

/** Files on their way, to and from contacts: one actor for each, and what bounds them all. */
export class Transfers implements TransfersApi {
  readonly #deps: TransfersDeps
  readonly #root: Actor<never>
  readonly #book: TransferBook
  readonly #lingering = new Set<TransferLink>()
  readonly #budget: StreamBudget
  readonly #waiting = new Set<() => void>()
  #revision = 0
  #greetingCount = 0

  constructor(deps: TransfersDeps) {
    this.#deps = deps
    this.#book = new TransferBook(deps.limits)
    this.#budget = new StreamBudget(deps.clock, deps.limits)
    this.#root = new Actor<never>({ name: 'transfers', dataCountMax: 1, controlCountMax: 1 }, deps.clock, () => ({
      receive: () => {
        throw new UnexpectedMessageError('mail', 'supervising')
      }
    }))
    deps.directory.onChange(change => this.#follow(change))
  }

  /** Answers transfer streams from now on. */
  async start(): Promise<void> {
    await this.#deps.transport.handle(TRANSFER_PROTOCOL, stream => this.#inbound(stream))
  }

  /** Ends every transfer's stream; the programs go on with them once the daemon is back. */
  async stop(): Promise<void> {
    this.#root.stop('the daemon is stopping')
    for (const link of this.#lingering) link.close('STOPPING', 'the daemon is stopping')
    this.#wakeWaiting()
    await this.#root.exited
  }

  /** A session with the contact is up: it can be reached. */
  peerIsUp(contact: string): void {
    for (const entry of this.#book.all()) {
      if (entry.contact === contact && entry.transfer instanceof OutgoingTransfer) entry.transfer.peerIsUp()
    }
  }

  offer(app: TransferApp, { peer, name, size, transfer }: Parameters<TransfersApi['offer']>[1]): TransferInfo {
    const contact = this.#contactOf(peer)
    const id = transfer ?? hexOf(this.#deps.randomBytes(TRANSFER_ID_BYTES))
    const finished = this.#book.finished(id)
    if (finished !== undefined) {
      if (finished.contact !== contact.contact || finished.info.direction !== 'out') throw conflict()
      if (finished.outcome.type === 'cancelled') throw endError(finished.outcome)
      return finished.info
    }
    const found = this.#book.find(id)
    if (found === undefined) return this.#offerNew(app, contact, { id, name, size })
    const { subject } = found.transfer
    const isSame = found.contact === contact.contact && subject.name === name && subject.size === size
    if (!isSame || !(found.transfer instanceof OutgoingTransfer)) throw conflict()
    found.transfer.offered(app)
    return found.transfer.describe()
  }

  accept(app: TransferApp, transfer: string, position: number, takeover: boolean): TransferInfo {
    const incoming = this.#book.incoming(transfer)
    if (!incoming.hasWindow) this.#assertWindowFree()
    incoming.accepted(app, position, takeover)
    return incoming.describe()
  }

  write(
    app: TransferApp,
    transfer: string,
    position: number,
    chunks: readonly Uint8Array[],
    hashes: readonly Uint8Array[]
  ): Promise<{ readonly position: number; readonly synced: number }> {
    return this.#book.outgoing(transfer).write(app, position, chunks, hashes)
  }

  read(app: TransferApp, transfer: string, synced: number, waitMs: number): Promise<TransferChunks> {
    return this.#book.incoming(transfer).read(app, synced, waitMs)
  }

  async finish(
    app: TransferApp,
    transfer: string,
    sha256: string,
    waitMs: number
  ): Promise<{ readonly confirmed: boolean }> {
    if (this.#book.finished(transfer)?.outcome.type === 'done') return { confirmed: true }
    const found = this.#book.get(transfer).transfer
    if (found instanceof IncomingTransfer) return found.finish(app, sha256, waitMs)
    await found.finish(app, sha256)
    return { confirmed: true }
  }

  pause(app: TransferApp, transfer: string): void {
    this.#book.get(transfer).transfer.left(app)
  }

  cancel(transfer: string, code: string, reason: string): void {
    const found = this.#book.get(transfer)
    found.transfer.run(() => found.transfer.cancel(code, [...reason].slice(0, TEXT_LENGTH_MAX).join('')))
  }

  async list(
    after: string | undefined,
    waitMs: number,
    signal: AbortSignal
  ): Promise<{ readonly transfers: readonly TransferInfo[]; readonly revision: string }> {
    if (after === this.#revisionText && waitMs > 0) await this.#change(waitMs, signal)
    const transfers = this.#book.all().map(({ transfer }) => transfer.describe())
    return { transfers, revision: this.#revisionText }
  }

  get #revisionText(): string {
    return `${hexOf(this.#deps.self.bootId)}:${this.#revision}`
  }

  #change(waitMs: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    let timer: Timer | undefined
    const done = () => {
      this.#waiting.delete(done)
      timer?.cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    this.#waiting.add(done)
    timer = this.#deps.clock.timer(waitMs, done)
    signal.addEventListener('abort', done, { once: true })
    return promise
  }

  #wakeWaiting(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  #changed(id: string): void {
    this.#revision++
    this.#deps.clock.endOfTurn(() => this.#wakeWaiting())
    const info = this.#book.find(id)?.transfer.describe()
    if (info === undefined) return
    const { transfer, direction, contact, peer, name, state, waitsFor } = info
    this.#deps.emit({
      kind: 'transfer.state',
      ...{ transfer, direction, contact, name: peer, file: name, size: info.size, state, waitsFor }
    })
  }

  // Files

  #offerNew(app: TransferApp, contact: Contact, subject: TransferSubject): TransferInfo {
    this.#assertRoom(contact.contact, OutgoingTransfer)
    const { transport, clock, randomBytes, limits } = this.#deps
    let transfer: OutgoingTransfer | undefined
    const actor = supervise(this.#root, {
      name: `out/${subject.id}`,
      ...MAIL,
      restart: { type: 'temporary' },
      start: own => {
        transfer = new OutgoingTransfer(own as never, {
          ...this.#common(contact.contact, subject),
          randomBytes,
          mayHandshake: () => this.#budget.take(contact.contact),
          dial: signal => {
            const { card, addresses } = this.#allowed(contact.contact) ?? contact
            const { dialTimeoutMs, dialIntervalMs } = limits
            return dialRound({
              ...{ transport, clock, addresses, dialTimeoutMs, signal },
              nodeId: card.nodeId,
              protocol: TRANSFER_PROTOCOL,
              staggerMs: dialIntervalMs
            })
          },
          makeLink: (stream, owner) => this.#makeLink(stream, contact.contact, owner)
        })
        return transfer
      },
      onExit: exit => this.#exited(subject.id, exit)
    })
    const made = this.#enter(contact.contact, subject.id, transfer, actor as ActorRef<never>) as OutgoingTransfer
    made.offered(app)
    return made.describe()
  }

  #offered(contact: Contact, link: TransferLink, offer: Offer): void {
    const id = hexOf(offer.id)
    const finished = this.#book.finished(id)
    const found = this.#book.find(id)
    if (finished !== undefined) {
      const { outcome, info } = finished
      if (finished.contact !== contact.contact || info.direction !== 'in') this.#refuse(link, 'CONFLICT')
      else if (outcome.type === 'done') this.#linger(link, { done: {} })
      else this.#refuse(link, outcome.code, outcome.text)
    } else if (found !== undefined) {
      const { transfer } = found
      const isSame =
        transfer instanceof IncomingTransfer &&
        found.contact === contact.contact &&
        transfer.subject.size === offer.size
      if (isSame) transfer.linked(link)
      else this.#refuse(link, 'CONFLICT')
    } else this.#offeredNew(contact, link, { id, name: fileNameOf(offer.name), size: offer.size })
  }

  #offeredNew(contact: Contact, link: TransferLink, subject: TransferSubject): void {
    if (!this.#book.hasRoom(contact.contact, IncomingTransfer)) {
      this.#deps.count('transfers_refused')
      this.#refuse(link, 'TRANSFER_LIMIT', 'too many files wait')
      return
    }
    let transfer: IncomingTransfer | undefined
    const actor = supervise(this.#root, {
      name: `in/${subject.id}`,
      ...MAIL,
      restart: { type: 'temporary' },
      start: own => {
        transfer = new IncomingTransfer(own as never, this.#common(contact.contact, subject))
        return transfer
      },
      onExit: exit => this.#exited(subject.id, exit)
    })
    const made = this.#enter(contact.contact, subject.id, transfer, actor as ActorRef<never>) as IncomingTransfer
    const { id: file, name, size } = subject
    this.#deps.emit({
      kind: 'transfer.offered',
      ...{ transfer: file, contact: contact.contact, name: contact.name, file: name, size }
    })
    made.linked(link)
  }

  #common(contact: string, subject: TransferSubject): TransferDeps {
    return {
      subject,
      limits: this.#deps.limits,
      contact: () => this.#allowed(contact),
      changed: () => this.#changed(subject.id),
      over: outcome => this.#over(subject.id, outcome),
      linger: (link, last) => this.#linger(link, last)
    }
  }

  #enter(
    contact: string,
    id: string,
    transfer: OutgoingTransfer | IncomingTransfer | undefined,
    actor: ActorRef<never>
  ): OutgoingTransfer | IncomingTransfer {
    if (transfer === undefined) throw new DaemonError('SHUTTING_DOWN', 'the daemon is stopping')
    this.#book.add(id, { contact, transfer, actor })
    return transfer
  }

  #over(id: string, outcome: TransferOutcome | undefined): void {
    const entry = this.#book.remove(id, outcome)
    if (entry === undefined) return
    if (outcome !== undefined) this.#deps.count(outcome.type === 'done' ? 'transfers_done' : 'transfers_cancelled')
    this.#revision++
    this.#deps.clock.endOfTurn(() => this.#wakeWaiting())
    entry.actor.stop('over')
  }

  #exited(id: string, exit: { readonly type: 'normal' | 'crashed'; readonly error?: unknown }): void {
    if (exit.type !== 'crashed') return
    this.#deps.log.error({ transfer: id, err: exit.error }, 'a transfer failed')
    this.#over(id, undefined)
  }

  // Streams

  #inbound(stream: ByteStream): void {
    const contact = this.#deps.directory.byNodeId(stream.nodeId)
    if (contact === undefined || !this.#deps.isAllowed(contact)) {
      stream.reset('not a contact')
      return
    }
    const id = contact.contact
    if (!this.#budget.begin(id)) {
      this.#deps.count('HANDSHAKE_LIMIT')
      stream.reset('too many handshakes')
      return
    }
    const name = `inbound/${++this.#greetingCount}`
    const greeting = supervise<never>(this.#root, {
      ...{ name, dataCountMax: 1, controlCountMax: 1 },
      restart: { type: 'temporary' },
      start: own =>
        new Greeting(own, {
          makeLink: owner => this.#makeLink(stream, id, owner),
          offered: (link, offer) => this.#offered(this.#allowed(id) ?? contact, link, offer)
        }),
      onExit: exit => {
        if (exit.type === 'crashed') this.#deps.log.error({ err: exit.error }, 'a transfer stream failed')
      }
    })
    void greeting.exited.then(() => this.#budget.end(id))
  }

  #makeLink(stream: ByteStream, id: string, owner: TransferLinkOwner): TransferLink {
    const { self, limits, clock, randomBytes, directory } = this.#deps
    const contact = directory.byContact(id)
    if (contact === undefined) throw new DaemonError('NO_SUCH_PEER', 'the contact was removed')
    const { card, publicKey, fingerprint } = contact
    const peer = {
      id: card.id,
      publicKey,
      fingerprint,
      nodeId: card.nodeId,
      cardSerial: card.serial
    }
    return new TransferLink({ stream, self, limits, clock, randomBytes, peer }, owner)
  }

  #refuse(link: TransferLink, code: string, text = ''): void {
    this.#linger(link, { cancel: { code, text } })
  }

  /** Lets a stream end by itself: the peer closes it once it has read what was said, or its silence does. */
  #linger(link: TransferLink, last?: TransferFrame): void {
    link.owner = {
      run: code => this.#root.run(code),
      opened: () => undefined,
      received: () => undefined,
      drained: () => undefined,
      over: () => void this.#lingering.delete(link)
    }
    if (last !== undefined) link.send(last)
    link.end()
    const [oldest] = this.#lingering
    this.#lingering.add(link)
    if (oldest !== undefined && this.#lingering.size > LINGERING_COUNT_MAX) oldest.close('STOPPING', 'too many streams')
  }

  #follow({ kind, contact }: DirectoryChange): void {
    if (kind !== 'removed' && this.#deps.isAllowed(contact)) return
    for (const entry of this.#book.all()) {
      if (entry.contact === contact.contact) entry.transfer.run(() => entry.transfer.contactLost())
    }
  }

  // Who and whether

  #allowed(id: string): Contact | undefined {
    const contact = this.#deps.directory.byContact(id)
    return contact !== undefined && this.#deps.isAllowed(contact) ? contact : undefined
  }

  #contactOf(peer: string): Contact {
    const contact = this.#deps.directory.resolve(peer)
    if (contact.blocked) throw new DaemonError('BLOCKED', `${contact.name} is blocked`)
    if (this.#deps.isAllowed(contact)) return contact
    throw new DaemonError('UNTRUSTED', `${contact.name} is ${contact.trust}, and the policy asks for verified`)
  }

  #assertRoom(contact: string, kind: typeof OutgoingTransfer): void {
    if (this.#book.hasRoom(contact, kind)) return
    const { transferCountMax, transferContactCountMax } = this.#deps.limits
    throw new DaemonError('TRANSFER_LIMIT', 'too many files are on their way', {
      data: { transferCountMax, transferContactCountMax }
    })
  }

  #assertWindowFree(): void {
    const { transferBytesMax, transferWindowBytes } = this.#deps.limits
    const open = this.#book
      .all()
      .filter(({ transfer }) => transfer instanceof IncomingTransfer && transfer.hasWindow).length
    if ((open + 1) * transferWindowBytes <= transferBytesMax) return
    throw new DaemonError('TRANSFER_LIMIT', 'too many files are received at once', { data: { transferBytesMax } })
  }
}

/** A peer's name of a file, fit to be shown. Whoever makes a file of that name has rules of its own. */
function fileNameOf(name: string): string {
  return cleanText(name, FILE_NAME_BYTES_MAX) || 'file'
}

function conflict(): DaemonError {
  return new DaemonError('TRANSFER_CONFLICT', 'that transfer ID belongs to another file')
}
