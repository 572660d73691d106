/**
 * Why bytes or a peer were refused. Stable within a major version; messages are not.
 *
 * - `AUTHENTICATION_FAILED`: a signature, MAC or tag is wrong; nothing more is ever said
 * - `INVALID_MESSAGE`: malformed, too long or too short
 * - `UNEXPECTED_MESSAGE`: no peer message is awaited in this state
 * - `INVALID_STATE`: the local call is not possible in this state
 * - `NOT_ESTABLISHED`: data was given to, or asked of, a session without keys
 * - `SEQUENCE_OUT_OF_RANGE`, `TIME_OUT_OF_RANGE`: genuine, but refused by the receive policy
 * - `TRANSPORT_FAILED`: what carries the messages of a session failed, or ended too early
 * - `PEER_UNKNOWN`: the caller has no key for the identity that the peer claims
 * - `INVALID_KEY`: not a key, of the wrong kind, or with impossible key material
 * - `DATA_CORRUPT`: a checksum is wrong
 * - `NOT_SUPPORTED`: well-formed, but this version does not do it
 */
export type ProtocolErrorCode =
  | 'AUTHENTICATION_FAILED'
  | 'INVALID_MESSAGE'
  | 'UNEXPECTED_MESSAGE'
  | 'INVALID_STATE'
  | 'NOT_ESTABLISHED'
  | 'SEQUENCE_OUT_OF_RANGE'
  | 'TIME_OUT_OF_RANGE'
  | 'TRANSPORT_FAILED'
  | 'PEER_UNKNOWN'
  | 'INVALID_KEY'
  | 'DATA_CORRUPT'
  | 'NOT_SUPPORTED'

/** The bytes or the peer are wrong. Carries no key, no plaintext and no peer input. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly code: ProtocolErrorCode

  constructor(code: ProtocolErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** The one error for whatever does not authenticate, of which no more is said. */
export function unauthentic(): ProtocolError {
  return new ProtocolError('AUTHENTICATION_FAILED', 'authentication failed')
}

/** What was being done when an error arose: Themis numbers some failures of a handshake differently. */
export type ThemisOperation = 'handshake' | 'other'

/** The Themis status number of each code. */
export const THEMIS_STATUS: Readonly<Record<ProtocolErrorCode, Readonly<Record<ThemisOperation, number>>>> = {
  AUTHENTICATION_FAILED: { handshake: 16, other: 11 },
  INVALID_MESSAGE: { handshake: 12, other: 12 },
  UNEXPECTED_MESSAGE: { handshake: 12, other: 12 },
  INVALID_STATE: { handshake: 12, other: 12 },
  NOT_ESTABLISHED: { handshake: 19, other: 19 },
  SEQUENCE_OUT_OF_RANGE: { handshake: 12, other: 12 },
  TIME_OUT_OF_RANGE: { handshake: 12, other: 12 },
  TRANSPORT_FAILED: { handshake: 20, other: 20 },
  PEER_UNKNOWN: { handshake: 21, other: 21 },
  INVALID_KEY: { handshake: 12, other: 12 },
  DATA_CORRUPT: { handshake: 12, other: 15 },
  NOT_SUPPORTED: { handshake: 17, other: 17 }
}

/**
 * Gives the Themis status number for whatever this package threw: the table's number for a
 * {@link ProtocolError}, 12 (invalid parameter) for a wrong call, 11 (fail) for anything else.
 *
 * @see Themis src/soter/error.h, src/themis/themis_error.h
 */
export function themisStatus(error: unknown, during: ThemisOperation = 'other'): number {
  if (error instanceof ProtocolError) return THEMIS_STATUS[error.code][during]
  return error instanceof TypeError || error instanceof RangeError ? 12 : 11
}
