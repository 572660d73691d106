import { createHash, timingSafeEqual } from 'node:crypto'
import type { Hello } from './envelope.ts'
import { PeerFault } from './fault.ts'

export const SESSION_PROTOCOL = '/parley/session/1.0.0'
export const SESSION_MINOR = 0
/** Durable lanes: receipts, skips and epochs. */
export const DURABLE = 'durable'
export const REQUESTS = 'requests'
export const COMPARE = 'compare'
/** Features that this version knows, and those that it cannot do without in a peer. */
export const FEATURES: readonly string[] = [DURABLE, REQUESTS, COMPARE]
export const REQUIRED_FEATURES: readonly string[] = []
/** What two daemons speak on a stream, as their hellos name it. */
export interface LinkProtocol {
  readonly id: string
  readonly minor: number
  /** Features that this version has, and those that it cannot do without in a peer. */
  readonly features: readonly string[]
  readonly requiredFeatures: readonly string[]
}

export const SESSION: LinkProtocol = {
  id: SESSION_PROTOCOL,
  minor: SESSION_MINOR,
  features: FEATURES,
  requiredFeatures: REQUIRED_FEATURES
}

const NAME_COUNT_MAX = 64
/** A frame must hold the longest message, its headers, and the envelopes that go with every frame. */
const FRAME_ROOM_BYTES = 8_192

const TRANSCRIPT_LABEL = new TextEncoder().encode('parley/session/v1\0')

/**
 * SHA-256 over both preludes and the four handshake messages, each with its length: what both sides saw, in the order in which
 * it was sent.
 *
 * @param frames - prelude of the dialler, prelude of the acceptor, messages 1 to 4
 */
export function transcriptOf(frames: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256').update(TRANSCRIPT_LABEL)
  for (const frame of frames) {
    const length = new Uint8Array(4)
    new DataView(length.buffer).setUint32(0, frame.length)
    hash.update(length).update(frame)
  }
  return new Uint8Array(hash.digest())
}

/** What a hello must say, by what this side saw itself. */
export interface ExpectedHello {
  /** The peer's, as raw multihashes; `peerNodeId` is this side's, since the peer writes it. */
  readonly ownNodeId: Uint8Array
  readonly peerNodeId: Uint8Array
  readonly ownFingerprint: Uint8Array
  readonly peerFingerprint: Uint8Array
  readonly transcript: Uint8Array
}

/**
 * Checks the first frame of a peer against what this side saw.
 *
 * @throws {PeerFault} `HELLO_MISMATCH` for any difference, `VERSION_MISMATCH` for a required feature that is unknown here or one that the peer lacks
 */
export function assertHello(hello: Hello, protocol: LinkProtocol, expected: ExpectedHello): void {
  if (hello.protocol !== protocol.id) throw new PeerFault('HELLO_MISMATCH', 'another protocol')
  for (const field of ['ownNodeId', 'peerNodeId', 'ownFingerprint', 'peerFingerprint', 'transcript'] as const) {
    if (!equal(hello[field], expected[field])) throw new PeerFault('HELLO_MISMATCH', `${field} differs`)
  }
  if (hello.bootId.length !== 16) throw new PeerFault('HELLO_MISMATCH', 'bootId is not 16 bytes')
  if (hello.features.length > NAME_COUNT_MAX || hello.requiredFeatures.length > NAME_COUNT_MAX) {
    throw new PeerFault('HELLO_MISMATCH', 'too many features')
  }
  assertNumbers(hello)
  const unknown = hello.requiredFeatures.filter(feature => !protocol.features.includes(feature))
  const lacking = protocol.requiredFeatures.filter(feature => !hello.features.includes(feature))
  if (unknown.length + lacking.length > 0)
    throw new PeerFault('VERSION_MISMATCH', 'a required feature is not there on both sides')
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

function assertNumbers(hello: Hello): void {
  const { messageBytes, frameBytes, lanes } = hello.limits ?? { messageBytes: NaN, frameBytes: NaN, lanes: NaN }
  for (const number of [hello.cardSerial, hello.heldCardSerial, messageBytes, frameBytes, lanes]) {
    if (!Number.isSafeInteger(number)) throw new PeerFault('HELLO_MISMATCH', 'a number is missing or beyond all bounds')
  }
  if (frameBytes < messageBytes + FRAME_ROOM_BYTES) throw new PeerFault('HELLO_MISMATCH', 'limits that leave no room')
}
