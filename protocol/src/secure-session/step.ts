import { copyBytes, wipeBytes } from '../bytes.ts'
import { ProtocolError, unauthentic } from '../errors.ts'
import { decodePublicKey, type KeyPair, type PrivateKey, type PublicKey } from '../keys.ts'
import { equalBytes } from '../soter/hash.ts'
import { deriveSecrets, handshakeMacs } from './key-schedule.ts'
import {
  bothSigned,
  decodeFinish,
  decodeIntroduction,
  decodeProceed,
  encodeFinish,
  encodeIntroduction,
  encodeProceed,
  type Participant
} from './messages.ts'
import type { SessionInput, SessionSecrets, SessionState, SessionStep } from './state.ts'

/** What a session has from outside: who we are, and a source of ephemeral P-256 key pairs. */
export interface StepDeps {
  readonly id: Uint8Array
  readonly privateKey: PrivateKey
  readonly generateKeyPair: () => KeyPair
}

type State<Tag extends SessionState['tag']> = Extract<SessionState, { readonly tag: Tag }>

/**
 * Advances a Secure Session handshake by one input.
 *
 * Does no I/O and reads no clock; randomness comes only from `deps` and enters signatures. Neither argument is
 * changed, so a step that throws changes nothing. Buffers in `input` are copied where they are kept.
 *
 * @returns the next state, and effects to run in order before the next input
 * @throws {ProtocolError} `INVALID_MESSAGE`, `DATA_CORRUPT`, `AUTHENTICATION_FAILED` for a refused message;
 * `UNEXPECTED_MESSAGE` and `INVALID_STATE` for an input that is not valid in `state`
 * @see SPEC.md, section 6; Themis src/themis/secure_session.c
 */
export function step(state: SessionState, input: SessionInput, deps: StepDeps): SessionStep {
  switch (state.tag) {
    case 'idle':
      if (input.type === 'connect') return connect(deps)
      throw unexpected(input)
    case 'awaiting-accept':
      if (input.type === 'peer-bytes') return receiveAccept(state, input.bytes)
      throw unexpected(input)
    case 'awaiting-server-key':
      if (input.type === 'peer-key') return proceedClient(state, input.key, deps)
      throw unexpected(input)
    case 'awaiting-finish':
      if (input.type === 'peer-bytes') return finishClient(state, input.bytes)
      throw unexpected(input)
    case 'listening':
      if (input.type === 'peer-bytes') return receiveConnect(input.bytes)
      throw unexpected(input)
    case 'awaiting-client-key':
      if (input.type === 'peer-key') return acceptClient(state, input.key, deps)
      throw unexpected(input)
    case 'awaiting-proceed':
      if (input.type === 'peer-bytes') return finishServer(state, input.bytes)
      throw unexpected(input)
    case 'established':
    case 'closed':
      throw unexpected(input)
  }
}

/** Themis secure_session_generate_connect_request: emits message 1. */
function connect({ id, privateKey, generateKeyPair }: StepDeps): SessionStep {
  const ephemeral = generateKeyPair()
  const ephemeralKey = ephemeral.publicKey.toBytes()
  const message = encodeIntroduction(id, ephemeralKey, privateKey.sign(ephemeralKey))
  return {
    state: { tag: 'awaiting-accept', ephemeral, messages: [message] },
    effects: [{ type: 'send', bytes: message }]
  }
}

/** Themis secure_session_accept up to its key callback: reads message 1. */
function receiveConnect(bytes: Uint8Array): SessionStep {
  const connect = decodeIntroduction(bytes)
  return { state: { tag: 'awaiting-client-key', connect }, effects: [{ type: 'need-peer-key', id: connect.id }] }
}

/**
 * The rest of secure_session_accept: checks message 1 and emits 2. Unlike Themis it derives the secrets here
 * and not at message 3, so that a bad ephemeral key is refused at once and our own is gone at once.
 */
function acceptClient(
  { connect }: State<'awaiting-client-key'>,
  clientKey: PublicKey | undefined,
  { id, privateKey, generateKeyPair }: StepDeps
): SessionStep {
  return orRefuse({ tag: 'listening' }, () => {
    assertPeerKey(clientKey)
    if (!clientKey.verify(connect.ephemeralKey, connect.signature)) throw unauthentic()
    const peerEphemeral = decodeEphemeralKey(connect.ephemeralKey)
    const ephemeral = generateKeyPair()
    const own: Participant = { id, ephemeralKey: ephemeral.publicKey.toBytes() }
    const secrets = agree(ephemeral.privateKey, peerEphemeral, connect, own)
    ephemeral.privateKey.wipe()
    const message = encodeIntroduction(id, own.ephemeralKey, privateKey.sign(bothSigned(own, connect)))
    return {
      state: {
        tag: 'awaiting-proceed',
        remoteId: connect.id,
        clientKey,
        proceedSigned: bothSigned(connect, own),
        ...handshakeMacs(secrets, connect, own),
        secrets,
        messages: [connect.bytes, message]
      },
      effects: [{ type: 'send', bytes: message }]
    }
  })
}

