import { assertBytes, drawBytes, type RandomBytes, wipeBytes, writeU32le } from '../bytes.ts'
import { type AesKey, type AesKeyBytes, GCM_NONCE_BYTES, importAesKey, openGcm, sealGcm } from '../soter/aead.ts'
import { soterKdf } from '../soter/kdf.ts'
import { CELL_MESSAGE_BYTES_MAX, type CellHeader } from './header.ts'

const MESSAGE_KEY_LABEL = 'Themis secure cell message key'
const AES_256_KEY_BYTES = 32

/** A message that has been encrypted, before it has its header. The nonce is what the random source gave, the others are new. */
export interface EncryptedMessage {
  readonly nonce: Uint8Array
  readonly tag: Uint8Array
  readonly ciphertext: Uint8Array
}

/**
 * Encrypts with AES-256-GCM under a key that is derived from the master key, the message's length and the context.
 *
 * @param context - authenticated, not kept in the result; empty is the same as absent
 * @see Themis src/themis/sym_enc_message.c, themis_auth_sym_encrypt_message_
 */
export function encryptWithMasterKey(
  masterKey: Uint8Array,
  message: Uint8Array,
  randomBytes: RandomBytes,
  context?: Uint8Array
): EncryptedMessage {
  const key = importMessageKey(masterKey, message.length, context, AES_256_KEY_BYTES)
  const nonce = drawBytes(randomBytes, GCM_NONCE_BYTES)
  const [ciphertext, tag] = sealGcm(key, nonce, [message], context) as [Uint8Array, Uint8Array]
  return { nonce, tag, ciphertext }
}

/**
 * Undoes {@link encryptWithMasterKey}.
 *
 * @returns the message in a new buffer
 * @throws {ProtocolError} `AUTHENTICATION_FAILED`
 */
export function decryptWithMasterKey(
  masterKey: Uint8Array,
  { keyBytes, nonce, tag, messageBytes }: CellHeader,
  ciphertext: Uint8Array,
  context?: Uint8Array
): Uint8Array {
  const key = importMessageKey(masterKey, messageBytes, context, keyBytes)
  return openGcm(key, nonce, ciphertext, tag, { keyBytes, ...(context && { associatedData: context }) })
}

/**
 * Derives the 32 bytes of which a message's key is made. The caller wipes them.
 *
 * @see Themis src/themis/sym_enc_message.c, themis_auth_sym_kdf_context
 */
export function deriveMessageKey(masterKey: Uint8Array, messageBytes: number, context?: Uint8Array): Uint8Array {
  const length = new Uint8Array(4)
  writeU32le(length, 0, messageBytes)
  return soterKdf(masterKey, MESSAGE_KEY_LABEL, context === undefined ? [length] : [length, context], AES_256_KEY_BYTES)
}

/**
 * Refuses a wrong call: bytes that are none, an empty master key or passphrase.
 *
 * @throws {TypeError} {@link RangeError}
 */
export function assertSecret(secret: Uint8Array, name: string, context?: Uint8Array): void {
  assertBytes(secret, name)
  if (secret.length === 0) throw new RangeError(`${name} is empty`)
  if (context !== undefined) assertBytes(context, 'context')
}

/**
 * Refuses a message that no cell can hold.
 *
 * @throws {TypeError} {@link RangeError}
 */
export function assertMessage(message: Uint8Array): void {
  assertBytes(message, 'message')
  if (message.length === 0) throw new RangeError('an empty message cannot be encrypted')
  if (message.length > CELL_MESSAGE_BYTES_MAX) throw new RangeError('the message is too long for a cell')
}

function importMessageKey(
  masterKey: Uint8Array,
  messageBytes: number,
  context: Uint8Array | undefined,
  keyBytes: AesKeyBytes
): AesKey {
  const derived = deriveMessageKey(masterKey, messageBytes, context)
  const key = importAesKey(derived.subarray(0, keyBytes))
  wipeBytes(derived)
  return key
}
