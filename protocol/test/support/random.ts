import { createHash } from 'node:crypto'
import type { RandomBytes } from '../../src/bytes.ts'

/** Bytes that look random and are the same in every run with one seed. */
export function seededBytes(seed: string): RandomBytes {
  let block = 0
  return length => {
    const blocks: Uint8Array[] = []
    for (let have = 0; have < length; have += 32) {
      blocks.push(createHash('sha256').update(`${seed}/${block++}`).digest())
    }
    return new Uint8Array(Buffer.concat(blocks).subarray(0, length))
  }
}

/** A copy with one bit changed. */
export function flipped(bytes: Uint8Array, offset: number, bit = 0): Uint8Array {
  const copy = new Uint8Array(bytes)
  copy[offset] = (copy[offset] as number) ^ (1 << bit)
  return copy
}
