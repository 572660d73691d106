import {
  constants,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  sign,
  verify
} from 'node:crypto'
import { plainBytes, readU32be, wipeBytes } from '../bytes.ts'
import { ProtocolError, unauthentic } from '../errors.ts'
import { encodeIntegers } from './pkcs1.ts'

/** A size of RSA key that Themis knows. */
export interface RsaSize {
  /** Fourth character of a key container's tag. */
  readonly tagCharacter: '1' | '2' | '4' | '8'
  readonly bits: 1024 | 2048 | 4096 | 8192
  /** Bytes of the modulus, of a signature and of an encrypted secret. */
  readonly modulusBytes: 128 | 256 | 512 | 1024
}

const SIZES: readonly RsaSize[] = [
  { tagCharacter: '1', bits: 1024, modulusBytes: 128 },
  { tagCharacter: '2', bits: 2048, modulusBytes: 256 },
  { tagCharacter: '4', bits: 4096, modulusBytes: 512 },
  { tagCharacter: '8', bits: 8192, modulusBytes: 1024 }
]

/** What OAEP with SHA-1 takes of the modulus's bytes. */
export const OAEP_BYTES = 42

const OAEP = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING }

/** The size of a container tag's fourth character. */
export function rsaSizeOfTag(tagCharacter: string): RsaSize | undefined {
  return SIZES.find(size => size.tagCharacter === tagCharacter)
}

/** The size of a modulus of `bits`. */
export function rsaSizeOfBits(bits: number): RsaSize | undefined {
  return SIZES.find(size => size.bits === bits)
}

/** The bytes of the private payload's fields, in their order: d, p, q, d mod p-1, d mod q-1, 1/q mod p, n, e. */
export function privateFieldBytes({ modulusBytes }: RsaSize): readonly number[] {
  const half = modulusBytes / 2
  return [modulusBytes, half, half, half, half, half, modulusBytes, 4]
}

/** The public payload, n and e, inside a private one: a view. */
export function publicPartOf({ modulusBytes }: RsaSize, privatePayload: Uint8Array): Uint8Array {
  return privatePayload.subarray(privatePayload.length - modulusBytes - 4)
}

/**
 * Imports n ‖ e.
 *
 * @param payload - of the length that belongs to `size`
 * @throws {ProtocolError} `INVALID_KEY` for a modulus that is even or of fewer bits, or an exponent other than 3 and 65537
 * @see Themis src/soter/openssl/soter_rsa_key.c, soter_rsa_pub_key_to_engine_specific
 */
export function importRsaPublicKey(size: RsaSize, payload: Uint8Array): KeyObject {
  assertPublicPart(size, payload)
  const key = encodeIntegers([payload.subarray(0, size.modulusBytes), payload.subarray(size.modulusBytes)])
  return createPublicKey({ key: key as Buffer, format: 'der', type: 'pkcs1' })
}

/**
 * Imports a private payload. Whether its numbers belong together shows when it is used.
 *
 * @param payload - of the length that belongs to `size`
 * @throws {ProtocolError} `INVALID_KEY` for a bad public part or a number that is zero
 * @see Themis src/soter/openssl/soter_rsa_key.c, soter_rsa_priv_key_to_engine_specific
 */
export function importRsaPrivateKey(size: RsaSize, payload: Uint8Array): KeyObject {
  assertPublicPart(size, publicPartOf(size, payload))
  const fields: Uint8Array[] = []
  let offset = 0
  for (const length of privateFieldBytes(size)) {
    fields.push(payload.subarray(offset, offset + length))
    offset += length
  }
  if (fields.some(field => field.every(byte => byte === 0))) throw badPrivateKey()
  const [d, p, q, dp, dq, inverse, n, e] = fields as FieldTuple
  const key = encodeIntegers([Uint8Array.of(0), n, e, d, p, q, dp, dq, inverse])
  try {
    return createPrivateKey({ key: key as Buffer, format: 'der', type: 'pkcs1' })
  } catch {
    // The cause is left out: it could describe the key.
    throw badPrivateKey()
  } finally {
    wipeBytes(key)
  }
}

/**
 * PSS with SHA-256, MGF1 with SHA-256 and the longest salt.
 *
 * @throws {ProtocolError} `INVALID_KEY` when the numbers of the key do not belong together
 * @see Themis src/soter/openssl/soter_sign_rsa.c
 */
export function signPss(key: KeyObject, message: Uint8Array): Uint8Array {
  try {
    return plainBytes(sign('sha256', message, { key, ...PSS, saltLength: constants.RSA_PSS_SALTLEN_MAX_SIGN }))
  } catch {
    // The cause is left out: it could describe the key.
    throw badPrivateKey()
  }
}

/** Checks PSS with SHA-256; the length of the salt is found in the signature, which must be as long as the modulus. */
export function verifyPss(key: KeyObject, size: RsaSize, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== size.modulusBytes) return false
  return verify('sha256', message, { key, ...PSS, saltLength: constants.RSA_PSS_SALTLEN_AUTO }, signature)
}

/** OAEP with SHA-1, MGF1 with SHA-1 and an empty label. */
export function encryptOaep(key: KeyObject, secret: Uint8Array): Uint8Array {
  return plainBytes(publicEncrypt({ key, ...OAEP }, secret))
}

/**
 * Undoes {@link encryptOaep}. The caller owns the result and should wipe it.
 *
 * @throws {ProtocolError} `AUTHENTICATION_FAILED`
 */
export function decryptOaep(key: KeyObject, encrypted: Uint8Array): Uint8Array {
  try {
    return plainBytes(privateDecrypt({ key, ...OAEP }, encrypted))
  } catch {
    // Why it failed is said to nobody: it would decrypt for an attacker (Manger, 2001).
    throw unauthentic()
  }
}

/** What is said of every private key whose numbers are impossible or do not belong together. */
export function badPrivateKey(): ProtocolError {
  return new ProtocolError('INVALID_KEY', 'not an RSA private key')
}

type FieldTuple = [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array]

function assertPublicPart({ modulusBytes }: RsaSize, payload: Uint8Array): void {
  const exponent = readU32be(payload, modulusBytes)
  if (exponent !== 3 && exponent !== 65_537) throw new ProtocolError('INVALID_KEY', 'RSA exponent')
  const hasAllBits = (payload[0] as number) >= 0x80
  const isOdd = ((payload[modulusBytes - 1] as number) & 1) === 1
  if (!hasAllBits || !isOdd) throw new ProtocolError('INVALID_KEY', 'RSA modulus')
}
