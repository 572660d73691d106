import { ProtocolError } from '../errors.ts'
import type { PublicKey } from '../keys.ts'
import { orAborted } from './abort.ts'
import { WRAP_OVERHEAD_BYTES, WRAPPED_MESSAGE_BYTES_MAX } from './data-message.ts'
import { HANDSHAKE_MESSAGE_BYTES_MAX } from './messages.ts'
import type { SecureSession } from './session.ts'

/** Largest message that goes in or out of a driven session, unless its owner says otherwise. */
export const MESSAGE_BYTES_MAX_DEFAULT: number = 1024 * 1024

/**
 * Finds the long-term key of an ID, which is not authenticated and may hold any bytes; `undefined` when that ID may not
 * speak. One that throws or rejects refuses the peer as well (`PEER_UNKNOWN`, with the error as its cause).
 */
export type GetPublicKey = (id: Uint8Array) => PublicKey | undefined | Promise<PublicKey | undefined>

const EVENTS = ['negotiating', 'established', 'closed'] as const

/**
 * What becomes of a session, in this order, each at most once. `negotiating`: message 1 was made, or answered.
 * `established`: data can go both ways. `closed`: it is over, and its secrets are overwritten.
 *
 * @see Themis src/themis/secure_session.c, STATE_NEGOTIATING and STATE_ESTABLISHED
 */
export type SessionEvent = (typeof EVENTS)[number]

export interface SessionDriverOptions {
  /** New, or loaded. Taken over: its messages pass through here alone, and it is wiped when it is closed. */
  readonly session: SecureSession
  readonly getPublicKey: GetPublicKey
  /** Unix time, for what is sent and, by receive policy `themis`, for what is received. */
  readonly nowSeconds: () => number
  /** Longest message in and out, in bytes: 1 to 2^31 - 53, by default 1 MiB. Handshake messages have their own limit. */
  readonly messageBytesMax?: number
  /** Called within the step that it tells of. Must not throw. */
  readonly onEvent?: (event: SessionEvent) => void
  /** Closes the session: whatever waits fails with its reason. */
  readonly signal?: AbortSignal
}

/** A session with what it needs from outside, for those who carry its messages. */
export class SessionDriver {
  readonly session: SecureSession
  readonly #messageBytesMax: number
  readonly #options: SessionDriverOptions
  readonly #ended = new AbortController()
  /** How many of `EVENTS` are past. */
  #past = 0

  /** @throws {RangeError} for a limit out of range */
  constructor(options: SessionDriverOptions) {
    const { messageBytesMax = MESSAGE_BYTES_MAX_DEFAULT, signal } = options
    if (!Number.isInteger(messageBytesMax) || messageBytesMax < 1 || messageBytesMax > WRAPPED_MESSAGE_BYTES_MAX) {
      throw new RangeError('messageBytesMax is out of range')
    }
    this.#messageBytesMax = messageBytesMax
    this.#options = options
    this.session = options.session
    if (signal?.aborted) this.close(signal.reason)
    signal?.addEventListener('abort', () => this.close(signal.reason), { once: true, signal: this.signal })
  }

  /** Longest message that may come now, wrapping included. */
  get incomingBytesMax(): number {
    return this.session.established ? this.#messageBytesMax + WRAP_OVERHEAD_BYTES : HANDSHAKE_MESSAGE_BYTES_MAX
  }

  /** Aborted when the session is closed. */
  get signal(): AbortSignal {
    return this.#ended.signal
  }

  /** Message 1. */
  connectRequest(): Uint8Array {
    this.signal.throwIfAborted()
    const request = this.session.connectRequest()
    this.#tell('negotiating')
    return request
  }

  /**
   * Takes one handshake message. One at a time: the next waits until this has been answered.
   *
   * @returns the message to send in return; the owner calls {@link tellEstablished} when it has gone
   */
  async negotiate(bytes: Uint8Array): Promise<Uint8Array | undefined> {
    this.signal.throwIfAborted()
    let progress = this.session.receive(bytes)
    if (progress.needPeerKey !== undefined) {
      progress = this.session.peerKey(await this.#lookUp(progress.needPeerKey))
    }
    this.#tell('negotiating')
    return progress.reply
  }

  wrap(message: Uint8Array): Uint8Array {
    this.signal.throwIfAborted()
    if (message.length > this.#messageBytesMax) throw new RangeError('a message longer than messageBytesMax')
    return this.session.wrap(message, this.#options.nowSeconds())
  }

  /** Opens a data message. One that is longer than the limit is refused before it is decrypted. */
  unwrap(bytes: Uint8Array): Uint8Array {
    this.signal.throwIfAborted()
    if (bytes.length > this.incomingBytesMax) {
      throw new ProtocolError('INVALID_MESSAGE', 'a message longer than messageBytesMax')
    }
    return this.session.unwrap(bytes, this.#options.nowSeconds()).message
  }

  tellEstablished(): void {
    this.#tell('established')
  }

  /** Wipes the session. What waits, and what is called later, fails with `reason`. May be called again. */
  close(reason: unknown): void {
    if (this.signal.aborted) return
    this.#ended.abort(reason)
    this.session.wipe()
    this.#tell('closed')
  }

  async #lookUp(id: Uint8Array): Promise<PublicKey | undefined> {
    try {
      return await orAborted(this.#options.getPublicKey(id), this.signal)
    } catch (cause) {
      this.signal.throwIfAborted()
      this.#refuse()
      throw new ProtocolError('PEER_UNKNOWN', 'the key lookup failed', { cause })
    }
  }

  /** Brings the session back to before the message of a peer that it asked about. */
  #refuse(): void {
    try {
      this.session.peerKey(undefined)
    } catch {
      // It says that the peer is not known, which the caller says as well, with the cause.
    }
  }

  #tell(event: SessionEvent): void {
    const index = EVENTS.indexOf(event)
    if (index < this.#past) return
    this.#past = index + 1
    this.#options.onEvent?.(event)
  }
}
