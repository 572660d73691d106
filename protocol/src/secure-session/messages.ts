import { concatBytes, copyBytes, plainBytes } from '../bytes.ts'
import { ProtocolError } from '../errors.ts'
import { containerSizeAt, containerTag, decodeContainer, encodeContainer } from '../soter/container.ts'
import { DIGEST_BYTES } from '../soter/hash.ts'

/** Largest handshake message that is looked at. Themis has no limit; real ones have some 150 bytes and an ID. */
export const HANDSHAKE_MESSAGE_BYTES_MAX = 65_535

/** Message 1 (connect) or 2 (accept): who speaks, with which ephemeral key, and a signature to be checked. */
export interface Introduction {
  /** Not empty. Any bytes. */
  readonly id: Uint8Array
  /** The ephemeral key's whole container. Only its bounds and its prefix have been checked. */
  readonly ephemeralKey: Uint8Array
  readonly signature: Uint8Array
  /** The message as it came. */
  readonly bytes: Uint8Array
}

/** Message 3. */
export interface Proceed {
  readonly signature: Uint8Array
  /** 32 bytes. */
  readonly mac: Uint8Array
}

/** Encodes message 1 or 2. */
export function encodeIntroduction(id: Uint8Array, ephemeralKey: Uint8Array, signature: Uint8Array): Uint8Array {
  return encodeContainer('TSPM', encodeContainer('TSID', id), ephemeralKey, signature)
}

/**
 * Decodes message 1 or 2.
 *
 * @param message - copied
 * @throws {ProtocolError} `INVALID_MESSAGE`, `DATA_CORRUPT`
 * @see Themis src/themis/secure_session.c, secure_session_accept and secure_session_proceed_client
 */
export function decodeIntroduction(message: Uint8Array): Introduction {
  const bytes = copyBytes(plainBytes(message).subarray(0, HANDSHAKE_MESSAGE_BYTES_MAX + 1))
  const payload = decodeHandshakePayload(bytes)
  const idEnd = containerSizeAt(payload, 0)
  const id = decodeContainer(payload.subarray(0, idEnd), 'TSID')
  if (id.length === 0) throw new ProtocolError('INVALID_MESSAGE', 'empty ID')
  const keyEnd = idEnd + containerSizeAt(payload, idEnd)
  const ephemeralKey = payload.subarray(idEnd, keyEnd)
  if (!containerTag(ephemeralKey).startsWith('UEC')) throw new ProtocolError('INVALID_MESSAGE', 'no ephemeral key')
  const signature = payload.subarray(keyEnd)
  if (signature.length === 0) throw new ProtocolError('INVALID_MESSAGE', 'no signature')
  return { id, ephemeralKey, signature, bytes }
}

/** Encodes message 3. */
export function encodeProceed(signature: Uint8Array, mac: Uint8Array): Uint8Array {
  return encodeContainer('TSPM', signature, mac)
}

/**
 * Decodes message 3.
 *
 * @returns views of `bytes`
 * @throws {ProtocolError} `INVALID_MESSAGE`, `DATA_CORRUPT`
 * @see Themis src/themis/secure_session.c, secure_session_finish
 */
export function decodeProceed(bytes: Uint8Array): Proceed {
  const payload = decodeHandshakePayload(bytes)
  if (payload.length <= DIGEST_BYTES) throw new ProtocolError('INVALID_MESSAGE', 'message 3 too short')
  return { signature: payload.subarray(0, -DIGEST_BYTES), mac: payload.subarray(-DIGEST_BYTES) }
}

/** Encodes message 4. */
export function encodeFinish(mac: Uint8Array): Uint8Array {
  return encodeContainer('TSPM', mac)
}

/**
 * Decodes message 4, whose MAC must be whole: Themis compares only as many bytes as arrive.
 *
 * @returns a view of the 32-byte MAC
 * @throws {ProtocolError} `INVALID_MESSAGE`, `DATA_CORRUPT`
 * @see Themis src/themis/secure_session.c, secure_session_proceed_client
 */
export function decodeFinish(bytes: Uint8Array): Uint8Array {
  const mac = decodeHandshakePayload(bytes)
  if (mac.length !== DIGEST_BYTES) throw new ProtocolError('INVALID_MESSAGE', 'length of message 4')
  return mac
}

/** What the signatures of messages 2 and 3 cover: own ephemeral key, the other's, own ID, the other's. */
export function bothSigned(own: Participant, other: Participant): Uint8Array {
  return concatBytes(own.ephemeralKey, other.ephemeralKey, own.id, other.id)
}

/** One side's public part in a handshake. */
export interface Participant {
  readonly id: Uint8Array
  /** The ephemeral key's whole container as it is on the wire. */
  readonly ephemeralKey: Uint8Array
}

function decodeHandshakePayload(bytes: Uint8Array): Uint8Array {
  if (bytes.length > HANDSHAKE_MESSAGE_BYTES_MAX) throw new ProtocolError('INVALID_MESSAGE', 'message too long')
  return decodeContainer(plainBytes(bytes), 'TSPM')
}
