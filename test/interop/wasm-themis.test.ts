import { randomBytes } from 'node:crypto'
import {
  decodePrivateKey,
  decodePublicKey,
  generateKeyPair,
  type HandshakeProgress,
  type KeyPair,
  type ReceivePolicy,
  SecureSession,
  signMessage,
  verifyMessage
} from '@parley/protocol'
import { describe, expect, test } from 'vitest'
import { loadWasmThemis } from './wasm-themis.ts'

const handlersBefore = process.listenerCount('uncaughtException') + process.listenerCount('unhandledRejection')
const fetchBefore = globalThis.fetch
const themis = await loadWasmThemis()

const SIZES_BYTES = [1, 2, 15, 16, 17, 255, 1024, 4095, 65_536, 131_072, 131_073, 1_048_576]
const OUR_ID = new TextEncoder().encode('ours')
const THEIR_ID = new TextEncoder().encode('theirs')

type Role = 'client' | 'server'
type TheirSession = InstanceType<typeof themis.SecureSession>

/** A key pair in the forms of both sides. */
interface SharedPair {
  readonly ours: KeyPair
  readonly theirs: InstanceType<typeof themis.KeyPair>
}

function pairMadeByUs(): SharedPair {
  const ours = generateKeyPair(randomBytes)
  const privateKey = new themis.PrivateKey(ours.privateKey.toBytes())
  const publicKey = new themis.PublicKey(ours.publicKey.toBytes())
  return { ours, theirs: new themis.KeyPair(privateKey, publicKey) }
}

function pairMadeByThem(): SharedPair {
  const theirs = new themis.KeyPair()
  return {
    ours: { privateKey: decodePrivateKey(theirs.privateKey), publicKey: decodePublicKey(theirs.publicKey) },
    theirs
  }
}

const PAIR_MAKERS = [
  { maker: 'us', makePair: pairMadeByUs },
  { maker: 'wasm-themis', makePair: pairMadeByThem }
]

/** The reference stamps and judges by the real clock. */
const nowSeconds = () => Math.floor(Date.now() / 1000)

function establish(
  ourRole: Role,
  receivePolicy: ReceivePolicy,
  makePair = pairMadeByUs
): [SecureSession, TheirSession] {
  const ourPair = makePair()
  const theirPair = makePair()
  const ours = SecureSession.create({
    role: ourRole,
    id: OUR_ID,
    privateKey: ourPair.ours.privateKey,
    randomBytes,
    receivePolicy
  })
  const theirs = new themis.SecureSession(THEIR_ID, theirPair.theirs.privateKey, id => {
    expect(id).toEqual(OUR_ID)
    return ourPair.theirs.publicKey
  })
  const receive = (bytes: Uint8Array): HandshakeProgress => {
    const progress = ours.receive(bytes)
    if (progress.needPeerKey === undefined) return progress
    expect(progress.needPeerKey).toEqual(THEIR_ID)
    return ours.peerKey(theirPair.ours.publicKey)
  }
  if (ourRole === 'client') {
    const message2 = theirs.negotiateReply(ours.connectRequest())
    const message4 = theirs.negotiateReply(receive(message2).reply as Uint8Array)
    receive(message4)
  } else {
    const message2 = receive(theirs.connectionRequest()).reply as Uint8Array
    const message4 = receive(theirs.negotiateReply(message2)).reply as Uint8Array
    theirs.negotiateReply(message4)
  }
  return [ours, theirs]
}

test('loading the reference leaves the process as it was', () => {
  expect(process.listenerCount('uncaughtException') + process.listenerCount('unhandledRejection')).toBe(handlersBefore)
  expect(globalThis.fetch).toBe(fetchBefore)
})

