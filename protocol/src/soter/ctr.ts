import { createCipheriv, createSecretKey } from 'node:crypto'
import { plainBytes } from '../bytes.ts'

/** Bytes of the initial counter of AES-CTR. */
export const CTR_COUNTER_BYTES = 16

/**
 * Encrypts or decrypts with AES-256-CTR, without authentication.
 *
 * @param key - 32 bytes
 * @param counter - 16 bytes, all of which count, big-endian
 * @returns a new buffer of the input's length
 */
export function applyCtr(key: Uint8Array, counter: Uint8Array, input: Uint8Array): Uint8Array {
  // A stream cipher: the last call would give nothing.
  return plainBytes(createCipheriv('aes-256-ctr', createSecretKey(key), counter).update(input))
}
