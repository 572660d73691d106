import type { ConsumerInfo, From, InboxInfo } from '@parley/client-sdk/contract'
import { Actor, type Exit, UnexpectedMessageError } from '../../actor/actor.ts'
import { DaemonError } from '../../errors.ts'
import { hexOf } from '../../identity/fields.ts'
import type { Metrics } from '../../observe/metrics.ts'
import { PeerFault } from '../../peer/fault.ts'
import type {
  DurableReceiving,
  IncomingAttachment,
  IncomingSession,
  LaneMark,
  LaneOrigin,
  LaneSink,
  Receiving
} from '../port.ts'
import type { Consumer } from './consumer.ts'
import { Elapsed } from './elapsed.ts'
import { type Kept, loadKept } from './load.ts'
import { createParts, type InboxDeps, type Parts } from './parts.ts'
import type { FetchRequest, FetchResult } from './pulls.ts'
import { Reader, type ReaderOptions } from './reader.ts'
import type { ReadRequest } from './readers.ts'
import { InboxRecords } from './records.ts'
import { indexOfKey } from './run-record.ts'
import { type InboxStats, infoOf, registerInbox, statsOf } from './state.ts'

export interface SubscribeRequest extends ReadRequest, Pick<ReaderOptions, 'take' | 'ended'> {
  readonly takeover?: boolean
  readonly creditMessages: number
  readonly creditBytes: number
}

/** A live subscription. Nothing is given before `resume` was called for the first time, so that its name can be told before. */
export interface Subscription {
  /** The first index that it may be given. */
  readonly next: number
  addCredit(messages: number, bytes: number): void
  /** Goes on after `take` said false. */
  resume(): void
  /** Ends it without a word. What was not acknowledged is given again to the next. */
  close(): void
}

/** What is to be told of a refusal at most. */
const REASON_LENGTH_MAX = 200

/**
 * The messages that came and are not handled yet, for the programs of this host: one log with one index. Durable ones are on disk before a
 * program or their sender hears of them; the others are in memory alone, and end with the daemon.
 */
export class Inbox implements Receiving, DurableReceiving {
  /** Names the log whose indexes these are; the same as long as the store. */
  readonly id: string
  /** Resolves when the inbox has ended; a crash is a failed invariant, and the daemon must end. */
  readonly exited: Promise<Exit>
  readonly #deps: InboxDeps
  readonly #actor: Actor<never>
  readonly #records: InboxRecords
  readonly #parts: Parts
  #isLost = false
  #isStopped = false
  #stopping: Promise<void> | undefined
  /** Tells a loss of the store while it was read again. */
  #generation = 0

  /**
   * Reads what is kept.
   *
   * @throws {DaemonError} `RECORD_DAMAGED` for a record that nothing can stand in for; `STORE_UNAVAILABLE`
   */
  static async open(deps: InboxDeps): Promise<Inbox> {
    const records = new InboxRecords(deps.sealer)
    const value = deps.store.get('meta', records.metaKey)
    const meta = value === undefined ? undefined : records.openMeta(value)
    const inbox = new Inbox(deps, records, new Elapsed(deps.clock, meta), meta?.id ?? hexOf(deps.randomBytes(8)))
    inbox.#take(await inbox.#load(), true)
    await inbox.#parts.commit.synced()
    inbox.#parts.retention.start()
    return inbox
  }

