import { concatBytes, readU32be, readU64be, writeU32be, writeU64be } from '../bytes.ts'
import { ProtocolError } from '../errors.ts'
import { type AesKey, GCM_NONCE_BYTES, GCM_TAG_BYTES, openGcm, sealGcm, sealGcmInPlace } from '../soter/aead.ts'

const IV_BYTES = 16
const CLEAR_BYTES = 4 + IV_BYTES
const HEADER_BYTES = 16
/** The part of the inner length field that is not message. */
const COUNTED_HEADER_BYTES = 12

/** Bytes that wrapping adds to a message. */
export const WRAP_OVERHEAD_BYTES: number = CLEAR_BYTES + HEADER_BYTES + GCM_TAG_BYTES
/** Largest message that can be wrapped: what fits one call of the cipher. */
export const WRAPPED_MESSAGE_BYTES_MAX: number = 2 ** 31 - 1 - WRAP_OVERHEAD_BYTES

/** Parts up to this size are joined with their neighbours: a copy is then cheaper than another call of the cipher. */
const SMALL_PART_BYTES_MAX = 16 * 1024

/** A data message's fields but for its content. */
export interface DataMessageFields {
  readonly sessionId: number
  readonly sequence: number
  /** Unix time by the sender's clock; at most 2^53 - 1. */
  readonly sentAtSeconds: number
}

/** A data message that has been opened. */
export interface DataMessage extends DataMessageFields {
  /** A view of a fresh buffer, the receiver's own. */
  readonly message: Uint8Array
}

/** A data message that is to be made, but for its content. */
export interface NewDataMessage extends DataMessageFields {
  /** 16 random bytes, of which the cipher uses the first 12. */
  readonly iv: Uint8Array
}

/**
 * Encodes and encrypts a data message.
 *
 * @returns a new buffer, the caller's own
 * @throws {RangeError} when the message is empty or too long
 * @see Themis src/themis/secure_session_message.c, secure_session_wrap
 */
export function sealDataMessage(key: AesKey, fields: NewDataMessage, message: Uint8Array): Uint8Array {
  assertWrappable(message.length)
  const wrapped = new Uint8Array(WRAP_OVERHEAD_BYTES + message.length)
  writeClearBytes(wrapped, fields)
  writeHeader(wrapped, CLEAR_BYTES, fields, message.length)
  wrapped.set(message, CLEAR_BYTES + HEADER_BYTES)
  // One call of the cipher over one buffer: copying costs less than another call or another allocation.
  sealGcmInPlace(key, nonceOf(fields), wrapped, CLEAR_BYTES)
  return wrapped
}

/**
 * As {@link sealDataMessage}, of the concatenation of `parts`. No large part is copied.
 *
 * @returns buffers that are the message when joined: all new, the caller's own
 */
export function sealDataMessageParts(key: AesKey, fields: NewDataMessage, parts: readonly Uint8Array[]): Uint8Array[] {
  let length = 0
  for (const part of parts) length += part.length
  assertWrappable(length)
  const clear = new Uint8Array(CLEAR_BYTES)
  writeClearBytes(clear, fields)
  const header = new Uint8Array(HEADER_BYTES)
  writeHeader(header, 0, fields, length)
  return [clear, ...sealGcm(key, nonceOf(fields), joinSmallParts([header, ...parts]))]
}

function assertWrappable(length: number): void {
  if (length === 0) throw new RangeError('an empty message cannot be wrapped')
  if (length > WRAPPED_MESSAGE_BYTES_MAX) throw new RangeError('the message is too long to be wrapped')
}

function writeClearBytes(target: Uint8Array, { sessionId, iv }: NewDataMessage): void {
  writeU32be(target, 0, sessionId)
  target.set(iv, 4)
}

function writeHeader(target: Uint8Array, at: number, fields: NewDataMessage, length: number): void {
  writeU32be(target, at, length + COUNTED_HEADER_BYTES)
  writeU32be(target, at + 4, fields.sequence)
  writeU64be(target, at + 8, fields.sentAtSeconds)
}

function nonceOf({ iv }: NewDataMessage): Uint8Array {
  return iv.subarray(0, GCM_NONCE_BYTES)
}

function joinSmallParts(parts: readonly Uint8Array[]): Uint8Array[] {
  const joined: Uint8Array[] = []
  let small: Uint8Array[] = []
  for (const part of parts) {
    if (part.length <= SMALL_PART_BYTES_MAX) {
      small.push(part)
      continue
    }
    if (small.length > 0) joined.push(concatBytes(...small))
    small = []
    joined.push(part)
  }
  if (small.length > 0) joined.push(concatBytes(...small))
  return joined
}

/**
 * Decrypts a data message. The tag is checked before any field is read, and the message must end with it.
 *
 * @throws {ProtocolError} `AUTHENTICATION_FAILED`, `INVALID_MESSAGE`
 * @see Themis src/themis/secure_session_message.c, secure_session_unwrap
 */
export function openDataMessage(key: AesKey, wrapped: Uint8Array): DataMessage {
  if (wrapped.length <= WRAP_OVERHEAD_BYTES || wrapped.length > WRAPPED_MESSAGE_BYTES_MAX + WRAP_OVERHEAD_BYTES) {
    throw new ProtocolError('INVALID_MESSAGE', 'length of a data message')
  }
  const tagStart = wrapped.length - GCM_TAG_BYTES
  const nonce = wrapped.subarray(4, 4 + GCM_NONCE_BYTES)
  const plaintext = openGcm(key, nonce, wrapped.subarray(CLEAR_BYTES, tagStart), wrapped.subarray(tagStart))
  if (readU32be(plaintext, 0) !== plaintext.length - HEADER_BYTES + COUNTED_HEADER_BYTES) {
    throw new ProtocolError('INVALID_MESSAGE', 'inner length of a data message')
  }
  return {
    sessionId: readU32be(wrapped, 0),
    sequence: readU32be(plaintext, 4),
    sentAtSeconds: readU64be(plaintext, 8),
    message: plaintext.subarray(HEADER_BYTES)
  }
}
