import type { ComparePurpose, CompareResult, CompareVerdict, WaitingComparison } from './contract/types.ts'
import { ParleyError } from './errors.ts'
import type { EventStream, EventsOptions } from './event-stream.ts'
import type { Link } from './link.ts'
import { Pull } from './pull.ts'

export interface CompareOptions {
  /** Shown to whoever answers; at most 200 characters. */
  readonly question?: string | undefined
  /** `verify`: where the other side names it too, a match makes each the other's verified contact. */
  readonly purpose?: ComparePurpose | undefined
  /** How long the other side may take to answer, 5 minutes unless said, an hour at most. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export type CompareAnswerOptions = Pick<CompareOptions, 'purpose' | 'signal'>

/** A comparison that a contact has started, and that waits for a secret from here. */
export interface IncomingComparison extends WaitingComparison {
  /**
   * Gives the secret and resolves at the end. Text is compared as UTF-8 in NFC.
   *
   * @throws {ParleyError} `NO_SUCH_COMPARISON` and as `compare`
   */
  answer(secret: Uint8Array | string, options?: CompareAnswerOptions): Promise<CompareVerdict>
  /** Refuses it; the contact is told. @throws {ParleyError} `NO_SUCH_COMPARISON` */
  decline(): Promise<void>
}

/** Compares secrets with contacts. */
export class Comparer {
  readonly #link: Link
  #lastId = 0

  constructor(link: Link) {
    this.#link = link
  }

  /** Starts a comparison; answers the contact's own where that asks nothing else. */
  async compare(peer: string, secret: Uint8Array | string, options: CompareOptions): Promise<CompareVerdict> {
    const { question = '', purpose, timeoutMs, signal } = options
    const own = secretBytes(secret)
    try {
      const given = {
        question,
        ...(purpose !== undefined && { purpose }),
        ...(timeoutMs !== undefined && { timeoutMs })
      }
      return await this.#call(peer, signal, id =>
        this.#link.call('compare.start', { peer, ...given, secret: Uint8Array.from(own), id }, signal)
      )
    } catch (error) {
      const waiting = waitingOf(error)
      if (waiting === undefined || (waiting.question !== '' && waiting.question !== question)) throw error
      return await this.answer(peer, waiting.compare, own, { purpose, signal })
    } finally {
      own.fill(0)
    }
  }

  async answer(
    peer: string,
    compare: string,
    secret: Uint8Array | string,
    options: CompareAnswerOptions
  ): Promise<CompareVerdict> {
    const { purpose, signal } = options
    const own = secretBytes(secret)
    try {
      const given = { compare, ...(purpose !== undefined && { purpose }) }
      return await this.#call(peer, signal, id =>
        this.#link.call('compare.answer', { ...given, secret: own, id }, signal)
      )
    } finally {
      own.fill(0)
    }
  }

  async decline(contact: string): Promise<void> {
    await this.#link.call('compare.cancel', { peer: contact })
  }

  async #call(
    peer: string,
    signal: AbortSignal | undefined,
    call: (id: string) => Promise<CompareResult>
  ): Promise<CompareVerdict> {
    signal?.throwIfAborted()
    const { connection } = this.#link
    const id = `${this.#link.hello.clientId}-${++this.#lastId}`
    // One that ended here, or is over, is not there to be cancelled.
    const cancel = () =>
      connection?.request('compare.cancel', { peer, id }, { ok: () => undefined, failed: () => undefined })
    const unwatch = this.#link.aborts.watch(signal, cancel)
    try {
      return (await call(id)).verdict
    } finally {
      unwatch()
    }
  }
}

export interface ComparisonStreamDeps {
  readonly link: Link
  readonly comparer: Comparer
  events(options: EventsOptions): EventStream
  readonly onOver: (stream: ComparisonStream) => void
}

/**
 * The comparisons that contacts start, as an async iterator: those that wait already, then those that come. One that is over before the app takes it
 * is not given. It goes on after a lost connection, and ends on `close` of the client, abort of its signal, and when the app leaves its loop.
 */
