import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { plainBytes } from '../bytes.ts'
import { unauthentic } from '../errors.ts'

/** Bytes of an AES-GCM nonce. A longer one is not cut by the library but hashed: pass exactly these. */
export const GCM_NONCE_BYTES = 12
/** Bytes of an AES-GCM tag. */
export const GCM_TAG_BYTES = 16

/** An imported AES key. */
export type AesKey = KeyObject

/** Bytes of the AES keys that are read; 32 is the one that is written. */
export type AesKeyBytes = 16 | 24 | 32

const ALGORITHMS = { 16: 'aes-128-gcm', 24: 'aes-192-gcm', 32: 'aes-256-gcm' } as const
const OPTIONS = { authTagLength: GCM_TAG_BYTES }

/**
 * Imports an AES key once, for any number of messages: with raw keys every message would cost four
 * times as much on Node 24.
 */
export function importAesKey(key: Uint8Array): AesKey {
  return createSecretKey(key)
}

/**
 * Encrypts parts as one AES-256-GCM plaintext.
 *
 * @param nonce - 12 bytes, never used twice with one key
 * @param associatedData - authenticated and not encrypted; empty is the same as absent
 * @returns one ciphertext per part, of the part's length, and last the tag
 */
export function sealGcm(
  key: AesKey,
  nonce: Uint8Array,
  parts: readonly Uint8Array[],
  associatedData?: Uint8Array
): Uint8Array[] {
  const cipher = createCipheriv(ALGORITHMS[32], key, nonce, OPTIONS)
  if (associatedData !== undefined && associatedData.length > 0) cipher.setAAD(associatedData)
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
  const cipher = createCipheriv(ALGORITHMS[32], key, nonce, OPTIONS)
  bytes.set(cipher.update(bytes.subarray(start, tagStart)), start)
  cipher.final()
  bytes.set(cipher.getAuthTag(), tagStart)
}

/** What {@link openGcm} takes beside key, nonce, ciphertext and tag. */
export interface OpenGcmOptions {
  /** Empty is the same as absent. */
  readonly associatedData?: Uint8Array
  /** Bytes of the key; 32 by default. */
  readonly keyBytes?: AesKeyBytes
}

/**
 * Decrypts AES-GCM. Nothing is released before the tag has been checked.
 *
 * @returns the plaintext in a new buffer
 * @throws {ProtocolError} `AUTHENTICATION_FAILED`
 */
export function openGcm(
  key: AesKey,
  nonce: Uint8Array,
  ciphertext: Uint8Array,
  tag: Uint8Array,
  { associatedData, keyBytes = 32 }: OpenGcmOptions = {}
): Uint8Array {
  const decipher = createDecipheriv(ALGORITHMS[keyBytes], key, nonce, OPTIONS).setAuthTag(tag)
  if (associatedData !== undefined && associatedData.length > 0) decipher.setAAD(associatedData)
  const plaintext = decipher.update(ciphertext)
  try {
    decipher.final()
  } catch {
    // The library's error says no more than ours, and every failed authentication looks the same.
    plaintext.fill(0)
    throw unauthentic()
  }
  return plainBytes(plaintext)
}
