import type { ECDH, KeyObject } from 'node:crypto'
import { assertBytes, copyBytes, drawBytes, plainBytes, type RandomBytes, readU32be, wipeBytes } from './bytes.ts'
import { ProtocolError } from './errors.ts'
import { RsaPrivateKey, RsaPublicKey } from './rsa-keys.ts'
import { CONTAINER_HEADER_BYTES, containerTag, encodeContainer, hasRightChecksum } from './soter/container.ts'
import { agreeSecret, type Curve, curveOfTag, decodePoint, ecdhSecret, importScalar, P256 } from './soter/ecdh.ts'
import { sha256 } from './soter/hash.ts'
import { type RsaSize, rsaSizeOfTag } from './soter/rsa.ts'
import { importSigningKey, importVerifyingKey, signEcdsa, verifyEcdsa } from './soter/signature.ts'

/** What a key container claims to be, by its length and the first three characters of its tag alone. */
export type KeyKind = 'rsa-private' | 'rsa-public' | 'ec-private' | 'ec-public' | 'invalid'

const KIND_OF_PREFIX: ReadonlyMap<string, KeyKind> = new Map([
  ['RRA', 'rsa-private'],
  ['URA', 'rsa-public'],
  ['REC', 'ec-private'],
  ['UEC', 'ec-public']
])

/** Whole container lengths in bytes that Themis allows, by tag. */
const LENGTHS_OF_TAG: ReadonlyMap<string, readonly number[]> = new Map([
  ['REC2', [45, 44]],
  ['REC3', [61, 60]],
  ['REC5', [79, 78]],
  ['UEC2', [45, 77]],
  ['UEC3', [61, 109]],
  ['UEC5', [79, 145]],
  ['RRA1', [592]],
  ['RRA2', [1168]],
  ['RRA4', [2320]],
  ['RRA8', [4624]],
  ['URA1', [144]],
  ['URA2', [272]],
  ['URA4', [528]],
  ['URA8', [1040]]
])

/**
 * Tells what a key container claims to be, without checking it.
 *
 * @throws {TypeError} for what is not bytes
 * @see Themis src/themis/secure_keygen.c, themis_get_asym_key_kind
 */
export function keyKind(container: Uint8Array): KeyKind {
  assertBytes(container, 'key')
  if (container.length < CONTAINER_HEADER_BYTES) return 'invalid'
  return KIND_OF_PREFIX.get(containerTag(container).slice(0, 3)) ?? 'invalid'
}

/**
 * Checks the form of a key container: length, prefix, size field, checksum, and the length that belongs to
 * its tag. Says nothing of the key material, which {@link decodePublicKey} and {@link decodePrivateKey} check.
 *
 * @throws {ProtocolError} `INVALID_KEY`, or `DATA_CORRUPT` for a wrong checksum
 * @throws {TypeError} for what is not bytes
 * @see Themis src/themis/secure_keygen.c, themis_is_valid_asym_key
 */
export function assertValidKey(key: Uint8Array): void {
  assertBytes(key, 'key')
  const container = plainBytes(key)
  if (keyKind(container) === 'invalid') throw new ProtocolError('INVALID_KEY', 'not a key')
  if (readU32be(container, 4) !== container.length) throw new ProtocolError('INVALID_KEY', 'size of a key')
  if (!hasRightChecksum(container)) throw new ProtocolError('DATA_CORRUPT', 'checksum of a key')
  if (!LENGTHS_OF_TAG.get(containerTag(container))?.includes(container.length)) {
    throw new ProtocolError('INVALID_KEY', 'length of a key')
  }
}

/** A public EC key whose form and point have been checked. */
export class PublicKey {
  readonly algorithm = 'EC'
  readonly curve: Curve['name']
  readonly #curve: Curve
  readonly #container: Uint8Array
  readonly #point: Uint8Array
  #keyObject: KeyObject | undefined

  /** Use {@link decodePublicKey}. `point` is SEC1 and known to be on the curve; both arrays are taken over. */
  constructor(curve: Curve, container: Uint8Array, point: Uint8Array) {
    this.curve = curve.name
    this.#curve = curve
    this.#container = container
    this.#point = point
  }

