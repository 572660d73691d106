import { assertBytes, concatBytes, copyBytes, drawBytes, plainBytes, type RandomBytes, wipeBytes } from '../bytes.ts'
import { ProtocolError, unauthentic } from '../errors.ts'
import { stretchPassphrase, stretchPassphraseAsync } from '../soter/pbkdf2.ts'
import { assertMessage, assertSecret, decryptWithMasterKey, encryptWithMasterKey } from './cipher.ts'
import {
  CELL_MESSAGE_BYTES_MAX,
  declaredMessageBytes,
  decodePassphraseHeader,
  encodePassphraseHeader,
  type PassphraseHeader,
  SALT_BYTES
} from './header.ts'

/** PBKDF2 iterations of the cells that are made, as in Themis since 0.15: 30 to 60 ms of one core. */
export const PASSPHRASE_ITERATIONS = 314_110

/**
 * How many PBKDF2 iterations a cell that is read may ask for. The number comes from the cell, before anything of it is
 * authentic: without a maximum, 70 bytes from a stranger could keep a core busy for minutes.
 */
export interface IterationLimits {
  /**
   * At least 1, which is the default: few iterations weaken the writer's passphrase, and refusing to read undoes nothing. Who
   * decides what to trust by it raises this, to {@link PASSPHRASE_ITERATIONS} or to 200,000, which Themis wrote before 0.15.
   */
  readonly iterationsMin?: number
  /** At most 2^31 - 1; 2,000,000 by default, some 0.2 to 0.4 s of one core. */
  readonly iterationsMax?: number
}

const ITERATIONS_MAX_DEFAULT = 2_000_000
const ITERATIONS_MAX = 0x7fff_ffff
const LENGTH_FIELDS_BYTES = 20

/** A cell that has been read but for its key: what PBKDF2 needs, and what comes after it. */
interface LockedCell {
  readonly header: PassphraseHeader
  readonly ciphertext: Uint8Array
}

/**
 * Encrypts a message with a passphrase, in Seal mode: 70 bytes longer than the message. Blocks for as long as
 * {@link PASSPHRASE_ITERATIONS} take; servers use {@link encryptSealWithPassphraseAsync}.
 *
 * @param passphrase - 1 byte or more; of a text its UTF-8, without normalisation, as Themis wrappers do
 * @param message - 1 byte to 2^31 - 1
 * @param randomBytes - asked for 16 and 12 bytes
 * @param context - must be given again to decrypt, and is not in the result; empty is the same as absent
 * @returns a new buffer, which the caller owns
 * @throws {TypeError} {@link RangeError} for a wrong call: no bytes, an empty passphrase, an empty or too long message
 * @see Themis src/themis/secure_cell.c, themis_secure_cell_encrypt_seal_with_passphrase
 */
export function encryptSealWithPassphrase(
  passphrase: Uint8Array,
  message: Uint8Array,
  randomBytes: RandomBytes,
  context?: Uint8Array
): Uint8Array {
  assertSecret(passphrase, 'passphrase', context)
  assertMessage(message)
  const salt = copyBytes(drawBytes(randomBytes, SALT_BYTES))
  const stretched = stretchPassphrase(passphrase, salt, PASSPHRASE_ITERATIONS)
  return sealStretched(stretched, { salt, iterations: PASSPHRASE_ITERATIONS }, message, randomBytes, context)
}

/**
 * As {@link encryptSealWithPassphrase}, off the event loop. It copies its arguments, and rejects where that throws.
 *
 * @param iterations - of PBKDF2, 1 to 2^31 - 1: more than Themis's own make a passphrase dearer to guess, and every reader reads them that
 * allows so many
 */
export async function encryptSealWithPassphraseAsync(
  passphrase: Uint8Array,
  message: Uint8Array,
  randomBytes: RandomBytes,
  context?: Uint8Array,
  iterations: number = PASSPHRASE_ITERATIONS
): Promise<Uint8Array> {
  assertSecret(passphrase, 'passphrase', context)
  assertMessage(message)
  assertLimits(iterations, ITERATIONS_MAX)
  const salt = copyBytes(drawBytes(randomBytes, SALT_BYTES))
  const [content, about] = [copyBytes(message), context && copyBytes(context)]
  const stretched = await stretchPassphraseAsync(passphrase, salt, iterations)
  const sealed = sealStretched(stretched, { salt, iterations }, content, randomBytes, about)
  wipeBytes(content)
  return sealed
}

