import { decryptContextImprint, encryptContextImprint } from '../secure-cell/context-imprint.ts'
import {
  decryptSealWithPassphrase,
  encryptSealWithPassphrase,
  type IterationLimits
} from '../secure-cell/passphrase.ts'
import { decryptSeal, encryptSeal } from '../secure-cell/seal.ts'
import { decryptTokenProtect, encryptTokenProtect } from '../secure-cell/token-protect.ts'
import { bytesOf, passphraseOf, someBytesOf } from './arguments.ts'
import { asThemis, invalidParameter } from './errors.ts'
import { randomBytes } from './random.ts'

const SEAL = 'SecureCellSeal'
const TOKEN_PROTECT = 'SecureCellTokenProtect'
const CONTEXT_IMPRINT = 'SecureCellContextImprint'

/** Secure Cell in Seal mode: encrypted and authenticated, 44 bytes longer. The master key is kept by reference. */
export class SecureCellSeal {
  readonly #masterKey: Uint8Array

  /** Deprecated in Themis: use {@link SecureCellSeal.withKey}. */
  constructor(masterKey: Uint8Array) {
    this.#masterKey = someBytesOf(masterKey, SEAL, 'master key')
  }

  /** @throws {TypeError} when the key is not bytes; `ThemisError` 12 when it is empty */
  static withKey(masterKey: Uint8Array): SecureCellSeal {
    return new SecureCellSeal(masterKey)
  }

  /**
   * @param passphrase - text, which is taken as UTF-8, or bytes
   * @param limits - how many iterations a cell that is read may ask for
   * @throws {TypeError} when it is neither text nor bytes; `ThemisError` 12 when it is empty
   */
  static withPassphrase(passphrase: string | Uint8Array, limits?: IterationLimits): SecureCellSealWithPassphrase {
    return new SecureCellSealWithPassphrase(passphrase, limits)
  }

  encrypt(message: Uint8Array, context?: Uint8Array | null): Uint8Array {
    const [content, about] = messageAndContext(message, context)
    return asThemis(SEAL, () => encryptSeal(this.#masterKey, content, randomBytes, about))
  }

  decrypt(message: Uint8Array, context?: Uint8Array | null): Uint8Array {
    const [sealed, about] = messageAndContext(message, context)
    return asThemis(SEAL, () => decryptSeal(this.#masterKey, sealed, about))
  }
}

/** Secure Cell in Seal mode with a passphrase: slow on purpose, 70 bytes longer. */
export class SecureCellSealWithPassphrase extends SecureCellSeal {
  readonly #passphrase: Uint8Array
  readonly #limits: IterationLimits | undefined

  /** See {@link SecureCellSeal.withPassphrase}. */
  constructor(passphrase: string | Uint8Array, limits?: IterationLimits) {
    const bytes = passphraseOf(passphrase)
    super(bytes)
    this.#passphrase = bytes
    this.#limits = limits
  }

  override encrypt(message: Uint8Array, context?: Uint8Array | null): Uint8Array {
    const [content, about] = messageAndContext(message, context)
    return asThemis(SEAL, () => encryptSealWithPassphrase(this.#passphrase, content, randomBytes, about))
  }

  override decrypt(message: Uint8Array, context?: Uint8Array | null): Uint8Array {
    const [sealed, about] = messageAndContext(message, context)
    return asThemis(SEAL, () => decryptSealWithPassphrase(this.#passphrase, sealed, about, this.#limits))
  }
}

function messageAndContext(message: unknown, context: unknown): [Uint8Array, Uint8Array | undefined] {
  const content = someBytesOf(message, SEAL, 'message')
  return [content, context === null || context === undefined ? undefined : bytesOf(context)]
}

/** What Secure Cell makes in Token Protect mode. */
export interface TokenProtectResult {
  /** As long as the message. */
  data: Uint8Array
  /** 44 bytes, without which the data cannot be read. */
  token: Uint8Array
}

/** A context that may be left out or null, but not be `undefined`. */
type OptionalContext = [context?: Uint8Array | null]

/** Secure Cell in Token Protect mode: data keep their length. The master key is kept by reference. */
export class SecureCellTokenProtect {
  readonly #masterKey: Uint8Array

  /** Deprecated in Themis: use {@link SecureCellTokenProtect.withKey}. */
  constructor(masterKey: Uint8Array) {
    this.#masterKey = someBytesOf(masterKey, TOKEN_PROTECT, 'master key')
  }

  /** @throws {TypeError} when the key is not bytes; `ThemisError` 12 when it is empty */
  static withKey(masterKey: Uint8Array): SecureCellTokenProtect {
    return new SecureCellTokenProtect(masterKey)
  }

  encrypt(message: Uint8Array, ...context: OptionalContext): TokenProtectResult {
    const content = someBytesOf(message, TOKEN_PROTECT, 'message')
    const about = givenContext(context)
    const protect = () => encryptTokenProtect(this.#masterKey, content, randomBytes, about)
    const { data, token } = asThemis(TOKEN_PROTECT, protect)
    return { data, token }
  }

  decrypt(message: Uint8Array, token: Uint8Array, ...context: OptionalContext): Uint8Array {
    const protectedMessage = {
      data: someBytesOf(message, TOKEN_PROTECT, 'message'),
      token: someBytesOf(token, TOKEN_PROTECT, 'token')
    }
    const about = givenContext(context)
    return asThemis(TOKEN_PROTECT, () => decryptTokenProtect(this.#masterKey, protectedMessage, about))
  }
}

function givenContext(context: OptionalContext): Uint8Array | undefined {
  return context.length === 0 || context[0] === null ? undefined : bytesOf(context[0])
}

/** Secure Cell in Context Imprint mode: length is kept, nothing is authenticated. The master key is kept by reference. */
export class SecureCellContextImprint {
  readonly #masterKey: Uint8Array

  /** Deprecated in Themis: use {@link SecureCellContextImprint.withKey}. */
  constructor(masterKey: Uint8Array) {
    this.#masterKey = someBytesOf(masterKey, CONTEXT_IMPRINT, 'master key')
  }

  /** @throws {TypeError} when the key is not bytes; `ThemisError` 12 when it is empty */
  static withKey(masterKey: Uint8Array): SecureCellContextImprint {
    return new SecureCellContextImprint(masterKey)
  }

  encrypt(message: Uint8Array, context: Uint8Array): Uint8Array {
    const content = someBytesOf(message, CONTEXT_IMPRINT, 'message')
    const about = imprintContext(context)
    return asThemis(CONTEXT_IMPRINT, () => encryptContextImprint(this.#masterKey, content, about))
  }

  decrypt(message: Uint8Array, context: Uint8Array): Uint8Array {
    const data = someBytesOf(message, CONTEXT_IMPRINT, 'message')
    const about = imprintContext(context)
    return asThemis(CONTEXT_IMPRINT, () => decryptContextImprint(this.#masterKey, data, about))
  }
}

function imprintContext(context: unknown): Uint8Array {
  if (context === undefined) throw invalidParameter(CONTEXT_IMPRINT, 'Context Imprint mode requires a context')
  return someBytesOf(context, CONTEXT_IMPRINT, 'context')
}
