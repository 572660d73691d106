import { assertBytes, copyBytes } from '../bytes.ts'
import { ProtocolError } from '../errors.ts'
import { orAborted } from './abort.ts'
import { SessionDriver, type SessionDriverOptions } from './driver.ts'

/** What carries whole messages, to the peer and from it. Themis's `send_data` and `receive_data`. */
export interface SessionTransport {
  /** Takes one message; what it returns resolves when the next may come. Without it nothing can be sent. */
  readonly send?: (bytes: Uint8Array) => void | Promise<void>
  /** Waits for one message, as it was sent. Without it nothing can be received. */
  readonly receive?: () => Uint8Array | Promise<Uint8Array>
}

export interface TransportSessionOptions extends SessionDriverOptions {
  readonly transport: SessionTransport
}

/**
 * A Secure Session that sends and receives by itself, through two callbacks.
 *
 * The client calls {@link connect}; both then call {@link receive} until {@link established}, and after it for each message.
 * Calls of one kind take turns, sends before sends and receives before receives. A refused message changes nothing: that
 * call fails, and the next one may receive the genuine message. A handshake message that could not be sent is kept, and
 * sent first by the next call that sends or receives.
 *
 * @see Themis src/themis/secure_session.c, secure_session_connect, secure_session_send, secure_session_receive
 */
export class TransportSession implements Disposable {
  readonly #transport: SessionTransport
  readonly #driver: SessionDriver
  readonly #sending = new Turns()
  readonly #receiving = new Turns()
  #unsent: Uint8Array | undefined

  /** @throws {RangeError} for a limit out of range */
  constructor(options: TransportSessionOptions) {
    this.#transport = options.transport
    this.#driver = new SessionDriver(options)
  }

  /** Whether data can be sent and received: the handshake is done and its last message has gone. */
  get established(): boolean {
    return this.#driver.session.established && this.#unsent === undefined
  }

  /** As {@link SecureSession.remoteId}. */
  get remoteId(): Uint8Array | undefined {
    return this.#driver.session.remoteId
  }

  /**
   * Sends message 1. May be called again when it could not be sent.
   *
   * @throws {ProtocolError} `TRANSPORT_FAILED`; `INVALID_STATE` in a server, or when message 1 has gone
   */
  connect(): Promise<void> {
    return this.#sending.take(async () => {
      this.#unsent ??= this.#driver.connectRequest()
      await this.#flush()
    })
  }

  /**
   * Sends one message. One that could not be sent has used its number: with receive policy `ordered` the session is over
   * unless it arrived after all.
   *
   * @param message - copied
   * @throws {ProtocolError} `NOT_ESTABLISHED`, `TRANSPORT_FAILED`
   * @throws {TypeError} for what is not bytes
   * @throws {RangeError} for an empty message, or one over `messageBytesMax`
   */
  async send(message: Uint8Array): Promise<void> {
    assertBytes(message, 'message')
    const content = copyBytes(message)
    await this.#sending.take(async () => {
      await this.#flush()
      await this.#carry(this.#driver.wrap(content))
    })
  }

  /**
   * Receives one message: of the handshake, which it answers, or of data.
   *
   * @returns the peer's message, or `undefined` after one of the handshake
   * @throws {ProtocolError} `TRANSPORT_FAILED`; for a refused message as {@link SecureSession.receive},
   * {@link SecureSession.peerKey} and {@link SecureSession.unwrap}
   */
  receive(): Promise<Uint8Array | undefined> {
    return this.#receiving.take(async () => {
      if (this.#unsent !== undefined) await this.#sending.take(() => this.#flush())
      const bytes = await this.#next()
      if (this.#driver.session.established) return this.#driver.unwrap(bytes)
      await this.#sending.take(async () => {
        this.#unsent = await this.#driver.negotiate(bytes)
        await this.#flush()
      })
      return undefined
    })
  }

  /** Ends the session and overwrites its secrets. What waits fails with `reason`. May be called again. */
  close(reason: unknown = new ProtocolError('INVALID_STATE', 'the session was closed')): void {
    this.#unsent = undefined
    this.#driver.close(reason)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async #flush(): Promise<void> {
    if (this.#unsent !== undefined) await this.#carry(this.#unsent)
    this.#unsent = undefined
    if (this.#driver.session.established) this.#driver.tellEstablished()
  }

  async #carry(bytes: Uint8Array): Promise<void> {
    const { send } = this.#transport
    if (send === undefined) throw new ProtocolError('TRANSPORT_FAILED', 'the transport cannot send')
    await this.#guarded(() => send.call(this.#transport, bytes))
  }

  async #next(): Promise<Uint8Array> {
    const { receive } = this.#transport
    if (receive === undefined) throw new ProtocolError('TRANSPORT_FAILED', 'the transport cannot receive')
    return await this.#guarded(() => receive.call(this.#transport))
  }

  async #guarded<T>(run: () => T | Promise<T>): Promise<T> {
    const { signal } = this.#driver
    signal.throwIfAborted()
    try {
      return await orAborted(run(), signal)
    } catch (cause) {
      signal.throwIfAborted()
      throw new ProtocolError('TRANSPORT_FAILED', 'the transport failed', { cause })
    }
  }
}

/** Runs one thing after another. How many wait is up to those who wait for them. */
class Turns {
  #last: Promise<unknown> = Promise.resolve()

  take<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(run)
    // Who asked for a turn is told of its failure; the next one comes all the same.
    this.#last = turn.catch(() => undefined)
    return turn
  }
}
