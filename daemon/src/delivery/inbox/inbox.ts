import type { ConsumerInfo, EventBody, From, InboxInfo } from '@parley/client-sdk/contract'
import { Actor, type Exit, UnexpectedMessageError } from '../../actor/actor.ts'
import type { Clock } from '../../actor/clock.ts'
import { DaemonError } from '../../errors.ts'
import { hexOf } from '../../identity/fields.ts'
import type { Log } from '../../observe/log-port.ts'
import type { Metrics } from '../../observe/metrics.ts'
import { PeerFault } from '../../peer/fault.ts'
import type { RandomBytes } from '../../random.ts'
import type { Store } from '../../store/port.ts'
import type { Sealer } from '../../store/sealer.ts'
import { GroupCommit } from '../commit.ts'
import type {
  DurableReceiving,
  IncomingAttachment,
  IncomingSession,
  LaneMark,
  LaneOrigin,
  LaneSink,
  Receiving
} from '../port.ts'
import { Bodies } from './bodies.ts'
import type { Consumer } from './consumer.ts'
import { Consumers } from './consumers.ts'
import { Distribution, type DistributionOptions } from './distribution.ts'
import { DurableLanes, type DurableLanesOptions } from './durable-lanes.ts'
import { Elapsed } from './elapsed.ts'
import { Indexes } from './indexes.ts'
import { type Kept, loadKept } from './load.ts'
import { type FetchRequest, type FetchResult, Pulls } from './pulls.ts'
import { Reader, type ReaderOptions } from './reader.ts'
import { Readers, type ReadRequest } from './readers.ts'
import { InboxRecords } from './records.ts'
import { Retention } from './retention.ts'
import { indexOfKey } from './run-record.ts'

export interface InboxOptions extends DistributionOptions, DurableLanesOptions {
  readonly consumerCountMax: number
  readonly inboxRetentionMs: number
  readonly bodyCacheBytesMax: number
}

export interface InboxDeps {
  /** Open. */
  readonly store: Store
  readonly sealer: Sealer
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly emit: (body: EventBody) => void
  readonly log: Log
  readonly options: InboxOptions
  /** What the owner calls a contact now; its contact ID where it is none any more. */
  readonly contactName: (contact: string) => string
  /** A record was set aside. */
  readonly damaged?: (sublevel: string) => void
}

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

