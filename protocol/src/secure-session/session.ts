import { assertBytes, copyBytes, type RandomBytes } from '../bytes.ts'
import { ProtocolError } from '../errors.ts'
import { generateKeyPair, type KeyPair, type PrivateKey, type PublicKey } from '../keys.ts'
import { DataChannel, type DataChannelOptions, type SessionCounts, type UnwrappedMessage } from './data-channel.ts'
import { RECEIVE_POLICIES, type ReceivePolicy } from './receive-policy.ts'
import { decodeSavedSession, encodeSavedSession } from './saved-session.ts'
import { ROLES, type SessionInput, type SessionRole, type SessionState, wipeLeftState } from './state.ts'
import { type StepDeps, step } from './step.ts'

export interface SecureSessionOptions {
  /** The client speaks first. */
  readonly role: SessionRole
  /** Own ID: not empty, copied. */
  readonly id: Uint8Array
  /** Own long-term key. Stays the caller's: {@link SecureSession.wipe} leaves it alone. */
  readonly privateKey: PrivateKey
  /** Asked for 16 bytes a wrap, and 32 for an ephemeral key. */
  readonly randomBytes: RandomBytes
  readonly receivePolicy: ReceivePolicy
  /** Instead of an ephemeral P-256 pair made from `randomBytes`. The session wipes the private half. */
  readonly generateKeyPair?: () => KeyPair
}

type ChannelOptions = Pick<DataChannelOptions, 'receivePolicy' | 'randomBytes'>

/** What is to be done after a handshake message. */
export interface HandshakeProgress {
  /** Send this, as one message. */
  readonly reply: Uint8Array | undefined
  /** Find the key of this claimed ID (any bytes, not authenticated) and call {@link SecureSession.peerKey}. */
  readonly needPeerKey: Uint8Array | undefined
  readonly established: boolean
}

/**
 * One Themis Secure Session: the owner of its state, keys and counters.
 *
 * Whole messages go in and out; the caller frames and carries them. The client sends {@link connectRequest}; both give
 * what comes to {@link receive} until `established`, and then to {@link unwrap}. The server is established, and may
 * send, one message before the client. A refused message changes nothing: the genuine one is still accepted.
 * Wipe a session when done with it; wiping is best effort, since the runtime may hold copies.
 */
export class SecureSession implements Disposable {
  /** `undefined` in a loaded session, which has no handshake before it. */
  readonly #stepDeps: StepDeps | undefined
  readonly #channelOptions: ChannelOptions
  readonly #role: SessionRole
  #state: SessionState
  #channel: DataChannel | undefined

  private constructor(
    role: SessionRole,
    stepDeps: StepDeps | undefined,
    channelOptions: ChannelOptions,
    state: SessionState
  ) {
    this.#role = role
    this.#stepDeps = stepDeps
    this.#channelOptions = channelOptions
    this.#state = state
  }

  /**
   * Makes a session that has not begun.
   *
   * @throws {TypeError} for an ID that is not bytes, a role or policy that there is not, or a key that is not EC
   * @throws {RangeError} for an empty ID
   */
  static create(options: SecureSessionOptions): SecureSession {
    const { role, id, privateKey, randomBytes, receivePolicy } = options
    assertBytes(id, 'id')
    assertOneOf(role, ROLES, 'role')
    assertOneOf(receivePolicy, RECEIVE_POLICIES, 'receivePolicy')
    if (privateKey.algorithm !== 'EC') throw new TypeError('a session takes EC keys alone')
    if (id.length === 0) throw new RangeError('an ID has at least one byte')
    const makeKeyPair = options.generateKeyPair ?? (() => generateKeyPair(randomBytes))
    return new SecureSession(
      role,
      { id: copyBytes(id), privateKey, generateKeyPair: makeKeyPair },
      { receivePolicy, randomBytes },
      { tag: role === 'client' ? 'idle' : 'listening' }
    )
  }

  /**
   * Takes up a session where {@link save} left it, with receive policy `themis`. It knows no identities. Two sessions
   * loaded from one state use the same sequence numbers.
   *
   * @param saved - copied; the caller should wipe it
   * @throws {ProtocolError} `INVALID_MESSAGE`, `DATA_CORRUPT`
   * @throws {TypeError} for what is not bytes
   */
  static load(saved: Uint8Array, randomBytes: RandomBytes): SecureSession {
    assertBytes(saved, 'saved')
    const { role, secrets, sequenceNumbers } = decodeSavedSession(saved)
    const channelOptions: ChannelOptions = { receivePolicy: 'themis', randomBytes }
    const state: SessionState = { tag: 'established', role, secrets, remoteId: undefined, messages: [] }
    const session = new SecureSession(role, undefined, channelOptions, state)
    session.#channel = new DataChannel({ ...channelOptions, role, secrets, sequenceNumbers })
    return session
  }

  /** Who speaks first, or did. */
  get role(): SessionRole {
    return this.#role
  }

  /** Whether data can be wrapped and unwrapped. */
  get established(): boolean {
    return this.#channel !== undefined
  }

  /** The peer's ID: to the server once message 1 has passed, to the client once message 2 has. */
  get remoteId(): Uint8Array | undefined {
    const id = 'remoteId' in this.#state ? this.#state.remoteId : undefined
    return id && copyBytes(id)
  }

  /**
   * The number that both sides carry in clear. Four bytes: two sessions can be made to share one, so nothing may be
   * bound to it.
   *
   * @throws {ProtocolError} `NOT_ESTABLISHED`
   */
  get sessionId(): number {
    return this.#established().sessionId
  }

  /** Messages wrapped and unwrapped so far; zeros before the session is established. */
  get counts(): SessionCounts {
    return this.#channel?.counts ?? { wrapped: 0, unwrapped: 0 }
  }

