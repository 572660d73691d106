import type { ErrorCode, EventBody, From, MessageRun } from '@parley/client-sdk/contract'
import type { Clock, Timer } from '../../actor/clock.ts'
import { DaemonError } from '../../errors.ts'
import type { Metrics } from '../../observe/metrics.ts'
import type { LaneOrigin, LaneSink, Receiving } from '../port.ts'
import { Consumer } from './consumer.ts'
import { Distribution, type DistributionOptions } from './distribution.ts'
import { type ContactFilter, filterKey } from './filter.ts'
import { Reader, type ReaderOptions } from './reader.ts'

export interface InboxOptions extends DistributionOptions {
  readonly consumerCountMax: number
}

export interface InboxDeps {
  readonly clock: Clock
  readonly emit: (body: EventBody) => void
  /** Names this log: random, new whenever indexes start again at 1. */
  readonly id: string
  readonly options: InboxOptions
}

/** Who reads what. */
export interface ReadRequest {
  /** Null is a look: no cursor, no ack. */
  readonly consumer: string | null
  /** Fixed when the consumer is made. */
  readonly filter: ContactFilter
  /** Applies when the consumer is made, and to every look. `start` unless said. */
  readonly from?: From | undefined
  /** Who is asking, as another that finds the consumer busy is told. */
  readonly by: string
  /** Whose the consumer is when this makes it. */
  readonly owner: string
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

export interface FetchRequest extends ReadRequest {
  readonly countMax: number
  readonly bytesMax: number
  readonly waitMs: number
}

export interface FetchResult {
  readonly runs: readonly MessageRun[]
  /** The index at which the next fetch goes on. */
  readonly next: number
}

export interface InboxStats {
  readonly messages: number
  readonly bytes: number
  readonly promisedBytes: number
  readonly consumers: number
  readonly readers: number
  readonly evicted: number
  readonly lanesWaiting: number
}

/** After a fetch has been answered its lanes keep their credit this long, as if it were still there. */
const FETCH_LINGER_MS = 30_000
/** Looks by fetch that linger; the oldest gives way. */
const LINGERING_LOOK_COUNT_MAX = 256
/** What a run's header costs of a fetch's bytes. */
const RUN_HEADER_BYTES = 512

interface Pull {
  readonly reader: Reader
  readonly runs: MessageRun[]
  /** Ends the wait of the fetch that is under way, if one is. */
  wake: (() => void) | undefined
  end: DaemonError | undefined
  linger: Timer | undefined
}

/**
 * The messages that came and are not handled yet, for the apps of this host. In memory: a restart of the daemon begins a new one.
 *
 * It awaits nothing: what arrives is with the subscriptions when `deliver` returns.
 */
export class Inbox implements Receiving {
  readonly id: string
  readonly #clock: Clock
  readonly #emit: (body: EventBody) => void
  readonly #options: InboxOptions
  readonly #core: Distribution
  readonly #consumers = new Map<string, Consumer>()
  readonly #pulls = new Map<Consumer, Pull>()
  readonly #lingeringLooks = new Map<string, Pull>()
  readonly #live = new Set<Reader>()
  #isStopped = false

  constructor(deps: InboxDeps) {
    this.id = deps.id
    this.#clock = deps.clock
    this.#emit = deps.emit
    this.#options = deps.options
    this.#core = new Distribution(deps.options, consumer =>
      this.#emit({ kind: 'consumer.stalled', consumer: consumer.name })
    )
  }

  /** Shows itself in `metrics`. */
  register(metrics: Metrics): void {
    metrics.gauge('inbox_bytes', 'What is kept for programs, in bytes.', () => this.stats().bytes)
    metrics.gauge('inbox_messages', 'Messages kept for programs.', () => this.stats().messages)
    metrics.gauge(
      'inbox_promised_bytes',
      'What peers may send before they must wait, in bytes.',
      () => this.stats().promisedBytes
    )
    metrics.gauge(
      'inbox_lanes_waiting',
      'Lanes whose sender waits because there is no room.',
      () => this.stats().lanesWaiting
    )
    metrics.gauge('consumers', 'Named consumers.', () => this.stats().consumers)
    metrics.counter(
      'inbox_evicted_messages',
      'Messages that gave way before every consumer had them.',
      () => this.stats().evicted
    )
  }

  /** The index that the next message gets. */
  get next(): number {
    return this.#core.log.end
  }

  stats(): InboxStats {
    return {
      messages: this.#core.log.messageCount,
      bytes: this.#core.log.costBytes,
      promisedBytes: this.#core.credit.promisedCostBytes,
      consumers: this.#consumers.size,
      readers: this.#core.readerCount,
      evicted: this.#core.evictedCount,
      lanesWaiting: this.#core.credit.waitingCount
    }
  }

