import { keyKind } from '../keys.ts'
import { bytesOf } from '../themis/arguments.ts'
import { invalidParameter } from '../themis/errors.ts'
import * as themis from '../themis.ts'

const toBuffer = ({ buffer, byteOffset, length }: Uint8Array): Buffer => Buffer.from(buffer, byteOffset, length)

/** A Buffer that `inspect`, `console.log` and `JSON.stringify` do not show; what its methods make are plain ones. */
function secretBuffer(bytes: Uint8Array): Buffer {
  const hidden = { value: () => `[secret Buffer: ${bytes.length} bytes]` }
  return Object.defineProperties(toBuffer(bytes), {
    toJSON: hidden,
    [Symbol.for('nodejs.util.inspect.custom')]: hidden
  })
}

/** Arguments that may be left out or null, but not be `undefined`. */
type Optional = [context?: Uint8Array | null]

const contextOf = (given: Optional): Uint8Array | undefined =>
  given.length === 0 || given[0] === null ? undefined : bytesOf(given[0])

export class KeyPair {
  readonly #pair: themis.KeyPair

  /** Without arguments makes a P-256 pair; with both keys, copies them. */
  constructor(privateKey?: Uint8Array, publicKey?: Uint8Array)
  constructor(...keys: [themis.PrivateKey?, themis.PublicKey?]) {
    this.#pair = new themis.KeyPair(...keys)
  }

