import { ed25519 } from '@noble/curves/ed25519.js'
import { bytesToNumberLE, numberToBytesLE } from '@noble/curves/utils.js'

/** Bytes of a number that multiplies points, little-endian. */
export const SCALAR_BYTES = 32

const { Fn } = ed25519.Point

/** ℓ, the prime order of the base point. */
export const ORDER: bigint = Fn.ORDER

const EIGHTH = Fn.inv(8n)

/** How many digits {@link signedDigits} gives. */
export const SIGNED_DIGITS = 64

/** How many digits {@link slidingDigits} gives: a number of 256 bits, and a carry. */
export const SLIDING_DIGITS = 257

/** Sets the bits that Themis sets in its scalars: a multiple of 8 from 2^254 on. Changes and returns its argument. */
export function clampScalar(bytes: Uint8Array): Uint8Array {
  bytes[0] = (bytes[0] as number) & 0xf8
  bytes[31] = ((bytes[31] as number) & 0x3f) | 0x40
  return bytes
}

/** Bytes of any length, read as a little-endian number, modulo ℓ. */
export function reduceScalar(bytes: Uint8Array): Uint8Array {
  return numberToBytesLE(Fn.create(bytesToNumberLE(bytes)), SCALAR_BYTES)
}

/** factor · secret + nonce, modulo ℓ. */
export function respond(factor: Uint8Array, secret: Uint8Array, nonce: Uint8Array): Uint8Array {
  const product = bytesToNumberLE(factor) * bytesToNumberLE(secret)
  return numberToBytesLE(Fn.create(product + bytesToNumberLE(nonce)), SCALAR_BYTES)
}

/** scalar / 8, modulo ℓ. */
export function eighthOf(scalar: Uint8Array): Uint8Array {
  return numberToBytesLE(Fn.create(bytesToNumberLE(scalar) * EIGHTH), SCALAR_BYTES)
}

/**
 * Digits from -8 to 8 of a secret number below 2^255 in base 16, lowest first. Always the same operations, whatever the
 * number.
 */
export function signedDigits(scalar: Uint8Array): Int8Array {
  const digits = new Int8Array(SIGNED_DIGITS)
  for (let i = 0; i < SIGNED_DIGITS; i++) digits[i] = ((scalar[i >> 1] as number) >> (4 * (i & 1))) & 15
  let carry = 0
  for (let i = 0; i < SIGNED_DIGITS - 1; i++) {
    const digit = (digits[i] as number) + carry
    carry = (digit + 8) >> 4
    digits[i] = digit - (carry << 4)
  }
  digits[SIGNED_DIGITS - 1] = (digits[SIGNED_DIGITS - 1] as number) + carry
  return digits
}

/**
 * Digits of a public number in base 2 that are zero or odd, less than 2^(width - 1), lowest first; at most one in `width`
 * is not zero.
 */
export function slidingDigits(scalar: Uint8Array, width: number): Int16Array {
  const bits = new Uint8Array(SLIDING_DIGITS + width)
  for (let i = 0; i < 256; i++) bits[i] = ((scalar[i >> 3] as number) >> (i & 7)) & 1
  const digits = new Int16Array(SLIDING_DIGITS)
  for (let i = 0; i < SLIDING_DIGITS; i++) {
    if (bits[i] === 0) continue
    let digit = 0
    for (let j = 0; j < width; j++) digit |= (bits[i + j] as number) << j
    if (digit >= 1 << (width - 1)) {
      digit -= 1 << width
      let carry = i + width
      while (bits[carry] === 1) bits[carry++] = 0
      bits[carry] = 1
    }
    digits[i] = digit
    i += width - 1
  }
  return digits
}
