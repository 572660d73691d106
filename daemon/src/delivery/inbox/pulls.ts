import type { ErrorCode, MessageRun } from '@parley/client-sdk/contract'
import type { Clock, Timer } from '../../actor/clock.ts'
import { DaemonError } from '../../errors.ts'
import type { Consumer } from './consumer.ts'
import type { Distribution } from './distribution.ts'
import { filterKey } from './filter.ts'
import { Reader } from './reader.ts'
import type { Readers, ReadRequest } from './readers.ts'

export interface FetchRequest extends ReadRequest {
  readonly countMax: number
  readonly bytesMax: number
  readonly waitMs: number
  /** The connection that hears the answer; undefined where each answer may be lost for itself. */
  readonly connection: object | undefined
}

export interface FetchResult {
  readonly runs: readonly MessageRun[]
  /** The index at which the next fetch goes on. */
  readonly next: number
}

export interface PullsDeps {
  readonly core: Distribution
  readonly readers: Readers
  readonly clock: Clock
  readonly messageBytesMax: number
  readonly synced: () => Promise<void>
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

/** Readers that ask for each portion: `messages.fetch`. */
export class Pulls {
  readonly #deps: PullsDeps
  readonly #ofConsumers = new Map<Consumer, Pull>()
  readonly #lingeringLooks = new Map<string, Pull>()
  /** Who heard the answers that a consumer was given. */
  readonly #heardBy = new WeakMap<Consumer, object>()

  constructor(deps: PullsDeps) {
    this.#deps = deps
  }

  /** As `Inbox.fetch`. */
  async fetch(request: FetchRequest, signal: AbortSignal): Promise<FetchResult> {
    const { core, readers, synced, messageBytesMax, clock } = this.#deps
    const pull = this.#open(request)
    const { reader } = pull
    await readers.announced(reader, synced)
    if (pull.end !== undefined) throw pull.end
    if (reader.consumer !== undefined) this.#place(reader.consumer, request)
    reader.creditMessages = request.countMax
    reader.creditBytes = Math.max(request.bytesMax, messageBytesMax)
    let leftBytes = request.bytesMax
    reader.take = run => {
      pull.runs.push(run)
      for (const body of run.bodies) leftBytes -= body.length
      leftBytes -= RUN_HEADER_BYTES
      reader.creditBytes = Math.max(0, leftBytes)
      // What else arrives in this turn goes with it.
      if (pull.wake !== undefined) clock.endOfTurn(pull.wake)
      return leftBytes > 0
    }
    reader.isPaused = false
    core.pump(reader)
    if (pull.runs.length === 0 && request.waitMs > 0 && !signal.aborted) await this.#wait(pull, request.waitMs, signal)
    return this.#answer(pull, request, signal)
  }

  #open(request: FetchRequest): Pull {
    const { readers } = this.#deps
    const consumer = readers.consumerOf(request)
    if (consumer === undefined) {
      return this.#make(request, undefined, readers.startOf(request.from ?? 'start', request.filter) + 1)
    }
    const known = this.#ofConsumers.get(consumer)
    if (known === undefined || known.reader.isBusy) readers.free(consumer, false)
    const pull = this.#ofConsumers.get(consumer) ?? this.#make(request, consumer, consumer.next)
    pull.linger?.cancel()
    pull.reader.isBusy = true
    this.#ofConsumers.set(consumer, pull)
    return pull
  }

  #make(request: FetchRequest, consumer: Consumer | undefined, next: number): Pull {
    const ended = (code: ErrorCode) => {
      pull.end = new DaemonError(code, 'the fetch was ended')
      pull.wake?.()
    }
    const closed = () => {
      pull.linger?.cancel()
      if (consumer !== undefined && this.#ofConsumers.get(consumer) === pull) this.#ofConsumers.delete(consumer)
    }
    const { filter, by } = request
    const reader = new Reader({ filter, consumer, by, next, take: () => false, ended, closed, isPull: true })
    const pull: Pull = { reader, runs: [], wake: undefined, end: undefined, linger: undefined }
    reader.isPaused = true
    this.#deps.readers.attach(reader)
    return pull
  }

  /**
   * Where a consumer goes on: behind what this very connection was given, or what the caller says that it has; else at the cursor, since an
   * answer may have been lost, and the next ack would be for that too.
   */
  #place(consumer: Consumer, { from, connection }: FetchRequest): void {
    const isHeard = connection !== undefined && this.#heardBy.get(consumer) === connection
    const after = typeof from === 'object' ? from.after : undefined
    if (after !== undefined && after > consumer.cursor) {
      if (after >= consumer.givenEnd) {
        throw new DaemonError('INVALID_PARAMS', `from: ${after} was not given to ${consumer.name}`)
      }
      if (after >= consumer.ackEnd) consumer.rewind()
      else if (after >= consumer.next || !isHeard) consumer.goOnAfter(after)
    } else if (!isHeard || from === 'start') consumer.rewind()
    if (connection !== undefined) this.#heardBy.set(consumer, connection)
  }

  async #wait(pull: Pull, waitMs: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    pull.wake = resolve
    const timer = this.#deps.clock.timer(waitMs, resolve)
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
    reader.isBusy = false
    // Nobody has this answer, so the next fetch begins again.
    if (signal.aborted) reader.consumer?.rewind()
    if (!reader.isOpen) return { runs, next }
    const key = filterKey(request.filter)
    const end = () => {
      this.#deps.readers.close(reader)
      if (this.#lingeringLooks.get(key) === pull) this.#lingeringLooks.delete(key)
    }
    pull.linger = this.#deps.clock.timer(FETCH_LINGER_MS, end)
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
      this.#lingeringLooks.delete(oldKey)
      this.#deps.readers.close(old.reader)
    }
    drop(this.#lingeringLooks.get(key), key)
    this.#lingeringLooks.set(key, pull)
    if (this.#lingeringLooks.size <= LINGERING_LOOK_COUNT_MAX) return
    const [oldestKey, oldest] = this.#lingeringLooks.entries().next().value as [string, Pull]
    drop(oldest, oldestKey)
  }
}
