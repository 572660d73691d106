import type { Actor, Behaviour, Exit } from '../actor/actor.ts'
import type { Timer } from '../actor/clock.ts'
import { DaemonError } from '../errors.ts'
import type { Log } from '../observe/log-port.ts'
import { type CallId, encodeFailure, encodeResult } from './answers.ts'
import type { Caller, MethodDeps } from './call.ts'
import { decodeMessage, encodeMessage } from './codec.ts'
import type { AppConnection } from './port.ts'
import { type MethodTable, RequestError, readRequest } from './rpc.ts'
import { type Push, Session } from './session.ts'

export interface ClientOptions {
  readonly connection: AppConnection
  readonly caller: Caller
  readonly methods: MethodTable
  readonly deps: MethodDeps
  readonly log: Log
  /** True once the daemon is stopping: no new calls. */
  readonly isStopping: () => boolean
}

/** Mail of a client's actor. What comes over the socket and from the inbox runs at once, as a part of the actor. */
export type ClientMessage =
  | { readonly type: 'answered'; readonly id: CallId; readonly result: object }
  | { readonly type: 'failed'; readonly id: CallId; readonly error: unknown }
  | { readonly type: 'hello-overdue' }
  | { readonly type: 'end-events' }

const CLOSE_POLICY = 1008
const CLOSE_CRASHED = 1011
const CLOSE_GOING_AWAY = 1001

/** One connected app. Whatever it does or does not do ends at most itself; its end takes everything it had open along. */
export class IpcClient implements Behaviour<ClientMessage> {
  readonly #self: Actor<ClientMessage>
  readonly #options: ClientOptions
  readonly #session: Session
  /** Calls in hand, with the bytes in which they came. */
  readonly #calls = new Map<CallId, number>()
  readonly #gone = new AbortController()
  readonly #helloTimer: Timer
  #callBytes = 0
  #onIdle: (() => void) | undefined

  constructor(self: Actor<ClientMessage>, options: ClientOptions) {
    this.#self = self
    this.#options = options
    const { connection, deps } = options
    const { pushBytesMax, requestTimeoutMs, subscriptionCountMax } = deps.limits
    this.#session = new Session({
      events: deps.events,
      clock: deps.clock,
      push: this.#push,
      subscriptionCountMax,
      hasRoom: () => connection.bufferedBytes < pushBytesMax,
      guard: code => self.run(code)
    })
    this.#helloTimer = self.after(requestTimeoutMs, { type: 'hello-overdue' })
    connection.read({
      message: data => self.run(() => this.#message(data)),
      drained: () => self.run(() => this.#session.resume()),
      closed: () => self.stop('the app is gone')
    })
  }

  receive(message: ClientMessage): void {
    switch (message.type) {
      case 'answered':
        this.#answer(message.id, () => encodeResult(this.#encoding, message.id, message.result), message.result)
        break
      case 'failed':
        this.#fail(message.id, message.error)
        break
      case 'hello-overdue':
        this.#hangUp('no hello')
        break
      case 'end-events':
        this.#session.endEvents('SHUTTING_DOWN')
        break
    }
  }

  stopped(exit: Exit): void {
    this.#gone.abort()
    this.#session.close()
    const { sends } = this.#session
    if (sends !== undefined) this.#options.deps.claims.release(sends)
    this.#onIdle?.()
    if (exit.type === 'crashed') {
      this.#options.log.error({ err: exit.error }, 'an app was cut off by an error')
      this.#options.connection.close(CLOSE_CRASHED, 'internal error')
    } else {
      this.#options.connection.close(CLOSE_GOING_AWAY, '')
    }
  }

  /** Resolves when no call is in hand. */
  idle(): Promise<void> {
    if (this.#calls.size === 0) return Promise.resolve()
    return new Promise(resolve => {
      this.#onIdle = resolve
    })
  }

  get #encoding(): AppConnection['encoding'] {
    return this.#options.connection.encoding
  }

  readonly #push: Push = (method, params) => {
    this.#options.connection.send(encodeMessage(this.#encoding, { jsonrpc: '2.0', method, params }))
  }

  #message(data: Uint8Array): void {
    const { connection, deps } = this.#options
    if (connection.bufferedBytes > deps.limits.unreadHangUpBytes) {
      this.#hangUp('answers are not read')
      return
    }
    try {
      this.#call(data)
    } catch (error) {
      const id = error instanceof RequestError ? error.id : null
      connection.send(encodeFailure(this.#encoding, id, error))
      if (!(error instanceof DaemonError)) throw error
    }
  }

  #call(data: Uint8Array): void {
    const { methods, caller, deps } = this.#options
    const request = readRequest(decodeMessage(this.#encoding, data))
    const { id } = request
    if (this.#calls.has(id)) throw new RequestError(id, 'a call with this id is in hand')
    this.#calls.set(id, data.length)
    this.#callBytes += data.length
    try {
      this.#assertMayCall(request.method)
      const session = this.#session
      const named = { ...caller, name: session.clientName ?? caller.name }
      const result = methods.call(request, this.#encoding, { caller: named, signal: this.#gone.signal, session, deps })
      if (result instanceof Promise) this.#await(id, result)
      else this.#answer(id, () => encodeResult(this.#encoding, id, result), result)
    } catch (error) {
      this.#fail(id, error)
    }
  }

  #await(id: CallId, result: Promise<object>): void {
    this.#self.pipe(
      result,
      value => ({ type: 'answered', id, result: value }),
      error => ({ type: 'failed', id, error })
    )
  }

  #assertMayCall(method: string): void {
    const { limits } = this.#options.deps
    if (this.#options.isStopping()) throw new DaemonError('SHUTTING_DOWN', 'the daemon is stopping')
    const isHello = method === 'node.hello'
    if (this.#session.clientName === undefined && !isHello)
      throw new DaemonError('HELLO_REQUIRED', 'call node.hello first')
    if (this.#session.clientName !== undefined && isHello) throw new DaemonError('INVALID_REQUEST', 'hello was said')
    if (
      this.#calls.size > limits.callCountMax ||
      this.#callBytes > limits.callBytesMax ||
      this.#options.connection.bufferedBytes > limits.unreadBytesMax
    ) {
      const { callCountMax, callBytesMax } = limits
      throw new DaemonError('TOO_MANY_CALLS', 'too much is unanswered', { data: { callCountMax, callBytesMax } })
    }
  }

  #fail(id: CallId, error: unknown): void {
    if (!(error instanceof DaemonError)) this.#options.log.error({ err: error }, 'a call failed')
    this.#answer(id, () => encodeFailure(this.#encoding, id, error))
  }

  #answer(id: CallId, encode: () => Uint8Array, result?: object): void {
    const bytes = this.#calls.get(id)
    if (bytes === undefined) throw new Error('answered twice')
    this.#calls.delete(id)
    this.#callBytes -= bytes
    let answer: Uint8Array
    try {
      answer = encode()
    } catch (error) {
      this.#options.log.error({ err: error }, 'a result could not be written')
      answer = encodeFailure(this.#encoding, id, error)
    }
    this.#options.connection.send(answer)
    if (this.#session.clientName !== undefined) this.#helloTimer.cancel()
    if (result !== undefined) this.#session.start(result)
    if (this.#calls.size === 0) this.#onIdle?.()
  }

  #hangUp(reason: string): void {
    this.#options.connection.close(CLOSE_POLICY, reason)
    this.#self.stop(reason)
  }
}