export interface InboxStats {
  /** Kept in memory and on disk. */
  readonly messages: number
  /** Of what is in memory alone, with what messages cost beside their bodies. */
  readonly bytes: number
  readonly durableMessages: number
  readonly durableBytes: number
  /** Bodies of durable messages held in memory. */
  readonly cachedBytes: number
  readonly promisedBytes: number
  readonly durablePromisedBytes: number
  readonly consumers: number
  readonly readers: number
  readonly evicted: number
  readonly lanesWaiting: number
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
  readonly #commit: GroupCommit
  readonly #records: InboxRecords
  readonly #elapsed: Elapsed
  readonly #bodies: Bodies
  readonly #lanes: DurableLanes
  readonly #core: Distribution
  readonly #indexes: Indexes
  readonly #consumers: Consumers
  readonly #readers: Readers
  readonly #pulls: Pulls
  readonly #retention: Retention
  #isLost = false
  #isStopped = false
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
    await inbox.#commit.synced()
    inbox.#retention.start()
    return inbox
  }

  private constructor(deps: InboxDeps, records: InboxRecords, elapsed: Elapsed, id: string) {
    const { clock, emit, options, store, sealer } = deps
    this.id = id
    this.#deps = deps
    this.#records = records
    this.#elapsed = elapsed
    this.#actor = new Actor<never>({ name: 'inbox', dataCountMax: 1, controlCountMax: 1 }, clock, () => ({
      receive: () => {
        throw new UnexpectedMessageError('mail', 'running')
      }
    }))
    this.exited = this.#actor.exited
    const run = (code: () => void) => this.#actor.run(code)
    this.#commit = new GroupCommit({ store, clock, run, failed: () => this.#lose() })
    this.#bodies = new Bodies({ store, sealer, bodyCacheBytesMax: options.bodyCacheBytesMax })
    this.#lanes = new DurableLanes({
      ...{ store, sealer, records, commit: this.#commit, bodies: this.#bodies, options, emit },
      contactName: deps.contactName,
      damaged: sublevel => deps.damaged?.(sublevel),
      enter: code => this.#enter(code)
    })
    this.#core = new Distribution({
      options,
      durable: this.#lanes,
      stalled: consumer => emit({ kind: 'consumer.stalled', consumer: consumer.name }),
      hasIndexes: count => this.#indexes.hasRoom(count)
    })
    this.#indexes = new Indexes({
      ...{ id, records, commit: this.#commit, elapsed },
      end: () => this.#core.log.end,
      promisedCount: () => this.#core.credit.promisedCount,
      raised: () => this.#core.credit.retry()
    })
    this.#lanes.connect(this.#core, this.#indexes, elapsed)
    this.#readers = new Readers({ core: this.#core, consumers: () => this.#consumers, emit })
    this.#consumers = new Consumers({
      ...{ core: this.#core, commit: this.#commit, records, elapsed, emit },
      consumerCountMax: options.consumerCountMax,
      startOf: (from, filter) => this.#readers.startOf(from, filter)
    })
    this.#pulls = new Pulls({
      ...{ core: this.#core, readers: this.#readers, clock, messageBytesMax: options.messageBytesMax },
      synced: () => this.#commit.synced()
    })
    this.#retention = new Retention({
      ...{ core: this.#core, lanes: this.#lanes, elapsed, clock, run, inboxRetentionMs: options.inboxRetentionMs },
      swept: () => {
        this.#indexes.write()
        this.#commit.afterwards(() => undefined)
      }
    })
  }

  /** The index that the next message gets. */
  get next(): number {
    return this.#core.log.end
  }

  openLane(origin: LaneOrigin): LaneSink {
    const lane = this.#core.openLane(origin)
    return {
      deliver: (firstSeq, sentAt, bodies) => this.#core.append(lane, firstSeq, sentAt, bodies),
      close: () => this.#core.closeLane(lane)
    }
  }

  marks(contact: string): readonly LaneMark[] | undefined {
    return this.#lanes.marks(contact)
  }

  attach(contact: string, session: IncomingSession): IncomingAttachment {
    return this.#lanes.attach(contact, session)
  }

  /**
   * Opens a live subscription. A consumer that this makes, and that it is read, is on disk when this resolves.
   *
   * @throws {DaemonError} `CONSUMER_BUSY` with `by`, `CONSUMER_MISMATCH`, `CURSOR_GONE`, `QUEUE_FULL` where there are too many consumers,
   * `STORE_UNAVAILABLE`, `SHUTTING_DOWN`; what ended it meanwhile, as `TAKEN_OVER`
   */
  async subscribe(request: SubscribeRequest): Promise<Subscription> {
    const { reader, next } = this.#enter(() => this.#openReader(request))
    await this.#readers.announced(reader, () => this.#commit.synced())
    return {
      next,
      addCredit: (messages, bytes) => {
        reader.creditMessages = Math.min(reader.creditMessages + messages, Number.MAX_SAFE_INTEGER)
        reader.creditBytes = Math.min(reader.creditBytes + bytes, Number.MAX_SAFE_INTEGER)
        this.#enter(() => this.#core.pump(reader))
      },
      resume: () => {
        reader.isPaused = false
        this.#enter(() => this.#core.pump(reader))
      },
      close: () => this.#enter(() => this.#close(reader))
    }
  }

  /**
   * Takes up to `countMax` messages; when there is none, waits up to `waitMs` for the first. At least one is given when there is one, whatever
   * `bytesMax`. A consumer's next fetch goes on behind, acknowledged or not; with `from: 'start'` it begins again at the cursor.
   *
   * @throws {DaemonError} as `subscribe`, and `TAKEN_OVER` when a subscription takes the consumer over during the wait
   */
  async fetch(request: FetchRequest, signal: AbortSignal): Promise<FetchResult> {
    this.#assertRunning()
    return this.#pulls.fetch(request, signal)
  }

  /**
   * Acknowledges everything up to and including `index`. Below the cursor it does nothing. Resolves once that is on disk, unless nothing durable
   * was among it.
   *
   * @throws {DaemonError} `NO_SUCH_CONSUMER`; `INVALID_PARAMS` for what was never given; `STORE_UNAVAILABLE`
   */
  async ack(name: string, index: number): Promise<void> {
    await this.#enter(() => this.#ack(name, index, undefined))
  }

  /**
   * Acknowledges everything before `index`, and refuses the message there: its sender is told the reason, of which 200 characters count.
   *
   * @throws {DaemonError} as `ack`
   */
  async reject(name: string, index: number, reason: string): Promise<void> {
    await this.#enter(() => this.#ack(name, index, cleanReason(reason)))
  }

  /** All consumers. */
  consumers(): readonly ConsumerInfo[] {
    return this.#consumers.infos(() => true)
  }

  /** @throws {DaemonError} `NO_SUCH_CONSUMER` */
  consumer(name: string): ConsumerInfo {
    return this.#infoOf(this.#consumers.get(name))
  }

  /**
   * Moves a consumer's cursor; its reader goes on from there. What is passed over is not handled by it.
   *
   * @throws {DaemonError} `NO_SUCH_CONSUMER` `CURSOR_GONE` `STORE_UNAVAILABLE`
   */
  async seek(name: string, to: From): Promise<ConsumerInfo> {
    const consumer = this.#enter(() => {
      this.#assertWritable()
      const found = this.#consumers.get(name)
      found.seek(this.#readers.startOf(to, found.filter))
      this.#consumers.write(found)
      this.#core.release(found.cursor + 1)
      return found
    })
    await this.#commit.synced()
    this.#enter(() => {
      if (consumer.reader !== undefined) this.#core.pump(consumer.reader)
    })
    return this.#infoOf(consumer)
  }

  /** Forgets a consumer. @throws {DaemonError} `NO_SUCH_CONSUMER` `CONSUMER_BUSY` `STORE_UNAVAILABLE` */
  async removeConsumer(name: string): Promise<void> {
    this.#enter(() => {
      this.#assertWritable()
      const consumer = this.#consumers.get(name)
      this.#readers.free(consumer, false)
      this.#consumers.remove(consumer)
    })
    await this.#commit.synced()
    this.#deps.emit({ kind: 'consumer.removed', consumer: name })
  }

  /** Forgets a contact with all that came from it. */
  forgetContact(contact: string): void {
    this.#enter(() => this.#lanes.forgetContact(contact))
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
    this.#commit.resume()
    this.#enter(() => this.#take(kept, false))
    await this.#commit.synced()
  }

  /** Ends every subscription and fetch with `SHUTTING_DOWN`; nothing is given any more. */
  endReaders(): void {
    this.#isStopped = true
    for (const reader of this.#readers.live) {
      this.#close(reader)
      reader.ended('SHUTTING_DOWN')
    }
  }

  /** Ends the readers and writes what is to be known at the next start. */
  async stop(): Promise<void> {
    this.endReaders()
    this.#retention.stop()
    this.#indexes.close()
    try {
      await this.#commit.synced()
    } catch (error) {
      // The next start then leaves out some indexes and marks more as redelivered.
      if (!(error instanceof DaemonError)) throw error
    }
    this.#actor.stop('the daemon is stopping')
  }

  stats(): InboxStats {
    const { log, credit } = this.#core
    return {
      messages: log.messageCount,
      bytes: log.memory.costBytes,
      durableMessages: log.disk.messages,
      durableBytes: log.disk.costBytes,
      cachedBytes: this.#bodies.cachedBytes,
      promisedBytes: credit.promisedCostBytes,
      durablePromisedBytes: this.#lanes.credit.promisedCostBytes,
      consumers: this.#consumers.count,
      readers: this.#readers.live.length,
      evicted: this.#core.evictedCount,
      lanesWaiting: credit.waitingCount + this.#lanes.credit.waitingCount
    }
  }

  /** For `node.status`. */
  info(): InboxInfo {
    const { log } = this.#core
    const oldest = log.find(0)
    const oldestAt = oldest?.durable === undefined ? oldest?.sentAt : this.#elapsed.wallOf(oldest.durable.receivedAtMs)
    return {
      messages: log.messageCount,
      bytes: log.memory.costBytes + log.disk.costBytes,
      durableMessages: log.disk.messages,
      durableBytes: log.disk.costBytes,
      ...(oldestAt === undefined ? {} : { oldestAt })
    }
  }

  /** Shows itself in `metrics`. */
  register(metrics: Metrics): void {
    const gauge = (name: string, help: string, key: keyof InboxStats) =>
      metrics.gauge(name, help, () => this.stats()[key])
    gauge('inbox_bytes', 'What is kept in memory for programs, in bytes.', 'bytes')
    gauge('inbox_messages', 'Messages kept for programs.', 'messages')
    gauge('inbox_durable_bytes', 'What is kept on disk for programs, in bytes.', 'durableBytes')
    gauge('inbox_durable_messages', 'Messages kept on disk for programs.', 'durableMessages')
    gauge('inbox_cached_bytes', 'Bodies of messages on disk that are in memory too, in bytes.', 'cachedBytes')
    gauge('inbox_promised_bytes', 'What peers may send before they must wait, in bytes.', 'promisedBytes')
    gauge('inbox_durable_promised_bytes', 'The same of durable messages.', 'durablePromisedBytes')
    gauge('inbox_lanes_waiting', 'Lanes whose sender waits because there is no room.', 'lanesWaiting')
    gauge('consumers', 'Named consumers.', 'consumers')
    metrics.counter(
      'inbox_evicted_messages',
      'Messages that gave way before every consumer had them.',
      () => this.stats().evicted
    )
    metrics.counter('inbox_batches', 'Batches that were written to the store.', () => this.#commit.batchCount)
  }

  #openReader(request: SubscribeRequest): { reader: Reader; next: number } {
    this.#assertRunning()
    const consumer = this.#readers.consumerOf(request)
    if (consumer !== undefined) {
      this.#readers.free(consumer, request.takeover ?? false)
      consumer.rewind()
    }
    const next = consumer?.next ?? this.#readers.startOf(request.from ?? 'start', request.filter) + 1
    const reader = new Reader({ ...request, consumer, next })
    reader.creditMessages = request.creditMessages
    reader.creditBytes = request.creditBytes
    reader.isPaused = true
    this.#readers.attach(reader)
    return { reader, next }
  }

  #close(reader: Reader): void {
    this.#readers.close(reader)
  }

  #ack(name: string, index: number, refusal: string | undefined): Promise<void> | undefined {
    const consumer = this.#consumers.get(name)
    if (index >= consumer.givenEnd && index > consumer.cursor) {
      throw new DaemonError('INVALID_PARAMS', `index: ${index} was not given to ${name}`)
    }
    // What a call before this one acknowledged may not be on disk yet, so this one is answered no sooner.
    if (index <= consumer.cursor) return consumer.unsyncedCount > 0 ? this.#commit.synced() : undefined
    if (this.#isLost && this.#core.hasDurable(consumer, index)) this.#assertWritable()
    const isDurable = this.#core.ack(consumer, index, refusal)
    this.#consumers.write(consumer)
    if (!isDurable && consumer.unsyncedCount === 0) return undefined
    consumer.unsyncedCount++
    const settled = () => {
      consumer.unsyncedCount--
    }
    this.#commit.afterwards(settled, settled)
    return this.#commit.synced()
  }

  #infoOf(consumer: Consumer): ConsumerInfo {
    return this.#consumers.infos(each => each === consumer)[0] as ConsumerInfo
  }

  #load(): Promise<Kept> {
    const { store, sealer, contactName } = this.#deps
    const source = (contact: string, channel: string) => this.#core.source(contact, channel)
    return loadKept({ store, sealer, records: this.#records, source, contactName })
  }

  /** Begins with what the disk holds. */
  #take({ meta, senders, entries, damaged, consumers }: Kept, isStart: boolean): void {
    const { log } = this.#core
    // Only a daemon that ended does not know how far it had come.
    log.skipTo(Math.max(isStart ? (meta?.ceiling ?? 1) : 1, entries.at(-1)?.end ?? 1))
    this.#indexes.reset(meta?.ceiling ?? 1)
    this.#lanes.load(senders, entries)
    this.#consumers.load(consumers, isStart)
    for (const { key, value } of damaged) {
      this.#lanes.moveAside(key, value)
      this.#lanes.tellDamage(this.#indexesOf(key, entries))
    }
    this.#core.reload(entries)
    this.#indexes.raise()
    this.#indexes.write()
    this.#core.pumpAll()
    this.#core.credit.retry()
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
    this.#lanes.lose()
    this.#commit.lose()
    this.#core.dropUnsynced()
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
