import type { Notification } from './codec.ts'
import type { Connection } from './connection.ts'
import { ERRORS, type ErrorCode } from './contract/errors.ts'
import type { NodeEvent } from './contract/events.ts'
import { ParleyError } from './errors.ts'
import type { Link, LinkListener } from './link.ts'
import { Pull } from './pull.ts'

/**
 * Events are missing here: the daemon was started anew, or keeps them no longer. What was derived from events must be read again; those
 * that follow begin with the oldest that is kept.
 */
export interface EventGap {
  readonly kind: 'gap'
  /** The last event before the gap. */
  readonly after: string
}

export interface EventsOptions {
  /** A `cursor` to go on after, `'start'` for the oldest that is kept, or `'now'`, which is taken unless said. */
  readonly after?: string | 'now' | 'start' | undefined
  readonly signal?: AbortSignal | undefined
}

/** When the app is this far behind, the stream lets the daemon keep the rest. */
const HELD_COUNT_MAX = 4_096
const HELD_BYTES_MAX = 1024 * 1024

export interface EventStreamDeps {
  readonly link: Link
  readonly onOver: (stream: EventStream) => void
}

/**
 * What happens in the daemon, as an async iterator.
 *
 * It ends on `close` of the client, abort of its signal, and when the app leaves its loop. It goes on after a lost connection; where
 * events were lost it gives an `EventGap`.
 */
export class EventStream implements AsyncIterableIterator<NodeEvent | EventGap, undefined>, AsyncDisposable {
  readonly #deps: EventStreamDeps
  readonly #signal: AbortSignal | undefined
  readonly #pull: Pull<NodeEvent | EventGap>
  readonly #ready = Promise.withResolvers<void>()
  readonly #listener: LinkListener
  #unwatch: (() => void) | undefined
  #held: (NodeEvent | EventGap)[] = []
  #heldFrom = 0
  #heldBytes = 0
  /** After which the next subscription goes on. */
  #after: string
  #subscription: string | undefined
  #isPaused = false
  #isReleased = false

  constructor(options: EventsOptions, deps: EventStreamDeps) {
    this.#deps = deps
    this.#signal = options.signal
    this.#after = options.after ?? 'now'
    this.#pull = new Pull({ take: () => this.#take(), stop: () => this.#stop() })
    // Whoever iterates hears of it there.
    this.#ready.promise.catch(() => undefined)
    this.#listener = {
      up: connection => this.#subscribe(connection),
      down: () => {
        this.#subscription = undefined
      },
      ended: error => this.#end(error.code === 'CLOSED' ? undefined : error)
    }
    this.#start()
  }

  /** Resolves once the daemon has accepted the subscription; rejects when it refuses, and with `CLOSED` when it was ended before. */
  ready(): Promise<void> {
    return this.#ready.promise
  }

  get isOver(): boolean {
    return this.#pull.isOver
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<NodeEvent | EventGap, undefined>> {
    return this.#pull.next()
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    return this.#pull.return()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  #start(): void {
    const { link } = this.#deps
    if (this.#signal?.aborted || link.ended !== undefined) {
      this.#end(link.ended?.code === 'CLOSED' ? undefined : link.ended)
      return
    }
    this.#unwatch = link.aborts.watch(this.#signal, () => void this.return())
    link.attach(this.#listener)
    if (link.connection !== undefined) this.#subscribe(link.connection)
  }

  #subscribe(connection: Connection): void {
    if (this.#isPaused) return
    connection.request(
      'events.subscribe',
      { after: this.#after },
      {
        ok: result => this.#subscribed(connection, result),
        failed: error => this.#refused(connection, error)
      }
    )
  }

  #subscribed(connection: Connection, result: { readonly subscription: string; readonly cursor: string }): void {
    if (this.#pull.isOver) {
      unsubscribe(connection, result.subscription)
      return
    }
    this.#subscription = result.subscription
    // From here on a lost connection must not lose what happens until the first event.
    if (this.#after === 'now') this.#after = result.cursor
    this.#deps.link.route(result.subscription, (notification, sizeBytes) => this.#notified(notification, sizeBytes))
    this.#ready.resolve()
  }

  #refused(connection: Connection, error: ParleyError): void {
    // The next connection tries again.
    if (error.code === 'DAEMON_UNREACHABLE' || error.code === 'SHUTTING_DOWN') return
    if (error.code === 'CURSOR_GONE' && this.#after !== 'start') this.#gap(connection)
    else this.#end(error.code === 'CLOSED' ? undefined : error)
  }

  #gap(connection: Connection): void {
    this.#held.push({ kind: 'gap', after: this.#after })
    this.#after = 'start'
    this.#pull.wake()
    this.#subscribe(connection)
  }

  #notified(notification: Notification, sizeBytes: number): void {
    if (notification.method === 'events.event') this.#received(notification.params.events, sizeBytes)
    else if (notification.method === 'events.ended') this.#endedByDaemon(notification.params.code)
  }

  #received(events: readonly NodeEvent[], sizeBytes: number): void {
    for (const event of events) this.#held.push(event)
    this.#after = events.at(-1)?.cursor ?? this.#after
    this.#heldBytes += sizeBytes
    this.#pull.wake()
    if (this.#held.length - this.#heldFrom > HELD_COUNT_MAX || this.#heldBytes > HELD_BYTES_MAX) this.#pause()
  }

  #endedByDaemon(code: string): void {
    this.#forget()
    const { connection } = this.#deps.link
    if (code === 'CURSOR_GONE' && connection !== undefined) this.#gap(connection)
    else if (!Object.hasOwn(ERRORS, code) || !ERRORS[code as ErrorCode].retryable) this.#end(new ParleyError(code))
  }

  #pause(): void {
    this.#isPaused = true
    const subscription = this.#forget()
    const { connection } = this.#deps.link
    if (subscription !== undefined && connection !== undefined) unsubscribe(connection, subscription)
  }

  #take(): NodeEvent | EventGap | undefined {
    const event = this.#held[this.#heldFrom]
    if (event === undefined) return undefined
    if (++this.#heldFrom === this.#held.length) this.#emptied()
    return event
  }

  #emptied(): void {
    this.#held = []
    this.#heldFrom = 0
    this.#heldBytes = 0
    if (!this.#isPaused) return
    this.#isPaused = false
    const { connection } = this.#deps.link
    if (connection !== undefined) this.#subscribe(connection)
  }

  #forget(): string | undefined {
    const subscription = this.#subscription
    this.#subscription = undefined
    if (subscription !== undefined) this.#deps.link.unroute(subscription)
    return subscription
  }

  #end(error: ParleyError | undefined): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#pull.end(error)
    this.#unwatch?.()
    this.#held = []
    this.#heldFrom = 0
    this.#ready.reject(error ?? new ParleyError('CLOSED', 'The subscription was ended before it began.'))
    const { link, onOver } = this.#deps
    link.detach(this.#listener)
    const subscription = this.#forget()
    if (subscription !== undefined && link.connection !== undefined) unsubscribe(link.connection, subscription)
    onOver(this)
  }

  async #stop(): Promise<void> {
    this.#end(undefined)
  }
}

function unsubscribe(connection: Connection, subscription: string): void {
  // What cannot be ended is over already.
  connection.request('events.unsubscribe', { subscription }, { ok: () => undefined, failed: () => undefined })
}
