import { SecureSession } from '@parley/protocol'
import { expect } from 'vitest'
import type { Keyring } from '../../src/identity/keyring.ts'
import { nodeIdBytes } from '../../src/identity/node-id.ts'
import { decodeBatch, type Envelope, encodeBatch, type Hello } from '../../src/peer/envelope.ts'
import { SESSION_PROTOCOL, transcriptOf } from '../../src/peer/hello.ts'
import { seededRandomBytes } from '../../src/random.ts'
import { FrameReader, frameParts } from '../../src/transport/framing.ts'
import type { ByteStream, Transport } from '../../src/transport/port.ts'
import { type House, type Town, textBody } from './town.ts'

const random = seededRandomBytes('mallory')
const EMPTY = new Uint8Array(0)

/** A peer that speaks the wire format and may do anything with it. */
export class RawPeer {
  readonly keyring: Keyring
  readonly transport: Transport
  readonly frames: Uint8Array[] = []
  readonly sent: Uint8Array[] = []
  readonly town: Town
  stream: ByteStream | undefined
  session: SecureSession | undefined
  isClosed = false
  isEnded = false
  bytesReceived = 0

  constructor(town: Town, keyring: Keyring) {
    this.town = town
    this.keyring = keyring
    this.transport = town.network.transport({
      nodeId: keyring.nodeId,
      listen: [],
      admission: {
        unprovenCountMax: 32,
        connectionsPerSecondPerAddress: 100,
        connectionsPerSecondPerNode: 100,
        unprovenDeadlineMs: 10_000
      }
    })
  }

  async dial(house: House): Promise<void> {
    await this.transport.start({ admitsNode: () => true, refused: () => {} })
    const dialling = this.transport.dial({
      nodeId: house.keyring.nodeId,
      address: house.address,
      protocol: SESSION_PROTOCOL,
      signal: new AbortController().signal
    })
    let isSettled = false
    const settled = dialling.then(
      stream => {
        this.stream = stream
      },
      () => {
        this.isClosed = true
      }
    )
    void settled.then(() => {
      isSettled = true
    })
    await this.town.until(() => isSettled)
    const reader = new FrameReader(frame => this.frames.push(frame.slice()), 2 ** 27)
    this.stream?.read({
      data: chunk => {
        this.bytesReceived += chunk.length
        reader.push(chunk)
      },
      drained: () => {},
      ended: () => {
        this.isEnded = true
      },
      closed: () => {
        this.isClosed = true
      }
    })
  }

  frame(...parts: Uint8Array[]): void {
    this.stream?.write(frameParts(parts))
  }

  bytes(bytes: Uint8Array): void {
    this.stream?.write([bytes])
  }

  async next(count: number): Promise<void> {
    await this.town.until(() => this.frames.length >= count || this.isClosed, 5_000)
  }

  /** Message 1 as an honest peer writes it, under the ID of whoever. */
  messageOne(id = this.keyring.id): Uint8Array {
    this.session = SecureSession.create({
      role: 'client',
      id: textBody(id),
      privateKey: this.keyring.identityKey(),
      randomBytes: random,
      receivePolicy: 'ordered'
    })
    return this.session.connectRequest()
  }

  /** The whole handshake. Returns the transcript. */
  async handshake(house: House): Promise<Uint8Array> {
    await this.dial(house)
    const one = this.messageOne()
    this.frame(EMPTY)
    this.frame(one)
    await this.next(2)
    const [prelude, two] = this.frames as [Uint8Array, Uint8Array]
    this.session?.receive(two)
    const three = this.session?.peerKey(house.keyring.publicKey).reply as Uint8Array
    this.frame(three)
    await this.next(3)
    const four = this.frames[2] as Uint8Array
    expect(this.session?.receive(four).established).toBe(true)
    return transcriptOf([EMPTY, prelude, one, two, three, four])
  }

  hello(house: House, transcript: Uint8Array, change: Partial<Hello> = {}): Envelope {
    return {
      hello: {
        protocol: SESSION_PROTOCOL,
        minor: 0,
        features: [],
        requiredFeatures: [],
        limits: { messageBytes: 1_048_576, frameBytes: 1_114_112, lanes: 1_024 },
        ownNodeId: nodeIdBytes(this.keyring.nodeId),
        peerNodeId: nodeIdBytes(house.keyring.nodeId),
        ownFingerprint: this.keyring.fingerprint,
        peerFingerprint: house.keyring.fingerprint,
        transcript,
        bootId: random(16),
        rekey: false,
        generation: 0,
        cardSerial: 1,
        heldCardSerial: 1,
        lanes: [],
        ...change
      }
    }
  }

  wrapped(bytes: Uint8Array, nowSeconds = Math.floor(this.town.clock.wallMs() / 1_000)): void {
    this.frame(...(this.session?.wrapParts([bytes], nowSeconds) ?? []))
  }

  envelopes(...envelopes: Envelope[]): void {
    this.wrapped(encodeBatch(envelopes))
  }

  /** Envelopes that came after message 4. */
  received(): Envelope[] {
    const now = Math.floor(this.town.clock.wallMs() / 1_000)
    return this.frames.splice(3).flatMap(frame => decodeBatch(this.session?.unwrap(frame, now).message ?? EMPTY))
  }

  /** The whole handshake and a hello. */
  async open(house: House, change: Partial<Hello> = {}): Promise<void> {
    const transcript = await this.handshake(house)
    this.envelopes(this.hello(house, transcript, change))
    await this.town.until(() => house.state(this.keyring.id) === 'established', 5_000)
  }
}
