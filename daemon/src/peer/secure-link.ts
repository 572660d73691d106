import { ProtocolError, type PublicKey, SecureSession } from '@parley/protocol'
import type { Clock } from '../actor/clock.ts'
import { DaemonError } from '../errors.ts'
import { nodeIdBytes } from '../identity/node-id.ts'
import type { Succession } from '../identity/succession.ts'
import type { RandomBytes } from '../random.ts'
import { FrameReader, frameParts } from '../transport/framing.ts'
import type { ByteStream, NodeId, StreamEnd } from '../transport/port.ts'
import { decodeBatch, type Envelope, encodeBatch, type Hello } from './envelope.ts'
import { type EndCode, PeerFault } from './fault.ts'
import { assertHello, type LinkProtocol, transcriptOf } from './hello.ts'
import type { Self } from './self.ts'
import type { SuccessionPreludes } from './succession/prelude.ts'

export interface LinkLimits {
  readonly messageBytesMax: number
  readonly frameBytesMax: number
  readonly unprovenFrameBytesMax: number
  readonly preludeBytesMax: number
  readonly laneCountMax: number
  readonly streamUnsentBytesMax: number
}

/** The contact that this stream must turn out to belong to. */
export interface LinkPeer {
  readonly id: string
  readonly publicKey: PublicKey
  readonly fingerprint: Uint8Array
  readonly nodeId: NodeId
  readonly cardSerial: number
}

export interface SecureLinkDeps {
  readonly stream: ByteStream
  readonly self: Self
  readonly peer: LinkPeer
  readonly limits: LinkLimits
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  /** What passes in the preludes. Absent, they are empty, and the peer has the key that is held. */
  readonly preludes?: SuccessionPreludes
}

/** What a hello says beside what both sides saw: it depends on the protocol. */
export type Greeting = Pick<Hello, 'features' | 'lanes' | 'rekey' | 'generation'>

type Phase = 'prelude' | 'handshake' | 'hello' | 'following' | 'open' | 'over'

const EMPTY = new Uint8Array(0)
/** How much may come while a key is being followed, in frames of the largest size. */
const WAITING_FRAMES = 2

/**
 * One stream and the Secure Session on it: preludes, the four handshake messages, hellos, then frames of what the protocol has.
 *
 * Owned and driven by one actor; it sets no timer and starts nothing. A peer that breaks a rule ends the link without a word to it.
 * What follows the hellos is the subclass's, whose `on…` methods are called from inside `feed`, `ended`, `closed` and `close`, never
 * by the constructor.
 */
export abstract class SecureLink {
  readonly stream: ByteStream
  readonly #deps: SecureLinkDeps
  readonly #protocol: LinkProtocol
  /** As it was when the link began: a key that is replaced meanwhile is no matter of this link. */
  readonly #self: Self
  #peer: LinkPeer
  readonly #session: SecureSession
  readonly #reader: FrameReader
  /** Until the transcript is made: both preludes and the messages, in the order of their sending. */
  #frames: Uint8Array[] = []
  #phase: Phase = 'prelude'
  /** 32 bytes that name the session on both sides; empty before the handshake has passed. */
  #transcript: Uint8Array = EMPTY
  #hello: Hello | undefined
  /** While the key of the peer is being followed: what stood behind its hello, and the frames after that. */
  #rest: readonly Envelope[] = []
  #waiting: Uint8Array[] = []
  /** Monotonic time of the last byte from the peer. */
  lastByteMs: number
  /** The sender's wall time in the newest frame, in seconds, by its own clock. */
  lastSentAtSeconds = 0

