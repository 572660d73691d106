export { poolRandomBytes, type RandomBytes } from './bytes.ts'
export { ProtocolError, type ProtocolErrorCode, THEMIS_STATUS, type ThemisOperation, themisStatus } from './errors.ts'
export {
  type AnyPrivateKey,
  type AnyPublicKey,
  assertValidKey,
  decodeAnyPrivateKey,
  decodeAnyPublicKey,
  decodePrivateKey,
  decodePublicKey,
  decodeRsaPrivateKey,
  decodeRsaPublicKey,
  fingerprint,
  generateKeyPair,
  generateSymmetricKey,
  type KeyKind,
  type KeyPair,
  keyKind,
  type PrivateKey,
  type PublicKey,
  SYMMETRIC_KEY_BYTES
} from './keys.ts'
export {
  generateRsaKeyPair,
  generateRsaKeyPairAsync,
  type RsaBits,
  type RsaKeyPair,
  type RsaPrivateKey,
  type RsaPublicKey
} from './rsa-keys.ts'
export { decryptContextImprint, encryptContextImprint } from './secure-cell/context-imprint.ts'
export { CELL_MESSAGE_BYTES_MAX } from './secure-cell/header.ts'
export {
  decryptSealWithPassphrase,
  decryptSealWithPassphraseAsync,
  encryptSealWithPassphrase,
  encryptSealWithPassphraseAsync,
  type IterationLimits,
  PASSPHRASE_ITERATIONS
} from './secure-cell/passphrase.ts'
export { decryptSeal, encryptSeal } from './secure-cell/seal.ts'
export { decryptTokenProtect, encryptTokenProtect, type TokenProtected } from './secure-cell/token-protect.ts'
export { SecureComparator, type SecureComparatorOptions } from './secure-comparator/comparator.ts'
export { COMPARATOR_MESSAGE_BYTES } from './secure-comparator/messages.ts'
export type { ComparatorResult, ComparatorRole } from './secure-comparator/state.ts'
export { decryptMessage, encryptMessage } from './secure-message/encrypt.ts'
export { signMessage, verifyMessage } from './secure-message/sign.ts'
export type { SessionCounts, UnwrappedMessage } from './secure-session/data-channel.ts'
export { WRAP_OVERHEAD_BYTES, WRAPPED_MESSAGE_BYTES_MAX } from './secure-session/data-message.ts'
export {
  type GetPublicKey,
  MESSAGE_BYTES_MAX_DEFAULT,
  type SessionDriverOptions,
  type SessionEvent
} from './secure-session/driver.ts'
export {
  type Chunk,
  type ChunkDuplex,
  type ChunkSource,
  type SecureDuplex,
  type SecureSessionPipe,
  type SecureSessionPipeOptions,
  secureSession
} from './secure-session/duplex.ts'
export { type Framing, lengthPrefixed } from './secure-session/framing.ts'
export { HANDSHAKE_MESSAGE_BYTES_MAX } from './secure-session/messages.ts'
export { type ReceivePolicy, SEQUENCE_WINDOW, TIME_WINDOW_SECONDS } from './secure-session/receive-policy.ts'
export { type HandshakeProgress, SecureSession, type SecureSessionOptions } from './secure-session/session.ts'
export type { SessionRole } from './secure-session/state.ts'
export {
  type SessionTransport,
  TransportSession,
  type TransportSessionOptions
} from './secure-session/transport.ts'
