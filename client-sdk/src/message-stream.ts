import type { Acker } from './acker.ts'
import type { Clock, Timer } from './clock.ts'
import type { Notification } from './codec.ts'
import type { Connection } from './connection.ts'
import { ERRORS, type ErrorCode } from './contract/errors.ts'
import type { Params } from './contract/methods.ts'
import type { From, MessageFilter, MessageRun } from './contract/types.ts'
import { ParleyError } from './errors.ts'
import type { Hello, Link, LinkListener } from './link.ts'
import { type Acks, Message } from './message.ts'
import { Pull } from './pull.ts'

export interface MessageStreamOptions {
  readonly consumer: string | null
  readonly filter: MessageFilter
  readonly from: From | undefined
  readonly takeover: boolean
  readonly signal: AbortSignal | undefined
}

/** What the daemon may push that the app has not taken. */
const WINDOW_COUNT = 8_192
const WINDOW_BYTES = 4 * 1024 * 1024

/** Before a subscription that ended for a passing reason is made again on the same connection. */
const AGAIN_MS = 500

interface Held {
  readonly run: MessageRun
  readonly place: string
  offset: number
}

export interface MessageStreamDeps {
  readonly link: Link
  readonly clock: Clock
  readonly acks: Acks
  /** Of a named consumer, the same as `acks`. */
  readonly acker: Acker | undefined
  readonly onOver: (stream: MessageStream) => void
}

/**
 * The messages of one subscription, as an async iterator.
 *
 * It ends (without an error) on `close` of the client, abort of its signal, and when the app leaves its loop. It throws when the
 * subscription cannot go on: `CONSUMER_BUSY`, `TAKEN_OVER` and so on. A lost daemon does not end it: a named consumer goes on at the
 * daemon's cursor, and what the app had before and did not acknowledge is not given to it twice; a look goes on after the last message, or
 * from the start where the daemon's inbox is a new one. Neither does a store that cannot be written for a while, nor a seek: what came before it and
 * was not taken is dropped, and the messages from the new place on follow.
 */
export class MessageStream implements AsyncIterableIterator<Message, undefined>, AsyncDisposable {
  readonly #options: MessageStreamOptions
  readonly #deps: MessageStreamDeps
  readonly #pull: Pull<Message>
  readonly #ready = Promise.withResolvers<void>()
  readonly #listener: LinkListener
  #unwatch: (() => void) | undefined
  #again: Timer | undefined
  #isReady = false
  #held: Held[] = []
  /** Where the messages now held begin in `#held`. */
  #heldFrom = 0
  #heldBytes = 0
  #heldCount = 0
  #subscription: string | undefined
  #unsubscribed: Promise<void> | undefined
  #isReleased = false
  /** The inbox of the subscription, and the last index received or skipped there. */
  #inbox: string | undefined
  #lastIndex: number | undefined
  /** Up to this index a new subscription repeats what was received. */
  #skipThrough = 0
  #creditCount = 0
  #creditBytes = 0