  private constructor(deps: InboxDeps, records: InboxRecords, elapsed: Elapsed, id: string) {
    this.id = id
    this.#deps = deps
    this.#records = records
    this.#actor = new Actor<never>({ name: 'inbox', dataCountMax: 1, controlCountMax: 1 }, deps.clock, () => ({
      receive: () => {
        throw new UnexpectedMessageError('mail', 'running')
      }
    }))
    this.exited = this.#actor.exited
    this.#parts = createParts({
      ...{ ...deps, id, records, elapsed },
      run: code => this.#actor.run(code),
      enter: code => this.#enter(code),
      lost: () => this.#lose()
    })
  }

  /** The index that the next message gets. */
  get next(): number {
    return this.#parts.core.log.end
  }

  openLane(origin: LaneOrigin): LaneSink {
    const lane = this.#parts.core.openLane(origin)
    return {
      deliver: (firstSeq, sentAt, bodies) => this.#parts.core.append(lane, firstSeq, sentAt, bodies),
      close: () => this.#parts.core.closeLane(lane)
    }
  }

  marks(contact: string): readonly LaneMark[] | undefined {
    return this.#parts.lanes.marks(contact)
  }

  attach(contact: string, session: IncomingSession): IncomingAttachment {
    return this.#parts.lanes.attach(contact, session)
  }

  /**
   * Opens a live subscription. A consumer that this makes, and that it is read, is on disk when this resolves.
   *
   * @throws {DaemonError} `CONSUMER_BUSY` with `by`, `CONSUMER_MISMATCH`, `CURSOR_GONE`, `QUEUE_FULL` where there are too many consumers,
   * `STORE_UNAVAILABLE`, `SHUTTING_DOWN`; what ended it meanwhile, as `TAKEN_OVER`
   */
  async subscribe(request: SubscribeRequest): Promise<Subscription> {
    const { reader, next } = this.#enter(() => this.#openReader(request))
    await this.#parts.readers.announced(reader, () => this.#parts.commit.synced())
    return {
      next,
      addCredit: (messages, bytes) => {
        reader.creditMessages = Math.min(reader.creditMessages + messages, Number.MAX_SAFE_INTEGER)
        reader.creditBytes = Math.min(reader.creditBytes + bytes, Number.MAX_SAFE_INTEGER)
        this.#enter(() => this.#parts.core.pump(reader))
      },
      resume: () => {
        reader.isPaused = false
        this.#enter(() => this.#parts.core.pump(reader))
      },
      close: () => this.#enter(() => this.#close(reader))
    }
  }

  /**
   * Takes up to `countMax` messages; when there is none, waits up to `waitMs` for the first. At least one is given when there is one, whatever
   * `bytesMax`. A consumer's next fetch by the same connection goes on behind, acknowledged or not; any other, and one with `from: 'start'`, at the cursor.
   *
   * @throws {DaemonError} as `subscribe`, and `TAKEN_OVER` when a subscription takes the consumer over during the wait
   */
  async fetch(request: FetchRequest, signal: AbortSignal): Promise<FetchResult> {
    this.#assertRunning()
    return this.#parts.pulls.fetch(request, signal)
  }

  /**
   * Acknowledges everything up to and including `index`. Below the cursor it does nothing, and for what was given before a seek and not since. It
   * is not asked who acknowledges: a program that was taken over may do so for what it was given. Resolves once that is on disk, unless nothing
   * durable was among it.
   *
   * @throws {DaemonError} `NO_SUCH_CONSUMER`; `INVALID_PARAMS` for what was never given; `STORE_UNAVAILABLE`
   */
  async ack(name: string, index: number): Promise<void> {
    await this.#enter(() => this.#ack(name, index, undefined))
  }

  /**
   * Acknowledges everything before `index`, and refuses the message there: its sender is told the reason, of which 200 characters count.
   *
   * @throws {DaemonError} as `ack`; `INVALID_PARAMS` for what is acknowledged already, or was given before a seek and not since
   */
  async reject(name: string, index: number, reason: string): Promise<void> {
    await this.#enter(() => this.#ack(name, index, cleanReason(reason)))
  }

  /** All consumers. */
  consumers(): readonly ConsumerInfo[] {
    return this.#parts.consumers.infos(() => true)
  }

  /** @throws {DaemonError} `NO_SUCH_CONSUMER` */
  consumer(name: string): ConsumerInfo {
    return this.#infoOf(this.#parts.consumers.get(name))
  }

  /**
   * Moves a consumer's cursor. A waiting fetch goes on from there; a subscription is ended with `CURSOR_MOVED`, since what it was given and
   * its program has not taken belongs to the place before. What is passed over is not handled by it.
   *
   * @throws {DaemonError} `NO_SUCH_CONSUMER` `CURSOR_GONE` `STORE_UNAVAILABLE`
   */
  async seek(name: string, to: From): Promise<ConsumerInfo> {
    const consumer = this.#enter(() => {
      this.#assertWritable()
      const found = this.#parts.consumers.get(name)
      found.seek(this.#parts.readers.startOf(to, found.filter))
      const { reader } = found
      if (reader !== undefined && !reader.isPull) {
        this.#close(reader)
        reader.ended('CURSOR_MOVED')
      }
      this.#parts.consumers.write(found)
      this.#parts.core.release(found.cursor + 1)
      return found
    })
    await this.#parts.commit.synced()
    this.#enter(() => {
      if (consumer.reader !== undefined) this.#parts.core.pump(consumer.reader)
    })
    return this.#infoOf(consumer)
  }

  /** Forgets a consumer. @throws {DaemonError} `NO_SUCH_CONSUMER` `CONSUMER_BUSY` `STORE_UNAVAILABLE` */
  async removeConsumer(name: string): Promise<void> {
    this.#enter(() => {
      this.#assertWritable()
      const consumer = this.#parts.consumers.get(name)
      this.#parts.readers.free(consumer, false)
      this.#parts.consumers.remove(consumer)
    })
    await this.#parts.commit.synced()
    this.#deps.emit({ kind: 'consumer.removed', consumer: name })
  }

  /** Forgets a contact and its lanes. What came from it stays for programs. */
  forgetContact(contact: string): void {
    this.#enter(() => this.#parts.lanes.forgetContact(contact))
  }

  /** The store was lost: nothing durable is taken or given until `reload`. What came and was not synced is forgotten. */
  storeLost(): void {
    this.#enter(() => this.#lose())
  }

  /**
   * Takes what is on disk in the place of what was in memory. Readers stay, and go on at their cursors.
   *
   * @throws {DaemonError} as `open`; the inbox stays without a store then
   */
  async reload(): Promise<void> {
    this.storeLost()
    const generation = this.#generation
    const kept = await this.#load()
    if (generation !== this.#generation) return
    this.#isLost = false
    this.#parts.commit.resume()
    this.#enter(() => this.#take(kept, false))
    await this.#parts.commit.synced()
  }

  /** Ends every subscription and fetch with `SHUTTING_DOWN`; nothing is given any more. */
  endReaders(): void {
    this.#isStopped = true
    for (const reader of this.#parts.readers.live) {
      this.#close(reader)
      reader.ended('SHUTTING_DOWN')
    }
  }

  /** Ends the readers and writes what is to be known at the next start. Takes nothing more; again it does nothing. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  stats(): InboxStats {
    return statsOf(this.#parts)
  }

  /** For `node.status`. */
  info(): InboxInfo {
    return infoOf(this.#parts)
  }

  /** Shows itself in `metrics`. */
  register(metrics: Metrics): void {
    registerInbox(metrics, this.#parts)
  }

  async #stop(): Promise<void> {
    this.endReaders()
    this.#parts.retention.stop()
    this.#parts.indexes.close()
    try {
      // An inbox that has crashed writes nothing more.
      await Promise.race([this.#parts.commit.synced(), this.exited])
    } catch (error) {
      // The next start then leaves out some indexes and marks more as redelivered.
      if (!(error instanceof DaemonError)) throw error
    }
    this.#actor.stop('the daemon is stopping')
  }

  #openReader(request: SubscribeRequest): { reader: Reader; next: number } {
    this.#assertRunning()
    const consumer = this.#parts.readers.consumerOf(request)
    if (consumer !== undefined) {
      this.#parts.readers.free(consumer, request.takeover ?? false)
      consumer.rewind()
    }
    const next = consumer?.next ?? this.#parts.readers.startOf(request.from ?? 'start', request.filter) + 1
    const reader = new Reader({ ...request, consumer, next })
    reader.creditMessages = request.creditMessages
    reader.creditBytes = request.creditBytes
    reader.isPaused = true
    this.#parts.readers.attach(reader)
    return { reader, next }
  }

  #close(reader: Reader): void {
    this.#parts.readers.close(reader)
  }

  #ack(name: string, index: number, refusal: string | undefined): Promise<void> | undefined {
    const consumer = this.#parts.consumers.get(name)
    if (index >= consumer.givenEnd && index > consumer.cursor) {
      throw new DaemonError('INVALID_PARAMS', `index: ${index} was not given to ${name}`)
    }
    // What a call before this one acknowledged may not be on disk yet, so this one is answered no sooner.
    if (index <= consumer.cursor || index >= consumer.ackEnd) {
      if (refusal !== undefined) {
        throw new DaemonError('INVALID_PARAMS', `index: ${index} does not wait for an answer of ${name}`)
      }
      // While the store is lost nobody knows what of it is on disk.
      if (this.#isLost) this.#assertWritable()
      return consumer.unsyncedCount > 0 ? this.#parts.commit.synced() : undefined
    }
    if (this.#isLost && (consumer.hasLostAck || this.#parts.core.hasDurable(consumer, index))) this.#assertWritable()
    const isDurable = this.#parts.core.ack(consumer, index, refusal)
    this.#parts.consumers.write(consumer)
    if (!isDurable && consumer.unsyncedCount === 0) return undefined
    consumer.unsyncedCount++
    const synced = () => {
      consumer.unsyncedCount--
    }
    const failed = () => {
      consumer.unsyncedCount--
      consumer.hasLostAck = true
    }
    this.#parts.commit.afterwards(synced, failed)
    return this.#parts.commit.synced()
  }

  #infoOf(consumer: Consumer): ConsumerInfo {
    return this.#parts.consumers.infos(each => each === consumer)[0] as ConsumerInfo
  }

  #load(): Promise<Kept> {
    const { store, sealer, contactName } = this.#deps
    const source = (contact: string, channel: string) => this.#parts.core.source(contact, channel)
    return loadKept({ store, sealer, records: this.#records, source, contactName })
  }

  /** Begins with what the disk holds. */
  #take({ meta, senders, entries, damaged, consumers }: Kept, isStart: boolean): void {
    const { log } = this.#parts.core
    // Only a daemon that ended does not know how far it had come.
    log.skipTo(Math.max(isStart ? (meta?.ceiling ?? 1) : 1, entries.at(-1)?.end ?? 1))
    this.#parts.indexes.reset(meta?.ceiling ?? 1)
    this.#parts.lanes.load(senders, entries)
    for (const contact of senders.keys()) {
      // Removed while the store was lost, or right before the daemon was killed.
      if (this.#deps.isContact?.(contact) === false) this.#parts.lanes.forgetContact(contact)
    }
    this.#parts.consumers.load(consumers, isStart)
    for (const { key, value } of damaged) {
      this.#parts.lanes.moveAside(key, value)
      this.#parts.lanes.tellDamage(this.#indexesOf(key, entries))
    }
    this.#parts.core.reload(entries)
    this.#parts.indexes.raise()
    this.#parts.indexes.write()
    this.#parts.core.pumpAll()
    this.#parts.core.credit.retry()
  }

  /** Which indexes a record had that does not open: as many as there were before the next. */
  #indexesOf(key: Uint8Array, entries: Kept['entries']): { indexes?: { from: number; to: number } } {
    if (key.length !== 8) return {}
    const from = indexOfKey(key)
    const next = entries.find(entry => entry.first > from)
    return { indexes: { from, to: next === undefined ? from : next.first - 1 } }
  }

  #lose(): void {
    this.#generation++
    if (this.#isLost) return
    this.#isLost = true
    this.#parts.lanes.lose()
    this.#parts.commit.lose()
    this.#parts.core.dropUnsynced()
  }

  #assertRunning(): void {
    if (this.#isStopped) throw new DaemonError('SHUTTING_DOWN', 'the daemon is stopping')
  }

  #assertWritable(): void {
    if (this.#isLost) throw new DaemonError('STORE_UNAVAILABLE', 'the store cannot be used')
  }

  /** Runs code as a part of the inbox: what it throws is its crash, but for what callers and peers did wrong. */
  #enter<T>(code: () => T): T {
    try {
      return code()
    } catch (error) {
      if (!(error instanceof PeerFault || error instanceof DaemonError)) this.#actor.crash(error)
      throw error
    }
  }
}

/** At most 200 characters, without those that show nothing or turn what stands around them. */
function cleanReason(reason: string): string {
  const clean = reason
    .toWellFormed()
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, ' ')
    .trim()
  return [...clean].slice(0, REASON_LENGTH_MAX).join('')
}
