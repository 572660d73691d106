import { copyBytes } from '../bytes.ts'
import {
  type PrivateKey as CorePrivateKey,
  type PublicKey as CorePublicKey,
  decodePrivateKey,
  decodePublicKey
} from '../keys.ts'
import type { SessionEvent } from '../secure-session/driver.ts'
import { SecureSession } from '../secure-session/session.ts'
import type { SessionRole } from '../secure-session/state.ts'
import { TransportSession } from '../secure-session/transport.ts'
import { someBytesOf } from './arguments.ts'
import { asThemis, invalidParameter, ThemisError, ThemisErrorCode, themisErrorOf } from './errors.ts'
import { PrivateKey, PublicKey } from './keys.ts'
import { randomBytes } from './random.ts'

const SUBSYSTEM = 'SecureSession'

type Answer<T> = T | Promise<T>

/**
 * What a {@link TransportSessionDropIn} needs of a program: the user callbacks of Themis, which here may be asynchronous.
 *
 * @see Themis src/themis/secure_session.h, secure_session_user_callbacks_t
 */
export interface SecureSessionTransport {
  /** Finds the public key of a peer. The ID is any bytes, not authenticated yet. */
  getPublicKeyForId(id: Uint8Array): Answer<PublicKey | null | undefined>
  /** Takes one message; what it returns resolves when the next may come. */
  send?(message: Uint8Array): Answer<void>
  /** Waits for one message, as it was sent. */
  receive?(): Answer<Uint8Array>
  /** Told of what becomes of the session. Must not throw. */
  stateChanged?(state: SessionEvent): void
}

/** Secure Session over callbacks: what wasm-themis lacks, and the C library and pythemis have. But for the clock. */
export abstract class TransportSessionDropIn {
  readonly #id: Uint8Array
  readonly #privateKey: CorePrivateKey
  readonly #transport: SecureSessionTransport
  /** Which role it has shows in what is called first. */
  #session: TransportSession | undefined
  #isDestroyed = false

  /**
   * @param sessionID - the own ID, not empty
   * @param privateKey - the own long-term key, of an elliptic curve
   * @throws {TypeError} for an ID that is not bytes; `ThemisError` 12 for other arguments
   */
  constructor(sessionID: Uint8Array, privateKey: PrivateKey, transport: SecureSessionTransport) {
    this.#id = copyBytes(someBytesOf(sessionID, SUBSYSTEM, 'session ID'))
    if (!(privateKey instanceof PrivateKey)) throw invalidParameter(SUBSYSTEM, 'expected PrivateKey as second argument')
    if (typeof transport?.getPublicKeyForId !== 'function') {
      throw invalidParameter(SUBSYSTEM, 'expected a transport with getPublicKeyForId as third argument')
    }
    this.#privateKey = asThemis(SUBSYSTEM, () => decodePrivateKey(privateKey))
    this.#transport = transport
  }

  /** Unix time in whole seconds. */
  protected abstract nowSeconds(): number

  /** Wipes the session. What waits fails, and it is of no use afterwards. */
  destroy(): void {
    if (this.#isDestroyed) throw invalidParameter(SUBSYSTEM, 'failed to destroy Secure Session')
    this.#isDestroyed = true
    this.#session?.close()
    this.#privateKey.wipe()
  }

  [Symbol.dispose](): void {
    if (!this.#isDestroyed) this.destroy()
  }

  established(): boolean {
    return !this.#isDestroyed && (this.#session?.established ?? false)
  }

  /** The peer's ID; empty while it is unknown. */
  remoteID(): Uint8Array {
    return this.#session?.remoteId ?? new Uint8Array(0)
  }

  /** Makes this side the client, and sends its request. Both sides then receive until the session is established. */
  async connect(): Promise<void> {
    await this.#run('client', session => session.connect())
  }

  /** @throws `ThemisError` 19 before the session is established, 20 when the transport fails */
  async send(message: Uint8Array): Promise<void> {
    const content = someBytesOf(message, SUBSYSTEM, 'message')
    if (!this.established()) throw new ThemisError(SUBSYSTEM, ThemisErrorCode.SSESSION_KA_NOT_FINISHED)
    await this.#run('server', session => session.send(content))
  }

  /**
   * Receives one message: of the handshake, which it answers, or of data.
   *
   * @returns the peer's message, or `undefined` after one of the handshake
   * @throws `ThemisError` 20 when the transport fails, 21 for an unknown peer, 16, 12 and 11 for a refused message
   */
  receive(): Promise<Uint8Array | undefined> {
    return this.#run('server', session => session.receive())
  }

  async #run<T>(role: SessionRole, work: (session: TransportSession) => Promise<T>): Promise<T> {
    if (this.#isDestroyed) throw invalidParameter(SUBSYSTEM, 'the session has been destroyed')
    this.#session ??= this.#begin(role)
    const session = this.#session
    const during = session.established ? 'other' : 'handshake'
    try {
      return await work(session)
    } catch (error) {
      throw themisErrorOf(SUBSYSTEM, error, during)
    }
  }

  #begin(role: SessionRole): TransportSession {
    const options = { role, id: this.#id, privateKey: this.#privateKey, randomBytes, receivePolicy: 'themis' } as const
    return new TransportSession({
      session: SecureSession.create(options),
      nowSeconds: () => this.nowSeconds(),
      getPublicKey: id => this.#lookUp(id),
      transport: this.#transport,
      onEvent: event => this.#transport.stateChanged?.(event)
    })
  }

  async #lookUp(id: Uint8Array): Promise<CorePublicKey | undefined> {
    const key = await this.#transport.getPublicKeyForId(id)
    if (key === null || key === undefined) return undefined
    if (!(key instanceof PublicKey))
      throw invalidParameter(SUBSYSTEM, 'getPublicKeyForId must give a PublicKey or null')
    return decodePublicKey(key)
  }
}
