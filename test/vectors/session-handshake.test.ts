import { randomBytes } from 'node:crypto'
import { decodePrivateKey, decodePublicKey, type HandshakeProgress, SecureSession } from '@parley/protocol'
import { describe, expect, test } from 'vitest'
import {
  type Expectation,
  fromBase64,
  loadVectors,
  type Policy,
  shouldSucceed,
  statusOfRefusal,
  toBase64,
  type VectorCase
} from './load.ts'

interface FixedBytes {
  readonly offset: number
  readonly bytes: string
}

interface HandshakeStep {
  readonly input: string
  readonly policy?: Policy
  readonly expect: Expectation & {
    readonly output: boolean
    readonly established: boolean
    readonly out_at: readonly FixedBytes[]
  }
}

interface HandshakeCase extends VectorCase {
  readonly side: {
    readonly role: 'client' | 'server'
    readonly id: string
    readonly private: string
    readonly ephemeral_private: string
    readonly ephemeral_public: string
    readonly peers: readonly { readonly id: string; readonly public: string }[]
  }
  readonly connect_out_at?: readonly FixedBytes[]
  readonly steps: readonly HandshakeStep[]
  readonly now: number
  readonly remote_id?: string
  readonly saved_state?: string
  readonly data?: readonly { readonly message: string; readonly wrapped: string }[]
  readonly all_messages?: readonly string[]
}

/** Themis asks its key callback before it looks whether the ID is empty, and says 21; we look first. */
const STATUS_OF_OURS = new Map([
  ['message 1: empty ID', 12],
  ['message 2: empty ID', 12]
])

const { cases } = loadVectors<HandshakeCase>('session-handshake.json')

test('all cases are there', () => {
  expect(cases.length).toBe(73)
})

describe('Secure Session handshake', () => {
  test.each(cases)('$id $side.role: $desc', vector => {
    using session = openSide(vector)
    if (vector.side.role === 'client') expectFixed(session.connectRequest(), vector.connect_out_at ?? [])
    for (const step of vector.steps) runStep(session, vector, step)
    expectWholeRun(session, vector)
  })
})

function openSide({ side }: HandshakeCase): SecureSession {
  return SecureSession.create({
    role: side.role,
    id: fromBase64(side.id),
    privateKey: decodePrivateKey(fromBase64(side.private)),
    randomBytes,
    receivePolicy: 'themis',
    generateKeyPair: () => ({
      privateKey: decodePrivateKey(fromBase64(side.ephemeral_private)),
      publicKey: decodePublicKey(fromBase64(side.ephemeral_public))
    })
  })
}

function runStep(session: SecureSession, vector: HandshakeCase, step: HandshakeStep): void {
  const receive = () => receiveWithKey(session, vector, fromBase64(step.input))
  if (shouldSucceed(step.policy ?? vector.policy, step.expect)) {
    const { reply } = receive()
    expect(reply !== undefined).toBe(step.expect.output)
    if (reply !== undefined) expectFixed(reply, step.expect.out_at)
    expect(session.established).toBe(step.expect.established)
    return
  }
  const status = statusOfRefusal('handshake', receive)
  const recorded = step.policy === 'any' ? 12 : step.expect.status
  if (recorded !== null) expect(status).toBe(STATUS_OF_OURS.get(vector.desc) ?? recorded)
  expect(session.established).toBe(false)
}

function receiveWithKey(session: SecureSession, { side }: HandshakeCase, input: Uint8Array): HandshakeProgress {
  const progress = session.receive(input)
  if (progress.needPeerKey === undefined) return progress
  const claimed = toBase64(progress.needPeerKey)
  const peer = side.peers.find(({ id }) => id === claimed)
  return session.peerKey(peer && decodePublicKey(fromBase64(peer.public)))
}

function expectWholeRun(session: SecureSession, vector: HandshakeCase): void {
  if (vector.all_messages === undefined) return
  expect(toBase64(session.remoteId ?? new Uint8Array())).toBe(vector.remote_id)
  expect(toBase64(session.save())).toBe(vector.saved_state)
  const seen = session.handshakeMessages.map(toBase64)
  const isClient = vector.side.role === 'client'
  // Our own messages differ in their random signatures, but for message 4, which has none.
  const foreign = isClient ? [1, 3] : [0, 2, 3]
  for (const i of foreign) expect(seen[i]).toBe(vector.all_messages[i])
  for (const { message, wrapped } of vector.data ?? []) {
    expect(toBase64(session.unwrap(fromBase64(wrapped), vector.now).message)).toBe(message)
  }
}

function expectFixed(message: Uint8Array, fixed: readonly FixedBytes[]): void {
  for (const { offset, bytes } of fixed) {
    const expected = fromBase64(bytes)
    const start = offset < 0 ? message.length + offset : offset
    expect(message.subarray(start, start + expected.length)).toEqual(expected)
  }
}
