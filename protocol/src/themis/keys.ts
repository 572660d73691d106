import { assertValidKey, generateKeyPair, generateSymmetricKey, type KeyKind, keyKind } from '../keys.ts'
import { generateRsaKeyPair, generateRsaKeyPairAsync, type RsaBits, type RsaKeyPair } from '../rsa-keys.ts'
import { bytesOf } from './arguments.ts'
import { asThemis, invalidParameter, ThemisError, themisErrorOf } from './errors.ts'
import { randomBytes } from './random.ts'

const SUBSYSTEM = 'KeyPair'

/** A key that is a `Uint8Array`; what its methods make (`slice`, `subarray`, `map`) are plain ones. */
class KeyBytes extends Uint8Array {
  static get [Symbol.species](): Uint8ArrayConstructor {
    return Uint8Array
  }
}

/** Key bytes that `inspect`, `console.log` and `JSON.stringify` do not show. */
class SecretKeyBytes extends KeyBytes {
  static {
    Object.defineProperty(SecretKeyBytes.prototype, Symbol.for('nodejs.util.inspect.custom'), {
      value(this: SecretKeyBytes): string {
        return this.toJSON()
      }
    })
  }

  toJSON(): string {
    return `[${this.constructor.name}: ${this.length} bytes]`
  }
}

/** A private key container that passed the checks of form; the key in it is checked on use. */
export class PrivateKey extends SecretKeyBytes {
  /** @throws {TypeError} when it is not bytes; `ThemisError` 12, or 15 for a wrong checksum */
  constructor(array: Uint8Array | ArrayBuffer) {
    super(keyOfKind(array, ['ec-private', 'rsa-private']))
  }
}

/** A public key container that passed the checks of form; the key in it is checked on use. */
export class PublicKey extends KeyBytes {
  /** @throws {TypeError} when it is not bytes; `ThemisError` 12, or 15 for a wrong checksum */
  constructor(array: Uint8Array | ArrayBuffer) {
    super(keyOfKind(array, ['ec-public', 'rsa-public']))
  }
}

function keyOfKind(argument: unknown, kinds: readonly KeyKind[]): Uint8Array {
  const bytes = bytesOf(argument)
  if (bytes.length === 0) throw invalidParameter(SUBSYSTEM, 'key must not be empty')
  asThemis(SUBSYSTEM, () => assertValidKey(bytes))
  if (!kinds.includes(keyKind(bytes))) throw invalidParameter(SUBSYSTEM, 'invalid key kind')
  return bytes
}

/** A private key and a public one, which need not belong to each other. */
export class KeyPair {
  readonly #privateKey: PrivateKey
  readonly #publicKey: PublicKey

  /** Without arguments makes a P-256 pair; with both keys, copies them. */
  constructor(privateKey?: PrivateKey, publicKey?: PublicKey)
  constructor(...keys: [PrivateKey?, PublicKey?]) {
    if (keys.length === 2) {
      this.#privateKey = new PrivateKey(keys[0] as PrivateKey)
      this.#publicKey = new PublicKey(keys[1] as PublicKey)
    } else if (keys.length === 0) {
      const pair = generateKeyPair(randomBytes)
      this.#privateKey = new PrivateKey(pair.privateKey.toBytes())
      this.#publicKey = new PublicKey(pair.publicKey.toBytes())
    } else {
      throw invalidParameter(SUBSYSTEM, 'invalid argument count: expected no arguments, or private and public keys')
    }
  }

  /**
   * Makes an RSA pair; wasm-themis has nothing like it. Blocks for a tenth of a second and more.
   *
   * @throws `ThemisError` 12 for another number of bits
   */
  static generateRSA(bits: RsaBits = 2048): KeyPair {
    return asThemis(SUBSYSTEM, () => pairOf(generateRsaKeyPair(bits)))
  }

  /** As {@link KeyPair.generateRSA}, on a thread of its own. */
  static async generateRSAAsync(bits: RsaBits = 2048): Promise<KeyPair> {
    try {
      return pairOf(await generateRsaKeyPairAsync(bits))
    } catch (error) {
      throw themisErrorOf(SUBSYSTEM, error)
    }
  }

  get publicKey(): PublicKey {
    return this.#publicKey
  }

  get privateKey(): PrivateKey {
    return this.#privateKey
  }
}

function pairOf({ privateKey, publicKey }: RsaKeyPair): KeyPair {
  return new KeyPair(new PrivateKey(privateKey.toBytes()), new PublicKey(publicKey.toBytes()))
}

/** Bytes to be a master key of Secure Cell: 32 random ones, or a copy of given ones. */
export class SymmetricKey extends SecretKeyBytes {
  /** @throws {TypeError} when it is not bytes; `ThemisError` 12 when it is empty */
  constructor(array: Uint8Array | ArrayBuffer = generateSymmetricKey(randomBytes)) {
    if (array.byteLength === 0) throw new ThemisError('SymmetricKey', 12, 'key must not be empty')
    super(bytesOf(array))
  }
}
