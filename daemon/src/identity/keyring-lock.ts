import {
  decryptSeal,
  decryptSealWithPassphraseAsync,
  encryptSeal,
  encryptSealWithPassphraseAsync,
  ProtocolError
} from '@parley/protocol'
import { DaemonError } from '../errors.ts'
import type { RandomBytes } from '../random.ts'
import { textBytes } from './fields.ts'

/** PBKDF2 iterations of what Parley seals with a passphrase: about a second of one core. */
export const PASSPHRASE_ITERATIONS = 1_200_000
/** More are not worked through when a file is read. */
export const PASSPHRASE_ITERATIONS_MAX = 10_000_000
export const KEYRING_KEY_BYTES = 32

const LOCK_CONTEXT = textBytes('parley/keyring-lock/v1\0')

/**
 * What seals a keyring: a key of 32 bytes, which lies in a file of its own or, sealed by a passphrase, in the keyring file. So a keyring
 * that changes is sealed anew without the passphrase.
 */
export class KeyringLock {
  /** The Secure Cell (passphrase) of the key; empty where the key lies in its own file. */
  readonly sealedKey: Uint8Array
  readonly #key: Uint8Array

  /** Takes both over. */
  constructor(key: Uint8Array, sealedKey: Uint8Array = new Uint8Array(0)) {
    if (key.length !== KEYRING_KEY_BYTES) throw new RangeError('the key of a keyring has 32 bytes')
    this.#key = key
    this.sealedKey = sealedKey
  }

  get hasPassphrase(): boolean {
    return this.sealedKey.length > 0
  }

  /** A Secure Cell (Seal) of `content`. */
  seal(content: Uint8Array, randomBytes: RandomBytes, context: Uint8Array): Uint8Array {
    return encryptSeal(this.#key, content, randomBytes, context)
  }

  /** What `seal` sealed; undefined for anything else. */
  open(cell: Uint8Array, context: Uint8Array): Uint8Array | undefined {
    try {
      return decryptSeal(this.#key, cell, context)
    } catch (error) {
      if (error instanceof ProtocolError) return undefined
      throw error
    }
  }
}

/** A new lock that `passphrase` opens. Takes about a second, off the event loop. */
export async function lockWithPassphrase(passphrase: Uint8Array, randomBytes: RandomBytes): Promise<KeyringLock> {
  const key = randomBytes(KEYRING_KEY_BYTES).slice()
  return new KeyringLock(key, await sealWithPassphrase(passphrase, key, randomBytes, LOCK_CONTEXT))
}

/**
 * The lock in a keyring file. Takes about a second, off the event loop.
 *
 * @throws {DaemonError} `PASSPHRASE_WRONG`; `KEYRING_INVALID` for what no Parley wrote, such as over 10,000,000 iterations
 */
export async function unlockWithPassphrase(passphrase: Uint8Array, sealedKey: Uint8Array): Promise<KeyringLock> {
  const key = await openWithPassphrase(passphrase, sealedKey, LOCK_CONTEXT, cause => {
    return new DaemonError('KEYRING_INVALID', 'The keyring asks for what this program does not do.', { cause })
  })
  if (key.length !== KEYRING_KEY_BYTES) throw new DaemonError('KEYRING_INVALID', 'The keyring file is damaged.')
  return new KeyringLock(key, sealedKey)
}

/** A Secure Cell (passphrase) with {@link PASSPHRASE_ITERATIONS}, made off the event loop. */
export function sealWithPassphrase(
  passphrase: Uint8Array,
  content: Uint8Array,
  randomBytes: RandomBytes,
  context: Uint8Array
): Promise<Uint8Array> {
  return encryptSealWithPassphraseAsync(passphrase, content, randomBytes, context, PASSPHRASE_ITERATIONS)
}

/**
 * The content of such a cell.
 *
 * @param malformed - makes the error for what is no such cell
 * @throws {DaemonError} `PASSPHRASE_WRONG`, and what `malformed` makes
 */
export async function openWithPassphrase(
  passphrase: Uint8Array,
  cell: Uint8Array,
  context: Uint8Array,
  malformed: (cause: ProtocolError) => Error
): Promise<Uint8Array> {
  try {
    return await decryptSealWithPassphraseAsync(passphrase, cell, context, {
      iterationsMax: PASSPHRASE_ITERATIONS_MAX
    })
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause
    if (cause.code !== 'AUTHENTICATION_FAILED') throw malformed(cause)
    throw new DaemonError('PASSPHRASE_WRONG', 'The passphrase does not open it.', { cause })
  }
}
