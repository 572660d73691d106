import { copyBytes } from '../bytes.ts'
import {
  type PrivateKey as CorePrivateKey,
  type PublicKey as CorePublicKey,
  decodePrivateKey,
  decodePublicKey,
  keyKind
} from '../keys.ts'
import { type HandshakeProgress, SecureSession } from '../secure-session/session.ts'
import type { SessionRole } from '../secure-session/state.ts'
import { bytesOf, someBytesOf } from './arguments.ts'
import { asThemis, invalidParameter, ThemisError, ThemisErrorCode, themisErrorOf } from './errors.ts'
import { PrivateKey, PublicKey } from './keys.ts'
import { randomBytes } from './random.ts'

const SUBSYSTEM = 'SecureSession'

/** Finds the public key of a peer. The ID is any bytes, not authenticated yet. */
export type KeyCallback = (id: Uint8Array) => PublicKey | null | undefined

/** Secure Session as wasm-themis has it, but for the clock. */
export abstract class SessionDropIn {
  readonly keyCallback: KeyCallback
  readonly #id: Uint8Array
  readonly #privateKey: CorePrivateKey
  /** Which role it has shows in what is called first. */
  #session: SecureSession | undefined
  #isDestroyed = false

  /**
   * @param sessionID - the own ID, not empty
   * @param privateKey - the own long-term key, of an elliptic curve
   * @throws {TypeError} for an ID that is not bytes; `ThemisError` 12 for other arguments, 13 for an RSA key
   */
  constructor(sessionID: Uint8Array, privateKey: PrivateKey, keyCallback: KeyCallback) {
    this.#id = copyBytes(someBytesOf(sessionID, SUBSYSTEM, 'session ID'))
    if (!(privateKey instanceof PrivateKey)) throw invalidParameter(SUBSYSTEM, 'expected PrivateKey as second argument')
    if (typeof keyCallback !== 'function') throw invalidParameter(SUBSYSTEM, 'expected callback as third argument')
    if (keyKind(privateKey) !== 'ec-private') {
      throw new ThemisError(SUBSYSTEM, ThemisErrorCode.NO_MEMORY, 'Secure Session has no use for RSA keys')
    }
    this.#privateKey = asThemis(SUBSYSTEM, () => decodePrivateKey(privateKey))
    this.keyCallback = keyCallback
  }

  /** Unix time in whole seconds. */
  protected abstract nowSeconds(): number

  /** Wipes the session. It is of no use afterwards. */
  destroy(): void {
    this.#assertUsable('failed to destroy Secure Session')
    this.#session?.wipe()
    this.#privateKey.wipe()
    this.#session = undefined
    this.#isDestroyed = true
  }

  [Symbol.dispose](): void {
    if (!this.#isDestroyed) this.destroy()
  }

  established(): boolean {
    return this.#session?.established ?? false
  }

  /**
   * Makes this side the client. Called again before the server answered it gives the same request; after that, a new
   * one, and the session begins anew.
   *
   * @returns message 1
   */
  connectionRequest(): Uint8Array {
    this.#assertUsable()
    const { handshakeMessages = [], remoteId } = this.#session ?? {}
    if (handshakeMessages.length === 1 && remoteId === undefined) return handshakeMessages[0] as Uint8Array
    return asThemis(SUBSYSTEM, () => this.#begin('client').connectRequest())
  }

  /**
   * Takes a handshake message.
   *
   * @returns the message to send back; empty when there is none, because the session is established
   */
  negotiateReply(message: Uint8Array): Uint8Array {
    const received = someBytesOf(message, SUBSYSTEM, 'message')
    this.#assertUsable()
    const session = this.#session ?? this.#begin('server')
    const { needPeerKey, reply } = this.#advance(() => session.receive(received))
    if (needPeerKey === undefined) return reply ?? new Uint8Array(0)
    return this.#answerLookup(session, needPeerKey).reply ?? new Uint8Array(0)
  }

  /** Encrypts a message for the peer; 52 bytes longer. */
  wrap(message: Uint8Array): Uint8Array {
    const content = someBytesOf(message, SUBSYSTEM, 'message')
    this.#assertUsable()
    const session = this.#session
    if (session === undefined) throw new ThemisError(SUBSYSTEM, ThemisErrorCode.SSESSION_KA_NOT_FINISHED)
    return asThemis(SUBSYSTEM, () => session.wrap(content, this.nowSeconds()))
  }

  /** Decrypts a message of the peer. */
  unwrap(message: Uint8Array): Uint8Array {
    const wrapped = someBytesOf(message, SUBSYSTEM, 'message')
    this.#assertUsable()
    const session = this.#session
    if (!session?.established) throw invalidParameter(SUBSYSTEM, 'the session is not established')
    return asThemis(SUBSYSTEM, () => session.unwrap(wrapped, this.nowSeconds()).message)
  }

  /** The peer's ID; empty while it is unknown, and in a session that was loaded. */
  remoteID(): Uint8Array {
    return this.#session?.remoteId ?? new Uint8Array(0)
  }

  /**
   * The state of an established session, for {@link load}: 60 secret bytes in clear.
   *
   * @see Themis secure_session_save
   */
  save(): Uint8Array {
    this.#assertUsable()
    const session = this.#session
    if (!session?.established) throw invalidParameter(SUBSYSTEM, 'the session is not established')
    return asThemis(SUBSYSTEM, () => session.save())
  }

  /**
   * Takes up what {@link save} gave, instead of a handshake. Two sessions of one state number their messages alike.
   *
   * @see Themis secure_session_load
   */
  load(state: Uint8Array): void {
    const saved = bytesOf(state)
    this.#assertUsable()
    this.#replace(asThemis(SUBSYSTEM, () => SecureSession.load(saved, randomBytes)))
  }

  #answerLookup(session: SecureSession, id: Uint8Array): HandshakeProgress {
    let key: CorePublicKey | undefined
    try {
      key = this.#lookUp(id)
    } catch (error) {
      this.#refuse(session)
      throw error
    }
    return this.#advance(() => session.peerKey(key))
  }

  #lookUp(id: Uint8Array): CorePublicKey | undefined {
    const key: unknown = this.keyCallback(id)
    if (key === null || key === undefined) return undefined
    if (!(key instanceof PublicKey)) {
      throw invalidParameter(SUBSYSTEM, 'Secure Session callback must return PublicKey or null')
    }
    if (keyKind(key) !== 'ec-public') throw invalidParameter(SUBSYSTEM, 'Secure Session has no use for RSA keys')
    return asThemis(SUBSYSTEM, () => decodePublicKey(key))
  }

  /** Takes back the message for whose sake the callback was called. */
  #refuse(session: SecureSession): void {
    try {
      session.peerKey(undefined)
    } catch {
      // That the peer is unknown is what was said to it; the caller throws what went wrong in truth.
    }
  }

  #advance(step: () => HandshakeProgress): HandshakeProgress {
    try {
      return step()
    } catch (error) {
      throw themisErrorOf(SUBSYSTEM, error, 'handshake')
    }
  }

  #begin(role: SessionRole): SecureSession {
    const options = { role, id: this.#id, privateKey: this.#privateKey, randomBytes, receivePolicy: 'themis' } as const
    return this.#replace(SecureSession.create(options))
  }

  #replace(session: SecureSession): SecureSession {
    this.#session?.wipe()
    this.#session = session
    return session
  }

  #assertUsable(message = 'the session has been destroyed'): void {
    if (this.#isDestroyed) throw invalidParameter(SUBSYSTEM, message)
  }
}
