export { poolRandomBytes, type RandomBytes } from './bytes.ts'
export { ProtocolError, type ProtocolErrorCode, THEMIS_STATUS, type ThemisOperation, themisStatus } from './errors.ts'
export {
  assertValidKey,
  decodePrivateKey,
  decodePublicKey,
  fingerprint,
  generateKeyPair,
  type KeyKind,
  type KeyPair,
  keyKind,
  type PrivateKey,
  type PublicKey
} from './keys.ts'
export { signMessage, verifyMessage } from './secure-message/sign.ts'
export type { SessionCounts, UnwrappedMessage } from './secure-session/data-channel.ts'
export { WRAP_OVERHEAD_BYTES, WRAPPED_MESSAGE_BYTES_MAX } from './secure-session/data-message.ts'
export { HANDSHAKE_MESSAGE_BYTES_MAX } from './secure-session/messages.ts'
export { type ReceivePolicy, SEQUENCE_WINDOW, TIME_WINDOW_SECONDS } from './secure-session/receive-policy.ts'
export { type HandshakeProgress, SecureSession, type SecureSessionOptions } from './secure-session/session.ts'
export type { SessionRole } from './secure-session/state.ts'
