import { createHash, randomBytes } from 'node:crypto'

/** Repeatable randomness for tests, proofs and benchmarks. Never for a key. */
export interface SeededRandom {
  readonly seed: string
  /** A whole number from 0 to 2^32 - 1. */
  uint32(): number
  /** A whole number from 0 to `limit - 1`; `limit` is at most 2^32. */
  below(limit: number): number
  /** `lengthBytes` bytes, owned by the caller. */
  bytes(lengthBytes: number): Uint8Array
  /** One entry of a list that is not empty. */
  pick<T>(list: readonly T[]): T
}

/**
 * The same numbers for the same seed, fast (sfc32, state from SHA-256 of the seed).
 *
 * @see PractRand, Chris Doty-Humphrey: sfc32
 */
export function seededRandom(seed: string): SeededRandom {
  const digest = createHash('sha256').update(seed).digest()
  let a = digest.readUInt32LE(0)
  let b = digest.readUInt32LE(4)
  let c = digest.readUInt32LE(8)
  let counter = 1
  const uint32 = (): number => {
    const sum = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    return sum >>> 0
  }
  const below = (limit: number): number => Math.floor((uint32() / 0x1_0000_0000) * limit)
  return {
    seed,
    uint32,
    below,
    bytes(lengthBytes) {
      const words = new Uint32Array(Math.ceil(lengthBytes / 4))
      for (let i = 0; i < words.length; i++) words[i] = uint32()
      return new Uint8Array(words.buffer, 0, lengthBytes)
    },
    pick(list) {
      if (list.length === 0) throw new RangeError('nothing to pick from')
      return list[below(list.length)] as (typeof list)[number]
    }
  }
}

/** A new seed: short, printable, to be shown with what it led to. */
export function freshSeed(): string {
  return randomBytes(6).toString('hex')
}
