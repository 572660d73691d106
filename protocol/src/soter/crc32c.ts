const POLYNOMIAL = 0x82f63b78

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte
  for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? POLYNOMIAL : 0)
  return remainder
})

/**
 * CRC-32C (Castagnoli) of the concatenation of `parts`, as an unsigned 32-bit number.
 *
 * @see RFC 3720 appendix B.4; Themis src/soter/soter_crc32.c
 */
export function crc32c(...parts: readonly Uint8Array[]): number {
  let remainder = 0xffffffff
  for (const part of parts) {
    for (const byte of part) remainder = (remainder >>> 8) ^ (TABLE[(remainder ^ byte) & 0xff] as number)
  }
  return ~remainder >>> 0
}