  private(): Buffer {
    return secretBuffer(new Uint8Array(this.#pair.privateKey))
  }

  public(): Buffer {
    return Buffer.from(this.#pair.publicKey)
  }
}

export class SymmetricKey {
  /** Makes 32 random bytes or copies given ones: a Buffer, as in jsthemis. */
  constructor(key?: Uint8Array)
  constructor(...key: [Uint8Array?]) {
    // biome-ignore lint/correctness/noConstructorReturn: in jsthemis, too, this makes Buffers
    return secretBuffer(new themis.SymmetricKey(key.length === 0 ? undefined : bytesOf(key[0])))
  }
}

export class SecureMessage {
  readonly #signer: themis.SecureMessageSign | undefined
  readonly #verifier: themis.SecureMessageVerify | undefined
  readonly #encrypter: themis.SecureMessage | undefined

  /** Either key may be null or empty: signing needs the private one, verifying the public one, encryption both. */
  constructor(privateKey: Uint8Array | null, publicKey: Uint8Array | null)
  constructor(...keys: unknown[]) {
    if (keys.length < 2)
      throw invalidParameter('SecureMessage', 'not enough arguments, expected private and public key')
    const [privateBytes, publicBytes] = keys.slice(0, 2).map(key => (key === null ? undefined : bytesOf(key)))
    const privateKey = privateBytes?.length ? new themis.PrivateKey(privateBytes) : undefined
    const publicKey = publicBytes?.length ? new themis.PublicKey(publicBytes) : undefined
    if (!(privateKey || publicKey)) throw invalidParameter('SecureMessage', 'both keys are empty')
    this.#signer = privateKey && new themis.SecureMessageSign(privateKey)
    this.#verifier = publicKey && new themis.SecureMessageVerify(publicKey)
    this.#encrypter = privateKey && publicKey && new themis.SecureMessage(privateKey, publicKey)
  }

  encrypt(message: Uint8Array): Buffer {
    return toBuffer(present(this.#encrypter).encrypt(message))
  }

  decrypt(message: Uint8Array): Buffer {
    return toBuffer(present(this.#encrypter).decrypt(message))
  }

  sign(message: Uint8Array): Buffer {
    return toBuffer(present(this.#signer).sign(message))
  }

  verify(message: Uint8Array): Buffer {
    return toBuffer(present(this.#verifier).verify(message))
  }
}

function present<T>(part: T | undefined): T {
  if (part === undefined) throw invalidParameter('SecureMessage', 'a key that this needs is empty')
  return part
}

export class SecureCellSeal {
  readonly #cell: themis.SecureCellSeal

  constructor(masterKey: Uint8Array | themis.SecureCellSeal) {
    this.#cell = masterKey instanceof themis.SecureCellSeal ? masterKey : new themis.SecureCellSeal(masterKey)
  }

  static withKey(masterKey: Uint8Array): SecureCellSeal {
    return new SecureCellSeal(bytesOf(masterKey))
  }

  static withPassphrase(passphrase: string | Uint8Array): SecureCellSeal {
    return new SecureCellSeal(themis.SecureCellSeal.withPassphrase(passphrase))
  }

  encrypt(message: Uint8Array, ...context: Optional): Buffer {
    return toBuffer(this.#cell.encrypt(message, contextOf(context)))
  }

  decrypt(message: Uint8Array, ...context: Optional): Buffer {
    return toBuffer(this.#cell.decrypt(message, contextOf(context)))
  }
}

export class SecureCellTokenProtect {
  readonly #cell: themis.SecureCellTokenProtect

  constructor(masterKey: Uint8Array) {
    this.#cell = new themis.SecureCellTokenProtect(masterKey)
  }

  static withKey(masterKey: Uint8Array): SecureCellTokenProtect {
    return new SecureCellTokenProtect(masterKey)
  }

  encrypt(message: Uint8Array, ...context: Optional): { data: Buffer; token: Buffer } {
    const { data, token } = this.#cell.encrypt(message, ...context)
    return { data: toBuffer(data), token: toBuffer(token) }
  }

  decrypt(message: Uint8Array, token: Uint8Array, ...context: Optional): Buffer {
    return toBuffer(this.#cell.decrypt(message, token, ...context))
  }
}

export class SecureCellContextImprint {
  readonly #cell: themis.SecureCellContextImprint

  constructor(masterKey: Uint8Array) {
    this.#cell = new themis.SecureCellContextImprint(masterKey)
  }

  static withKey(masterKey: Uint8Array): SecureCellContextImprint {
    return new SecureCellContextImprint(masterKey)
  }

  encrypt(message: Uint8Array, ...context: [context: Uint8Array]): Buffer {
    return toBuffer(this.#cell.encrypt(message, imprintContext(context)))
  }

  decrypt(message: Uint8Array, ...context: [context: Uint8Array]): Buffer {
    return toBuffer(this.#cell.decrypt(message, imprintContext(context)))
  }
}

function imprintContext(given: readonly unknown[]): Uint8Array {
  if (given.length === 0) throw invalidParameter('SecureCellContextImprint', 'not enough arguments, expected context')
  return bytesOf(given[0])
}

/** Finds the public key of a peer. The ID is any bytes, not authenticated yet. */
export type KeyCallback = (id: Buffer) => Uint8Array | null | undefined

export class SecureSession {
  readonly #session: themis.SecureSession

  constructor(id: Uint8Array, privateKey: Uint8Array, getPublicKeyForId: KeyCallback)
  constructor(...args: unknown[]) {
    if (args.length < 3) throw sessionError('not enough arguments, expected ID, private key, public key callback')
    const [id, key, callback] = [bytesOf(args[0]), bytesOf(args[1]), args[2]]
    if (typeof callback !== 'function') throw sessionError('public key callback is not a function')
    const privateKey = new themis.PrivateKey(key)
    if (keyKind(privateKey) !== 'ec-private') throw sessionError('unsupported private key')
    this.#session = new themis.SecureSession(id, privateKey, keyCallbackOf(callback as KeyCallback))
  }

  isEstablished(): boolean {
    return this.#session.established()
  }

  connectRequest(): Buffer {
    return toBuffer(this.#session.connectionRequest())
  }

  wrap(message: Uint8Array): Buffer {
    return toBuffer(this.#session.wrap(message))
  }

  /** @returns what to send to the peer, or nothing, until the session is established; then the content of the message */
  unwrap(message: Uint8Array): Buffer | undefined {
    if (this.#session.established()) return toBuffer(this.#session.unwrap(message))
    const reply = this.#session.negotiateReply(message)
    return reply.length === 0 ? undefined : toBuffer(reply)
  }
}

const sessionError = (message: string) => invalidParameter('SecureSession', message)

/** In jsthemis a callback that throws, or gives anything but bytes, has found no key. */
function keyCallbackOf(callback: KeyCallback): themis.KeyCallback {
  return id => {
    let key: unknown
    try {
      key = callback(toBuffer(id))
    } catch (error) {
      const code = themis.ThemisErrorCode.SSESSION_GET_PUB_FOR_ID_CALLBACK_ERROR
      const themisError = new themis.ThemisError('SecureSession', code)
      themisError.cause = error
      throw themisError
    }
    return key instanceof Uint8Array ? new themis.PublicKey(key) : null
  }
}

export class SecureComparator {
  readonly #comparator: themis.SecureComparator

  constructor(secret: Uint8Array)
  constructor(...args: unknown[]) {
    if (args.length === 0) throw invalidParameter('SecureComparator', 'not enough arguments, expected secret')
    this.#comparator = new themis.SecureComparator(bytesOf(args[0]))
  }

  beginCompare(): Buffer {
    return toBuffer(this.#comparator.begin())
  }

  /** @returns what to send to the peer, if anything */
  proceedCompare(message: Uint8Array): Buffer | undefined {
    const reply = this.#comparator.proceed(message)
    return reply.length === 0 ? undefined : toBuffer(reply)
  }

  /** @throws `ThemisError` 0 before the comparison is complete */
  isMatch(): boolean {
    return this.#comparator.compareEqual()
  }

  /** @returns 1 or 0 */
  isCompareComplete(): number {
    return Number(this.#comparator.complete())
  }
}
