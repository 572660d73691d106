import { assertBytes, copyBytes, plainBytes, readU32le, writeU32le } from '../bytes.ts'
import { ProtocolError, unauthentic } from '../errors.ts'
import type { AnyPrivateKey, AnyPublicKey } from '../keys.ts'

const HEADER_BYTES = 12
const TYPES = { RSA: 0x26042610, EC: 0x26042620 }
/** What the length field can tell. */
const MESSAGE_BYTES_MAX = 0xffff_ffff

/**
 * Signs a message, which stays readable in the result.
 *
 * @param message - 1 byte to 2^32 - 1; signed alone, without the header
 * @returns a new buffer: header (12), message, signature
 * @throws {TypeError} {@link RangeError} for a wrong call: no bytes, an empty or too long message
 * @throws {ProtocolError} `INVALID_KEY` for an RSA key whose numbers do not belong together
 * @see Themis src/themis/secure_message_wrapper.c, themis_secure_message_signer_proceed
 */
export function signMessage(privateKey: AnyPrivateKey, message: Uint8Array): Uint8Array {
  assertBytes(message, 'message')
  if (message.length === 0) throw new RangeError('an empty message cannot be signed')
  if (message.length > MESSAGE_BYTES_MAX) throw new RangeError('the message is too long to be signed')
  const signature = privateKey.sign(message)
  const signed = new Uint8Array(HEADER_BYTES + message.length + signature.length)
  writeU32le(signed, 0, TYPES[privateKey.algorithm])
  writeU32le(signed, 4, message.length)
  writeU32le(signed, 8, signature.length)
  signed.set(message, HEADER_BYTES)
  signed.set(signature, HEADER_BYTES + message.length)
  return signed
}

/**
 * Checks a signed message. Bytes after the signature are ignored, because old Themis wrappers write some:
 * whoever compares or hashes signed messages must do so with the returned content.
 *
 * @returns the content in a new buffer, which the caller owns
 * @throws {ProtocolError} `INVALID_MESSAGE`, `AUTHENTICATION_FAILED`
 * @see Themis src/themis/secure_message_wrapper.c, themis_secure_message_verifier_proceed
 */
export function verifyMessage(publicKey: AnyPublicKey, signedMessage: Uint8Array): Uint8Array {
  assertBytes(signedMessage, 'signed message')
  const signed = plainBytes(signedMessage)
  if (signed.length < 8) throw new ProtocolError('INVALID_MESSAGE', 'signed message too short')
  if (readU32le(signed, 0) !== TYPES[publicKey.algorithm]) {
    throw new ProtocolError('INVALID_MESSAGE', 'not a message signed with a key of this kind')
  }
  if (signed.length < HEADER_BYTES) throw unauthentic()
  const messageEnd = HEADER_BYTES + readU32le(signed, 4)
  const signatureEnd = messageEnd + readU32le(signed, 8)
  if (signatureEnd > signed.length) throw new ProtocolError('INVALID_MESSAGE', 'signed message cut short')
  if (messageEnd === HEADER_BYTES || signatureEnd === messageEnd) throw unauthentic()
  const message = copyBytes(signed.subarray(HEADER_BYTES, messageEnd))
  if (!publicKey.verify(message, signed.subarray(messageEnd, signatureEnd))) throw unauthentic()
  return message
}
