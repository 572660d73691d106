import { assertBytes, wipeBytes } from '../bytes.ts'
import { ProtocolError } from '../errors.ts'
import { applyCtr, CTR_COUNTER_BYTES } from '../soter/ctr.ts'
import { soterKdf } from '../soter/kdf.ts'
import { assertMessage, assertSecret, deriveMessageKey } from './cipher.ts'
import { CELL_MESSAGE_BYTES_MAX } from './header.ts'

const COUNTER_LABEL = 'Themis secure cell message iv'

/**
 * Encrypts a message with a master key and a context, in exactly the message's length.
 *
 * **Not authenticated and deterministic**: changed data decrypts to changed bytes without an error, and two messages of one length
 * under one key and context are encrypted with the same key stream, so that who has both learns their difference. For formats
 * that leave room for nothing; everything else wants Seal.
 *
 * @param masterKey - 1 byte or more; 32 random bytes, as {@link generateSymmetricKey} makes, are right
 * @param message - 1 byte to 2^31 - 1
 * @param context - 1 byte or more, another for each message
 * @returns a new buffer, which the caller owns
 * @throws {TypeError} {@link RangeError} for a wrong call: no bytes, or empty ones, or a message that is too long
 * @see Themis src/themis/secure_cell.c, themis_secure_cell_encrypt_context_imprint
 */
export function encryptContextImprint(masterKey: Uint8Array, message: Uint8Array, context: Uint8Array): Uint8Array {
  assertArguments(masterKey, context)
  assertMessage(message)
  return applyKeyStream(masterKey, message, context)
}

/**
 * Undoes {@link encryptContextImprint}. With another key or context, or changed data, the result is other bytes.
 *
 * @returns a new buffer, which the caller owns
 * @throws {ProtocolError} `INVALID_MESSAGE` for data that is empty or too long
 * @throws {TypeError} {@link RangeError} for a wrong call
 * @see Themis src/themis/secure_cell.c, themis_secure_cell_decrypt_context_imprint
 */
export function decryptContextImprint(masterKey: Uint8Array, data: Uint8Array, context: Uint8Array): Uint8Array {
  assertArguments(masterKey, context)
  assertBytes(data, 'data')
  if (data.length === 0 || data.length > CELL_MESSAGE_BYTES_MAX) {
    throw new ProtocolError('INVALID_MESSAGE', 'length of imprinted data')
  }
  return applyKeyStream(masterKey, data, context)
}

function assertArguments(masterKey: Uint8Array, context: Uint8Array): void {
  assertBytes(context, 'context')
  assertSecret(masterKey, 'master key', context)
  if (context.length === 0) throw new RangeError('the context of an imprint is empty')
}

function applyKeyStream(masterKey: Uint8Array, input: Uint8Array, context: Uint8Array): Uint8Array {
  // The context makes the counter, keyed with the derived key; it has no part in that key.
  const key = deriveMessageKey(masterKey, input.length)
  const counter = soterKdf(key, COUNTER_LABEL, [context], CTR_COUNTER_BYTES)
  const output = applyCtr(key, counter, input)
  wipeBytes(key)
  return output
}
