import { ProtocolError, type PublicKey, SecureSession } from '@parley/protocol'
import type { Clock } from '../actor/clock.ts'
import type { LaneMark } from '../delivery/port.ts'
import { DaemonError } from '../errors.ts'
import { nodeIdBytes } from '../identity/node-id.ts'
import type { RandomBytes } from '../random.ts'
import { FrameReader, frameParts } from '../transport/framing.ts'
import type { ByteStream, NodeId, StreamEnd } from '../transport/port.ts'
import { decodeBatch, type Envelope, encodeBatch, type Hello } from './envelope.ts'
import { type EndCode, PeerFault } from './fault.ts'
import { assertHello, REQUIRED_FEATURES, SESSION_MINOR, SESSION_PROTOCOL, transcriptOf } from './hello.ts'
import type { Self } from './self.ts'

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

export interface LinkDeps {
  readonly stream: ByteStream
  readonly self: Self
  readonly peer: LinkPeer
  readonly limits: LinkLimits
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  /** Set where this side dials to replace a session: the generation of the new one. */
  readonly rekeyGeneration?: number
  /** What this side says of durable lanes, asked for when the hello is written: the features, and how far the peer's lanes are stored. */
  greeting(): { readonly features: readonly string[]; readonly lanes: readonly LaneMark[] }
}

/** What a link tells its session, from inside `feed`, `ended` and `closed`. */
export interface LinkListener {
  /** Four messages and both hellos have passed. */
  opened(link: Link): void
  /** Envelopes of an open link, one at a time, in order. What it throws as `PeerFault` ends the link. */
  received(link: Link, envelope: Envelope): void
  /** The peer sends no more; what comes is only its `closed`. */
  peerEnded(link: Link): void
  /** The link is over. The last call. */
  over(link: Link, code: EndCode, detail: string): void
}

type Phase = 'prelude' | 'handshake' | 'hello' | 'open' | 'over'

const EMPTY = new Uint8Array(0)

/**
 * One session stream and the Secure Session on it: preludes, the four handshake messages, hellos, then frames of envelopes.
 *
 * Owned and driven by one session actor; it sets no timer and starts nothing. A peer that breaks a rule ends the link without
 * a word to it.
 */
export class Link {
  readonly stream: ByteStream
  readonly #deps: LinkDeps
  readonly #listener: LinkListener
  readonly #session: SecureSession
  readonly #reader: FrameReader
  /** Until the transcript is made: both preludes and the messages, in the order of their sending. */
  #frames: Uint8Array[] = []
  #phase: Phase = 'prelude'
  /** 32 bytes that name the session on both sides; empty before the handshake has passed. */
  #transcript: Uint8Array = EMPTY
  #hello: Hello | undefined
  /** Monotonic time of the last byte from the peer. */
  lastByteMs: number
  /** The sender's wall time in the newest frame, in seconds, by its own clock. */
  lastSentAtSeconds = 0

