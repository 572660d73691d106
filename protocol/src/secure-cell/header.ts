import { concatBytes, readU32le, writeU32le } from '../bytes.ts'
import { unauthentic } from '../errors.ts'
import { type AesKeyBytes, GCM_NONCE_BYTES, GCM_TAG_BYTES } from '../soter/aead.ts'

/** Bytes that a cell sealed with a key has before the ciphertext; the length of a token. */
export const KEY_HEADER_BYTES = 44
/** Bytes that a cell sealed with a passphrase has before the ciphertext. */
export const PASSPHRASE_HEADER_BYTES = 70
/** Bytes of the salt of a passphrase. */
export const SALT_BYTES = 16

/**
 * The longest message of a cell, in bytes: what one call of OpenSSL takes. The length field could tell twice as much.
 */
export const CELL_MESSAGE_BYTES_MAX = 0x7fff_ffff

const FIXED_FIELD_BYTES = 16
const PASSPHRASE_FIXED_FIELD_BYTES = 20
const KDF_CONTEXT_BYTES = 6 + SALT_BYTES

// Mode GCM, the key derivation (0: soter, 1: PBKDF2), PKCS#7 padding, which means nothing here, and the bits of the key.
const ALGORITHM_WITH_KEY = 0x4001_0000
const ALGORITHM_WITH_PASSPHRASE = 0x4101_0000
const KEY_BYTES_OF_BITS: ReadonlyMap<number, AesKeyBytes> = new Map([
  [128, 16],
  [192, 24],
  [256, 32]
])

/** What the header of a cell says. `nonce` and `tag` are views when they were read. */
export interface CellHeader {
  readonly keyBytes: AesKeyBytes
  readonly nonce: Uint8Array
  readonly tag: Uint8Array
  readonly messageBytes: number
}

/** What the header of a cell says that was sealed with a passphrase. */
export interface PassphraseHeader extends CellHeader {
  readonly iterations: number
  readonly salt: Uint8Array
}

/** Writes the 44 bytes of a cell sealed with a key of 32 bytes. */
export function encodeKeyHeader(nonce: Uint8Array, tag: Uint8Array, messageBytes: number): Uint8Array {
  const fixed = new Uint8Array(FIXED_FIELD_BYTES)
  writeFixedFields(fixed, ALGORITHM_WITH_KEY, messageBytes)
  return concatBytes(fixed, nonce, tag)
}

/** Writes the 70 bytes of a cell sealed with a passphrase. */
export function encodePassphraseHeader(header: Omit<PassphraseHeader, 'keyBytes'>): Uint8Array {
  const fixed = new Uint8Array(PASSPHRASE_FIXED_FIELD_BYTES)
  writeFixedFields(fixed, ALGORITHM_WITH_PASSPHRASE, header.messageBytes)
  writeU32le(fixed, 16, KDF_CONTEXT_BYTES)
  const kdf = new Uint8Array(6)
  writeU32le(kdf, 0, header.iterations)
  kdf[4] = SALT_BYTES
  return concatBytes(fixed, header.nonce, header.tag, kdf, header.salt)
}

/**
 * Reads the header of a cell sealed with a key, or a token.
 *
 * Only what Themis writes is read: nothing between the fields, none longer than needed.
 *
 * @param token - exactly the bytes before the ciphertext
 * @throws {ProtocolError} `AUTHENTICATION_FAILED`
 */
export function decodeKeyHeader(token: Uint8Array): CellHeader {
  if (token.length !== KEY_HEADER_BYTES) throw unauthentic()
  return readFixedFields(token, ALGORITHM_WITH_KEY, FIXED_FIELD_BYTES)
}

/**
 * Reads the header of a cell sealed with a passphrase. The number of iterations may be anything: it is for the caller to judge.
 *
 * @param token - exactly the bytes before the ciphertext
 * @throws {ProtocolError} `AUTHENTICATION_FAILED`
 */
export function decodePassphraseHeader(token: Uint8Array): PassphraseHeader {
  if (token.length !== PASSPHRASE_HEADER_BYTES || readU32le(token, 16) !== KDF_CONTEXT_BYTES) throw unauthentic()
  const fields = readFixedFields(token, ALGORITHM_WITH_PASSPHRASE, PASSPHRASE_FIXED_FIELD_BYTES)
  const kdfAt = PASSPHRASE_HEADER_BYTES - KDF_CONTEXT_BYTES
  if (token[kdfAt + 4] !== SALT_BYTES || token[kdfAt + 5] !== 0) throw unauthentic()
  return { ...fields, iterations: readU32le(token, kdfAt), salt: token.subarray(kdfAt + 6) }
}

/** The length that the header at the start of a cell gives for its message. The caller has checked that 16 bytes are there. */
export function declaredMessageBytes(cell: Uint8Array): number {
  return readU32le(cell, 12)
}

function writeFixedFields(target: Uint8Array, algorithm: number, messageBytes: number): void {
  writeU32le(target, 0, algorithm + 256)
  writeU32le(target, 4, GCM_NONCE_BYTES)
  writeU32le(target, 8, GCM_TAG_BYTES)
  writeU32le(target, 12, messageBytes)
}

function readFixedFields(token: Uint8Array, algorithm: number, nonceAt: number): CellHeader {
  const keyBytes = KEY_BYTES_OF_BITS.get(readU32le(token, 0) - algorithm)
  if (keyBytes === undefined) throw unauthentic()
  if (readU32le(token, 4) !== GCM_NONCE_BYTES || readU32le(token, 8) !== GCM_TAG_BYTES) throw unauthentic()
  const tagAt = nonceAt + GCM_NONCE_BYTES
  return {
    keyBytes,
    nonce: token.subarray(nonceAt, tagAt),
    tag: token.subarray(tagAt, tagAt + GCM_TAG_BYTES),
    messageBytes: declaredMessageBytes(token)
  }
}
