import type { Clock } from './clock.ts'
import type { Notification } from './codec.ts'
import type { Connection } from './connection.ts'
import { ERRORS, type ErrorCode } from './contract/errors.ts'
import type { Notifications } from './contract/methods.ts'
import { ParleyError, withData } from './errors.ts'
import type { Link, LinkListener } from './link.ts'

export interface RequestOptions {
  /** From now until the answer, 10 s unless said, an hour at most. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ServeOptions {
  /** Ends the serving of another program under this name, with `TAKEN_OVER` there. */
  readonly takeover?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Told of what a handler throws that is no `Refusal`; the asker hears only that the program failed. A warning of the process unless given. */
  readonly onError?: ((error: unknown, request: IncomingRequest) => void) | undefined
}

/** Thrown by a handler, it tells the asker why: `REQUEST_REFUSED` with this text, and `data.refusal` is the code. */
export class Refusal extends Error {
  readonly code: string | undefined

  /** @param code - upper-case letters, digits and `_`, at most 64, a letter first */
  constructor(text: string, code?: string) {
    super(text)
    this.name = 'Refusal'
    this.code = code
  }
}

/** A question of a peer. */
export interface IncomingRequest {
  /** The asker's contact ID; it never changes. */
  readonly contact: string
  /** The asker's own ID. */
  readonly from: string
  /** What the owner of this daemon calls the asker. */
  readonly fromName: string
  readonly name: string
  readonly body: Uint8Array
  /** The body as UTF-8. */
  text(): string
  /** Aborts when the answer is of no use any more. */
  readonly signal: AbortSignal
}

/** Answers a request; text goes as UTF-8. */
export type RequestHandler = (request: IncomingRequest) => Uint8Array | string | Promise<Uint8Array | string>

type Outcome = { readonly body: Uint8Array } | { readonly error: { readonly code?: string; readonly text: string } }

const FAILED: Outcome = { error: { text: 'the program that serves it failed' } }
const REFUSAL_CODE = /^[A-Z][A-Z0-9_]{0,63}$/
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** Asks programs of peers. */
export class Asker {
  readonly #link: Link
  #lastId = 0

  constructor(link: Link) {
    this.#link = link
  }

  async request(peer: string, name: string, body: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    const { timeoutMs, signal } = options
    signal?.throwIfAborted()
    const { connection } = this.#link
    const id = `${this.#link.hello.clientId}-${++this.#lastId}`
    const params = { peer, name, body, id, ...(timeoutMs !== undefined && { timeoutMs }) }
    // One that ended here, or is answered, is not there to be cancelled.
    const cancel = () =>
      connection?.request('requests.cancel', { id }, { ok: () => undefined, failed: () => undefined })
    const unwatch = this.#link.aborts.watch(signal, cancel)
    try {
      const answer = await this.#link.call('requests.send', params, signal)
      return answer.body
    } catch (error) {
      if (!(error instanceof ParleyError) || error.data['executed'] !== undefined) throw error
      throw withData(error, { executed: error.data['accepted'] ?? 'no' })
    } finally {
      unwatch()
    }
  }
}

export interface RequestServerDeps {
  readonly link: Link
  readonly clock: Clock
  readonly onOver: (server: RequestServer) => void
}

/**
 * A name that this program serves. It goes on after a lost connection, and ends on `close`, on abort of its signal, and when another program takes
 * the name over.
 */
export class RequestServer implements AsyncDisposable {
  /** Resolves when it was ended by this program; rejects with why, when by the daemon: `RESPONDER_BUSY` `TAKEN_OVER` `VERSION_MISMATCH`. */
  readonly ended: Promise<void>
  readonly #name: string
  readonly #handler: RequestHandler
  readonly #options: ServeOptions
  readonly #deps: RequestServerDeps
  readonly #ready = Promise.withResolvers<void>()
  readonly #ended = Promise.withResolvers<void>()
  readonly #over = new AbortController()
  readonly #listener: LinkListener
  readonly #inHand = new Set<Promise<void>>()
  #subscription: string | undefined
  #unwatch: (() => void) | undefined

