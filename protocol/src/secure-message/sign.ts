import { plainBytes, readU32le, writeU32le } from '../bytes.ts'
import { ProtocolError } from '../errors.ts'
import type { PrivateKey, PublicKey } from '../keys.ts'

const HEADER_BYTES = 12
const TYPE_SIGNED_EC = 0x26042620
const TYPE_SIGNED_RSA = 0x26042610

/**
 * Signs a message, which stays readable in the result.
 *
 * @param message - 1 byte to 2^32 - 1; signed alone, without the header
 * @returns a new buffer: header (12), message, DER signature
 * @throws {RangeError} for an empty message
 * @see Themis src/themis/secure_message_wrapper.c, themis_secure_message_signer_proceed
 */
export function signMessage(privateKey: PrivateKey, message: Uint8Array): Uint8Array {
  if (message.length === 0) throw new RangeError('an empty message cannot be signed')
  const signature = privateKey.sign(message)
  const signed = new Uint8Array(HEADER_BYTES + message.length + signature.length)
  writeU32le(signed, 0, TYPE_SIGNED_EC)
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
 * @returns a view of the content inside `signedMessage`
 * @throws {ProtocolError} `INVALID_MESSAGE`, `AUTHENTICATION_FAILED`
 * @see Themis src/themis/secure_message_wrapper.c, themis_secure_message_verifier_proceed
 */
export function verifyMessage(publicKey: PublicKey, signedMessage: Uint8Array): Uint8Array {
  const signed = plainBytes(signedMessage)
  if (signed.length < 8) throw new ProtocolError('INVALID_MESSAGE', 'signed message too short')
  const type = readU32le(signed, 0)
  if (type === TYPE_SIGNED_RSA) throw new ProtocolError('INVALID_MESSAGE', 'signed with an RSA key')
  if (type !== TYPE_SIGNED_EC) throw new ProtocolError('INVALID_MESSAGE', 'not a signed message')
  if (signed.length < HEADER_BYTES) throw unauthentic()
  const messageEnd = HEADER_BYTES + readU32le(signed, 4)
  const signatureEnd = messageEnd + readU32le(signed, 8)
  if (signatureEnd > signed.length) throw new ProtocolError('INVALID_MESSAGE', 'signed message cut short')
  if (messageEnd === HEADER_BYTES || signatureEnd === messageEnd) throw unauthentic()
  const message = signed.subarray(HEADER_BYTES, messageEnd)
  if (!publicKey.verify(message, signed.subarray(messageEnd, signatureEnd))) throw unauthentic()
  return message
}

function unauthentic(): ProtocolError {
  return new ProtocolError('AUTHENTICATION_FAILED', 'authentication failed')
}