  openLane(origin: LaneOrigin): LaneSink {
    const lane = this.#core.openLane(origin)
    return {
      deliver: (firstSeq, sentAt, bodies) => this.#core.append(lane, firstSeq, sentAt, bodies),
      close: () => this.#core.closeLane(lane)
    }
  }

  /**
   * Opens a live subscription.
   *
   * @throws {DaemonError} `CONSUMER_BUSY` with `by`, `CONSUMER_MISMATCH`, `CURSOR_GONE`, `QUEUE_FULL` where there are too many consumers,
   * `SHUTTING_DOWN`
   */
  subscribe(request: SubscribeRequest): Subscription {
    this.#assertRunning()
    const consumer = this.#consumerOf(request)
    if (consumer !== undefined) {
      this.#free(consumer, request.takeover ?? false)
      consumer.rewind()
    }
    const next = consumer?.next ?? this.#startOf(request) + 1
    const reader = new Reader({ ...request, consumer, next })
    reader.creditMessages = request.creditMessages
    reader.creditBytes = request.creditBytes
    reader.isPaused = true
    this.#attach(reader)
    return {
      next,
      addCredit: (messages, bytes) => {
        reader.creditMessages = Math.min(reader.creditMessages + messages, Number.MAX_SAFE_INTEGER)
        reader.creditBytes = Math.min(reader.creditBytes + bytes, Number.MAX_SAFE_INTEGER)
        this.#core.pump(reader)
      },
      resume: () => {
        reader.isPaused = false
        this.#core.pump(reader)
      },
      close: () => this.#close(reader)
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
    const pull = this.#openPull(request)
    pull.reader.creditMessages = request.countMax
    pull.reader.creditBytes = Math.max(request.bytesMax, this.#options.messageBytesMax)
    let leftBytes = request.bytesMax
    pull.reader.take = run => {
      pull.runs.push(run)
      for (const body of run.bodies) leftBytes -= body.length
      leftBytes -= RUN_HEADER_BYTES
      pull.reader.creditBytes = Math.max(0, leftBytes)
      // What else arrives in this turn goes with it.
      if (pull.wake !== undefined) this.#clock.endOfTurn(pull.wake)
      return leftBytes > 0
    }
    pull.reader.isPaused = false
    this.#core.pump(pull.reader)
    if (pull.runs.length === 0 && request.waitMs > 0 && !signal.aborted) await this.#wait(pull, request.waitMs, signal)
    return this.#answer(pull, request, signal)
  }

  /**
   * Acknowledges everything up to and including `index`. Below the cursor it does nothing.
   *
   * @throws {DaemonError} `NO_SUCH_CONSUMER`; `INVALID_PARAMS` for what was never given
   */
  ack(name: string, index: number): void {
    const consumer = this.#consumers.get(name)
    if (consumer === undefined) throw new DaemonError('NO_SUCH_CONSUMER', `no consumer is called ${name}`)
    if (index >= consumer.givenEnd && index > consumer.cursor) {
      throw new DaemonError('INVALID_PARAMS', `index: ${index} was not given to ${name}`)
    }
    if (index > consumer.cursor) this.#core.ack(consumer, index)
  }

  /** Ends every subscription and fetch with `SHUTTING_DOWN`; nothing is given any more. */
  stop(): void {
    this.#isStopped = true
    for (const reader of [...this.#live]) {
      this.#close(reader)
      reader.ended('SHUTTING_DOWN')
    }
  }

  #assertRunning(): void {
    if (this.#isStopped) throw new DaemonError('SHUTTING_DOWN', 'the daemon is stopping')
  }

  /** The consumer that is asked for, made when it is new. */
  #consumerOf(request: ReadRequest): Consumer | undefined {
    const name = request.consumer
    if (name === null) return undefined
    const known = this.#consumers.get(name)
    if (known !== undefined) {
      if (filterKey(known.filter) === filterKey(request.filter)) return known
      throw new DaemonError('CONSUMER_MISMATCH', `consumer ${name} has another filter`)
    }
    if (this.#consumers.size >= this.#options.consumerCountMax) {
      const data = { scope: 'consumers', countMax: this.#options.consumerCountMax }
      throw new DaemonError('QUEUE_FULL', 'there are too many consumers', { data })
    }
    const { owner, filter } = request
    const consumer = new Consumer({ name, owner, filter, after: this.#startOf(request) })
    this.#consumers.set(name, consumer)
    this.#core.addConsumer(consumer)
    return consumer
  }

  /** The index after which to begin. */
  #startOf(request: ReadRequest): number {
    const from = request.from ?? 'start'
    if (from === 'start') return 0
    if (from === 'now') return this.next - 1
    if (from.after >= this.next || from.after < this.#core.goneThrough(request.filter)) {
      throw new DaemonError('CURSOR_GONE', `what comes after ${from.after} is not kept`)
    }
    return from.after
  }

  /** Makes sure that nobody reads as `consumer`. */
  #free(consumer: Consumer, isTakeover: boolean): void {
    const reader = consumer.reader
    if (reader === undefined) return
    const pull = this.#pulls.get(consumer)
    const isBusy = pull === undefined || pull.wake !== undefined
    if (isBusy && !isTakeover) {
      throw new DaemonError('CONSUMER_BUSY', `consumer ${consumer.name} is read by ${reader.by}`, {
        data: { by: reader.by }
      })
    }
    this.#close(reader)
    reader.ended('TAKEN_OVER')
    if (isBusy) this.#emit({ kind: 'consumer.taken-over', consumer: consumer.name })
  }

  #attach(reader: Reader): void {
    if (reader.consumer !== undefined) reader.consumer.reader = reader
    this.#live.add(reader)
    this.#core.attach(reader)
  }

  #close(reader: Reader): void {
    if (!this.#live.delete(reader)) return
    const consumer = reader.consumer
    if (consumer !== undefined) {
      consumer.reader = undefined
      const pull = this.#pulls.get(consumer)
      pull?.linger?.cancel()
      this.#pulls.delete(consumer)
      if (pull === undefined) consumer.rewind()
    }
    this.#core.detach(reader)
  }

  #openPull(request: FetchRequest): Pull {
    const consumer = this.#consumerOf(request)
    if (consumer === undefined) return this.#newPull(request, undefined, this.#startOf(request) + 1)
    const pull = this.#pulls.get(consumer)
    if (pull === undefined || pull.wake !== undefined) this.#free(consumer, false)
    if (request.from === 'start') consumer.rewind()
    const open = this.#pulls.get(consumer) ?? this.#newPull(request, consumer, consumer.next)
    open.linger?.cancel()
    this.#pulls.set(consumer, open)
    return open
  }

  #newPull(request: FetchRequest, consumer: Consumer | undefined, next: number): Pull {
    const ended = (code: ErrorCode) => {
      pull.end = new DaemonError(code, 'the fetch was ended')
      pull.wake?.()
    }
    const { filter, by } = request
    const reader = new Reader({ filter, consumer, by, next, take: () => false, ended })
    const pull: Pull = { reader, runs: [], wake: undefined, end: undefined, linger: undefined }
    reader.isPaused = true
    this.#attach(reader)
    return pull
  }

