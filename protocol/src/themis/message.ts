import { type AnyPrivateKey, type AnyPublicKey, decodeAnyPrivateKey, decodeAnyPublicKey } from '../keys.ts'
import { decryptMessage, encryptMessage } from '../secure-message/encrypt.ts'
import { signMessage, verifyMessage } from '../secure-message/sign.ts'
import { someBytesOf } from './arguments.ts'
import { asThemis, invalidParameter } from './errors.ts'
import { KeyPair, PrivateKey, PublicKey } from './keys.ts'
import { randomBytes } from './random.ts'

const SUBSYSTEM = 'SecureMessage'

/**
 * Encrypts messages from the owner of the private key to the owner of the public key, and decrypts those that go the other way.
 * The keys are read on first use; changes to their bytes after that have no effect.
 */
export class SecureMessage {
  readonly #privateKey: PrivateKey
  readonly #publicKey: PublicKey
  #decoded: { readonly privateKey: AnyPrivateKey; readonly publicKey: AnyPublicKey } | undefined

  constructor(keyPair: KeyPair)
  /** The two keys, in either order. */
  constructor(privateKey: PrivateKey, publicKey: PublicKey)
  constructor(publicKey: PublicKey, privateKey: PrivateKey)
  constructor(...keys: unknown[]) {
    const { privateKey, publicKey } = keysOf(keys)
    this.#privateKey = privateKey
    this.#publicKey = publicKey
  }

  encrypt(message: Uint8Array): Uint8Array {
    const content = someBytesOf(message, SUBSYSTEM, 'message')
    return asThemis(SUBSYSTEM, () => {
      const { privateKey, publicKey } = this.#decode()
      return encryptMessage(privateKey, publicKey, content, randomBytes)
    })
  }

  decrypt(message: Uint8Array): Uint8Array {
    const encrypted = someBytesOf(message, SUBSYSTEM, 'message')
    return asThemis(SUBSYSTEM, () => {
      const { privateKey, publicKey } = this.#decode()
      return decryptMessage(privateKey, publicKey, encrypted)
    })
  }

  #decode(): { readonly privateKey: AnyPrivateKey; readonly publicKey: AnyPublicKey } {
    this.#decoded ??= {
      privateKey: decodeAnyPrivateKey(this.#privateKey),
      publicKey: decodeAnyPublicKey(this.#publicKey)
    }
    return this.#decoded
  }
}

function keysOf(keys: readonly unknown[]): { privateKey: PrivateKey; publicKey: PublicKey } {
  const [first, second] = keys
  if (keys.length === 1) {
    if (first instanceof KeyPair) return first
    throw invalidParameter(SUBSYSTEM, 'invalid argument: must be KeyPair')
  }
  if (keys.length !== 2) {
    throw invalidParameter(SUBSYSTEM, 'invalid argument count: expected a KeyPair, or PrivateKey and PublicKey')
  }
  if (first instanceof PrivateKey && second instanceof PublicKey) return { privateKey: first, publicKey: second }
  if (first instanceof PublicKey && second instanceof PrivateKey) return { privateKey: second, publicKey: first }
  throw invalidParameter(SUBSYSTEM, 'invalid arguments: expected PrivateKey and PublicKey')
}

/** Signs messages, which stay readable. The key is read on first use. */
export class SecureMessageSign {
  readonly #key: PrivateKey
  #decoded: AnyPrivateKey | undefined

  constructor(privateKey: PrivateKey) {
    if (!(privateKey instanceof PrivateKey)) throw invalidParameter(SUBSYSTEM, 'invalid argument: expected PrivateKey')
    this.#key = privateKey
  }

  sign(message: Uint8Array): Uint8Array {
    const content = someBytesOf(message, SUBSYSTEM, 'message')
    return asThemis(SUBSYSTEM, () => {
      this.#decoded ??= decodeAnyPrivateKey(this.#key)
      return signMessage(this.#decoded, content)
    })
  }
}

/** Verifies signed messages, and takes the content out. The key is read on first use. */
export class SecureMessageVerify {
  readonly #key: PublicKey
  #decoded: AnyPublicKey | undefined

  constructor(publicKey: PublicKey) {
    if (!(publicKey instanceof PublicKey)) throw invalidParameter(SUBSYSTEM, 'invalid argument: expected PublicKey')
    this.#key = publicKey
  }

  /** @returns a copy of the content */
  verify(message: Uint8Array): Uint8Array {
    const signed = someBytesOf(message, SUBSYSTEM, 'message')
    return asThemis(SUBSYSTEM, () => {
      this.#decoded ??= decodeAnyPublicKey(this.#key)
      return verifyMessage(this.#decoded, signed)
    })
  }
}
