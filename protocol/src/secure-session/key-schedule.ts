import { readU32le } from '../bytes.ts'
import { hmacSha256 } from '../soter/hash.ts'
import { soterKdf } from '../soter/kdf.ts'
import type { Participant } from './messages.ts'
import type { SessionSecrets } from './state.ts'

const LABEL_SESSION_ID = 'Themis secure session unique identifier'
const LABEL_MASTER_KEY = 'Themis secure session master key'
const LABEL_CLIENT_KEY = 'Themis secure session client key'
const LABEL_SERVER_KEY = 'Themis secure session server key'
const LABEL_CLIENT_SEQUENCE = 'Themis secure session client initial sequence number'
const LABEL_SERVER_SEQUENCE = 'Themis secure session server initial sequence number'

/** Keys and first sequence numbers of the data messages, by the side that sends. */
export interface DataKeys {
  /** 32 bytes each. */
  readonly clientKey: Uint8Array
  readonly serverKey: Uint8Array
  readonly clientSequence: number
  readonly serverSequence: number
}

/**
 * Derives session ID and master key.
 *
 * @param sharedSecret - x coordinate of the ECDH of the ephemeral keys, 32 bytes
 * @see Themis src/themis/secure_session_utils.c, generate_session_id_and_ssecret
 */
export function deriveSecrets(sharedSecret: Uint8Array, client: Participant, server: Participant): SessionSecrets {
  const contexts = [client.ephemeralKey, server.ephemeralKey, client.id, server.id]
  const sessionId = soterKdf(undefined, LABEL_SESSION_ID, contexts, 4)
  return { sessionId, masterKey: soterKdf(sharedSecret, LABEL_MASTER_KEY, [sessionId], 32) }
}

/** The MACs of message 3, over the server's ephemeral key, and of message 4, over the client's. */
export interface HandshakeMacs {
  /** 32 bytes each. */
  readonly proceedMac: Uint8Array
  readonly finishMac: Uint8Array
}

/** Computes both MACs of a handshake: each side sends one and awaits the other. */
export function handshakeMacs(secrets: SessionSecrets, client: Participant, server: Participant): HandshakeMacs {
  return {
    proceedMac: hmacSha256(secrets.masterKey, server.ephemeralKey, secrets.sessionId),
    finishMac: hmacSha256(secrets.masterKey, client.ephemeralKey, secrets.sessionId)
  }
}

/**
 * Derives what data messages need. The caller should wipe the keys when they have been imported.
 *
 * @see Themis src/themis/secure_session_utils.c, session_derive_message_keys
 */
export function deriveDataKeys({ masterKey, sessionId }: SessionSecrets): DataKeys {
  const derive = (label: string, lengthBytes: number) => soterKdf(masterKey, label, [sessionId], lengthBytes)
  return {
    clientKey: derive(LABEL_CLIENT_KEY, 32),
    serverKey: derive(LABEL_SERVER_KEY, 32),
    clientSequence: readU32le(derive(LABEL_CLIENT_SEQUENCE, 4), 0),
    serverSequence: readU32le(derive(LABEL_SERVER_SEQUENCE, 4), 0)
  }
}
