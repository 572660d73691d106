import { ed25519 } from '@noble/curves/ed25519.js'
import { bytesToNumberLE, numberToBytesLE } from '@noble/curves/utils.js'

/** Bytes of a number that multiplies points, little-endian. */
export const SCALAR_BYTES = 32

const { Fn } = ed25519.Point

/** ℓ, the prime order of the base point. */
export const ORDER: bigint = Fn.ORDER

const EIGHTH = Fn.inv(8n)

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

/** The number itself, not reduced. */
export function scalarToBigint(bytes: Uint8Array): bigint {
  return bytesToNumberLE(bytes)
}
