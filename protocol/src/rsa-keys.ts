import { generateKeyPair, generateKeyPairSync, type KeyObject, type RSAKeyPairOptions } from 'node:crypto'
import { copyBytes, plainBytes, wipeBytes } from './bytes.ts'
import { ProtocolError, unauthentic } from './errors.ts'
import { encodeContainer } from './soter/container.ts'
import { decodeIntegers } from './soter/pkcs1.ts'
import {
  badPrivateKey,
  decryptOaep,
  encryptOaep,
  importRsaPrivateKey,
  importRsaPublicKey,
  OAEP_BYTES,
  privateFieldBytes,
  publicPartOf,
  type RsaSize,
  rsaSizeOfBits,
  signPss,
  verifyPss
} from './soter/rsa.ts'

/** Bits of the RSA keys that are made. Keys of 1024 bits, which Themis reads too, are read alone. */
export type RsaBits = 2048 | 4096 | 8192

/** A public RSA key whose form, exponent and modulus have been checked. */
export class RsaPublicKey {
  readonly algorithm = 'RSA'
  readonly bits: RsaSize['bits']
  readonly #size: RsaSize
  readonly #payload: Uint8Array
  readonly #key: KeyObject

  /**
   * Use `decodeRsaPublicKey`.
   *
   * @param payload - n ‖ e, of the length that belongs to `size`; taken over
   * @throws {ProtocolError} `INVALID_KEY`
   */
  constructor(size: RsaSize, payload: Uint8Array) {
    this.#key = importRsaPublicKey(size, payload)
    this.bits = size.bits
    this.#size = size
    this.#payload = payload
  }

  /** The key container. The caller owns it. */
  toBytes(): Uint8Array {
    return encodeContainer(`URA${this.#size.tagCharacter}`, this.#payload)
  }

  /** Checks a PSS signature with SHA-256 and any length of salt. */
  verify(message: Uint8Array, signature: Uint8Array): boolean {
    return verifyPss(this.#key, this.#size, message, signature)
  }

  /**
   * Encrypts a short secret with OAEP (SHA-1).
   *
   * @param secret - at most 42 bytes less than the modulus has
   * @returns as many bytes as the modulus has
   * @throws {RangeError} for a longer secret
   */
  encryptSecret(secret: Uint8Array): Uint8Array {
    if (secret.length > this.#size.modulusBytes - OAEP_BYTES) throw new RangeError('the secret is too long for the key')
    return encryptOaep(this.#key, secret)
  }
}

/** A private RSA key. Shows nothing of itself to `inspect` and `JSON.stringify`. */
export class RsaPrivateKey {
  readonly algorithm = 'RSA'
  readonly bits: RsaSize['bits']
  readonly #size: RsaSize
  readonly #payload: Uint8Array
  #key: KeyObject | undefined

  /**
   * Use `decodeRsaPrivateKey` or {@link generateRsaKeyPair}.
   *
   * @param payload - d, p, q, d mod p-1, d mod q-1, 1/q mod p, n, e, of the length that belongs to `size`; taken over
   * @throws {ProtocolError} `INVALID_KEY`
   */
  constructor(size: RsaSize, payload: Uint8Array) {
    this.#key = importRsaPrivateKey(size, payload)
    this.bits = size.bits
    this.#size = size
    this.#payload = payload
  }

  /** The key container. The caller owns it and should wipe it. */
  toBytes(): Uint8Array {
    this.#usable()
    return encodeContainer(`RRA${this.#size.tagCharacter}`, this.#payload)
  }

  /** The public half. */
  toPublicKey(): RsaPublicKey {
    this.#usable()
    return new RsaPublicKey(this.#size, copyBytes(publicPartOf(this.#size, this.#payload)))
  }

  /**
   * Signs with PSS, SHA-256 and the longest salt. The signature has as many bytes as the modulus.
   *
   * It is verified before it is given out: one made with numbers that do not belong together, or with a fault in
   * the computation, would tell the factors of the modulus.
   *
   * @throws {ProtocolError} `INVALID_KEY` when the numbers of the key do not belong together
   */
  sign(message: Uint8Array): Uint8Array {
    const key = this.#usable()
    const signature = signPss(key, message)
    if (!verifyPss(key, this.#size, message, signature)) throw badPrivateKey()
    return signature
  }

  /**
   * Undoes {@link RsaPublicKey.encryptSecret}. The caller owns the result and should wipe it.
   *
   * @param encrypted - exactly as many bytes as the modulus has: OpenSSL would also take the same number in fewer
   * @throws {ProtocolError} `AUTHENTICATION_FAILED`
   */
  decryptSecret(encrypted: Uint8Array): Uint8Array {
    const key = this.#usable()
    if (encrypted.length !== this.#size.modulusBytes) throw unauthentic()
    return decryptOaep(key, encrypted)
  }

  /** Overwrites the key and makes it unusable. Best effort: OpenSSL's own copy is freed by the collector. */
  wipe(): void {
    wipeBytes(this.#payload)
    this.#key = undefined
  }

  #usable(): KeyObject {
    if (this.#key === undefined) throw new ProtocolError('INVALID_STATE', 'the private key has been wiped')
    return this.#key
  }
}

/** A private RSA key and its public half. */
export interface RsaKeyPair {
  readonly privateKey: RsaPrivateKey
  readonly publicKey: RsaPublicKey
}

/**
 * Makes an RSA key pair with exponent 65537, from OpenSSL's own randomness. Blocks: a few hundredths of a second with 2048
 * bits, tenths with 4096, several seconds with 8192. Servers use {@link generateRsaKeyPairAsync}.
 *
 * @throws {RangeError} for another number of bits
 */
export function generateRsaKeyPair(bits: RsaBits = 2048): RsaKeyPair {
  const size = madeSize(bits)
  return pairOf(size, generateKeyPairSync('rsa', generationOptions(size)).privateKey)
}

/** As {@link generateRsaKeyPair}, on a thread of its own. Rejects where that throws. */
export async function generateRsaKeyPairAsync(bits: RsaBits = 2048): Promise<RsaKeyPair> {
  const size = madeSize(bits)
  const privateKey = await new Promise<Uint8Array>((resolve, reject) => {
    generateKeyPair('rsa', generationOptions(size), (error, _publicKey, made) => {
      if (error === null) resolve(made)
      else reject(error)
    })
  })
  return pairOf(size, privateKey)
}

function madeSize(bits: RsaBits): RsaSize {
  const size = rsaSizeOfBits(bits)
  if (size === undefined || size.bits === 1024) throw new RangeError('RSA keys are made with 2048, 4096 or 8192 bits')
  return size
}

function generationOptions({ bits }: RsaSize): RSAKeyPairOptions<'der', 'der'> {
  return {
    modulusLength: bits,
    publicExponent: 65_537,
    publicKeyEncoding: { format: 'der', type: 'pkcs1' },
    privateKeyEncoding: { format: 'der', type: 'pkcs1' }
  }
}

function pairOf(size: RsaSize, pkcs1: Uint8Array): RsaKeyPair {
  const [, n, e, d, p, q, dp, dq, inverse] = decodeIntegers(plainBytes(pkcs1))
  const fields = [d, p, q, dp, dq, inverse, n, e] as Uint8Array[]
  const lengths = privateFieldBytes(size)
  const payload = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0))
  let end = 0
  for (const [i, field] of fields.entries()) {
    end += lengths[i] as number
    payload.set(field, end - field.length)
  }
  wipeBytes(pkcs1)
  const privateKey = new RsaPrivateKey(size, payload)
  return { privateKey, publicKey: privateKey.toPublicKey() }
}
