import { assertBytes, plainBytes, type RandomBytes } from '../bytes.ts'
import { ProtocolError, unauthentic } from '../errors.ts'
import { assertMessage, assertSecret, decryptWithMasterKey, encryptWithMasterKey } from './cipher.ts'
import { CELL_MESSAGE_BYTES_MAX, decodeKeyHeader, encodeKeyHeader } from './header.ts'

/** A message encrypted in Token Protect mode. The caller owns both buffers; both are needed to decrypt. */
export interface TokenProtected {
  /** 44 bytes. */
  readonly token: Uint8Array
  /** As long as the message. */
  readonly data: Uint8Array
}

/**
 * Encrypts a message with a master key and keeps its length: what authenticates it goes into a token of its own.
 *
 * @param masterKey - 1 byte or more; 32 random bytes, as {@link generateSymmetricKey} makes, are right
 * @param message - 1 byte to 2^31 - 1
 * @param randomBytes - asked for 12 bytes
 * @param context - must be given again to decrypt, and is not in the result; empty is the same as absent
 * @throws {TypeError} {@link RangeError} for a wrong call: no bytes, an empty key, an empty or too long message
 * @see Themis src/themis/secure_cell.c, themis_secure_cell_encrypt_token_protect
 */
export function encryptTokenProtect(
  masterKey: Uint8Array,
  message: Uint8Array,
  randomBytes: RandomBytes,
  context?: Uint8Array
): TokenProtected {
  assertSecret(masterKey, 'master key', context)
  assertMessage(message)
  const { nonce, tag, ciphertext } = encryptWithMasterKey(masterKey, message, randomBytes, context)
  return { token: encodeKeyHeader(nonce, tag, message.length), data: ciphertext }
}

/**
 * Decrypts what {@link encryptTokenProtect} made. Nothing is released before it has been authenticated.
 *
 * @returns the message in a new buffer, which the caller owns
 * @throws {ProtocolError} `INVALID_MESSAGE` for empty or too long data or an empty token, `AUTHENTICATION_FAILED` for everything else
 * @throws {TypeError} {@link RangeError} for a wrong call
 * @see Themis src/themis/secure_cell.c, themis_secure_cell_decrypt_token_protect
 */
export function decryptTokenProtect(
  masterKey: Uint8Array,
  { token, data }: TokenProtected,
  context?: Uint8Array
): Uint8Array {
  assertSecret(masterKey, 'master key', context)
  assertBytes(token, 'token')
  assertBytes(data, 'data')
  if (token.length === 0) throw new ProtocolError('INVALID_MESSAGE', 'a token is empty')
  if (data.length === 0 || data.length > CELL_MESSAGE_BYTES_MAX) {
    throw new ProtocolError('INVALID_MESSAGE', 'length of protected data')
  }
  const header = decodeKeyHeader(plainBytes(token))
  if (header.messageBytes !== data.length) throw unauthentic()
  return decryptWithMasterKey(masterKey, header, data, context)
}