  /** A copy of the key container, byte for byte as it was decoded. */
  toBytes(): Uint8Array {
    return copyBytes(this.#container)
  }

  /** A copy of the point in SEC1 form, compressed or not. */
  toPoint(): Uint8Array {
    return copyBytes(this.#point)
  }

  /** Checks an ECDSA-SHA-256 signature in strict DER. */
  verify(message: Uint8Array, signature: Uint8Array): boolean {
    return verifyEcdsa(this.toKeyObject(), message, signature)
  }

  /** The key as `node:crypto` has it, imported once. */
  toKeyObject(): KeyObject {
    this.#keyObject ??= importVerifyingKey(this.#curve, this.#point)
    return this.#keyObject
  }
}

/** A private EC key in range. Shows nothing of itself to `inspect` and `JSON.stringify`. */
export class PrivateKey {
  readonly algorithm = 'EC'
  readonly curve: Curve['name']
  readonly #curve: Curve
  readonly #scalar: Uint8Array
  #ecdh: ECDH | undefined
  #keyObject: KeyObject | undefined
  #hasDerived = false

  /**
   * Use {@link decodePrivateKey} or {@link generateKeyPair}.
   *
   * @param scalar - of the curve's field size, taken over
   * @throws {ProtocolError} `INVALID_KEY`
   */
  constructor(curve: Curve, scalar: Uint8Array) {
    this.#ecdh = importScalar(curve, scalar)
    this.curve = curve.name
    this.#curve = curve
    this.#scalar = scalar
  }

  /** The key container, in the long form that Themis writes. The caller owns it and should wipe it. */
  toBytes(): Uint8Array {
    this.#usable()
    return encodeContainer(`REC${this.#curve.tagCharacter}`, Uint8Array.of(0), this.#scalar)
  }

  /** The public half, compressed. */
  toPublicKey(): PublicKey {
    const ecdh = this.#usable()
    const compressed = plainBytes(ecdh.getPublicKey(null, 'compressed'))
    const container = encodeContainer(`UEC${this.#curve.tagCharacter}`, compressed)
    return new PublicKey(this.#curve, container, compressed)
  }

  /** Signs with ECDSA-SHA-256. The signature is DER of varying length (P-256: 70 to 72 bytes, rarely less). */
  sign(message: Uint8Array): Uint8Array {
    return signEcdsa(this.#imported(), message)
  }

  /**
   * Computes the raw shared secret, the x coordinate. The caller owns it and should wipe it.
   *
   * @throws {ProtocolError} `INVALID_KEY` when the peer's key is on another curve
   */
  deriveSecret(peer: PublicKey): Uint8Array {
    const ecdh = this.#usable()
    if (peer.curve !== this.curve) throw new ProtocolError('INVALID_KEY', 'keys on different curves')
    // An ephemeral key does this once, and is not worth importing; a key of a person does it for every message.
    if (this.#hasDerived) return agreeSecret(this.#imported(), peer.toKeyObject())
    this.#hasDerived = true
    return ecdhSecret(ecdh, peer.toPoint())
  }

  /** Overwrites the scalar and makes the key unusable. Best effort: OpenSSL's own copies are freed by the collector. */
  wipe(): void {
    wipeBytes(this.#scalar)
    this.#ecdh = undefined
    this.#keyObject = undefined
  }

  #imported(): KeyObject {
    this.#usable()
    this.#keyObject ??= importSigningKey(this.#curve, this.#scalar)
    return this.#keyObject
  }

  #usable(): ECDH {
    if (this.#ecdh === undefined) throw new ProtocolError('INVALID_STATE', 'the private key has been wiped')
    return this.#ecdh
  }
}

/** A private key and its public half. */
export interface KeyPair {
  readonly privateKey: PrivateKey
  readonly publicKey: PublicKey
}

/** A public key of either kind, for what takes both. */
export type AnyPublicKey = PublicKey | RsaPublicKey

/** A private key of either kind, for what takes both. */
export type AnyPrivateKey = PrivateKey | RsaPrivateKey

/**
 * Reads a public EC key container, compressed or not.
 *
 * @param key - a key container; copied
 * @throws {ProtocolError} `INVALID_KEY`, also for a key of another kind; `DATA_CORRUPT`
 * @throws {TypeError} for what is not bytes
 */
export function decodePublicKey(key: Uint8Array): PublicKey {
  assertBytes(key, 'key')
  const container = copyBytes(key)
  const curve = curveOfTag(tagCharacter(container, 'ec-public')) as Curve
  return new PublicKey(curve, container, decodePoint(curve, container.subarray(CONTAINER_HEADER_BYTES)))
}

/**
 * Reads a private EC key container, with or without the spare zero byte that Themis writes.
 *
 * @param key - a key container; copied; the caller should wipe it
 * @throws {ProtocolError} `INVALID_KEY`, also for a key of another kind; `DATA_CORRUPT`
 * @throws {TypeError} for what is not bytes
 */
export function decodePrivateKey(key: Uint8Array): PrivateKey {
  assertBytes(key, 'key')
  const container = plainBytes(key)
  const curve = curveOfTag(tagCharacter(container, 'ec-private')) as Curve
  const payload = container.subarray(CONTAINER_HEADER_BYTES)
  const isLong = payload.length > curve.fieldBytes
  if (isLong && payload[0] !== 0) throw new ProtocolError('INVALID_KEY', 'private scalar out of range')
  return new PrivateKey(curve, copyBytes(payload.subarray(isLong ? 1 : 0)))
}

/**
 * Reads a public RSA key container of 1024, 2048, 4096 or 8192 bits.
 *
 * @param key - a key container; copied
 * @throws {ProtocolError} `INVALID_KEY`, also for a key of another kind; `DATA_CORRUPT`
 * @throws {TypeError} for what is not bytes
 */
export function decodeRsaPublicKey(key: Uint8Array): RsaPublicKey {
  assertBytes(key, 'key')
  const container = plainBytes(key)
  const size = rsaSizeOfTag(tagCharacter(container, 'rsa-public')) as RsaSize
  return new RsaPublicKey(size, copyBytes(container.subarray(CONTAINER_HEADER_BYTES)))
}

/**
 * Reads a private RSA key container of 1024, 2048, 4096 or 8192 bits. Containers without the Chinese remainder
 * values (zeros in their place) are refused, as in Themis, which cannot use them.
 *
 * @param key - a key container; copied; the caller should wipe it
 * @throws {ProtocolError} `INVALID_KEY`, also for a key of another kind; `DATA_CORRUPT`
 * @throws {TypeError} for what is not bytes
 */
export function decodeRsaPrivateKey(key: Uint8Array): RsaPrivateKey {
  assertBytes(key, 'key')
  const container = plainBytes(key)
  const size = rsaSizeOfTag(tagCharacter(container, 'rsa-private')) as RsaSize
  return new RsaPrivateKey(size, copyBytes(container.subarray(CONTAINER_HEADER_BYTES)))
}

/**
 * Reads a public key container, EC or RSA.
 *
 * @throws {ProtocolError} `INVALID_KEY`, `DATA_CORRUPT`
 * @throws {TypeError} for what is not bytes
 */
export function decodeAnyPublicKey(key: Uint8Array): AnyPublicKey {
  return keyKind(key) === 'rsa-public' ? decodeRsaPublicKey(key) : decodePublicKey(key)
}

/**
 * Reads a private key container, EC or RSA.
 *
 * @param key - the caller should wipe it
 * @throws {ProtocolError} `INVALID_KEY`, `DATA_CORRUPT`
 * @throws {TypeError} for what is not bytes
 */
export function decodeAnyPrivateKey(key: Uint8Array): AnyPrivateKey {
  return keyKind(key) === 'rsa-private' ? decodeRsaPrivateKey(key) : decodePrivateKey(key)
}

/**
 * Makes a P-256 key pair. The same random bytes give the same pair.
 *
 * @param randomBytes - asked for 32 bytes, and again in the rare case that they are no scalar of the group
 */
export function generateKeyPair(randomBytes: RandomBytes): KeyPair {
  for (let attempt = 0; attempt < 8; attempt++) {
    try {
      const privateKey = new PrivateKey(P256, drawBytes(randomBytes, P256.fieldBytes))
      return { privateKey, publicKey: privateKey.toPublicKey() }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      // Not a scalar of the group: once in 2^32 for honest randomness. The bound stops a broken source.
    }
  }
  throw new RangeError('the random source gives no usable scalar')
}

/** Bytes of a symmetric key that is made here; as a master key of Secure Cell any length from 1 will do. */
export const SYMMETRIC_KEY_BYTES = 32

/** Makes a symmetric key of 32 random bytes. The caller owns it and should wipe it. */
export function generateSymmetricKey(randomBytes: RandomBytes): Uint8Array {
  const drawn = drawBytes(randomBytes, SYMMETRIC_KEY_BYTES)
  // Drawn bytes may lie in a pool, which is not for the caller to have.
  const key = copyBytes(drawn)
  wipeBytes(drawn)
  return key
}

/** SHA-256 of the public key's container, 32 bytes: how a key is named to people and compared. */
export function fingerprint(publicKey: AnyPublicKey): Uint8Array {
  return sha256(publicKey.toBytes())
}

// Once the form has been checked, the character is one of the four or three that the kind has.
function tagCharacter(container: Uint8Array, kind: KeyKind): string {
  assertValidKey(container)
  if (keyKind(container) !== kind) throw new ProtocolError('INVALID_KEY', `not an ${kind} key`)
  return containerTag(container).charAt(3)
}
