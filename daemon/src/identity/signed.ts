import { decodePublicKey, ProtocolError, type PublicKey, verifyMessage } from '@parley/protocol'
import { joinBytes } from './fields.ts'

/** Before the content: type, length of the content and of the signature, all u32le. */
export const SIGNED_HEADER_BYTES = 12
/** Secure Message, signed with EC. */
const SIGNED_TYPE = 0x26042620

/** The content of a signed message whose header is the one that Parley writes, with nothing after the signature. A copy. */
export function contentOf(signed: Uint8Array, malformed: () => Error): Uint8Array {
  const header = new DataView(signed.buffer, signed.byteOffset, signed.length)
  const contentBytes = header.getUint32(4, true)
  const signatureBytes = header.getUint32(8, true)
  if (header.getUint32(0, true) !== SIGNED_TYPE) throw malformed()
  if (SIGNED_HEADER_BYTES + contentBytes + signatureBytes !== signed.length) throw malformed()
  return signed.slice(SIGNED_HEADER_BYTES, SIGNED_HEADER_BYTES + contentBytes)
}

/** The signed message of a content whose signature came apart from it. */
export function withSignature(content: Uint8Array, signature: Uint8Array): Uint8Array {
  const header = new Uint8Array(SIGNED_HEADER_BYTES)
  const view = new DataView(header.buffer)
  view.setUint32(0, SIGNED_TYPE, true)
  view.setUint32(4, content.length, true)
  view.setUint32(8, signature.length, true)
  return joinBytes(header, content, signature)
}

/** A point has a compressed and an uncompressed form; one of them keeps a key to one fingerprint. */
export function statedKey(container: Uint8Array, malformed: () => Error): PublicKey {
  try {
    const key = decodePublicKey(container)
    const form = container[SIGNED_HEADER_BYTES]
    if (form === 0x02 || form === 0x03) return key
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
  }
  throw malformed()
}

/** Whether the signature of a signed message holds. */
export function isSignedBy(key: PublicKey, signed: Uint8Array): boolean {
  try {
    verifyMessage(key, signed)
    return true
  } catch (error) {
    if (error instanceof ProtocolError) return false
    throw error
  }
}