/** Themis secure_session_proceed_client up to its key callback: reads message 2. */
function receiveAccept(state: State<'awaiting-accept'>, bytes: Uint8Array): SessionStep {
  const accept = decodeIntroduction(bytes)
  return {
    state: { ...state, tag: 'awaiting-server-key', accept },
    effects: [{ type: 'need-peer-key', id: accept.id }]
  }
}

/** The rest of secure_session_proceed_client for message 2: checks it and emits 3. */
function proceedClient(
  { ephemeral, messages, accept }: State<'awaiting-server-key'>,
  serverKey: PublicKey | undefined,
  { id, privateKey }: StepDeps
): SessionStep {
  return orRefuse({ tag: 'awaiting-accept', ephemeral, messages }, () => {
    assertPeerKey(serverKey)
    const own: Participant = { id, ephemeralKey: ephemeral.publicKey.toBytes() }
    if (!serverKey.verify(bothSigned(accept, own), accept.signature)) throw unauthentic()
    const secrets = agree(ephemeral.privateKey, decodeEphemeralKey(accept.ephemeralKey), own, accept)
    const { proceedMac, finishMac } = handshakeMacs(secrets, own, accept)
    const message = encodeProceed(privateKey.sign(bothSigned(own, accept)), proceedMac)
    return {
      state: {
        tag: 'awaiting-finish',
        remoteId: accept.id,
        secrets,
        finishMac,
        messages: [...messages, accept.bytes, message]
      },
      effects: [{ type: 'send', bytes: message }]
    }
  })
}

/** Themis secure_session_finish: checks message 3 and emits 4. */
function finishServer(state: State<'awaiting-proceed'>, bytes: Uint8Array): SessionStep {
  const { signature, mac } = decodeProceed(bytes)
  if (!state.clientKey.verify(state.proceedSigned, signature)) throw unauthentic()
  if (!equalBytes(mac, state.proceedMac)) throw unauthentic()
  const message = encodeFinish(state.finishMac)
  const { remoteId, secrets, messages } = state
  return {
    state: {
      tag: 'established',
      role: 'server',
      remoteId,
      secrets,
      messages: [...messages, copyBytes(bytes), message]
    },
    effects: [{ type: 'send', bytes: message }]
  }
}

/** Themis secure_session_proceed_client for message 4: checks it. */
function finishClient(state: State<'awaiting-finish'>, bytes: Uint8Array): SessionStep {
  if (!equalBytes(decodeFinish(bytes), state.finishMac)) throw unauthentic()
  const { remoteId, secrets, messages } = state
  return {
    state: { tag: 'established', role: 'client', remoteId, secrets, messages: [...messages, copyBytes(bytes)] },
    effects: []
  }
}

function agree(
  privateKey: PrivateKey,
  peerEphemeral: PublicKey,
  client: Participant,
  server: Participant
): SessionSecrets {
  const sharedSecret = privateKey.deriveSecret(peerEphemeral)
  const secrets = deriveSecrets(sharedSecret, client, server)
  wipeBytes(sharedSecret)
  return secrets
}

/** Ephemeral keys are P-256 always; the caller has checked the signature over these bytes. */
function decodeEphemeralKey(container: Uint8Array): PublicKey {
  const key = decodePublicKey(container)
  if (key.curve !== 'P-256') throw new ProtocolError('INVALID_KEY', 'ephemeral key on another curve')
  return key
}

/** Runs the check that a key made possible. Where it refuses the message, the session goes back to before it. */
function orRefuse(before: SessionState, check: () => SessionStep): SessionStep {
  try {
    return check()
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    return { state: before, effects: [{ type: 'refuse', error }] }
  }
}

/** From JavaScript anything may come: an RSA key would verify too, and Themis has none in a session. */
function assertPeerKey(key: PublicKey | undefined): asserts key is PublicKey {
  if (key === undefined) throw new ProtocolError('PEER_UNKNOWN', 'no key for the ID of the peer')
  if (key.algorithm !== 'EC') throw new ProtocolError('INVALID_KEY', 'a session takes EC keys alone')
}

function unexpected(input: SessionInput): ProtocolError {
  return input.type === 'peer-bytes'
    ? new ProtocolError('UNEXPECTED_MESSAGE', 'no handshake message is awaited')
    : new ProtocolError('INVALID_STATE', `${input.type} is not possible now`)
}