  constructor(deps: LinkDeps, listener: LinkListener) {
    this.#deps = deps
    this.#listener = listener
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
      this.#writeHandshake(EMPTY)
      this.#writeHandshake(this.#session.connectRequest())
    }
  }

  get openedByUs(): boolean {
    return this.stream.direction === 'outbound'
  }

  get isOpen(): boolean {
    return this.#phase === 'open'
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

  /** Whether the opener marked this session as the successor of another, and its generation. */
  get rekeyGeneration(): number | undefined {
    if (this.openedByUs) return this.#deps.rekeyGeneration
    return this.hello.rekey ? this.hello.generation : undefined
  }

  /** The first part of message IDs, one for each direction: both sides name a message alike, and no two messages of a session. */
  get epochs(): { readonly ours: string; readonly theirs: string } {
    const hex = Buffer.from(this.#transcript.subarray(0, 16)).toString('hex')
    const [dialler, acceptor] = [hex.slice(0, 16), hex.slice(16)] as const
    return this.openedByUs ? { ours: dialler, theirs: acceptor } : { ours: acceptor, theirs: dialler }
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
    if (this.isOpen && !this.#reader.isMidFrame) this.#listener.peerEnded(this)
    else this.close(this.#codeOfEarlyEnd('PEER_CLOSED'), 'the peer ended the stream')
  }

  closed(end: StreamEnd): void {
    this.#finish(this.#codeOfEarlyEnd(end.kind === 'closed' ? 'PEER_CLOSED' : 'CONNECTION_LOST'), end.reason)
  }

  /** Sends envelopes as one frame. */
  send(envelopes: readonly Envelope[]): void {
    const nowSeconds = Math.floor(this.#deps.clock.wallMs() / 1_000)
    this.stream.write(frameParts(this.#session.wrapParts([encodeBatch(envelopes)], nowSeconds)))
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

  #finish(code: EndCode, detail: string): void {
    if (this.isOver) return
    this.#phase = 'over'
    this.#reader.stop()
    this.#session.wipe()
    this.#listener.over(this, code, detail)
  }

  /** A dialler that is closed before message 2 has probably not been accepted. */
  #codeOfEarlyEnd(code: EndCode): EndCode {
    return this.openedByUs && this.#frames.length <= 3 && this.#phase !== 'hello' && !this.isOpen
      ? 'NOT_ACCEPTED'
      : code
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
      case 'open':
        this.#envelopes(decodeBatch(this.#unwrap(frame)))
        break
      case 'over':
        break
    }
  }

  /** Kept for the transcript. What a prelude holds belongs to key succession; without it the key that is known is used. */
  #preludeFrame(frame: Uint8Array): void {
    this.#reader.limit(this.#deps.limits.unprovenFrameBytesMax)
    this.#phase = 'handshake'
    if (this.openedByUs) this.#frames.splice(1, 0, frame)
    else this.#frames.push(frame, EMPTY)
  }

  #handshakeFrame(frame: Uint8Array): void {
    this.#frames.push(frame)
    try {
      let progress = this.#session.receive(frame)
      if (progress.needPeerKey !== undefined) {
        const isPeer = Buffer.compare(progress.needPeerKey, new TextEncoder().encode(this.#deps.peer.id)) === 0
        if (!isPeer) throw new PeerFault('AUTHENTICATION_FAILED', 'an ID of somebody else')
        progress = this.#session.peerKey(this.#deps.peer.publicKey)
      }
      if (progress.reply !== undefined) {
        if (this.#frames.length === 3 && !this.openedByUs) this.stream.write(frameParts([EMPTY]))
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
    const { self, peer, limits, rekeyGeneration } = this.#deps
    this.#phase = 'hello'
    this.#transcript = transcriptOf(this.#frames)
    this.#frames = []
    this.stream.proven()
    this.#reader.limit(limits.frameBytesMax)
    const hello: Hello = {
      protocol: SESSION_PROTOCOL,
      minor: SESSION_MINOR,
      ...this.#deps.greeting(),
      requiredFeatures: REQUIRED_FEATURES,
      limits: { messageBytes: limits.messageBytesMax, frameBytes: limits.frameBytesMax, lanes: limits.laneCountMax },
      ownNodeId: nodeIdBytes(self.nodeId),
      peerNodeId: nodeIdBytes(this.stream.nodeId),
      ownFingerprint: self.fingerprint,
      peerFingerprint: peer.fingerprint,
      transcript: this.#transcript,
      bootId: self.bootId,
      rekey: rekeyGeneration !== undefined,
      generation: rekeyGeneration ?? 0,
      cardSerial: self.cardSerial(),
      heldCardSerial: peer.cardSerial
    }
    this.send([{ hello }])
  }

  #helloFrame(frame: Uint8Array): void {
    const { self, peer } = this.#deps
    const [first, ...rest] = decodeBatch(this.#unwrap(frame))
    if (first === undefined || !('hello' in first))
      throw new PeerFault('HELLO_MISMATCH', 'the first envelope is no hello')
    assertHello(first.hello, {
      ownNodeId: nodeIdBytes(this.stream.nodeId),
      peerNodeId: nodeIdBytes(self.nodeId),
      ownFingerprint: peer.fingerprint,
      peerFingerprint: self.fingerprint,
      transcript: this.#transcript
    })
    this.#hello = first.hello
    this.#phase = 'open'
    this.#listener.opened(this)
    this.#envelopes(rest)
  }

  #envelopes(envelopes: readonly Envelope[]): void {
    for (const envelope of envelopes) {
      if (this.isOver) return
      this.#listener.received(this, envelope)
    }
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
