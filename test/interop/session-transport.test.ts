import { randomBytes } from 'node:crypto'
import {
  decodePublicKey,
  generateKeyPair,
  type ProtocolError,
  poolRandomBytes,
  type ReceivePolicy,
  SecureSession,
  type SessionEvent,
  type SessionRole,
  TransportSession,
  themisStatus
} from '@parley/protocol'
import { describe, expect, test } from 'vitest'
import { loadWasmThemis } from './wasm-themis.ts'

const themis = await loadWasmThemis()

const OUR_ID = new TextEncoder().encode('ours')
const THEIR_ID = new TextEncoder().encode('theirs')
const LARGE_BYTES = 20 * 1024 * 1024
const nowSeconds = () => Math.floor(Date.now() / 1000)
const random = poolRandomBytes(length => new Uint8Array(randomBytes(length)))

/** We, with a transport whose other end is the reference: what we send it answers at once, and we receive its answers. */
function connectedToReference(
  role: SessionRole,
  receivePolicy: ReceivePolicy = 'themis',
  send?: (bytes: Uint8Array) => void
) {
  const own = generateKeyPair(random)
  const theirKeys = new themis.KeyPair()
  const ownPublicKey = new themis.PublicKey(own.publicKey.toBytes())
  const theirs = new themis.SecureSession(THEIR_ID, theirKeys.privateKey, () => ownPublicKey)
  const toUs: Uint8Array[] = []
  const fromUs: Uint8Array[] = []
  const events: SessionEvent[] = []
  const ours = new TransportSession({
    session: SecureSession.create({
      role,
      id: OUR_ID,
      privateKey: own.privateKey,
      randomBytes: random,
      receivePolicy
    }),
    transport: {
      send:
        send ??
        (bytes => {
          if (theirs.established()) fromUs.push(bytes)
          else answer(theirs.negotiateReply(bytes))
        }),
      receive: () => toUs.shift() ?? Promise.reject(new Error('nothing came'))
    },
    getPublicKey: async id => (Buffer.from(id).equals(THEIR_ID) ? decodePublicKey(theirKeys.publicKey) : undefined),
    nowSeconds,
    messageBytesMax: LARGE_BYTES,
    onEvent: event => events.push(event)
  })
  const answer = (reply: Uint8Array | undefined): void => {
    if (reply !== undefined && reply.length > 0) toUs.push(reply)
  }
  return { ours, theirs, toUs, fromUs, events }
}

async function established(role: SessionRole, receivePolicy?: ReceivePolicy) {
  const pair = connectedToReference(role, receivePolicy)
  if (role === 'client') await pair.ours.connect()
  else pair.toUs.push(pair.theirs.connectionRequest())
  for (let i = 0; i < 2; i++) expect(await pair.ours.receive()).toBeUndefined()
  return pair
}

describe.each<SessionRole>(['client', 'server'])(
  'Secure Session over callbacks with wasm-themis, we are the %s',
  role => {
    test.each<ReceivePolicy>(['themis', 'ordered'])(
      'is established, and carries data both ways, policy %s',
      async policy => {
        const { ours, theirs, toUs, fromUs, events } = await established(role, policy)
        expect([ours.established, theirs.established()]).toEqual([true, true])
        expect(ours.remoteId).toEqual(THEIR_ID)
        expect(events).toEqual(['negotiating', 'established'])
        for (const size of [1, 2, 1000, 65_536]) {
          const message = new Uint8Array(randomBytes(size))
          await ours.send(message)
          expect(Buffer.compare(theirs.unwrap(fromUs.shift() as Uint8Array), message)).toBe(0)
          toUs.push(theirs.wrap(message))
          expect(Buffer.compare((await ours.receive()) as Uint8Array, message)).toBe(0)
        }
      }
    )

    test('carries 20 MiB in one message', async () => {
      const { ours, theirs, toUs, fromUs } = await established(role)
      const message = new Uint8Array(randomBytes(LARGE_BYTES))
      await ours.send(message)
      expect(Buffer.compare(theirs.unwrap(fromUs.shift() as Uint8Array), message)).toBe(0)
      toUs.push(theirs.wrap(message))
      expect(Buffer.compare((await ours.receive()) as Uint8Array, message)).toBe(0)
    })

    test('lives through messages of the reference that are lost, repeated, reordered and cut', async () => {
      const { ours, theirs, toUs } = await established(role)
      const [first, , third] = [1, 2, 3].map(byte => theirs.wrap(Uint8Array.of(byte, byte)))
      toUs.push(third as Uint8Array, (first as Uint8Array).subarray(1), first as Uint8Array, first as Uint8Array)
      expect(await ours.receive()).toEqual(Uint8Array.of(3, 3))
      await expect(ours.receive()).rejects.toThrow(expect.objectContaining({ code: 'AUTHENTICATION_FAILED' }))
      for (let i = 0; i < 2; i++) expect(await ours.receive()).toEqual(Uint8Array.of(1, 1))
    })
  }
)

test('two that both connect refuse each other, here as there with Themis status 16', async () => {
  const { ours, theirs, toUs } = connectedToReference('client')
  toUs.push(theirs.connectionRequest())
  const sending: unknown = await ours.connect().catch((error: ProtocolError) => error.cause)
  expect(sending).toMatchObject({ errorCode: 16 })
  const held = connectedToReference('client', 'themis', () => undefined)
  await held.ours.connect()
  held.toUs.push(held.theirs.connectionRequest())
  const refusal: unknown = await held.ours.receive().catch((error: unknown) => error)
  expect(themisStatus(refusal, 'handshake')).toBe(16)
})
