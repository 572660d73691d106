import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { concatBytes, plainBytes, wipeBytes } from '../bytes.ts'
import type { Curve } from './ecdh.ts'

const EC_PUBLIC_KEY_OID = Uint8Array.of(0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01)

const CURVE_OID: Readonly<Record<Curve['name'], Uint8Array>> = {
  'P-256': Uint8Array.of(0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07),
  'P-384': Uint8Array.of(0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22),
  'P-521': Uint8Array.of(0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23)
}

/** Imports a private scalar, known to be in range, for ECDSA. DER rather than JWK, so that it can be wiped. */
export function importSigningKey(curve: Curve, scalar: Uint8Array): KeyObject {
  const key = der(0x30, Uint8Array.of(0x02, 0x01, 0x01), der(0x04, scalar), der(0xa0, CURVE_OID[curve.name]))
  const imported = createPrivateKey({ key: key as Buffer, format: 'der', type: 'sec1' })
  wipeBytes(key)
  return imported
}

/** Imports a SEC1 point, known to be on the curve, for ECDSA. */
export function importVerifyingKey(curve: Curve, point: Uint8Array): KeyObject {
  const algorithm = der(0x30, EC_PUBLIC_KEY_OID, CURVE_OID[curve.name])
  const key = der(0x30, algorithm, der(0x03, Uint8Array.of(0), point))
  return createPublicKey({ key: key as Buffer, format: 'der', type: 'spki' })
}

/** ECDSA with SHA-256 on any curve. The length of the DER signature varies. */
export function signEcdsa(key: KeyObject, message: Uint8Array): Uint8Array {
  return plainBytes(sign('sha256', message, key))
}

/** Checks ECDSA with SHA-256. The signature must be strict DER that fills its bytes. */
export function verifyEcdsa(key: KeyObject, message: Uint8Array, signature: Uint8Array): boolean {
  return verify('sha256', message, key, signature)
}

function der(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const joined = concatBytes(...content)
  const header = joined.length < 0x80 ? [tag, joined.length] : [tag, 0x81, joined.length]
  return concatBytes(Uint8Array.from(header), joined)
}