/**
 * Decrypts what {@link encryptSealWithPassphrase} made. Nothing is released before it has been authenticated. Blocks for as long as the
 * cell's iterations take, within the limits; servers use {@link decryptSealWithPassphraseAsync}.
 *
 * @returns the message in a new buffer, which the caller owns
 * @throws {ProtocolError} `INVALID_MESSAGE` for impossible lengths and for iterations outside the limits,
 * `AUTHENTICATION_FAILED` for everything else
 * @throws {TypeError} {@link RangeError} for a wrong call
 * @see Themis src/themis/secure_cell.c, themis_secure_cell_decrypt_seal_with_passphrase
 */
export function decryptSealWithPassphrase(
  passphrase: Uint8Array,
  sealed: Uint8Array,
  context?: Uint8Array,
  limits: IterationLimits = {}
): Uint8Array {
  assertSecret(passphrase, 'passphrase', context)
  const cell = readCell(sealed, limits)
  return openStretched(stretchPassphrase(passphrase, cell.header.salt, cell.header.iterations), cell, context)
}

/** As {@link decryptSealWithPassphrase}, off the event loop. It copies its arguments, and rejects where that throws. */
export async function decryptSealWithPassphraseAsync(
  passphrase: Uint8Array,
  sealed: Uint8Array,
  context?: Uint8Array,
  limits: IterationLimits = {}
): Promise<Uint8Array> {
  assertSecret(passphrase, 'passphrase', context)
  assertBytes(sealed, 'sealed')
  const cell = readCell(copyBytes(sealed), limits)
  const about = context && copyBytes(context)
  return openStretched(await stretchPassphraseAsync(passphrase, cell.header.salt, cell.header.iterations), cell, about)
}

function sealStretched(
  stretched: Uint8Array,
  { salt, iterations }: Pick<PassphraseHeader, 'salt' | 'iterations'>,
  message: Uint8Array,
  randomBytes: RandomBytes,
  context: Uint8Array | undefined
): Uint8Array {
  const { nonce, tag, ciphertext } = encryptWithMasterKey(stretched, message, randomBytes, context)
  wipeBytes(stretched)
  const header = { nonce, tag, messageBytes: message.length, iterations, salt }
  return concatBytes(encodePassphraseHeader(header), ciphertext)
}

function openStretched(
  stretched: Uint8Array,
  { header, ciphertext }: LockedCell,
  context: Uint8Array | undefined
): Uint8Array {
  try {
    return decryptWithMasterKey(stretched, header, ciphertext, context)
  } finally {
    wipeBytes(stretched)
  }
}

function readCell(sealed: Uint8Array, limits: IterationLimits): LockedCell {
  assertBytes(sealed, 'sealed')
  const { iterationsMin = 1, iterationsMax = ITERATIONS_MAX_DEFAULT } = limits
  assertLimits(iterationsMin, iterationsMax)
  const cell = plainBytes(sealed)
  const headerBytes = cell.length - messageBytesOf(cell)
  const header = decodePassphraseHeader(cell.subarray(0, headerBytes))
  if (header.iterations < iterationsMin || header.iterations > iterationsMax) {
    throw new ProtocolError('INVALID_MESSAGE', 'number of iterations')
  }
  return { header, ciphertext: cell.subarray(headerBytes) }
}

function assertLimits(iterationsMin: number, iterationsMax: number): void {
  const arePossible = iterationsMin >= 1 && iterationsMin <= iterationsMax && iterationsMax <= ITERATIONS_MAX
  if (!arePossible) throw new RangeError('limits of iterations')
}

function messageBytesOf(cell: Uint8Array): number {
  if (cell.length === 0) throw new ProtocolError('INVALID_MESSAGE', 'a cell is empty')
  if (cell.length < LENGTH_FIELDS_BYTES) throw unauthentic()
  const messageBytes = declaredMessageBytes(cell)
  if (messageBytes > cell.length) throw unauthentic()
  const isPossible = messageBytes > 0 && messageBytes < cell.length && messageBytes <= CELL_MESSAGE_BYTES_MAX
  if (!isPossible) throw new ProtocolError('INVALID_MESSAGE', 'length of the message in a cell')
  return messageBytes
}
