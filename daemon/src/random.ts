import { createHash, randomBytes } from 'node:crypto'

/** Makes `lengthBytes` fresh random bytes, owned by the caller. */
export type RandomBytes = (lengthBytes: number) => Uint8Array

/** Random bytes of the operating system's generator. */
export const systemRandomBytes: RandomBytes = lengthBytes => new Uint8Array(randomBytes(lengthBytes))

/**
 * The same bytes for the same seed, whatever the lengths in which they are asked for: for tests and simulations, where a run
 * must repeat. Never for a real key.
 */
export function seededRandomBytes(seed: string): RandomBytes {
  let block = new Uint8Array(0)
  let blockCount = 0
  return lengthBytes => {
    const bytes = new Uint8Array(lengthBytes)
    for (let filled = 0; filled < lengthBytes; ) {
      if (block.length === 0) {
        block = new Uint8Array(createHash('sha256').update(`${blockCount++}:${seed}`).digest())
      }
      const taken = block.subarray(0, lengthBytes - filled)
      bytes.set(taken, filled)
      block = block.subarray(taken.length)
      filled += taken.length
    }
    return bytes
  }
}
