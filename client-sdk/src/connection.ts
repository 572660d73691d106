import type { AbortWatch } from './abort-watch.ts'
import { type CallId, decodeIncoming, encodeCall, type Notification } from './codec.ts'
import type { MethodName, Params, Result } from './contract/methods.ts'
import type { Limits } from './contract/types.ts'
import { ParleyError } from './errors.ts'
import type { AppSocket } from './socket.ts'

/** WebSocket close code for a message that breaks the protocol. */
const CLOSE_PROTOCOL_ERROR = 1002

/** What holds until `node.hello` tells the daemon's own limits. */
const LIMITS_BEFORE_HELLO = { callCountMax: 1, callBytesMax: 64 * 1024, requestBytesMax: 64 * 1024 }

export type CallLimits = Pick<Limits, 'callCountMax' | 'callBytesMax' | 'requestBytesMax'>

/** Who waits for an answer. Exactly one of the two is called, once, in the turn in which the answer came. */
export interface CallReader<T> {
  ok(result: T): void
  failed(error: ParleyError): void
}

export interface ConnectionOptions {
  readonly socket: AppSocket
  readonly aborts: AbortWatch
  /** Called in order with the answers; `sizeBytes` is that of the whole message. */
  onNotification(notification: Notification, sizeBytes: number): void
  /** Called once, after every open call has failed. */
  onClosed(error: ParleyError): void
}

interface OpenCall {
  readonly bytes: Uint8Array
  readonly reader: CallReader<unknown>
}

/**
 * JSON-RPC calls over one socket. Calls over the daemon's limits wait their turn here.
 *
 * When the socket dies, every open call fails with `DAEMON_UNREACHABLE`: `accepted` is `'unknown'` where the call had been
 * written, `'no'` where it was still waiting.
 */
export class Connection {
  readonly #options: ConnectionOptions
  readonly #socket: AppSocket
  readonly #unanswered = new Map<CallId, OpenCall>()
  readonly #waiting = new Map<CallId, OpenCall>()
  #limits: CallLimits = LIMITS_BEFORE_HELLO
  #unansweredBytes = 0
  #lastId = 0
  #closed: ParleyError | undefined

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#socket = options.socket
    this.#socket.read({
      message: data => this.#message(data),
      closed: end =>
        this.#fail(
          new ParleyError('DAEMON_UNREACHABLE', `The connection to the daemon was lost (${end.code}).`, {
            cause: end.reason || undefined
          })
        )
    })
  }

  get isOpen(): boolean {
    return this.#closed === undefined
  }

  setLimits(limits: CallLimits): void {
    this.#limits = limits
    this.#writeWaiting()
  }

  /**
   * Calls a method. `reader` hears of the outcome before the next message is read, so that a notification that follows at once finds its
   * subscription.
   *
   * @throws {ParleyError} `TOO_LARGE` when the request is longer than the daemon takes
   */
  request<M extends MethodName>(method: M, params: Params<M>, reader: CallReader<Result<M>>): void {
    if (this.#closed !== undefined) {
      reader.failed(unreachable(this.#closed, 'no'))
      return
    }
    const id = ++this.#lastId
    const bytes = encodeCall(id, method, params)
    const sizeBytesMax = Math.min(this.#limits.requestBytesMax, this.#limits.callBytesMax)
    if (bytes.length > sizeBytesMax) {
      throw new ParleyError('TOO_LARGE', `The request has ${bytes.length} bytes; the daemon takes ${sizeBytesMax}.`)
    }
    const call = { bytes, reader: reader as CallReader<unknown> }
    if (this.#waiting.size === 0 && this.#hasRoom(bytes.length)) this.#write(id, call)
    else this.#waiting.set(id, call)
  }

  /** As `request`, as a promise. Once `signal` is aborted it rejects with the signal's reason and the answer is dropped. */
  call<M extends MethodName>(method: M, params: Params<M>, signal?: AbortSignal): Promise<Result<M>> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      const settle = this.#options.aborts.watch(signal, reject)
      this.request(method, params, {
        ok: result => {
          settle()
          resolve(result)
        },
        failed: error => {
          settle()
          reject(error)
        }
      })
    })
  }

  /** Ends the connection; open calls fail at once. */
  close(error: ParleyError): void {
    this.#socket.close()
    this.#fail(error)
  }

  #hasRoom(sizeBytes: number): boolean {
    return (
      this.#unanswered.size < this.#limits.callCountMax &&
      this.#unansweredBytes + sizeBytes <= this.#limits.callBytesMax
    )
  }

  #write(id: CallId, call: OpenCall): void {
    this.#unanswered.set(id, call)
    this.#unansweredBytes += call.bytes.length
    this.#socket.send(call.bytes)
  }

  #writeWaiting(): void {
    for (const [id, call] of this.#waiting) {
      if (!this.#hasRoom(call.bytes.length)) return
      this.#waiting.delete(id)
      this.#write(id, call)
    }
  }

  #message(data: Uint8Array): void {
    if (this.#closed !== undefined) return
    try {
      this.#dispatch(data)
    } catch (error) {
      if (!(error instanceof ParleyError) || error.code !== 'PARSE_ERROR') throw error
      this.#socket.close(CLOSE_PROTOCOL_ERROR, 'malformed message')
      this.#fail(error)
    }
  }

  #dispatch(data: Uint8Array): void {
    const incoming = decodeIncoming(data)
    if (incoming.kind === 'notification') {
      // Names that this version does not know are the reader's to ignore.
      this.#options.onNotification(incoming as Notification, data.length)
      return
    }
    const call = this.#unanswered.get(incoming.id)
    if (call === undefined) throw new ParleyError('PARSE_ERROR', 'The daemon answered a call that is not open.')
    this.#unanswered.delete(incoming.id)
    this.#unansweredBytes -= call.bytes.length
    this.#writeWaiting()
    if (incoming.kind === 'result') call.reader.ok(incoming.result)
    else call.reader.failed(incoming.error)
  }

  #fail(error: ParleyError): void {
    if (this.#closed !== undefined) return
    this.#closed = error
    const written = [...this.#unanswered.values()]
    const waiting = [...this.#waiting.values()]
    this.#unanswered.clear()
    this.#waiting.clear()
    for (const call of written) call.reader.failed(unreachable(error, 'unknown'))
    for (const call of waiting) call.reader.failed(unreachable(error, 'no'))
    this.#options.onClosed(error)
  }
}

/** The error of a call that got no answer: the code of `cause` where that is `CLOSED`, else `DAEMON_UNREACHABLE`. */
function unreachable(cause: ParleyError, accepted: 'no' | 'unknown'): ParleyError {
  const code = cause.code === 'CLOSED' ? 'CLOSED' : 'DAEMON_UNREACHABLE'
  return new ParleyError(code, cause.message, { cause, data: { accepted } })
}
