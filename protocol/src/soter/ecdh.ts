import { createECDH, diffieHellman, ECDH, type KeyObject } from 'node:crypto'
import { plainBytes } from '../bytes.ts'
import { ProtocolError } from '../errors.ts'

/** A NIST curve that Themis knows, with its names elsewhere. */
export interface Curve {
  /** Fourth character of a key container's tag. */
  readonly tagCharacter: '2' | '3' | '5'
  readonly name: 'P-256' | 'P-384' | 'P-521'
  /** OpenSSL's name. */
  readonly opensslName: 'prime256v1' | 'secp384r1' | 'secp521r1'
  /** Bytes of a coordinate and of a scalar. */
  readonly fieldBytes: 32 | 48 | 66
}

export const P256: Curve = { tagCharacter: '2', name: 'P-256', opensslName: 'prime256v1', fieldBytes: 32 }
const P384: Curve = { tagCharacter: '3', name: 'P-384', opensslName: 'secp384r1', fieldBytes: 48 }
const P521: Curve = { tagCharacter: '5', name: 'P-521', opensslName: 'secp521r1', fieldBytes: 66 }

/** The curve of a container tag's fourth character. */
export function curveOfTag(tagCharacter: string): Curve | undefined {
  return [P256, P384, P521].find(curve => curve.tagCharacter === tagCharacter)
}

/**
 * Imports a private scalar.
 *
 * @throws {ProtocolError} `INVALID_KEY` for zero or at least the order of the group
 */
export function importScalar(curve: Curve, scalar: Uint8Array): ECDH {
  const ecdh = createECDH(curve.opensslName)
  try {
    ecdh.setPrivateKey(scalar)
  } catch {
    // The cause is left out: it could describe the scalar.
    throw new ProtocolError('INVALID_KEY', 'private scalar out of range')
  }
  return ecdh
}

/**
 * Reads a SEC1 point, compressed (02, 03) or not (04), and checks that it is on the curve. The hybrid
 * forms (06, 07), which OpenSSL would take, are refused.
 *
 * @returns the uncompressed form in a new buffer
 * @throws {ProtocolError} `INVALID_KEY`
 */
export function decodePoint(curve: Curve, point: Uint8Array): Uint8Array {
  const compressed = point[0] === 2 || point[0] === 3
  const expectedBytes = compressed ? 1 + curve.fieldBytes : 1 + 2 * curve.fieldBytes
  if ((compressed || point[0] === 4) && point.length === expectedBytes) {
    try {
      return plainBytes(ECDH.convertKey(point, curve.opensslName, undefined, undefined, 'uncompressed') as Uint8Array)
    } catch {
      // Falls through: a point off the curve is refused like any other bad point.
    }
  }
  throw new ProtocolError('INVALID_KEY', 'not a point of the curve')
}

/**
 * The x coordinate of the shared point, big-endian, with leading zeros: exactly the curve's field size.
 *
 * @param point - of the same curve, checked by {@link decodePoint}
 */
export function ecdhSecret(ecdh: ECDH, point: Uint8Array): Uint8Array {
  return plainBytes(ecdh.computeSecret(point))
}

/** As {@link ecdhSecret}, for imported keys: half the time, once the import, which takes longer, has been paid for. */
export function agreeSecret(privateKey: KeyObject, publicKey: KeyObject): Uint8Array {
  return plainBytes(diffieHellman({ privateKey, publicKey }))
}
