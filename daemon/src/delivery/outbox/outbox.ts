import type { AcceptedSend, MessageStates, QueueInfo } from '@parley/client-sdk/contract'
import { Actor, type ActorRef } from '../../actor/actor.ts'
import type { Timer } from '../../actor/clock.ts'
import { DaemonError } from '../../errors.ts'
import type { Metrics } from '../../observe/metrics.ts'
import { PeerFault } from '../../peer/fault.ts'
import type { Accepted, AcceptRequest, HeldMessages, MessageFacts, OutboxApi } from '../outbox-api.ts'
import type { DurableSending, LaneMark, OutgoingAttachment, OutgoingSession, Receipt } from '../port.ts'
import { accept } from './accepting.ts'
import { factsById, heldOf, placesById, queueOf, statesById } from './answers.ts'
import { Attachment } from './attachment.ts'
import type { Book, OutboxDeps, Untold } from './book.ts'
import type { ContactLanes } from './contact-lanes.ts'
import type { ElapsedClock } from './elapsed-clock.ts'
import { loadOutbox } from './loading.ts'
import { judgeMarks } from './reconcile.ts'
import { Removing } from './removing.ts'
import type { SendKeys } from './send-keys.ts'
import { Settling } from './settling.ts'

export type { OutboxDeps, OutboxOptions } from './book.ts'

/** Leaps of the clock, silence and idle lanes are looked for so often. */
const TICK_MS = 60_000
/** That a peer is in session is noted on the disk so often. */
const HEARD_STEP_MS = 3_600_000

/** What belongs together from one loss of the store to the next. */
interface Live {
  readonly book: Book
  readonly sendKeys: SendKeys
  readonly removing: Removing
  readonly settling: Settling
}

/**
 * The messages that this daemon has accepted and the peers' daemons do not have yet: on disk before they are answered for, sent in order, once
 * per number, and until their time is over.
 */
export class Outbox implements OutboxApi, DurableSending {
  readonly #deps: OutboxDeps
  readonly #actor: Actor<never>
  #live: Live | undefined
  #timer: Timer | undefined
  /** Goes on over losses of the store. */
  #elapsed: ElapsedClock | undefined
  #isStopping = false
  /** What apps were to be told when the store was lost. */
  #untold: readonly Untold[] = []
  #batchCount = 0
  #messageCount = 0

