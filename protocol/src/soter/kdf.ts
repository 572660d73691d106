import { writeU32be } from '../bytes.ts'
import { DIGEST_BYTES, hmacSha256 } from './hash.ts'

/**
 * The soter key derivation: one block of HMAC-SHA-256 over a counter, a label and contexts.
 *
 * Contexts have no length prefix: their order and their sizes are the caller's to keep unambiguous.
 *
 * @param key - key material, or `undefined` for the implicit key made of label and contexts
 * @param label - ASCII, without terminator
 * @param lengthBytes - 1 to 32
 * @throws {RangeError} for another length or an empty key
 * @see Themis src/soter/soter_kdf.c, soter_kdf
 */
export function soterKdf(
  key: Uint8Array | undefined,
  label: string,
  contexts: readonly Uint8Array[],
  lengthBytes: number
): Uint8Array {
  if (!Number.isInteger(lengthBytes) || lengthBytes < 1 || lengthBytes > DIGEST_BYTES) {
    throw new RangeError('a derived key has 1 to 32 bytes')
  }
  if (key?.length === 0) throw new RangeError('the key of a derivation is empty')
  const head = new Uint8Array(4 + label.length + 1)
  writeU32be(head, 0, 1)
  for (let i = 0; i < label.length; i++) head[4 + i] = label.charCodeAt(i)
  const block = hmacSha256(key ?? implicitKey([head.subarray(4, -1), ...contexts]), head, ...contexts)
  return block.subarray(0, lengthBytes)
}

function implicitKey(sources: readonly Uint8Array[]): Uint8Array {
  const key = new Uint8Array(DIGEST_BYTES)
  for (const source of sources) {
    const length = Math.min(source.length, DIGEST_BYTES)
    for (let i = 0; i < length; i++) key[i] = (key[i] as number) ^ (source[i] as number)
  }
  return key
}