describe.each<Role>(['client', 'server'])('Secure Session with wasm-themis, we are the %s', ourRole => {
  describe.each<ReceivePolicy>(['themis', 'ordered'])('receive policy %s', policy => {
    test.each(PAIR_MAKERS)('is established with long-term keys made by $maker', ({ makePair }) => {
      const [ours, theirs] = establish(ourRole, policy, makePair)
      expect(ours.established).toBe(true)
      expect(theirs.established()).toBe(true)
      expect(ours.remoteId).toEqual(THEIR_ID)
      expect(ours.handshakeMessages.length).toBe(4)
    })

    test('carries 1 byte to 1 MiB in both directions', () => {
      const [ours, theirs] = establish(ourRole, policy)
      for (const size of SIZES_BYTES) {
        const message = new Uint8Array(randomBytes(size))
        expect(Buffer.compare(theirs.unwrap(ours.wrap(message, nowSeconds())), message)).toBe(0)
        const { message: received, sentAtSeconds } = ours.unwrap(theirs.wrap(message), nowSeconds())
        expect(Buffer.compare(received, message)).toBe(0)
        expect(Math.abs(sentAtSeconds - nowSeconds())).toBeLessThan(60)
      }
      expect(ours.counts).toEqual({ wrapped: SIZES_BYTES.length, unwrapped: SIZES_BYTES.length })
    })

    test('carries messages that were wrapped in parts, small and large', () => {
      const [ours, theirs] = establish(ourRole, policy)
      for (const size of [1, 1000, 200_000]) {
        const parts = [randomBytes(size), randomBytes(3), new Uint8Array(0), randomBytes(size)]
        const wrapped = Buffer.concat(ours.wrapParts(parts, nowSeconds()))
        expect(Buffer.compare(theirs.unwrap(wrapped), Buffer.concat(parts))).toBe(0)
      }
    })

    test('refuses a corrupted message and then takes the genuine one', () => {
      const [ours, theirs] = establish(ourRole, policy)
      const wrapped = theirs.wrap(Uint8Array.of(1, 2, 3))
      const corrupted = wrapped.slice()
      corrupted[30] = (corrupted[30] as number) ^ 1
      expect(() => ours.unwrap(corrupted, nowSeconds())).toThrow(
        expect.objectContaining({ code: 'AUTHENTICATION_FAILED' })
      )
      expect(ours.unwrap(wrapped, nowSeconds()).message).toEqual(Uint8Array.of(1, 2, 3))
    })
  })

  test('goes on after our side was saved and loaded', () => {
    const [ours, theirs] = establish(ourRole, 'themis')
    theirs.unwrap(ours.wrap(Uint8Array.of(1), nowSeconds()))
    ours.unwrap(theirs.wrap(Uint8Array.of(2)), nowSeconds())
    const loaded = SecureSession.load(ours.save(), randomBytes)
    expect(theirs.unwrap(loaded.wrap(Uint8Array.of(3), nowSeconds()))).toEqual(Uint8Array.of(3))
    expect(loaded.unwrap(theirs.wrap(Uint8Array.of(4)), nowSeconds()).message).toEqual(Uint8Array.of(4))
  })

  test('ends as unauthentic when the peer has another key than we hold for it', () => {
    const [other, own] = [pairMadeByUs(), pairMadeByUs()]
    const ours = SecureSession.create({
      role: ourRole,
      id: OUR_ID,
      privateKey: own.ours.privateKey,
      randomBytes,
      receivePolicy: 'ordered'
    })
    const theirs = new themis.SecureSession(THEIR_ID, pairMadeByUs().theirs.privateKey, () => own.theirs.publicKey)
    const first = ourRole === 'client' ? theirs.negotiateReply(ours.connectRequest()) : theirs.connectionRequest()
    ours.receive(first)
    expect(() => ours.peerKey(other.ours.publicKey)).toThrow(expect.objectContaining({ code: 'AUTHENTICATION_FAILED' }))
  })
})

describe.each(PAIR_MAKERS)('Secure Message with wasm-themis, keys made by $maker', ({ makePair }) => {
  test('what we sign, it verifies, and the reverse, from 1 byte to 1 MiB', () => {
    const { ours, theirs } = makePair()
    for (const size of SIZES_BYTES) {
      const message = new Uint8Array(randomBytes(size))
      const verified = new themis.SecureMessageVerify(theirs.publicKey).verify(signMessage(ours.privateKey, message))
      expect(Buffer.compare(verified, message)).toBe(0)
      const signed = new themis.SecureMessageSign(theirs.privateKey).sign(message)
      expect(Buffer.compare(verifyMessage(ours.publicKey, signed), message)).toBe(0)
    }
  })

  test('a key goes out and comes back byte for byte', () => {
    const { ours, theirs } = makePair()
    expect(ours.privateKey.toBytes()).toEqual(new Uint8Array(theirs.privateKey))
    expect(ours.publicKey.toBytes()).toEqual(new Uint8Array(theirs.publicKey))
    expect(ours.privateKey.toPublicKey().toBytes()).toEqual(new Uint8Array(theirs.publicKey))
  })

  test('each side refuses what the other signed when it has been changed', () => {
    const { ours, theirs } = makePair()
    const bySelf = signMessage(ours.privateKey, Uint8Array.of(1, 2, 3))
    const byThem = new themis.SecureMessageSign(theirs.privateKey).sign(Uint8Array.of(1, 2, 3))
    bySelf[12] = 9
    byThem[12] = 9
    expect(() => new themis.SecureMessageVerify(theirs.publicKey).verify(bySelf)).toThrow()
    expect(() => verifyMessage(ours.publicKey, byThem)).toThrow(
      expect.objectContaining({ code: 'AUTHENTICATION_FAILED' })
    )
  })
})