export class ComparisonStream implements AsyncIterableIterator<IncomingComparison, undefined>, AsyncDisposable {
  readonly #deps: ComparisonStreamDeps
  readonly #signal: AbortSignal | undefined
  readonly #pull: Pull<IncomingComparison>
  readonly #ready = Promise.withResolvers<void>()
  /** Not given to the app yet. One for each contact at most. */
  readonly #waiting = new Map<string, WaitingComparison>()
  readonly #given = new Set<string>()
  #events: EventStream | undefined

  constructor(signal: AbortSignal | undefined, deps: ComparisonStreamDeps) {
    this.#deps = deps
    this.#signal = signal
    this.#pull = new Pull({ take: () => this.#take(), stop: () => this.#stop() })
    // Whoever iterates hears of it there.
    this.#ready.promise.catch(() => undefined)
    void this.#follow().then(
      () => this.#end(undefined),
      error => this.#end(error instanceof ParleyError && error.code === 'CLOSED' ? undefined : error)
    )
  }

  /** Resolves once nothing that comes is missed any more. */
  ready(): Promise<void> {
    return this.#ready.promise
  }

  get isOver(): boolean {
    return this.#pull.isOver
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<IncomingComparison, undefined>> {
    return this.#pull.next()
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    return this.#pull.return()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  async #follow(): Promise<void> {
    while (!this.#pull.isOver && !this.#signal?.aborted) {
      const events = this.#deps.events({ signal: this.#signal })
      this.#events = events
      try {
        await events.ready()
        this.#read((await this.#deps.link.call('node.status', {}, this.#signal)).comparisons)
        this.#ready.resolve()
        if (!(await this.#followEvents(events))) return
      } catch (error) {
        // The next connection begins anew.
        if (!(error instanceof ParleyError) || error.code !== 'DAEMON_UNREACHABLE') throw error
      } finally {
        await events.return()
      }
    }
  }

  /** False when the events are over; true where some are missing. */
  async #followEvents(events: EventStream): Promise<boolean> {
    for await (const event of events) {
      if (event.kind === 'gap') return true
      if (event.kind === 'compare.waiting') this.#read([...this.#waiting.values(), event])
      else if (event.kind === 'compare.over') {
        this.#waiting.delete(event.compare)
        this.#given.delete(event.compare)
      }
    }
    return false
  }

  /** What waits now. */
  #read(all: readonly WaitingComparison[]): void {
    this.#waiting.clear()
    for (const { compare, contact, name, question, purpose, startedAt } of all) {
      if (!this.#given.has(compare))
        this.#waiting.set(compare, { compare, contact, name, question, purpose, startedAt })
    }
    this.#pull.wake()
  }

  #take(): IncomingComparison | undefined {
    const [waiting] = this.#waiting.values()
    if (waiting === undefined) return undefined
    const { compare, contact } = waiting
    const { comparer } = this.#deps
    this.#waiting.delete(compare)
    this.#given.add(compare)
    return {
      ...waiting,
      answer: (secret, options = {}) => comparer.answer(contact, compare, secret, options),
      decline: () => comparer.decline(contact)
    }
  }

  #end(error: unknown): void {
    this.#pull.end(this.#signal?.aborted ? undefined : error)
    this.#ready.reject(error ?? new ParleyError('CLOSED', 'The iterator was ended before it began.'))
    this.#deps.onOver(this)
  }

  async #stop(): Promise<void> {
    await this.#events?.return()
  }
}

/** A copy in a buffer of its own, which is wiped; text as UTF-8 in NFC, so that what looks the same is the same. */
function secretBytes(secret: Uint8Array | string): Uint8Array {
  return typeof secret === 'string' ? new TextEncoder().encode(secret.normalize('NFC')) : Uint8Array.from(secret)
}

/** The contact's own comparison, which stands instead of one that was to be started. */
function waitingOf(error: unknown): { readonly compare: string; readonly question: string } | undefined {
  if (!(error instanceof ParleyError) || error.code !== 'COMPARE_WAITING') return undefined
  const { compare, question } = error.data
  return typeof compare === 'string' && typeof question === 'string' ? { compare, question } : undefined
}