  /** Copies of handshake messages 1 to 4 as they passed, as far as they have been accepted: a transcript to hash. */
  get handshakeMessages(): readonly Uint8Array[] {
    return 'messages' in this.#state ? this.#state.messages.map(copyBytes) : []
  }

  /**
   * Begins the handshake.
   *
   * @returns message 1
   * @throws {ProtocolError} `INVALID_STATE` in a server, or when called again
   */
  connectRequest(): Uint8Array {
    return this.#advance({ type: 'connect' }).reply as Uint8Array
  }

  /**
   * Takes one handshake message of the peer, at most 65,535 bytes.
   *
   * @param bytes - copied where it is kept
   * @throws {ProtocolError} `INVALID_MESSAGE`, `DATA_CORRUPT`, `AUTHENTICATION_FAILED`, `UNEXPECTED_MESSAGE`
   * @throws {TypeError} for what is not bytes
   */
  receive(bytes: Uint8Array): HandshakeProgress {
    assertBytes(bytes, 'bytes')
    return this.#advance({ type: 'peer-bytes', bytes })
  }

  /**
   * Answers `needPeerKey`, which {@link receive} gave.
   *
   * @param key - the long-term key of that ID, or `undefined` when that ID may not speak
   * @throws {ProtocolError} `PEER_UNKNOWN`, `AUTHENTICATION_FAILED`, `INVALID_KEY`, `DATA_CORRUPT` when this refuses the
   * message; `INVALID_STATE` when nothing was asked
   */
  peerKey(key: PublicKey | undefined): HandshakeProgress {
    return this.#advance({ type: 'peer-key', key })
  }

  /**
   * Wraps a message into one buffer, 52 bytes longer. Nothing counts how often: end a session long before 2^32 messages, which is
   * as many as random nonces allow for a key.
   *
   * @param message - 1 byte to 2^31 - 53
   * @param nowSeconds - Unix time
   * @throws {ProtocolError} `NOT_ESTABLISHED`
   * @throws {TypeError} for what is not bytes
   * @throws {RangeError} for an empty or too long message, or a time that is no safe integer
   */
  wrap(message: Uint8Array, nowSeconds: number): Uint8Array {
    assertBytes(message, 'message')
    return this.#established().wrap(message, nowSeconds)
  }

  /**
   * Wraps the concatenation of `parts` as one message, and leaves the joining of the result to whoever writes it.
   *
   * @returns new buffers that are the wrapped message when joined
   * @throws as {@link wrap}
   */
  wrapParts(parts: readonly Uint8Array[], nowSeconds: number): Uint8Array[] {
    for (const part of parts) assertBytes(part, 'part')
    return this.#established().wrapParts(parts, nowSeconds)
  }

  /**
   * Opens a message of the peer. The tag is checked before any field is read; a refused message moves no counter.
   *
   * @param bytes - one whole wrapped message
   * @param nowSeconds - Unix time; judged by policy `themis` alone
   * @throws {ProtocolError} `NOT_ESTABLISHED`, `AUTHENTICATION_FAILED`, `INVALID_MESSAGE`, `SEQUENCE_OUT_OF_RANGE`;
   * `TIME_OUT_OF_RANGE` by policy `themis`
   * @throws {TypeError} for what is not bytes
   */
  unwrap(bytes: Uint8Array, nowSeconds: number): UnwrappedMessage {
    assertBytes(bytes, 'bytes')
    return this.#established().unwrap(bytes, nowSeconds)
  }

  /**
   * Encodes the session for {@link load}, in clear: 60 bytes that the caller owns, keeps secret and wipes.
   *
   * @throws {ProtocolError} `NOT_ESTABLISHED`; `NOT_SUPPORTED` with policy `ordered`, which cannot be taken up again
   */
  save(): Uint8Array {
    const { sequenceNumbers } = this.#established()
    if (this.#channelOptions.receivePolicy === 'ordered') {
      throw new ProtocolError('NOT_SUPPORTED', 'an ordered session cannot be saved')
    }
    const { secrets } = this.#state as Extract<SessionState, { tag: 'established' }>
    return encodeSavedSession({ role: this.#role, secrets, sequenceNumbers })
  }

  /** Overwrites the secrets and ends the session. May be called again. */
  wipe(): void {
    this.#commit({ tag: 'closed' })
    this.#channel = undefined
  }

  [Symbol.dispose](): void {
    this.wipe()
  }

  #advance(input: SessionInput): HandshakeProgress {
    if (this.#stepDeps === undefined) throw new ProtocolError('INVALID_STATE', 'a loaded session has no handshake')
    const { state, effects } = step(this.#state, input, this.#stepDeps)
    if (state.tag === 'established') this.#channel = new DataChannel({ ...this.#channelOptions, ...state })
    this.#commit(state)
    let reply: Uint8Array | undefined
    let needPeerKey: Uint8Array | undefined
    for (const effect of effects) {
      if (effect.type === 'refuse') throw effect.error
      // Copies: the state holds these, for the transcript and the peer's ID.
      if (effect.type === 'send') reply = copyBytes(effect.bytes)
      else needPeerKey = copyBytes(effect.id)
    }
    return { reply, needPeerKey, established: this.established }
  }

  #commit(next: SessionState): void {
    const left = this.#state
    this.#state = next
    wipeLeftState(left, next)
  }

  #established(): DataChannel {
    if (this.#channel === undefined) throw new ProtocolError('NOT_ESTABLISHED', 'the session is not established')
    return this.#channel
  }
}

/** From JavaScript a misspelt name would else count as another. */
function assertOneOf(value: string, names: readonly string[], what: string): void {
  if (!names.includes(value)) throw new TypeError(`${what} must be one of ${names.join(', ')}`)
}
