import { AbortWatch } from './abort-watch.ts'
import type { Clock, Timer } from './clock.ts'
import type { Notification } from './codec.ts'
import { Connection } from './connection.ts'
import type { MethodName, Params, Result } from './contract/methods.ts'
import { API_MAJOR, API_MINOR } from './contract/version.ts'
import { ParleyError } from './errors.ts'
import type { OpenSocket } from './socket.ts'

export type Hello = Result<'node.hello'>

/** The pause before a new attempt doubles from the first to the second; half of it is random. */
const BACKOFF_MS_MIN = 50
const BACKOFF_MS_MAX = 1_000

/** A connection that lived this long was a good one: the next pause is short again. */
const STEADY_MS = 5_000

export interface LinkOptions {
  /** Tried in order until one answers; then only that one. */
  readonly paths: readonly string[]
  readonly open: OpenSocket
  readonly clock: Clock
  /** From 0 up to 1, for the back-off. */
  readonly random: () => number
  readonly client: { readonly name: string; readonly version: string }
  /** For one attempt: to connect and to say hello. */
  readonly connectTimeoutMs: number
}

/** Who follows a link. */
export interface LinkListener {
  /** A connection is ready for calls. */
  up(connection: Connection, hello: Hello): void
  /** The connection is gone; another will come. */
  down(): void
  /** No connection will come: closed by the app, or the daemon is of another version. The last call. */
  ended(error: ParleyError): void
}

export type NotificationHandler = (notification: Notification, sizeBytes: number) => void

/** One connection to the daemon after another, with pauses between attempts. */
export class Link {
  /** For all that waits with signals of the app. */
  readonly aborts: AbortWatch = new AbortWatch()
  readonly #options: LinkOptions
  readonly #listeners = new Set<LinkListener>()
  readonly #stopping = new AbortController()
  /** By subscription; those of the connection that is up. */
  readonly #handlers = new Map<string, NotificationHandler>()
  #paths: readonly string[]
  #connection: Connection | undefined
  #hello: Hello | undefined
  #upSinceMs = 0
  #attempt = 0
  #retry: Timer | undefined
  #ended: ParleyError | undefined

  constructor(options: LinkOptions) {
    this.#options = options
    this.#paths = options.paths
  }

  /** The connection that is up and has said hello, if there is one. */
  get connection(): Connection | undefined {
    return this.#connection
  }

  /** What the daemon last said. Set once `start` has resolved. */
  get hello(): Hello {
    if (this.#hello === undefined) throw new TypeError('the link has not started')
    return this.#hello
  }

  get ended(): ParleyError | undefined {
    return this.#ended
  }

  /**
   * Makes the first connection. With `wait` it tries until `signal` is aborted.
   *
   * @throws {ParleyError} `DAEMON_UNREACHABLE` `VERSION_MISMATCH`; the signal's reason
   */
  async start(wait: boolean, signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      signal?.throwIfAborted()
      try {
        await this.#connect(signal)
        return
      } catch (error) {
        signal?.throwIfAborted()
        if (!wait || !isRetryable(error)) throw error
      }
      await this.#pause(signal)
    }
  }

  attach(listener: LinkListener): void {
    this.#listeners.add(listener)
  }

  detach(listener: LinkListener): void {
    this.#listeners.delete(listener)
  }

  /** Sends the notifications of a subscription to `handler` until the connection is gone or `unroute`. */
  route(subscription: string, handler: NotificationHandler): void {
    this.#handlers.set(subscription, handler)
  }

  unroute(subscription: string): void {
    this.#handlers.delete(subscription)
  }

