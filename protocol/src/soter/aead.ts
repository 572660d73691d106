import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { plainBytes } from '../bytes.ts'
import { ProtocolError } from '../errors.ts'

/** Bytes of an AES-GCM nonce. A longer one is not cut by the library but hashed: pass exactly these. */
export const GCM_NONCE_BYTES = 12
/** Bytes of an AES-GCM tag. */
export const GCM_TAG_BYTES = 16

/** An imported AES-256 key. */
export type AesKey = KeyObject

const ALGORITHM = 'aes-256-gcm'
const OPTIONS = { authTagLength: GCM_TAG_BYTES }

/**
 * Imports an AES-256 key once, for any number of messages: with raw keys every message would cost four
 * times as much on Node 24.
 */
export function importAesKey(key: Uint8Array): AesKey {
  return createSecretKey(key)
}

/**
 * Encrypts parts as one AES-256-GCM plaintext without associated data.
 *
 * @param nonce - 12 bytes, never used twice with one key
 * @returns one ciphertext per part, of the part's length, and last the tag
 */
export function sealGcm(key: AesKey, nonce: Uint8Array, parts: readonly Uint8Array[]): Uint8Array[] {
  const cipher = createCipheriv(ALGORITHM, key, nonce, OPTIONS)
  const sealed = parts.map(part => plainBytes(cipher.update(part)))
  cipher.final()
  sealed.push(plainBytes(cipher.getAuthTag()))
  return sealed
}

/**
 * As {@link sealGcm}, of one part, where it stands: encrypts `bytes` from `start` to 16 bytes before their end, and writes
 * the tag into those 16.
 */
export function sealGcmInPlace(key: AesKey, nonce: Uint8Array, bytes: Uint8Array, start: number): void {
  const tagStart = bytes.length - GCM_TAG_BYTES
  const cipher = createCipheriv(ALGORITHM, key, nonce, OPTIONS)
  bytes.set(cipher.update(bytes.subarray(start, tagStart)), start)
  cipher.final()
  bytes.set(cipher.getAuthTag(), tagStart)
}

/**
 * Decrypts AES-256-GCM without associated data. Nothing is released before the tag has been checked.
 *
 * @returns the plaintext in a new buffer
 * @throws {ProtocolError} `AUTHENTICATION_FAILED`
 */
export function openGcm(key: AesKey, nonce: Uint8Array, ciphertext: Uint8Array, tag: Uint8Array): Uint8Array {
  const decipher = createDecipheriv(ALGORITHM, key, nonce, OPTIONS).setAuthTag(tag)
  const plaintext = decipher.update(ciphertext)
  try {
    decipher.final()
  } catch {
    // The library's error says no more than ours, and every failed authentication looks the same.
    plaintext.fill(0)
    throw new ProtocolError('AUTHENTICATION_FAILED', 'authentication failed')
  }
  return plainBytes(plaintext)
}