  constructor(options: MessageStreamOptions, deps: MessageStreamDeps) {
    this.#options = options
    this.#deps = deps
    this.#pull = new Pull({ take: () => this.#take(), stop: () => this.#stop() })
    // Whoever iterates hears of it there.
    this.#ready.promise.catch(() => undefined)
    this.#listener = {
      up: (connection, hello) => this.#subscribe(connection, hello),
      down: () => this.#lost(),
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

  next(): Promise<IteratorResult<Message, undefined>> {
    return this.#pull.next()
  }

  /** Ends the subscription. Messages that the app had not taken come again to the next one of this consumer. */
  return(): Promise<IteratorReturnResult<undefined>> {
    return this.#pull.return()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  #start(): void {
    const { signal } = this.#options
    const { link } = this.#deps
    if (signal?.aborted || link.ended !== undefined) {
      this.#end(link.ended?.code === 'CLOSED' ? undefined : link.ended)
      return
    }
    this.#unwatch = link.aborts.watch(signal, () => void this.return())
    link.attach(this.#listener)
    if (link.connection !== undefined) this.#subscribe(link.connection, link.hello)
  }

  #subscribe(connection: Connection, hello: Hello): void {
    const isNewInbox = this.#inbox !== undefined && this.#inbox !== hello.inbox
    const from = this.#fromOnSubscribe(isNewInbox)
    this.#skipThrough = isNewInbox ? 0 : (this.#lastIndex ?? 0)
    if (isNewInbox) this.#lastIndex = undefined
    this.#inbox = hello.inbox
    this.#creditCount = 0
    this.#creditBytes = 0
    const { consumer, filter, takeover } = this.#options
    const params: Params<'messages.subscribe'> = {
      consumer,
      filter,
      credit: {
        messages: Math.max(0, WINDOW_COUNT - this.#heldCount),
        bytes: Math.max(0, this.#windowBytes() - this.#heldBytes)
      },
      ...(from !== undefined && { from }),
      ...(takeover && { takeover })
    }
    const acknowledged = this.#deps.acker?.acknowledged ?? 0
    connection.request('messages.subscribe', params, {
      ok: result => this.#subscribed(connection, result, isNewInbox ? 0 : acknowledged),
      failed: error => this.#refused(error)
    })
  }

  /** Named consumers that exist go on at their cursor whatever this says. */
  #fromOnSubscribe(isNewInbox: boolean): From | undefined {
    if (isNewInbox) return 'start'
    return this.#lastIndex === undefined ? this.#options.from : { after: this.#lastIndex }
  }

  #subscribed(
    connection: Connection,
    result: { readonly subscription: string; readonly next: number },
    acknowledged: number
  ): void {
    if (this.#pull.isOver) {
      this.#unsubscribed = unsubscribe(connection, result.subscription)
      return
    }
    this.#isReady = true
    this.#subscription = result.subscription
    if (this.#deps.acker !== undefined) this.#followSeek(result.next, acknowledged)
    this.#lastIndex ??= result.next - 1
    this.#deps.link.route(result.subscription, (notification, sizeBytes) => this.#notified(notification, sizeBytes))
    this.#ready.resolve()
  }

  /** A seek while there was no subscription: what is behind an ack comes again, or what is held is passed over. */
  #followSeek(next: number, acknowledged: number): void {
    const first = this.#held[this.#heldFrom]
    const isPassedOver =
      first !== undefined && first.place === this.#deps.acks.place && first.run.first + first.offset < next
    if (next <= acknowledged || isPassedOver) this.#moved()
  }

  /** The cursor was moved: what is held belongs to the place before. */
  #moved(): void {
    this.#deps.acker?.moved()
    this.#returnCredit(this.#heldCount, this.#heldBytes)
    this.#held = []
    this.#heldFrom = 0
    this.#heldCount = 0
    this.#heldBytes = 0
    this.#skipThrough = 0
    this.#lastIndex = undefined
  }

  #refused(error: ParleyError): void {
    // The next connection tries again.
    if (error.code === 'DAEMON_UNREACHABLE' || error.code === 'SHUTTING_DOWN') return
    if (error.code === 'CURSOR_MOVED') {
      this.#movedByDaemon()
      return
    }
    if (this.#isReady && error.code === 'STORE_UNAVAILABLE') this.#subscribeAgain()
    else this.#end(error.code === 'CLOSED' ? undefined : error)
  }