  private constructor(deps: OutboxDeps) {
    this.#deps = deps
    this.#actor = new Actor<never>({ name: 'outbox', dataCountMax: 1, controlCountMax: 1 }, deps.clock, () => ({
      receive: () => {}
    }))
  }

  /** Reads what is kept. @throws {DaemonError} `RECORD_DAMAGED` `STORE_UNAVAILABLE` */
  static async open(deps: OutboxDeps): Promise<Outbox> {
    const outbox = new Outbox(deps)
    await outbox.reload()
    return outbox
  }

  /** What it runs as: a crash of it is a bug, and the end of the daemon. */
  get actor(): ActorRef<never> {
    return this.#actor
  }

  /** The store is lost: what is under way fails, and nothing is accepted or sent until `reload`. */
  storeLost(): void {
    this.#timer?.cancel()
    const live = this.#live
    this.#live = undefined
    if (live === undefined) return
    this.#batchCount += live.book.commit.batchCount
    this.#messageCount += live.book.committedMessages
    live.book.lose()
    this.#untold = [...this.#untold, ...live.book.untold]
  }

  /** Reads everything anew. Sessions from before take nothing any more. @throws {DaemonError} as `open` */
  async reload(): Promise<void> {
    this.storeLost()
    let isLost = false
    const hooks = {
      run: (code: () => void) => this.#actor.run(code),
      failed: () => {
        isLost = true
        if (this.#live !== undefined && this.#live.book === book) this.storeLost()
      }
    }
    const { book, sendKeys } = await loadOutbox(this.#deps, hooks, this.#elapsed)
    this.#elapsed = book.elapsed
    if (isLost) throw unavailable('no')
    const removing = new Removing(book)
    this.#live = { book, sendKeys, removing, settling: new Settling(book, removing) }
    this.#actor.run(() => {
      for (const untold of this.#untold) book.tellLate(untold)
      this.#untold = []
      this.#forgetStrangers(book, removing)
    })
    this.#tick()
  }

  accept(request: AcceptRequest): Promise<Accepted> {
    return this.#run(() => {
      if (this.#isStopping) throw new DaemonError('SHUTTING_DOWN', 'the daemon is stopping')
      const { book, sendKeys } = this.#assertLive()
      const before = book.expiry.size
      const accepted = accept(book, sendKeys, request)
      if (before === 0 || request.ttlMs < TICK_MS) book.commit.afterwards(() => this.#schedule())
      return accepted
    })
  }

  async acceptedOf(client: string): Promise<readonly AcceptedSend[]> {
    return await this.#assertLive().sendKeys.acceptedOf(client)
  }

  get(id: string, count: number): MessageStates {
    return this.#run(() => statesById(this.#assertLive().book, id, count))
  }

  async cancel(id: string, count: number): Promise<void> {
    await this.#run(() => {
      const { book, removing } = this.#assertLive()
      return removing.cancel(placesById(book, id, count))
    })
  }

  /** What a contact's key is has changed, or what may go to it. */
  keyChanged(name: string): void {
    this.#run(() => this.#live?.book.contacts.get(name)?.attachment?.refreshAll())
  }

  held(name: string): HeldMessages {
    return this.#run(() => {
      const live = this.#live
      const contact = live?.book.contacts.get(name)
      const entries = live === undefined || contact === undefined ? [] : heldOf(live.book, contact)
      return {
        messages: entries.reduce((sum, { count }) => sum + count, 0),
        fingerprints: [...new Set(entries.map(({ fingerprint }) => fingerprint))]
      }
    })
  }

  async cancelHeld(name: string): Promise<void> {
    await this.#run(() => {
      const { book, removing } = this.#assertLive()
      const contact = book.contacts.get(name)
      return contact === undefined ? undefined : removing.cancelHeld(heldOf(book, contact))
    })
  }

  queue(contact?: string): QueueInfo {
    const book = this.#live?.book
    return book === undefined ? { messages: 0, bytes: 0 } : queueOf(book, contact)
  }

  describe(id: string): MessageFacts {
    return this.#run(() => factsById(this.#assertLive().book, id))
  }

  attach(name: string, session: OutgoingSession): OutgoingAttachment {
    return this.#run(() => {
      const live = this.#live
      if (live === undefined) return NOTHING_TO_SEND
      const { book } = live
      const contact = book.contactOf(name)
      contact.attachment?.end()
      const attachment = new Attachment(book, contact, session, {
        run: code => this.#run(code),
        tooLarge: (entry, messageBytesMax) => live.removing.tooLarge(entry, messageBytesMax),
        unreadable: (entry, error) => live.removing.unreadable(entry, error),
        detached: () => this.#detached(live, contact, attachment)
      })
      contact.attachment = attachment
      this.#hear(live, contact)
      if (session.start === 'stored') {
        for (const lane of contact.byChannel.values()) lane.cursor = lane.hole?.from ?? lane.stored + 1
      } else this.#marks(live, contact, session.start.marks)
      if (!contact.isMet) {
        contact.isMet = true
        book.writeContact(contact)
        book.tidy()
      }
      this.#openWay(live, contact)
      return attachment
    })
  }

  receipt(name: string, receipt: Receipt): void {
    this.#run(() => {
      const live = this.#live
      const contact = live?.book.contacts.get(name)
      if (live === undefined || contact === undefined || contact.waitingMarks !== undefined) return
      contact.heardMs = live.book.nowMs()
      live.settling.receipt(contact, receipt)
    })
  }

  /**
   * Drops what is queued for a contact that was blocked or removed; each message is told `cancelled`, reason `REMOVED`. Of a blocked one it is
   * remembered which epochs it knows, so that it finds no restored store when it comes back.
   */
  forgetContact(name: string, why: 'blocked' | 'removed' = 'removed'): void {
    this.#run(() => {
      const contact = this.#live?.book.contacts.get(name)
      if (contact !== undefined) this.#live?.removing.forgetContact(contact, why)
    })
  }

  /** Shows itself in `metrics`. */
  register(metrics: Metrics): void {
    metrics.gauge('outbox_messages', 'Durable messages that wait for peers.', () => this.queue().messages)
    metrics.gauge('outbox_bytes', 'The same, in bytes of their bodies.', () => this.queue().bytes)
    metrics.gauge('outbox_oldest_age_seconds', 'Age of the oldest of them.', () => {
      const { oldestAt } = this.queue()
      return oldestAt === undefined ? 0 : Math.max(0, this.#deps.clock.wallMs() - oldestAt) / 1_000
    })
    const book = () => this.#live?.book
    metrics.counter(
      'outbox_commits',
      'Synced writes of the outbox.',
      () => this.#batchCount + (book()?.commit.batchCount ?? 0)
    )
    metrics.counter(
      'outbox_committed_messages',
      'Messages that were accepted; by commits, how many share one.',
      () => this.#messageCount + (book()?.committedMessages ?? 0)
    )
  }

  /** Refuses what comes, puts what it was given on disk, and ends. */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#timer?.cancel()
    const book = this.#live?.book
    if (book !== undefined) {
      book.writeTime()
      // Where the store is lost its callers have heard so. An outbox that has crashed writes nothing more.
      await Promise.race([book.commit.synced().catch(() => {}), this.#actor.exited])
    }
    this.#live?.book.lose()
    this.#live = undefined
    this.#actor.stop('stopped')
    await this.#actor.exited
  }

  /** Runs `code` as a part of the outbox: what is no refusal and no fault of a peer is a crash. */
  #run<T>(code: () => T): T {
    try {
      return code()
    } catch (error) {
      if (!(error instanceof DaemonError || error instanceof PeerFault)) this.#actor.crash(error)
      throw error
    }
  }

  #assertLive(): Live {
    if (this.#live === undefined) throw unavailable('no')
    return this.#live
  }

  /** Contacts may have been removed without a word to come here: the daemon was killed in between, or the store was lost. */
  #forgetStrangers(book: Book, removing: Removing): void {
    const { isContact } = this.#deps
    for (const contact of [...book.contacts.values()]) {
      if (isContact?.(contact.contact) === false) removing.forgetContact(contact, 'removed')
    }
  }

  #hear(live: Live, contact: ContactLanes): void {
    contact.heardMs = live.book.nowMs()
    if (!contact.isMet) return
    live.book.writeContact(contact)
    live.book.tidy()
  }

  #marks(live: Live, contact: ContactLanes, marks: readonly LaneMark[]): void {
    const isResting = live.book.nowMs() < contact.restUntilMs
    if (isResting && judgeMarks(contact, marks).isRestored) {
      contact.waitingMarks = marks
      return
    }
    contact.waitingMarks = undefined
    live.settling.marks(contact, marks)
  }

  /** Puts on the disk up to where numbers may be taken now, and lets the session take them then. */
  #openWay(live: Live, contact: ContactLanes): void {
    const { book } = live
    const { attachment } = contact
    if (attachment === undefined || !contact.isSending(book.nowMs())) {
      this.#schedule()
      return
    }
    const raised = [...contact.byChannel.values()].filter(lane => lane.takenThrough < lane.next - 1)
    for (const lane of raised) book.writeLane(lane)
    if (raised.length > 0) {
      book.commit.afterwards(() => {
        for (const lane of raised) {
          lane.takeableThrough = lane.writtenThrough
          contact.attachment?.refresh(lane)
        }
      })
    }
    attachment.refreshAll()
  }

  #detached(live: Live, contact: ContactLanes, attachment: Attachment): void {
    if (contact.attachment !== attachment) return
    contact.attachment = undefined
    contact.waitingMarks = undefined
    this.#hear(live, contact)
  }

  readonly #tick = (): void => {
    const live = this.#live
    if (live === undefined) return
    const { book } = live
    const byMs = book.elapsed.checkStep()
    if (byMs !== undefined) this.#deps.emit({ kind: 'clock.stepped', byMs })
    if (byMs !== undefined || book.expiry.size > 0) {
      book.writeTime()
      book.tidy()
    }
    live.removing.expire()
    live.removing.giveUp()
    live.sendKeys.forgetUnused()
    for (const contact of book.contacts.values()) this.#look(live, contact)
    this.#schedule()
  }

  /** Notes that a peer in session is no silent one, ends a rest that is over, and forgets lanes that are not needed. */
  #look(live: Live, contact: ContactLanes): void {
    const { book, removing } = live
    const now = book.nowMs()
    if (contact.attachment !== undefined && now - contact.heardMs >= HEARD_STEP_MS) this.#hear(live, contact)
    if (contact.restUntilMs > 0 && now >= contact.restUntilMs) {
      contact.restUntilMs = 0
      this.#deps.health.clear(`identity-cloned/${contact.contact}`)
      if (contact.waitingMarks !== undefined) this.#marks(live, contact, contact.waitingMarks)
      this.#openWay(live, contact)
    }
    const { laneIdleMs, maybeAfterMs } = this.#deps.options
    const idle = contact.forgettable(now, laneIdleMs, maybeAfterMs)
    if (idle.length === 0) return
    const closed = idle.filter(lane => lane.endedAtMs === undefined && lane.next > 1).map(({ number }) => number)
    for (const lane of idle) removing.forgetLane(contact, lane)
    book.commit.afterwards(() => contact.attachment?.close(closed))
  }

  #schedule(): void {
    const book = this.#live?.book
    if (book === undefined) return
    this.#timer?.cancel()
    const now = book.nowMs()
    const expiresMs = book.expiry.soonest?.expiresMs
    const dueMs = expiresMs === undefined ? now + TICK_MS : Math.max(expiresMs, book.elapsed.holdUntilMs, now + 1)
    this.#timer = this.#deps.clock.timer(Math.min(TICK_MS, dueMs - now), () => this.#actor.run(this.#tick))
  }
}

/** For a session while the store is lost: the next one will have lanes. */
const NOTHING_TO_SEND: OutgoingAttachment = { take: () => undefined, credit: () => {}, detach: () => {} }

function unavailable(accepted: 'no' | 'unknown'): DaemonError {
  return new DaemonError('STORE_UNAVAILABLE', 'the store cannot be used', { data: { accepted } })
}
