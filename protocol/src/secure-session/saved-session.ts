import { copyBytes, plainBytes, readU32be, readU32le, writeU32be } from '../bytes.ts'
import { ProtocolError } from '../errors.ts'
import { CONTAINER_HEADER_BYTES, decodeContainer, encodeContainer } from '../soter/container.ts'
import type { SequenceNumbers } from './data-channel.ts'
import type { SessionRole, SessionSecrets } from './state.ts'

const TAG = 'TSSC'
const PAYLOAD_BYTES = 48

/** What a saved state holds. It is in clear: whoever reads it reads and writes the session's messages. */
export interface SavedSession {
  readonly role: SessionRole
  readonly secrets: SessionSecrets
  readonly sequenceNumbers: SequenceNumbers
}

/**
 * Encodes a session for later, 60 bytes. The caller owns the result and should wipe it.
 *
 * @see Themis src/themis/secure_session_serialize.c, secure_session_save
 */
export function encodeSavedSession({ role, secrets, sequenceNumbers }: SavedSession): Uint8Array {
  const payload = new Uint8Array(PAYLOAD_BYTES)
  writeU32be(payload, 0, readU32le(secrets.sessionId, 0))
  writeU32be(payload, 4, role === 'client' ? 1 : 0)
  payload.set(secrets.masterKey, 8)
  writeU32be(payload, 40, sequenceNumbers.outgoing)
  writeU32be(payload, 44, sequenceNumbers.incoming)
  const saved = encodeContainer(TAG, payload)
  payload.fill(0)
  return saved
}

/**
 * Decodes a saved session. Themis checks neither tag nor size and takes any non-zero role as client; here all three
 * must be right.
 *
 * @param saved - copied
 * @throws {ProtocolError} `INVALID_MESSAGE`, `DATA_CORRUPT`
 * @see Themis src/themis/secure_session_serialize.c, secure_session_load
 */
export function decodeSavedSession(saved: Uint8Array): SavedSession {
  if (saved.length !== CONTAINER_HEADER_BYTES + PAYLOAD_BYTES) {
    throw new ProtocolError('INVALID_MESSAGE', 'length of a saved session')
  }
  const payload = decodeContainer(plainBytes(saved), TAG)
  const role = readU32be(payload, 4)
  if (role > 1) throw new ProtocolError('INVALID_MESSAGE', 'role of a saved session')
  return {
    role: role === 1 ? 'client' : 'server',
    secrets: { sessionId: copyBytes(payload.subarray(0, 4)).reverse(), masterKey: copyBytes(payload.subarray(8, 40)) },
    sequenceNumbers: { outgoing: readU32be(payload, 40), incoming: readU32be(payload, 44) }
  }
}
