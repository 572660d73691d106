import { assertBytes, concatBytes, plainBytes, type RandomBytes } from '../bytes.ts'
import { ProtocolError, unauthentic } from '../errors.ts'
import { assertMessage, assertSecret, decryptWithMasterKey, encryptWithMasterKey } from './cipher.ts'
import { CELL_MESSAGE_BYTES_MAX, declaredMessageBytes, decodeKeyHeader, encodeKeyHeader } from './header.ts'

const LENGTH_FIELDS_BYTES = 16

/**
 * Encrypts a message with a master key, in Seal mode: 44 bytes longer than the message.
 *
 * @param masterKey - 1 byte or more; 32 random bytes, as {@link generateSymmetricKey} makes, are right
 * @param message - 1 byte to 2^31 - 1
 * @param randomBytes - asked for 12 bytes
 * @param context - must be given again to decrypt, and is not in the result; empty is the same as absent
 * @returns a new buffer, which the caller owns
 * @throws {TypeError} {@link RangeError} for a wrong call: no bytes, an empty key, an empty or too long message
 * @see Themis src/themis/secure_cell.c, themis_secure_cell_encrypt_seal
 */
export function encryptSeal(
  masterKey: Uint8Array,
  message: Uint8Array,
  randomBytes: RandomBytes,
  context?: Uint8Array
): Uint8Array {
  assertSecret(masterKey, 'master key', context)
  assertMessage(message)
  const { nonce, tag, ciphertext } = encryptWithMasterKey(masterKey, message, randomBytes, context)
  return concatBytes(encodeKeyHeader(nonce, tag, message.length), ciphertext)
}

/**
 * Decrypts what {@link encryptSeal} made. Nothing is released before it has been authenticated.
 *
 * @returns the message in a new buffer, which the caller owns
 * @throws {ProtocolError} `INVALID_MESSAGE` for impossible lengths, `AUTHENTICATION_FAILED` for everything else
 * @throws {TypeError} {@link RangeError} for a wrong call
 * @see Themis src/themis/secure_cell.c, themis_secure_cell_decrypt_seal
 */
export function decryptSeal(masterKey: Uint8Array, sealed: Uint8Array, context?: Uint8Array): Uint8Array {
  assertSecret(masterKey, 'master key', context)
  assertBytes(sealed, 'sealed')
  const cell = plainBytes(sealed)
  const headerBytes = cell.length - messageBytesOf(cell)
  const header = decodeKeyHeader(cell.subarray(0, headerBytes))
  return decryptWithMasterKey(masterKey, header, cell.subarray(headerBytes), context)
}

function messageBytesOf(cell: Uint8Array): number {
  if (cell.length === 0) throw new ProtocolError('INVALID_MESSAGE', 'a cell is empty')
  if (cell.length < LENGTH_FIELDS_BYTES) throw unauthentic()
  const messageBytes = declaredMessageBytes(cell)
  const isPossible = messageBytes > 0 && messageBytes < cell.length && messageBytes <= CELL_MESSAGE_BYTES_MAX
  if (!isPossible) throw new ProtocolError('INVALID_MESSAGE', 'length of the message in a cell')
  return messageBytes
}