  async #wait(pull: Pull, waitMs: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    pull.wake = resolve
    const timer = this.#clock.timer(waitMs, resolve)
    const abort = () => resolve()
    signal.addEventListener('abort', abort, { once: true })
    await promise
    signal.removeEventListener('abort', abort)
    timer.cancel()
    pull.wake = undefined
  }

  #answer(pull: Pull, request: FetchRequest, signal: AbortSignal): FetchResult {
    const { reader } = pull
    if (pull.end !== undefined && pull.runs.length === 0) throw pull.end
    const runs = pull.runs.splice(0)
    const next = reader.next
    reader.isPaused = true
    // Nobody has this answer, so the next fetch begins again.
    if (signal.aborted) reader.consumer?.rewind()
    if (!reader.isOpen) return { runs, next }
    const key = filterKey(request.filter)
    const end = () => {
      this.#close(reader)
      if (this.#lingeringLooks.get(key) === pull) this.#lingeringLooks.delete(key)
    }
    pull.linger = this.#clock.timer(FETCH_LINGER_MS, end)
    if (reader.consumer === undefined) {
      reader.isLingeringLook = true
      this.#lingerLook(key, pull)
    }
    return { runs, next }
  }

  /** One look lingers for a filter: the newest. */
  #lingerLook(key: string, pull: Pull): void {
    const drop = (old: Pull | undefined, oldKey: string) => {
      if (old === undefined) return
      old.linger?.cancel()
      this.#lingeringLooks.delete(oldKey)
      this.#close(old.reader)
    }
    drop(this.#lingeringLooks.get(key), key)
    this.#lingeringLooks.set(key, pull)
    if (this.#lingeringLooks.size <= LINGERING_LOOK_COUNT_MAX) return
    const [oldestKey, oldest] = this.#lingeringLooks.entries().next().value as [string, Pull]
    drop(oldest, oldestKey)
  }
}
