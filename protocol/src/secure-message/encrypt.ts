import {
  assertBytes,
  concatBytes,
  drawBytes,
  plainBytes,
  type RandomBytes,
  readU32le,
  wipeBytes,
  writeU32le
} from '../bytes.ts'
import { ProtocolError, unauthentic } from '../errors.ts'
import type { AnyPrivateKey, AnyPublicKey } from '../keys.ts'
import { decryptSeal } from '../secure-cell/seal.ts'
import { encryptTokenProtect } from '../secure-cell/token-protect.ts'

const HEADER_BYTES = 8
const RSA_HEADER_BYTES = 12
const TYPES = { RSA: 0x26042710, EC: 0x26042720 }
/** Bytes of the random password of a message to an RSA key. */
const PASSWORD_BYTES = 70

/**
 * Encrypts a message for the owner of a public key.
 *
 * With EC keys it can come from nobody but the two, and either of them could have made it: there is no forward secrecy, and
 * to third parties it proves nothing. With RSA keys the private key is not used, as in Themis: **the receiver
 * learns nothing of who sent it**; sign it too.
 *
 * @param privateKey - of the sender
 * @param peerKey - of the receiver, of the same kind and, for EC, on the same curve
 * @param message - 1 byte to 2^31 - 1
 * @param randomBytes - asked for 12 bytes, with RSA before that for 70; RSA padding takes OpenSSL's own
 * @returns a new buffer, which the caller owns
 * @throws {ProtocolError} `INVALID_KEY` for keys that do not go together
 * @throws {TypeError} {@link RangeError} for a wrong call: no bytes, an empty or too long message
 * @see Themis src/themis/secure_message_wrapper.c, themis_secure_message_encrypter_proceed
 */
export function encryptMessage(
  privateKey: AnyPrivateKey,
  peerKey: AnyPublicKey,
  message: Uint8Array,
  randomBytes: RandomBytes
): Uint8Array {
  if (privateKey.algorithm === 'EC' && peerKey.algorithm === 'EC') {
    return encryptParts('EC', [], privateKey.deriveSecret(peerKey), message, randomBytes)
  }
  if (privateKey.algorithm === 'EC' || peerKey.algorithm === 'EC') throw differentKinds()
  const password = drawBytes(randomBytes, PASSWORD_BYTES)
  const wrapped = peerKey.encryptSecret(password)
  return encryptParts('RSA', [u32le(wrapped.length), wrapped], password, message, randomBytes)
}

/**
 * Decrypts what {@link encryptMessage} made. Nothing is released before it has been authenticated.
 *
 * @param privateKey - of the receiver
 * @param peerKey - of the sender, of the same kind and, for EC, on the same curve; with RSA it proves nothing
 * @returns the message in a new buffer, which the caller owns
 * @throws {ProtocolError} `INVALID_KEY` for keys that do not go together, `INVALID_MESSAGE` for a wrong type or length,
 * `AUTHENTICATION_FAILED` for everything else
 * @throws {TypeError} for a wrong call
 * @see Themis src/themis/secure_message_wrapper.c, themis_secure_message_decrypter_proceed
 */
export function decryptMessage(
  privateKey: AnyPrivateKey,
  peerKey: AnyPublicKey,
  encryptedMessage: Uint8Array
): Uint8Array {
  assertBytes(encryptedMessage, 'encrypted message')
  if (privateKey.algorithm !== peerKey.algorithm) throw differentKinds()
  const encrypted = plainBytes(encryptedMessage)
  const headerBytes = privateKey.algorithm === 'EC' ? HEADER_BYTES : RSA_HEADER_BYTES
  if (encrypted.length <= headerBytes) throw new ProtocolError('INVALID_MESSAGE', 'encrypted message too short')
  if (readU32le(encrypted, 0) !== TYPES[privateKey.algorithm]) {
    throw new ProtocolError('INVALID_MESSAGE', 'not a message encrypted for a key of this kind')
  }
  if (readU32le(encrypted, 4) !== encrypted.length) {
    throw new ProtocolError('INVALID_MESSAGE', 'length of an encrypted message')
  }
  if (privateKey.algorithm === 'EC' && peerKey.algorithm === 'EC') {
    return openCell(privateKey.deriveSecret(peerKey), encrypted.subarray(headerBytes))
  }
  if (privateKey.algorithm === 'EC') throw differentKinds()
  const wrappedBytes = readU32le(encrypted, HEADER_BYTES)
  const cellAt = headerBytes + wrappedBytes
  if (wrappedBytes !== privateKey.bits / 8 || cellAt > encrypted.length) throw unauthentic()
  const password = privateKey.decryptSecret(encrypted.subarray(headerBytes, cellAt))
  return openCell(password, encrypted.subarray(cellAt))
}

function encryptParts(
  algorithm: keyof typeof TYPES,
  before: readonly Uint8Array[],
  masterKey: Uint8Array,
  message: Uint8Array,
  randomBytes: RandomBytes
): Uint8Array {
  try {
    // Token and data one after the other are a cell in Seal mode.
    const { token, data } = encryptTokenProtect(masterKey, message, randomBytes)
    const wholeBytes = [...before, token, data].reduce((sum, part) => sum + part.length, HEADER_BYTES)
    return concatBytes(u32le(TYPES[algorithm]), u32le(wholeBytes), ...before, token, data)
  } finally {
    wipeBytes(masterKey)
  }
}

function openCell(masterKey: Uint8Array, cell: Uint8Array): Uint8Array {
  if (masterKey.length === 0) throw unauthentic()
  try {
    return decryptSeal(masterKey, cell)
  } catch (error) {
    // A cell that is malformed inside a message has failed to authenticate, as in Themis.
    throw error instanceof ProtocolError ? unauthentic() : error
  } finally {
    wipeBytes(masterKey)
  }
}

function u32le(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  writeU32le(bytes, 0, value)
  return bytes
}

function differentKinds(): ProtocolError {
  return new ProtocolError('INVALID_KEY', 'keys of different kinds')
}
