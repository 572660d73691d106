import { createHash, hash, timingSafeEqual } from 'node:crypto'
import { plainBytes, wipeBytes } from '../bytes.ts'

/** Bytes of a SHA-256 digest and of an HMAC-SHA-256. */
export const DIGEST_BYTES = 32
/** Bytes that SHA-256 takes at a time. */
const BLOCK_BYTES = 64

/** SHA-256 of the concatenation of `parts`. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const digest = createHash('sha256')
  for (const part of parts) digest.update(part)
  return plainBytes(digest.digest())
}

/** SHA-512 of the concatenation of `parts`. */
export function sha512(...parts: readonly Uint8Array[]): Uint8Array {
  const digest = createHash('sha512')
  for (const part of parts) digest.update(part)
  return plainBytes(digest.digest())
}

/**
 * HMAC-SHA-256 of the concatenation of `parts`, which are copied.
 *
 * Made of two one-shot hashes, as FIPS 198-1 has it: for the short inputs of key derivations that takes half the time of `createHmac`
 * and of importing the key for it.
 */
export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const short = key.length > BLOCK_BYTES ? sha256(key) : key
  let length = BLOCK_BYTES
  for (const part of parts) length += part.length
  const inner = length <= INNER.length ? INNER.subarray(0, length) : new Uint8Array(length)
  padKey(inner, short, 0x36)
  let offset = BLOCK_BYTES
  for (const part of parts) {
    inner.set(part, offset)
    offset += part.length
  }
  padKey(OUTER, short, 0x5c)
  OUTER.set(hash('sha256', inner, 'buffer'), BLOCK_BYTES)
  const mac = plainBytes(hash('sha256', OUTER, 'buffer'))
  wipeBytes(inner)
  wipeBytes(OUTER)
  if (short !== key) wipeBytes(short)
  return mac
}

// Where HMACs are put together, and wiped before anything else runs: new buffers of these sizes would cost as much as the hashes.
const INNER = new Uint8Array(512)
const OUTER = new Uint8Array(BLOCK_BYTES + DIGEST_BYTES)

/** Fills the first block with the key, every byte of it and of the zeros after it changed by `pad`. */
function padKey(target: Uint8Array, key: Uint8Array, pad: number): void {
  target.fill(pad, 0, BLOCK_BYTES)
  for (let i = 0; i < key.length; i++) target[i] = pad ^ (key[i] as number)
}

/** Whether two byte strings are equal, in time that depends on their lengths alone. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
