import { concatBytes, copyBytes, plainBytes } from '../bytes.ts'
import { ProtocolError } from '../errors.ts'
import { decodePoint, POINT_BYTES, type Point } from '../soter/edwards25519.ts'
import { SCALAR_BYTES } from '../soter/scalar25519.ts'

/** Lengths of messages 1 to 4, in bytes. */
export const COMPARATOR_MESSAGE_BYTES = { 1: 192, 2: 352, 3: 256, 4: 96 } as const

/** Bytes of a proof with one answer, and of one with two. */
const PROOF_BYTES = 2 * SCALAR_BYTES
const DOUBLE_PROOF_BYTES = 3 * SCALAR_BYTES

/** Message 1: initiator to responder. */
export interface Message1 {
  readonly G2a: Point
  readonly proof1: Uint8Array
  readonly G3a: Point
  readonly proof2: Uint8Array
}

/** Message 2: responder to initiator. */
export interface Message2 {
  readonly G2b: Point
  readonly proof3: Uint8Array
  readonly G3b: Point
  readonly proof4: Uint8Array
  readonly Pb: Point
  readonly Qb: Point
  readonly proof5: Uint8Array
}

/** Message 3: initiator to responder. */
export interface Message3 {
  readonly Pa: Point
  readonly Qa: Point
  readonly proof6: Uint8Array
  readonly Ra: Point
  readonly proof7: Uint8Array
}

/** Message 4: responder to initiator. */
export interface Message4 {
  readonly Rb: Point
  readonly proof8: Uint8Array
}

/** A message with its points encoded. */
export type Encoded<Message> = { readonly [Field in keyof Message]: Uint8Array }

export function encodeMessage1({ G2a, proof1, G3a, proof2 }: Encoded<Message1>): Uint8Array {
  return concatBytes(G2a, proof1, G3a, proof2)
}

export function encodeMessage2({ G2b, proof3, G3b, proof4, Pb, Qb, proof5 }: Encoded<Message2>): Uint8Array {
  return concatBytes(G2b, proof3, G3b, proof4, Pb, Qb, proof5)
}

export function encodeMessage3({ Pa, Qa, proof6, Ra, proof7 }: Encoded<Message3>): Uint8Array {
  return concatBytes(Pa, Qa, proof6, Ra, proof7)
}

export function encodeMessage4({ Rb, proof8 }: Encoded<Message4>): Uint8Array {
  return concatBytes(Rb, proof8)
}

/**
 * Decodes message 1. As in all four, bytes after the end are ignored, and only what is too short or no point is
 * refused: whether the proofs hold is asked later, and is no error.
 *
 * @param bytes - copied where it is kept
 * @throws {ProtocolError} `INVALID_MESSAGE`
 * @see Themis src/themis/secure_comparator.c, secure_comparator_bob_step2
 */
export function decodeMessage1(bytes: Uint8Array): Message1 {
  const read = reader(bytes, COMPARATOR_MESSAGE_BYTES[1])
  return { G2a: read.point(), proof1: read.proof(), G3a: read.point(), proof2: read.proof() }
}

/**
 * Decodes message 2.
 *
 * @throws {ProtocolError} `INVALID_MESSAGE`
 * @see Themis src/themis/secure_comparator.c, secure_comparator_alice_step3
 */
export function decodeMessage2(bytes: Uint8Array): Message2 {
  const read = reader(bytes, COMPARATOR_MESSAGE_BYTES[2])
  return {
    G2b: read.point(),
    proof3: read.proof(),
    G3b: read.point(),
    proof4: read.proof(),
    Pb: read.point(),
    Qb: read.point(),
    proof5: read.doubleProof()
  }
}

/**
 * Decodes message 3.
 *
 * @throws {ProtocolError} `INVALID_MESSAGE`
 * @see Themis src/themis/secure_comparator.c, secure_comparator_bob_step4
 */
export function decodeMessage3(bytes: Uint8Array): Message3 {
  const read = reader(bytes, COMPARATOR_MESSAGE_BYTES[3])
  return {
    Pa: read.point(),
    Qa: read.point(),
    proof6: read.doubleProof(),
    Ra: read.point(),
    proof7: read.proof()
  }
}

/**
 * Decodes message 4.
 *
 * @throws {ProtocolError} `INVALID_MESSAGE`
 * @see Themis src/themis/secure_comparator.c, secure_comparator_alice_step5
 */
export function decodeMessage4(bytes: Uint8Array): Message4 {
  const read = reader(bytes, COMPARATOR_MESSAGE_BYTES[4])
  return { Rb: read.point(), proof8: read.proof() }
}

interface Reader {
  point(): Point
  proof(): Uint8Array
  doubleProof(): Uint8Array
}

function reader(bytes: Uint8Array, length: number): Reader {
  if (bytes.length < length) throw new ProtocolError('INVALID_MESSAGE', 'message too short')
  const message = copyBytes(plainBytes(bytes).subarray(0, length))
  let offset = 0
  const take = (count: number): Uint8Array => {
    offset += count
    return message.subarray(offset - count, offset)
  }
  return {
    point: () => decodePoint(take(POINT_BYTES)),
    proof: () => take(PROOF_BYTES),
    doubleProof: () => take(DOUBLE_PROOF_BYTES)
  }
}
