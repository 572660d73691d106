import { concatBytes, copyBytes, type RandomBytes, wipeBytes } from '../bytes.ts'
import { ProtocolError } from '../errors.ts'
import {
  addPoints,
  clearCofactor,
  encodePoints,
  IDENTITY_BYTES,
  multiplyBase,
  multiplyPoint,
  type Point,
  subtractPoints,
  wipeScratch
} from '../soter/edwards25519.ts'
import { equalBytes, sha256 } from '../soter/hash.ts'
import { clampScalar, eighthOf, SCALAR_BYTES } from '../soter/scalar25519.ts'
import {
  decodeMessage1,
  decodeMessage2,
  decodeMessage3,
  decodeMessage4,
  encodeMessage1,
  encodeMessage2,
  encodeMessage3,
  encodeMessage4
} from './messages.ts'
import { allHold, claimEquality, claimLogarithm, claimOpening, drawNonce, finishProof } from './proofs.ts'
import type { ComparatorInput, ComparatorState, ComparatorStep } from './state.ts'

/** Which of a side's three random scalars: a2 or b2, a3 or b3, r or s. */
export type ScalarName = 'second' | 'third' | 'blinding'

/** What a comparator has from outside. */
export interface StepDeps {
  /** Asked for 64 bytes for the nonce of each proof. */
  readonly randomBytes: RandomBytes
  /** Makes one of the side's own random scalars: 32 bytes, which the step overwrites. */
  readonly drawScalar: (name: ScalarName) => Uint8Array
}

type State<Tag extends ComparatorState['tag']> = Extract<ComparatorState, { readonly tag: Tag }>

/**
 * Advances a Secure Comparator by one input.
 *
 * Does no I/O and reads no clock; randomness comes only from `deps`. Neither argument is changed. A step throws only
 * for what cannot be read, or is not possible now, and then nothing has been computed with a secret; a proof that does not
 * hold is no exception but a result, and the reply looks like any other. Take each state at most once through a step
 * that does not throw: two replies from one state would tell the secret.
 *
 * @throws {ProtocolError} `INVALID_MESSAGE` for a refused message; `UNEXPECTED_MESSAGE` and `INVALID_STATE` for an
 * input that is not valid in `state`
 * @throws {RangeError} for an empty piece
 * @see SPEC.md, section 7.5; Themis src/themis/secure_comparator.c
 */
export function step(state: ComparatorState, input: ComparatorInput, deps: StepDeps): ComparatorStep {
  switch (state.tag) {
    case 'empty':
      if (input.type === 'append') return append(new Uint8Array(0), input.piece)
      throw new ProtocolError('INVALID_STATE', 'there is no secret yet')
    case 'collecting':
      if (input.type === 'append') return append(state.pieces, input.piece)
      return input.type === 'begin' ? begin(state, deps) : answerMessage1(state, input.bytes, deps)
    case 'awaiting-message-2':
      if (input.type === 'peer-bytes') return answerMessage2(state, input.bytes, deps)
      throw unexpected(input)
    case 'awaiting-message-3':
      if (input.type === 'peer-bytes') return answerMessage3(state, input.bytes, deps)
      throw unexpected(input)
    case 'awaiting-message-4':
      if (input.type === 'peer-bytes') return readMessage4(state, input.bytes)
      throw unexpected(input)
    case 'compared':
    case 'closed':
      throw unexpected(input)
  }
}

/** Themis secure_comparator_append_secret. */
function append(pieces: Uint8Array, piece: Uint8Array): ComparatorStep {
  if (piece.length === 0) throw new RangeError('a piece of a secret has at least one byte')
  return { state: { tag: 'collecting', pieces: concatBytes(pieces, piece) }, reply: undefined }
}

/** Themis secure_comparator_alice_step1: emits message 1. */
function begin({ pieces }: State<'collecting'>, deps: StepDeps): ComparatorStep {
  const a2 = ownScalar(deps, 'second')
  const a3 = ownScalar(deps, 'third')
  const r1 = drawNonce(deps.randomBytes)
  const r2 = drawNonce(deps.randomBytes)
  const [G2a, c1, G3a, c2] = encode(multiplyBase(a2), multiplyBase(r1), multiplyBase(a3), multiplyBase(r2))
  const reply = encodeMessage1({
    G2a,
    proof1: finishProof(1, [c1], { secret: a2, nonce: r1 }),
    G3a,
    proof2: finishProof(2, [c2], { secret: a3, nonce: r2 })
  })
  wipeScratch()
  return { state: { tag: 'awaiting-message-2', secret: secretScalar(pieces), a2, a3 }, reply }
}

