import {
  type PrivateKey as CorePrivateKey,
  type PublicKey as CorePublicKey,
  decodePrivateKey,
  decodePublicKey
} from '../keys.ts'
import { signMessage, verifyMessage } from '../secure-message/sign.ts'
import { someBytesOf } from './arguments.ts'
import { asThemis, invalidParameter } from './errors.ts'
import { PrivateKey, PublicKey } from './keys.ts'

const SUBSYSTEM = 'SecureMessage'

/** Signs messages, which stay readable. */
export class SecureMessageSign {
  readonly #key: PrivateKey
  #decoded: CorePrivateKey | undefined

  constructor(privateKey: PrivateKey) {
    if (!(privateKey instanceof PrivateKey)) throw invalidParameter(SUBSYSTEM, 'invalid argument: expected PrivateKey')
    this.#key = privateKey
  }

  sign(message: Uint8Array): Uint8Array {
    const content = someBytesOf(message, SUBSYSTEM, 'message')
    return asThemis(SUBSYSTEM, () => {
      this.#decoded ??= decodePrivateKey(this.#key)
      return signMessage(this.#decoded, content)
    })
  }
}

/** Verifies signed messages, and takes the content out. */
export class SecureMessageVerify {
  readonly #key: PublicKey
  #decoded: CorePublicKey | undefined

  constructor(publicKey: PublicKey) {
    if (!(publicKey instanceof PublicKey)) throw invalidParameter(SUBSYSTEM, 'invalid argument: expected PublicKey')
    this.#key = publicKey
  }

  /** @returns a copy of the content */
  verify(message: Uint8Array): Uint8Array {
    const signed = someBytesOf(message, SUBSYSTEM, 'message')
    return asThemis(SUBSYSTEM, () => {
      this.#decoded ??= decodePublicKey(this.#key)
      return verifyMessage(this.#decoded, signed).slice()
    })
  }
}