  #notified(notification: Notification, sizeBytes: number): void {
    if (notification.method === 'messages.deliver') this.#deliver(notification.params, sizeBytes)
    else if (notification.method === 'messages.ended') this.#endedByDaemon(notification.params.code)
  }

  #endedByDaemon(code: string): void {
    if (this.#subscription !== undefined) this.#deps.link.unroute(this.#subscription)
    this.#subscription = undefined
    if (code === 'CURSOR_MOVED') {
      this.#movedByDaemon()
      return
    }
    // Where the daemon is going the next one takes over.
    const isRetryable = Object.hasOwn(ERRORS, code) && ERRORS[code as ErrorCode].retryable
    if (isRetryable) this.#subscribeAgain()
    else this.#end(new ParleyError(code))
  }

  #movedByDaemon(): void {
    this.#moved()
    const { connection, hello } = this.#deps.link
    if (connection !== undefined && !this.#pull.isOver) this.#subscribe(connection, hello)
  }

  /** Where the connection outlives the reason. */
  #subscribeAgain(): void {
    this.#again?.cancel()
    this.#again = this.#deps.clock.timer(AGAIN_MS, () => {
      const { connection, hello } = this.#deps.link
      if (connection !== undefined) this.#subscribe(connection, hello)
    })
  }

  #deliver(run: MessageRun, sizeBytes: number): void {
    const skipped = Math.min(Math.max(0, this.#skipThrough - run.first + 1), run.bodies.length)
    if (skipped > 0) this.#returnCredit(skipped, bytesOf(run.bodies, 0, skipped))
    if (skipped === run.bodies.length) return
    this.#skipThrough = 0
    this.#lastIndex = run.first + run.bodies.length - 1
    this.#held.push({ run, place: this.#deps.acks.place, offset: skipped })
    this.#heldCount += run.bodies.length - skipped
    this.#heldBytes += bytesOf(run.bodies, skipped, run.bodies.length)
    if (this.#heldBytes > this.#windowBytes() + sizeBytes || this.#heldCount > 2 * WINDOW_COUNT) {
      this.#end(new ParleyError('INTERNAL', 'The daemon sent more than it was given credit for.'))
      return
    }
    this.#pull.wake()
  }

  #take(): Message | undefined {
    const held = this.#held[this.#heldFrom]
    if (held === undefined) return undefined
    const { run, place } = held
    const message = new Message({ run, place, acks: this.#deps.acks }, held.offset)
    const bytes = message.body.length
    if (++held.offset === run.bodies.length) this.#dropFirst()
    this.#heldCount--
    this.#heldBytes -= bytes
    this.#returnCredit(1, bytes)
    return message
  }

  #dropFirst(): void {
    this.#held[this.#heldFrom++] = undefined as never
    if (this.#heldFrom < this.#held.length) return
    this.#held = []
    this.#heldFrom = 0
  }

  /** Credit goes back in halves of the window: one call for thousands of messages. */
  #returnCredit(count: number, bytes: number): void {
    this.#creditCount += count
    this.#creditBytes += bytes
    if (this.#creditCount < WINDOW_COUNT / 2 && this.#creditBytes < this.#windowBytes() / 2) return
    const { connection } = this.#deps.link
    if (this.#subscription === undefined || connection === undefined) return
    const params = { subscription: this.#subscription, messages: this.#creditCount, bytes: this.#creditBytes }
    this.#creditCount = 0
    this.#creditBytes = 0
    // A subscription or connection that is gone takes its credit with it; both are told elsewhere.
    connection.request('messages.credit', params, { ok: () => undefined, failed: () => undefined })
  }

  /** At least two of the largest messages, so that half of it always lets one through. */
  #windowBytes(): number {
    return Math.max(WINDOW_BYTES, 2 * this.#deps.link.hello.limits.messageBytesMax)
  }

  #lost(): void {
    this.#again?.cancel()
    this.#subscription = undefined
  }

  #end(error: ParleyError | undefined): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#pull.end(error)
    this.#unwatch?.()
    this.#again?.cancel()
    this.#held = []
    this.#heldFrom = 0
    this.#ready.reject(error ?? new ParleyError('CLOSED', 'The subscription was ended before it began.'))
    const { link, onOver } = this.#deps
    link.detach(this.#listener)
    onOver(this)
    const subscription = this.#subscription
    this.#subscription = undefined
    if (subscription === undefined) return
    link.unroute(subscription)
    this.#unsubscribed = this.#unsubscribe(subscription)
  }

  /** What the app acknowledged is said first, then the consumer is free for others. */
  async #unsubscribe(subscription: string): Promise<void> {
    await this.#deps.acker?.settled()
    const { connection } = this.#deps.link
    if (connection !== undefined) await unsubscribe(connection, subscription)
  }

  async #stop(): Promise<void> {
    this.#end(undefined)
    await this.#unsubscribed
  }
}

function unsubscribe(connection: Connection, subscription: string): Promise<void> {
  return new Promise(resolve => {
    // What cannot be ended is over already.
    connection.request('messages.unsubscribe', { subscription }, { ok: () => resolve(), failed: () => resolve() })
  })
}

function bytesOf(bodies: readonly Uint8Array[], from: number, to: number): number {
  let bytes = 0
  for (let at = from; at < to; at++) bytes += (bodies[at] as Uint8Array).length
  return bytes
}
