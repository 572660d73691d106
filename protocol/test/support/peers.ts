import { generateKeyPair, type KeyPair } from '../../src/keys.ts'
import type { ReceivePolicy } from '../../src/secure-session/receive-policy.ts'
import { type HandshakeProgress, SecureSession } from '../../src/secure-session/session.ts'
import type { SessionRole } from '../../src/secure-session/state.ts'
import { seededBytes } from './random.ts'

export const NOW_SECONDS = 1_700_000_000

/** A peer's long-term identity. */
export interface Identity {
  readonly id: Uint8Array
  readonly keys: KeyPair
}

export function identity(name: string): Identity {
  return { id: new TextEncoder().encode(name), keys: generateKeyPair(seededBytes(`identity of ${name}`)) }
}

export const ALICE = identity('alice')
export const BOB = identity('bob')
export const MALLORY = identity('mallory')

export function openSession(role: SessionRole, own: Identity, receivePolicy: ReceivePolicy = 'ordered'): SecureSession {
  return SecureSession.create({
    role,
    id: own.id,
    privateKey: own.keys.privateKey,
    randomBytes: seededBytes(`session of ${own.id} as ${role}`),
    receivePolicy
  })
}

/** Gives a message to a session that knows exactly one peer. */
export function receiveFrom(session: SecureSession, peer: Identity, message: Uint8Array): HandshakeProgress {
  const progress = session.receive(message)
  if (progress.needPeerKey === undefined) return progress
  return session.peerKey(Buffer.compare(progress.needPeerKey, peer.id) === 0 ? peer.keys.publicKey : undefined)
}

/** An established client (alice) and server (bob), and the four messages between them. */
export function establishedPair(receivePolicy: ReceivePolicy = 'ordered'): {
  readonly client: SecureSession
  readonly server: SecureSession
  readonly messages: readonly Uint8Array[]
} {
  const client = openSession('client', ALICE, receivePolicy)
  const server = openSession('server', BOB, receivePolicy)
  const message1 = client.connectRequest()
  const message2 = receiveFrom(server, ALICE, message1).reply as Uint8Array
  const message3 = receiveFrom(client, BOB, message2).reply as Uint8Array
  const message4 = server.receive(message3).reply as Uint8Array
  client.receive(message4)
  return { client, server, messages: [message1, message2, message3, message4] }
}