  constructor(name: string, handler: RequestHandler, options: ServeOptions, deps: RequestServerDeps) {
    this.#name = name
    this.#handler = handler
    this.#options = options
    this.#deps = deps
    this.ended = this.#ended.promise
    // Whoever waits for one of them hears of it there.
    this.ended.catch(() => undefined)
    this.#ready.promise.catch(() => undefined)
    this.#listener = {
      up: connection => this.#serve(connection),
      down: () => {
        this.#subscription = undefined
      },
      ended: error => this.#end(error.code === 'CLOSED' ? undefined : error)
    }
    this.#start()
  }

  /** Resolves once the daemon has accepted it; rejects when it refuses, and with `CLOSED` when it was ended before. */
  ready(): Promise<void> {
    return this.#ready.promise
  }

  get isOver(): boolean {
    return this.#over.signal.aborted
  }

  /** Waits for those in hand to be answered, then ends. */
  async close(): Promise<void> {
    await Promise.all(this.#inHand)
    this.#end(undefined)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #start(): void {
    const { link } = this.#deps
    const { signal } = this.#options
    if (signal?.aborted || link.ended !== undefined) {
      this.#end(link.ended?.code === 'CLOSED' ? undefined : link.ended)
      return
    }
    this.#unwatch = link.aborts.watch(signal, () => this.#end(undefined))
    link.attach(this.#listener)
    if (link.connection !== undefined) this.#serve(link.connection)
  }

  #serve(connection: Connection): void {
    const { takeover = false } = this.#options
    connection.request(
      'requests.serve',
      { name: this.#name, takeover },
      {
        ok: ({ subscription }) => this.#serving(connection, subscription),
        failed: error => {
          // The next connection tries again.
          if (error.code === 'DAEMON_UNREACHABLE' || error.code === 'SHUTTING_DOWN') return
          this.#end(error.code === 'CLOSED' ? undefined : error)
        }
      }
    )
  }

  #serving(connection: Connection, subscription: string): void {
    if (this.isOver) {
      unserve(connection, subscription)
      return
    }
    this.#subscription = subscription
    this.#deps.link.route(subscription, notification => this.#notified(connection, notification))
    this.#ready.resolve()
  }

  #notified(connection: Connection, notification: Notification): void {
    if (notification.method === 'requests.ended') this.#endedByDaemon(notification.params.code)
    else if (notification.method === 'requests.request') {
      const answered = this.#handle(connection, notification.params)
      this.#inHand.add(answered)
      void answered.then(() => this.#inHand.delete(answered))
    }
  }

  #endedByDaemon(code: string): void {
    if (this.#subscription !== undefined) this.#deps.link.unroute(this.#subscription)
    this.#subscription = undefined
    // What passes by itself is served again on the next connection.
    if (!Object.hasOwn(ERRORS, code) || !ERRORS[code as ErrorCode].retryable) this.#end(new ParleyError(code))
  }

  /** Never rejects, but for a fault of `onError`. */
  async #handle(connection: Connection, given: Notifications['requests.request']): Promise<void> {
    const { subscription, request, timeLeftMs, contact, from, fromName, name, body } = given
    const late = new AbortController()
    const timer = this.#deps.clock.timer(timeLeftMs, () => late.abort(new ParleyError('DEADLINE')))
    const signal = AbortSignal.any([late.signal, this.#over.signal])
    const incoming = { contact, from, fromName, name, body, signal, text: () => utf8.decode(body) }
    const outcome = await this.#outcomeOf(incoming)
    timer.cancel()
    const respond = (answer: Outcome) => connection.call('requests.respond', { subscription, request, ...answer })
    try {
      await respond(outcome)
    } catch (error) {
      if (isTooLate(error)) return
      this.#report(error, incoming)
      // What was refused for its size leaves the request open: its asker is not to wait in vain.
      if ('body' in outcome) await respond(FAILED).catch(failure => this.#report(failure, incoming))
    }
  }

  async #outcomeOf(request: IncomingRequest): Promise<Outcome> {
    try {
      const answer = await this.#handler(request)
      return { body: typeof answer === 'string' ? Buffer.from(answer) : answer }
    } catch (error) {
      if (error instanceof Refusal) {
        const { code, message } = error
        const isCode = code !== undefined && REFUSAL_CODE.test(code)
        return { error: { text: message.toWellFormed(), ...(isCode && { code }) } }
      }
      // A handler that gave up as its signal told it did nothing wrong.
      if (!request.signal.aborted) this.#report(error, request)
      return FAILED
    }
  }

  #report(error: unknown, request: IncomingRequest): void {
    const { onError } = this.#options
    if (onError !== undefined) onError(error, request)
    else process.emitWarning(error instanceof Error ? error : new Error(String(error)))
  }

  #end(error: ParleyError | undefined): void {
    if (this.isOver) return
    this.#over.abort(error ?? new ParleyError('CLOSED'))
    this.#unwatch?.()
    this.#ready.reject(error ?? new ParleyError('CLOSED', 'It was ended before it began.'))
    if (error === undefined) this.#ended.resolve()
    else this.#ended.reject(error)
    const { link, onOver } = this.#deps
    link.detach(this.#listener)
    const subscription = this.#subscription
    this.#subscription = undefined
    if (subscription !== undefined) {
      link.unroute(subscription)
      if (link.connection !== undefined) unserve(link.connection, subscription)
    }
    onOver(this)
  }
}

function isTooLate(error: unknown): boolean {
  const late = ['NO_SUCH_REQUEST', 'NO_SUCH_SUBSCRIPTION', 'DAEMON_UNREACHABLE', 'CLOSED', 'SHUTTING_DOWN']
  return error instanceof ParleyError && late.includes(error.code)
}

function unserve(connection: Connection, subscription: string): void {
  // What cannot be ended is over already.
  connection.request('requests.unserve', { subscription }, { ok: () => undefined, failed: () => undefined })
}