  /**
   * Calls a method on the connection that is up.
   *
   * @throws {ParleyError} `DAEMON_UNREACHABLE` with `accepted` `'no'` while there is none, `'unknown'` when it died before the answer;
   * `CLOSED`; what the daemon answers; the signal's reason
   */
  async call<M extends MethodName>(method: M, params: Params<M>, signal?: AbortSignal): Promise<Result<M>> {
    signal?.throwIfAborted()
    if (this.#ended !== undefined) throw this.#ended
    if (this.#connection === undefined)
      throw new ParleyError('DAEMON_UNREACHABLE', undefined, { data: { accepted: 'no' } })
    return this.#connection.call(method, params, signal)
  }

  /** Ends the link for good; open calls and all listeners get `error`. */
  end(error: ParleyError): void {
    if (this.#ended !== undefined) return
    this.#ended = error
    this.#stopping.abort(error)
    this.#retry?.cancel()
    const connection = this.#connection
    this.#connection = undefined
    this.#handlers.clear()
    connection?.close(error)
    for (const listener of [...this.#listeners]) listener.ended(error)
    this.#listeners.clear()
  }

  async #connect(signal: AbortSignal | undefined): Promise<void> {
    const failures: unknown[] = []
    for (const path of this.#paths) {
      try {
        await this.#connectTo(path, signal)
        this.#paths = [path]
        return
      } catch (error) {
        if (signal?.aborted || this.#stopping.signal.aborted || !isRetryable(error)) throw error
        failures.push(error)
      }
    }
    const places = this.#paths.map((path, n) => `${path}${reasonOf(failures[n])}`)
    throw new ParleyError('DAEMON_UNREACHABLE', `No daemon answers on ${places.join(' or ')}.`, {
      cause: failures.length === 1 ? failures[0] : new AggregateError(failures),
      data: { accepted: 'no', sockets: this.#paths }
    })
  }

  async #connectTo(path: string, signal: AbortSignal | undefined): Promise<void> {
    const { clock, open, connectTimeoutMs } = this.#options
    const late = new AbortController()
    const timer = clock.timer(connectTimeoutMs, () =>
      late.abort(new ParleyError('TIMED_OUT', 'The daemon does not answer.'))
    )
    const any = AbortSignal.any([late.signal, this.#stopping.signal, ...(signal ? [signal] : [])])
    try {
      const socket = await open(path, any)
      const connection: Connection = new Connection({
        socket,
        aborts: this.aborts,
        onNotification: (notification, sizeBytes) => this.#notified(connection, notification, sizeBytes),
        onClosed: error => this.#lost(connection, error)
      })
      try {
        this.#up(connection, await this.#sayHello(connection, any))
      } catch (error) {
        connection.close(new ParleyError('CLOSED'))
        throw error
      }
    } finally {
      timer.cancel()
    }
  }

  async #sayHello(connection: Connection, signal: AbortSignal): Promise<Hello> {
    const clientId = this.#hello?.clientId
    const hello = await connection.call(
      'node.hello',
      {
        client: this.#options.client,
        apiMajor: API_MAJOR,
        apiMinor: API_MINOR,
        ...(clientId !== undefined && { clientId })
      },
      signal
    )
    if (hello.apiMajor !== API_MAJOR) {
      throw new ParleyError('VERSION_MISMATCH', `The daemon speaks version ${hello.apiMajor}, this SDK ${API_MAJOR}.`)
    }
    return hello
  }

  #up(connection: Connection, hello: Hello): void {
    if (this.#ended !== undefined) throw this.#ended
    if (!connection.isOpen) throw new ParleyError('DAEMON_UNREACHABLE')
    this.#hello = hello
    this.#connection = connection
    this.#upSinceMs = this.#options.clock.monotonicMs()
    connection.setLimits(hello.limits)
    for (const listener of [...this.#listeners]) listener.up(connection, hello)
  }

  #lost(connection: Connection, error: ParleyError): void {
    // One that never came up is its opener's to report.
    if (this.#connection !== connection) return
    this.#connection = undefined
    this.#handlers.clear()
    if (this.#options.clock.monotonicMs() - this.#upSinceMs >= STEADY_MS) this.#attempt = 0
    if (error.code === 'CLOSED') return
    for (const listener of [...this.#listeners]) listener.down()
    this.#reconnectLater()
  }

  #reconnectLater(): void {
    if (this.#ended !== undefined) return
    this.#retry = this.#options.clock.timer(this.#backoffMs(), () => {
      this.#connect(undefined).catch(error => {
        if (this.#ended !== undefined) return
        if (isRetryable(error)) this.#reconnectLater()
        else this.end(error as ParleyError)
      })
    })
  }

  #pause(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.#options.clock.timer(this.#backoffMs(), () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      })
      const onAbort = () => {
        timer.cancel()
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  #backoffMs(): number {
    const pauseMs = Math.min(BACKOFF_MS_MIN * 2 ** Math.min(this.#attempt++, 16), BACKOFF_MS_MAX)
    return pauseMs * (0.5 + 0.5 * this.#options.random())
  }

  #notified(connection: Connection, notification: Notification, sizeBytes: number): void {
    if (connection !== this.#connection) return
    // Late notifications of a subscription that was ended here find no handler.
    this.#handlers.get(notification.params.subscription)?.(notification, sizeBytes)
  }
}

function reasonOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | undefined)?.code
  return typeof code === 'string' ? ` (${code})` : ''
}

/** Whatever a socket fails with may pass; what the daemon itself said tells. */
function isRetryable(error: unknown): boolean {
  return !(error instanceof ParleyError) || error.retryable || error.code === 'PARSE_ERROR'
}
