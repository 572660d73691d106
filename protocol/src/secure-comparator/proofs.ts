import { concatBytes, drawBytes, type RandomBytes, wipeBytes } from '../bytes.ts'
import { encodePoints, negatePoint, type Point, sumOfMultiples } from '../soter/edwards25519.ts'
import { equalBytes, sha512 } from '../soter/hash.ts'
import { reduceScalar, respond, SCALAR_BYTES } from '../soter/scalar25519.ts'

/** Random bytes of a nonce before it is reduced: so many that every residue is as likely as every other. */
const NONCE_BYTES = 64

/**
 * Draws the nonce of a proof, uniform modulo ℓ. Themis clamps its nonces, which then cover half of the residues, and
 * every answer tells a bit of the secret to whoever guesses.
 */
export function drawNonce(randomBytes: RandomBytes): Uint8Array {
  const bytes = drawBytes(randomBytes, NONCE_BYTES)
  const nonce = reduceScalar(bytes)
  wipeBytes(bytes)
  return nonce
}

/**
 * Finishes a proof: the challenge that follows from the commitments, and an answer for each secret.
 *
 * @param position - number of the proof in the exchange, 1 to 8; it keeps a proof from being used in another place
 * @param commitments - encoded points made with the nonces
 * @param answers - each secret with its nonce, which is wiped
 * @returns challenge and answers, 32 bytes each
 */
export function finishProof(
  position: number,
  commitments: readonly Uint8Array[],
  ...answers: readonly { readonly secret: Uint8Array; readonly nonce: Uint8Array }[]
): Uint8Array {
  const challenge = challengeOf(position, commitments)
  const parts = answers.map(({ secret, nonce }) => {
    const part = respond(challenge, secret, nonce)
    wipeBytes(nonce)
    return part
  })
  return concatBytes(challenge, ...parts)
}

/** A proof that came, and the commitments that must have stood behind it. */
export interface Claim {
  readonly position: number
  readonly proof: Uint8Array
  readonly commitments: readonly Point[]
}

/** DL: the peer knows a in A = aB. */
export function claimLogarithm(position: number, proof: Uint8Array, A: Point): Claim {
  const { c, s } = open(proof)
  return { position, proof, commitments: [sumOfMultiples([{ scalar: s }, { scalar: c, point: negatePoint(A) }])] }
}

/** 2DL: the peer knows a and b in P = a·g3 and Q = b·g2 + aB. */
export function claimOpening(
  position: number,
  proof: Uint8Array,
  { P, Q, g2, g3 }: { readonly P: Point; readonly Q: Point; readonly g2: Point; readonly g3: Point }
): Claim {
  const { c, s, s2 } = open(proof)
  return {
    position,
    proof,
    commitments: [
      sumOfMultiples([
        { scalar: s, point: g3 },
        { scalar: c, point: negatePoint(P) }
      ]),
      sumOfMultiples([{ scalar: s2, point: g2 }, { scalar: s }, { scalar: c, point: negatePoint(Q) }])
    ]
  }
}

/** EQ: the peer knows one a for both A = aB and R = aT. */
export function claimEquality(
  position: number,
  proof: Uint8Array,
  { A, R, T }: { readonly A: Point; readonly R: Point; readonly T: Point }
): Claim {
  const { c, s } = open(proof)
  return {
    position,
    proof,
    commitments: [
      sumOfMultiples([{ scalar: s }, { scalar: c, point: negatePoint(A) }]),
      sumOfMultiples([
        { scalar: s, point: T },
        { scalar: c, point: negatePoint(R) }
      ])
    ]
  }
}

/** Whether all claims hold. All are looked at to the end, wherever the first bad one is. */
export function allHold(claims: readonly Claim[]): boolean {
  const encoded = encodePoints(claims.flatMap(({ commitments }) => commitments))
  let offset = 0
  let hold = true
  for (const { position, proof, commitments } of claims) {
    const own = encoded.slice(offset, offset + commitments.length)
    offset += commitments.length
    const isShort = shortAnswers(proof)
    hold = equalBytes(challengeOf(position, own), proof.subarray(0, SCALAR_BYTES)) && isShort && hold
  }
  return hold
}

function challengeOf(position: number, commitments: readonly Uint8Array[]): Uint8Array {
  return reduceScalar(sha512(...commitments, Uint8Array.of(position)))
}

/** Whether the top three bits of every answer are zero. An answer may be ℓ or more all the same. */
function shortAnswers(proof: Uint8Array): boolean {
  let bits = 0
  for (let end = 2 * SCALAR_BYTES; end <= proof.length; end += SCALAR_BYTES) bits |= proof[end - 1] as number
  return (bits & 0xe0) === 0
}

function open(proof: Uint8Array): { readonly c: Uint8Array; readonly s: Uint8Array; readonly s2: Uint8Array } {
  const at = (i: number) => proof.subarray(i * SCALAR_BYTES, (i + 1) * SCALAR_BYTES)
  return { c: at(0), s: at(1), s2: at(2) }
}
