import { generateKeyPair } from '../../src/keys.ts'
import type { SessionInput, SessionState, SessionStep } from '../../src/secure-session/state.ts'
import { type StepDeps, step } from '../../src/secure-session/step.ts'
import { decodeContainer, encodeContainer } from '../../src/soter/container.ts'
import { ALICE, BOB, type Identity } from './peers.ts'
import { flipped, seededBytes } from './random.ts'

export const clientDeps = depsOf(ALICE)
export const serverDeps = depsOf(BOB)

/** One run, by hand: every state that a session is in, and every message. */
export const idle: SessionState = { tag: 'idle' }
export const listening: SessionState = { tag: 'listening' }
export const awaitingAccept = step(idle, { type: 'connect' }, clientDeps)
export const message1 = sentBy(awaitingAccept)
export const awaitingClientKey = step(listening, peerBytes(message1), serverDeps)
export const awaitingProceed = step(awaitingClientKey.state, keyOf(ALICE), serverDeps)
export const message2 = sentBy(awaitingProceed)
export const awaitingServerKey = step(awaitingAccept.state, peerBytes(message2), clientDeps)
export const awaitingFinish = step(awaitingServerKey.state, keyOf(BOB), clientDeps)
export const message3 = sentBy(awaitingFinish)
export const established = step(awaitingProceed.state, peerBytes(message3), serverDeps)
export const message4 = sentBy(established)

export function depsOf({ id, keys }: Identity): StepDeps {
  const randomBytes = seededBytes(`ephemeral keys of ${id}`)
  return { id, privateKey: keys.privateKey, generateKeyPair: () => generateKeyPair(randomBytes) }
}

export function peerBytes(bytes: Uint8Array): SessionInput {
  return { type: 'peer-bytes', bytes }
}

export function keyOf({ keys }: Identity): SessionInput {
  return { type: 'peer-key', key: keys.publicKey }
}

export function sentBy({ effects }: SessionStep): Uint8Array {
  const send = effects.find(effect => effect.type === 'send')
  if (send === undefined) throw new Error('nothing was sent')
  return send.bytes
}

/** Changes the last byte, which belongs to a signature or a MAC, and makes the checksum right again. */
export function forgeLastByte(message: Uint8Array): Uint8Array {
  const payload = decodeContainer(message, 'TSPM')
  return encodeContainer('TSPM', flipped(payload, payload.length - 1))
}