/** Themis secure_comparator_bob_step2: checks message 1 and emits 2. */
function answerMessage1({ pieces }: State<'collecting'>, bytes: Uint8Array, deps: StepDeps): ComparatorStep {
  const { G2a, proof1, G3a, proof2 } = decodeMessage1(bytes)
  const hold = allHold([claimLogarithm(1, proof1, G2a), claimLogarithm(2, proof2, G3a)])
  const y = secretScalar(pieces)
  const b2 = ownScalar(deps, 'second')
  const b3 = ownScalar(deps, 'third')
  const s = ownScalar(deps, 'blinding')
  const g2 = multiplyPoint(b2, G2a)
  const g3 = multiplyPoint(b3, G3a)
  const r3 = drawNonce(deps.randomBytes)
  const r4 = drawNonce(deps.randomBytes)
  const opening = commitOpening(s, y, g2, g3, deps)
  const [G2b, c3, G3b, c4, Pb, Qb, c5P, c5Q, g2Bytes, g3Bytes] = encode(
    multiplyBase(b2),
    multiplyBase(r3),
    multiplyBase(b3),
    multiplyBase(r4),
    opening.P,
    opening.Q,
    opening.commitmentP,
    opening.commitmentQ,
    g2,
    g3
  )
  const reply = encodeMessage2({
    G2b,
    proof3: finishProof(3, [c3], { secret: b2, nonce: r3 }),
    G3b,
    proof4: finishProof(4, [c4], { secret: b3, nonce: r4 }),
    Pb,
    Qb,
    proof5: finishProof(5, [c5P, c5Q], { secret: s, nonce: opening.r1 }, { secret: y, nonce: opening.r2 })
  })
  for (const secret of [y, b2, s]) wipeBytes(secret)
  wipeScratch()
  const hasFailed = !hold || isIdentity(g2Bytes) || isIdentity(g3Bytes)
  return {
    state: { tag: 'awaiting-message-3', b3, g2, g3, G3a, Pb: opening.P, Qb: opening.Q, hasFailed },
    reply
  }
}

/** Themis secure_comparator_alice_step3: checks message 2 and emits 3. */
function answerMessage2(
  { secret: x, a2, a3 }: State<'awaiting-message-2'>,
  bytes: Uint8Array,
  deps: StepDeps
): ComparatorStep {
  const { G2b, proof3, G3b, proof4, Pb, Qb, proof5 } = decodeMessage2(bytes)
  const g2 = multiplyPoint(a2, G2b)
  const g3 = multiplyPoint(a3, G3b)
  const hold = allHold([
    claimLogarithm(3, proof3, G2b),
    claimLogarithm(4, proof4, G3b),
    claimOpening(5, proof5, { P: Pb, Q: Qb, g2, g3 })
  ])
  const r = ownScalar(deps, 'blinding')
  const opening = commitOpening(r, x, g2, g3, deps)
  const Qab = subtractPoints(opening.Q, Qb)
  const equality = commitEquality(a3, Qab, deps)
  const [Pa, Qa, c6P, c6Q, Ra, c7B, c7Q, g2Bytes, g3Bytes] = encode(
    opening.P,
    opening.Q,
    opening.commitmentP,
    opening.commitmentQ,
    equality.R,
    equality.commitmentB,
    equality.commitmentT,
    g2,
    g3
  )
  const reply = encodeMessage3({
    Pa,
    Qa,
    proof6: finishProof(6, [c6P, c6Q], { secret: r, nonce: opening.r1 }, { secret: x, nonce: opening.r2 }),
    Ra,
    proof7: finishProof(7, [c7B, c7Q], { secret: a3, nonce: equality.nonce })
  })
  wipeBytes(r)
  wipeScratch()
  const hasFailed = !hold || isIdentity(g2Bytes) || isIdentity(g3Bytes)
  const Pab = subtractPoints(opening.P, Pb)
  return { state: { tag: 'awaiting-message-4', a3, G3b, Qab, Pab, hasFailed }, reply }
}

