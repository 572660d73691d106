import { createHash } from 'node:crypto'
import type { CompareEnds } from './port.ts'

/** A comparison, 16 random bytes of who starts it. */
export const COMPARE_ID_BYTES = 16
export const COMPARE_NONCE_BYTES = 32

const LABEL = new TextEncoder().encode('parley/compare/v1\0')

/** One side of a comparison, in what is compared. */
export interface CompareParty {
  /** The Themis public key container. */
  readonly publicKey: Uint8Array
  readonly id: string
  /** 32 random bytes for this comparison. */
  readonly nonce: Uint8Array
}

export interface CompareBinding {
  readonly compareId: Uint8Array
  readonly initiator: CompareParty
  readonly responder: CompareParty
  /** The transcript of the session in which the comparison was started. */
  readonly channel: Uint8Array
}

/**
 * What the comparator is given instead of the bare secret, as one piece: label, B, secret. B = SHA-256 over the comparison, both keys, both IDs
 * and both nonces, the initiator's first, and the session. Where one of these differs between the two sides, or their roles are
 * changed about, nothing matches. In a buffer of its own, which the caller must wipe.
 *
 * @see SPEC.md, section 11.14
 */
export function comparedSecret(binding: CompareBinding, secret: Uint8Array): Uint8Array<ArrayBuffer> {
  const { compareId, initiator, responder, channel } = binding
  const hash = createHash('sha256').update(LABEL).update(compareId)
  const lp = (bytes: Uint8Array) => {
    const length = new Uint8Array(4)
    new DataView(length.buffer).setUint32(0, bytes.length)
    hash.update(length).update(bytes)
  }
  const text = new TextEncoder()
  lp(initiator.publicKey)
  lp(responder.publicKey)
  lp(text.encode(initiator.id))
  lp(text.encode(responder.id))
  hash.update(initiator.nonce).update(responder.nonce)
  lp(channel)
  const bound = hash.digest()
  const piece = new Uint8Array(LABEL.length + bound.length + secret.length)
  piece.set(LABEL)
  piece.set(bound, LABEL.length)
  piece.set(secret, LABEL.length + bound.length)
  return piece
}

/** The binding of a comparison between the ends of a link, whoever of them started it. */
export function bindingOf(
  compareId: Uint8Array,
  ends: CompareEnds,
  nonces: { readonly own: Uint8Array; readonly peer: Uint8Array },
  isInitiator: boolean
): CompareBinding {
  const own = { publicKey: ends.ownPublicKey, id: ends.ownId, nonce: nonces.own }
  const peer = { publicKey: ends.peerPublicKey, id: ends.peerId, nonce: nonces.peer }
  const [initiator, responder] = isInitiator ? [own, peer] : [peer, own]
  return { compareId, initiator, responder, channel: ends.transcript }
}