  constructor(deps: SecureLinkDeps, protocol: LinkProtocol) {
    this.#deps = deps
    this.#protocol = protocol
    this.#self = { ...deps.self }
    this.#peer = deps.peer
    this.stream = deps.stream
    this.lastByteMs = deps.clock.monotonicMs()
    this.#session = SecureSession.create({
      role: this.openedByUs ? 'client' : 'server',
      id: new TextEncoder().encode(deps.self.id),
      privateKey: deps.self.privateKey,
      randomBytes: deps.randomBytes,
      receivePolicy: 'ordered'
    })
    this.#reader = new FrameReader(frame => this.#frame(frame), deps.limits.preludeBytesMax)
    if (this.openedByUs) {
      this.#writeHandshake(deps.preludes?.opening() ?? EMPTY)
      this.#writeHandshake(this.#session.connectRequest())
    }
  }

  /** Asked when the hello is written. */
  protected abstract greeting(): Greeting
  /**
   * Four messages and both hellos have passed, by a key that follows the one that is held: `proceed` goes on once that is on disk. What
   * comes meanwhile waits.
   */
  protected onFollowing(_links: readonly Succession[]): void {
    this.proceed()
  }

  /** Four messages and both hellos have passed. `rest` stood behind the hello in its frame. */
  protected abstract onOpen(rest: readonly Envelope[]): void
  /** The plaintext of a frame of an open link. What it throws as `PeerFault` ends the link. */
  protected abstract onPlaintext(plaintext: Uint8Array): void
  /** The peer sends no more on an open link; what comes is only its `closed`. */
  protected abstract onPeerEnd(): void
  /** The link is over. The last call. */
  protected abstract onOver(code: EndCode, detail: string): void

  get openedByUs(): boolean {
    return this.stream.direction === 'outbound'
  }

  get isOpen(): boolean {
    return this.#phase === 'open'
  }

  /** The fingerprint of this side's key on this link. */
  get ownFingerprint(): Uint8Array {
    return this.#self.fingerprint
  }

  /** The keys that both sides proved on this link: their containers. */
  get publicKeys(): { readonly own: Uint8Array; readonly peer: Uint8Array } {
    return { own: this.#self.publicKeyBytes, peer: this.#peer.publicKey.toBytes() }
  }

  get isOver(): boolean {
    return this.#phase === 'over'
  }

  /** Frames that this side has wrapped. */
  get wrapCount(): number {
    return this.#session.counts.wrapped
  }

  /** The peer's hello. @throws {TypeError} before the link is open */
  get hello(): Hello {
    if (this.#hello === undefined) throw new TypeError('no hello yet')
    return this.#hello
  }

  /** 32 bytes that name this run of the handshake on both sides; empty before it has passed. */
  get transcript(): Uint8Array {
    return this.#transcript
  }

  /** Whether more may be written without holding too much in memory. */
  get isWritable(): boolean {
    return this.isOpen && this.stream.unsentBytes < this.#deps.limits.streamUnsentBytesMax
  }

  /** Takes bytes from the stream. */
  feed(chunk: Uint8Array): void {
    if (this.isOver) return
    this.lastByteMs = this.#deps.clock.monotonicMs()
    try {
      this.#reader.push(chunk)
    } catch (error) {
      this.#fault(error)
    }
  }

  /** The peer has ended its direction. */
  ended(): void {
    if (this.isOver) return
    if (this.isOpen && !this.#reader.isMidFrame) this.onPeerEnd()
    else this.close(this.#codeOfEarlyEnd('PEER_CLOSED'), 'the peer ended the stream')
  }

  closed(end: StreamEnd): void {
    this.#finish(this.#codeOfEarlyEnd(end.kind === 'closed' ? 'PEER_CLOSED' : 'CONNECTION_LOST'), end.reason)
  }

  /** Sends one plaintext, given in parts, as one frame. */
  protected sendPlaintext(parts: readonly Uint8Array[]): void {
    const nowSeconds = Math.floor(this.#deps.clock.wallMs() / 1_000)
    this.stream.write(frameParts(this.#session.wrapParts(parts, nowSeconds)))
  }

  /** Ends our direction after what was sent. */
  end(): void {
    this.stream.end()
  }

  /** Ends the link at once. */
  close(code: EndCode, detail: string): void {
    if (this.isOver) return
    this.stream.reset(code)
    this.#finish(code, detail)
  }

  /** The key of the peer has been followed. */
  proceed(): void {
    if (this.#phase !== 'following') return
    this.#phase = 'open'
    const [rest, waiting] = [this.#rest, this.#waiting]
    this.#rest = []
    this.#waiting = []
    try {
      this.onOpen(rest)
      for (const frame of waiting) this.#frame(frame)
    } catch (error) {
      this.#fault(error)
    }
  }

  #finish(code: EndCode, detail: string): void {
    if (this.isOver) return
    this.#phase = 'over'
    this.#reader.stop()
    this.#waiting = []
    this.#session.wipe()
    this.onOver(code, detail)
  }

  /** A dialler that is closed before message 2 has probably not been accepted. */
  #codeOfEarlyEnd(code: EndCode): EndCode {
    const isUnanswered = this.#phase === 'prelude' || this.#phase === 'handshake'
    return this.openedByUs && isUnanswered && this.#frames.length <= 3 ? 'NOT_ACCEPTED' : code
  }

  #fault(error: unknown): void {
    if (error instanceof PeerFault) this.close(error.code, error.message)
    else if (error instanceof DaemonError && error.code === 'FRAME_TOO_LARGE')
      this.close('FRAME_TOO_LARGE', error.message)
    else throw error
  }

  #frame(frame: Uint8Array): void {
    switch (this.#phase) {
      case 'prelude':
        this.#preludeFrame(frame)
        break
      case 'handshake':
        this.#handshakeFrame(frame)
        break
      case 'hello':
        this.#helloFrame(frame)
        break
      case 'following':
        this.#wait(frame)
        break
      case 'open':
        this.onPlaintext(this.#unwrap(frame))
        break
      case 'over':
        break
    }
  }

  #wait(frame: Uint8Array): void {
    const bytes = this.#waiting.reduce((sum, { length }) => sum + length, frame.length)
    if (bytes > WAITING_FRAMES * this.#deps.limits.frameBytesMax)
      throw new PeerFault('FLOODED', 'too much came while a key was followed')
    this.#waiting.push(frame.slice())
  }

  /** Kept for the transcript. It may lead to another key than the one that is known. */
  #preludeFrame(frame: Uint8Array): void {
    this.#reader.limit(this.#deps.limits.unprovenFrameBytesMax)
    this.#phase = 'handshake'
    const { preludes } = this.#deps
    const key = preludes?.read(frame)
    if (key !== undefined) this.#peer = { ...this.#peer, ...key }
    if (this.openedByUs) this.#frames.splice(1, 0, frame)
    else this.#frames.push(frame, preludes?.answer() ?? EMPTY)
  }

  #handshakeFrame(frame: Uint8Array): void {
    this.#frames.push(frame)
    try {
      let progress = this.#session.receive(frame)
      if (progress.needPeerKey !== undefined) {
        const isPeer = Buffer.compare(progress.needPeerKey, new TextEncoder().encode(this.#peer.id)) === 0
        if (!isPeer) throw new PeerFault('AUTHENTICATION_FAILED', 'an ID of somebody else')
        progress = this.#session.peerKey(this.#peer.publicKey)
      }
      if (progress.reply !== undefined) {
        if (this.#frames.length === 3 && !this.openedByUs) this.stream.write(frameParts([this.#frames[1] ?? EMPTY]))
        this.#writeHandshake(progress.reply)
      }
      if (progress.established) this.#established()
    } catch (error) {
      if (error instanceof ProtocolError)
        throw new PeerFault('AUTHENTICATION_FAILED', 'the handshake failed', { cause: error })
      throw error
    }
  }

  #writeHandshake(frame: Uint8Array): void {
    this.#frames.push(frame)
    this.stream.write(frameParts([frame]))
  }

  #established(): void {
    const { limits } = this.#deps
    const [self, peer] = [this.#self, this.#peer]
    this.#phase = 'hello'
    this.#transcript = transcriptOf(this.#frames)
    this.#frames = []
    this.stream.proven()
    this.#reader.limit(limits.frameBytesMax)
    const hello: Hello = {
      protocol: this.#protocol.id,
      minor: this.#protocol.minor,
      ...this.greeting(),
      requiredFeatures: this.#protocol.requiredFeatures,
      limits: { messageBytes: limits.messageBytesMax, frameBytes: limits.frameBytesMax, lanes: limits.laneCountMax },
      ownNodeId: nodeIdBytes(self.nodeId),
      peerNodeId: nodeIdBytes(this.stream.nodeId),
      ownFingerprint: self.fingerprint,
      peerFingerprint: peer.fingerprint,
      transcript: this.#transcript,
      bootId: self.bootId,
      cardSerial: self.cardSerial(),
      heldCardSerial: peer.cardSerial
    }
    this.sendPlaintext([encodeBatch([{ hello }])])
  }

  #helloFrame(frame: Uint8Array): void {
    const [self, peer] = [this.#self, this.#peer]
    const [first, ...rest] = decodeBatch(this.#unwrap(frame))
    if (first === undefined || !('hello' in first))
      throw new PeerFault('HELLO_MISMATCH', 'the first envelope is no hello')
    assertHello(first.hello, this.#protocol, {
      ownNodeId: nodeIdBytes(this.stream.nodeId),
      peerNodeId: nodeIdBytes(self.nodeId),
      ownFingerprint: peer.fingerprint,
      peerFingerprint: self.fingerprint,
      transcript: this.#transcript
    })
    this.#hello = first.hello
    this.#phase = 'following'
    this.#rest = rest
    const links = this.#deps.preludes?.links ?? []
    if (links.length === 0) this.proceed()
    else this.onFollowing(links)
  }

  #unwrap(frame: Uint8Array): Uint8Array {
    try {
      const { message, sentAtSeconds } = this.#session.unwrap(frame, Math.floor(this.#deps.clock.wallMs() / 1_000))
      this.lastSentAtSeconds = sentAtSeconds
      return message
    } catch (error) {
      if (error instanceof ProtocolError)
        throw new PeerFault('AUTHENTICATION_FAILED', 'a frame does not open', { cause: error })
      throw error
    }
  }
}