/** Themis secure_comparator_bob_step4: checks message 3, compares and emits 4. */
function answerMessage3(
  { b3, g2, g3, G3a, Pb, Qb, hasFailed }: State<'awaiting-message-3'>,
  bytes: Uint8Array,
  deps: StepDeps
): ComparatorStep {
  const { Pa, Qa, proof6, Ra, proof7 } = decodeMessage3(bytes)
  const Qab = subtractPoints(Qa, Qb)
  const hold = allHold([
    claimOpening(6, proof6, { P: Pa, Q: Qa, g2, g3 }),
    claimEquality(7, proof7, { A: G3a, R: Ra, T: Qab })
  ])
  const equality = commitEquality(b3, Qab, deps)
  const [Rb, c8B, c8Q, Rab, Pab] = encode(
    equality.R,
    equality.commitmentB,
    equality.commitmentT,
    multiplyPoint(b3, Ra),
    subtractPoints(Pa, Pb)
  )
  const reply = encodeMessage4({ Rb, proof8: finishProof(8, [c8B, c8Q], { secret: b3, nonce: equality.nonce }) })
  wipeScratch()
  return { state: compared(hold && !hasFailed, Rab, Pab), reply }
}

/** Themis secure_comparator_alice_step5: checks message 4 and compares. */
function readMessage4(
  { a3, G3b, Qab, Pab, hasFailed }: State<'awaiting-message-4'>,
  bytes: Uint8Array
): ComparatorStep {
  const { Rb, proof8 } = decodeMessage4(bytes)
  const hold = allHold([claimEquality(8, proof8, { A: G3b, R: Rb, T: Qab })])
  const [Rab, PabBytes] = encode(multiplyPoint(a3, Rb), Pab)
  wipeScratch()
  return { state: compared(hold && !hasFailed, Rab, PabBytes), reply: undefined }
}

/** P = blinding·g3 and Q = blinding·B + secret·g2, with the commitments of a proof that both are known. */
function commitOpening(blinding: Uint8Array, secret: Uint8Array, g2: Point, g3: Point, { randomBytes }: StepDeps) {
  const r1 = drawNonce(randomBytes)
  const r2 = drawNonce(randomBytes)
  return {
    P: multiplyPoint(blinding, g3),
    Q: addPoints(multiplyBase(blinding), multiplyPoint(secret, g2)),
    r1,
    r2,
    commitmentP: multiplyPoint(r1, g3),
    commitmentQ: addPoints(multiplyPoint(r2, g2), multiplyBase(r1))
  }
}

/**
 * R = secret·T, with the commitments of a proof that this secret is that of the own public point. T is the peer's doing
 * and may have a small-order part; the nonce is no multiple of 8, so it multiplies 8T.
 */
function commitEquality(secret: Uint8Array, T: Point, { randomBytes }: StepDeps) {
  const nonce = drawNonce(randomBytes)
  const eighth = eighthOf(nonce)
  const commitmentT = multiplyPoint(eighth, clearCofactor(T))
  wipeBytes(eighth)
  return { R: multiplyPoint(secret, T), nonce, commitmentB: multiplyBase(nonce), commitmentT }
}

function compared(isHonest: boolean, Rab: Uint8Array, Pab: Uint8Array): State<'compared'> {
  const isSame = equalBytes(Rab, Pab)
  const isNothing = isIdentity(Rab)
  return { tag: 'compared', result: isHonest && isSame && !isNothing ? 'match' : 'no-match', hasFailed: !isHonest }
}

function isIdentity(encoded: Uint8Array): boolean {
  return equalBytes(encoded, IDENTITY_BYTES)
}

/** SHA-256 of all pieces, as a scalar. */
function secretScalar(pieces: Uint8Array): Uint8Array {
  return clampScalar(takeOver(sha256(pieces)))
}

function ownScalar({ drawScalar }: StepDeps, name: ScalarName): Uint8Array {
  const drawn = drawScalar(name)
  if (drawn.length !== SCALAR_BYTES) throw new RangeError('a scalar has 32 bytes')
  return clampScalar(takeOver(drawn))
}

/** What stands in a state has memory of its own: a clone of a view would take along all that is around it. */
function takeOver(bytes: Uint8Array): Uint8Array {
  const copy = copyBytes(bytes)
  wipeBytes(bytes)
  return copy
}

/** Encodes as many points as it is given. */
function encode<Points extends readonly Point[]>(...points: Points): { [Index in keyof Points]: Uint8Array } {
  return encodePoints(points) as { [Index in keyof Points]: Uint8Array }
}

function unexpected(input: ComparatorInput): ProtocolError {
  return input.type === 'peer-bytes'
    ? new ProtocolError('UNEXPECTED_MESSAGE', 'no message of the comparison is awaited')
    : new ProtocolError('INVALID_STATE', `${input.type} is not possible now`)
}
