import { ED25519_TORSION_SUBGROUP } from '@noble/curves/ed25519.js'
import { bytesToNumberLE, numberToBytesLE } from '@noble/curves/utils.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { drawNonce, finishProof } from '../../src/secure-comparator/proofs.ts'
import { type ComparatorState, resultOf } from '../../src/secure-comparator/state.ts'
import { type ScalarName, step } from '../../src/secure-comparator/step.ts'
import {
  addPoints,
  clearCofactor,
  decodePoint,
  encodePoints,
  multiplyBase,
  multiplyPoint,
  type Point,
  subtractPoints
} from '../../src/soter/edwards25519.ts'
import { clampScalar, eighthOf, ORDER, respond } from '../../src/soter/scalar25519.ts'
import { collecting, comparatorDeps, compare, peerBytes, replyOf } from '../support/comparison.ts'
import { seededBytes } from '../support/random.ts'
import { succeedsOrRefuses } from '../support/refusal.ts'

const equal = compare('hostile', 'secret', 'secret')
const different = compare('hostile', 'secret', 'other')
/** Offsets of the points in messages 1 to 4. */
const POINTS_AT = [[0, 96], [0, 96, 192, 224], [0, 32, 160], [0]]
const LENGTHS = equal.messages.map(({ length }) => length)
const SMALL_ORDER = ED25519_TORSION_SUBGROUP.map(hex => new Uint8Array(Buffer.from(hex, 'hex')))
const random = seededBytes('hostile peer')
const ZERO_SCALAR = new Uint8Array(32)

type Run = typeof equal

/** The side that takes message 1, 2, 3 or 4, as it was before. */
function taker({ initiator, responder, initiatorDeps, responderDeps }: Run, index: number, secret: string) {
  const states = [collecting(secret), initiator.awaiting2, responder.awaiting3, initiator.awaiting4]
  return { state: states[index] as ComparatorState, deps: index % 2 === 0 ? responderDeps : initiatorDeps }
}

function replaced(bytes: Uint8Array, offset: number, by: Uint8Array): Uint8Array {
  const copy = bytes.slice()
  copy.set(by, offset)
  return copy
}

describe('a changed byte', () => {
  test.each([1, 2, 3, 4])('anywhere in message %i leaves the side that takes it without a match', number => {
    const index = number - 1
    const message = equal.messages[index] as Uint8Array
    const { state, deps } = taker(equal, index, 'secret')
    const change = seededBytes(`changes of message ${number}`)
    const refused: number[] = []
    for (let offset = 0; offset < message.length; offset++) {
      const mask = ((change(1)[0] as number) % 255) + 1
      const changed = replaced(message, offset, Uint8Array.of((message[offset] as number) ^ mask))
      const taken = succeedsOrRefuses(() => {
        expect(resultOf(step(state, peerBytes(changed), deps).state), `byte ${offset}, mask ${mask}`).toBe('no-match')
      })
      if (!taken) refused.push(offset)
    }
    // Only points can be refused: what does not decode. A changed proof is taken, and does not hold.
    const inPoint = (offset: number) => POINTS_AT[index]?.some(start => offset >= start && offset < start + 32)
    expect(refused.every(inPoint)).toBe(true)
    expect(refused.length).toBeGreaterThan(0)
  })

  test('anywhere, between sides with different secrets, gives neither a match, however the run goes on', () => {
    const place = fc
      .integer({ min: 0, max: 3 })
      .chain(index => fc.record({ index: fc.constant(index), offset: fc.nat((LENGTHS[index] as number) - 1) }))
    fc.assert(
      fc.property(place, fc.integer({ min: 1, max: 255 }), ({ index, offset }, mask) => {
        succeedsOrRefuses(() => {
          for (const result of runOn(different, index, bytes =>
            replaced(bytes, offset, Uint8Array.of((bytes[offset] as number) ^ mask))
          )) {
            expect(result).not.toBe('match')
          }
        })
      }),
      { numRuns: 100 }
    )
  })

  test('random bytes of the right length never match and throw nothing but ProtocolError', () => {
    for (const [index, length] of LENGTHS.entries()) {
      const { state, deps } = taker(equal, index, 'secret')
      fc.assert(
        fc.property(fc.uint8Array({ minLength: length, maxLength: length }), bytes => {
          succeedsOrRefuses(() => expect(resultOf(step(state, peerBytes(bytes), deps).state)).toBe('no-match'))
        }),
        { numRuns: 30 }
      )
    }
  })
})

describe('a small-order point', () => {
  test.each([1, 2, 3, 4])('in message %i never matches', number => {
    const { state, deps } = taker(equal, number - 1, 'secret')
    for (const offset of POINTS_AT[number - 1] ?? []) {
      for (const point of SMALL_ORDER) {
        const { state: next } = step(
          state,
          peerBytes(replaced(equal.messages[number - 1] as Uint8Array, offset, point)),
          deps
        )
        expect(resultOf(next)).toBe('no-match')
      }
    }
  })

  test('with a proof that holds is seen when it has made g2 or g3 the identity', () => {
    for (const bytes of SMALL_ORDER) {
      const point = decodePoint(bytes)
      const honest = clampScalar(random(32))
      for (const [G2, a2, G3, a3] of [
        [point, ZERO_SCALAR, multiplyBase(honest), honest],
        [multiplyBase(honest), honest, point, ZERO_SCALAR]
      ] as const) {
        const message1 = Buffer.concat([...published(G2, 1, a2), ...published(G3, 2, a3)])
        const { state } = step(collecting('secret'), peerBytes(message1), equal.responderDeps)
        expect(state).toMatchObject({ tag: 'awaiting-message-3', hasFailed: true })
        const message2 = Buffer.concat([
          ...published(G2, 3, a2),
          ...published(G3, 4, a3),
          equal.messages[1].subarray(192)
        ])
        const answered = step(equal.initiator.awaiting2, peerBytes(message2), equal.initiatorDeps)
        expect(resultOf(answered.state)).toBe('no-match')
      }
    }
  })

  test('that is added to an honest one, with a proof that holds, neither makes nor tells anything', () => {
    for (const bytes of SMALL_ORDER) {
      const [a2, a3] = [clampScalar(random(32)), clampScalar(random(32))]
      const G2 = addPoints(multiplyBase(a2), decodePoint(bytes))
      const message1 = Buffer.concat([...published(G2, 1, a2), ...published(multiplyBase(a3), 2, a3)])
      const deps = comparatorDeps(seededBytes('victim'))
      const { state } = step(collecting('secret'), peerBytes(message1), deps)
      // The clamped scalar took it away: the same g2, and so the same Pb and Qb, as without it.
      const plain = Buffer.concat([...published(multiplyBase(a2), 1, a2), ...published(multiplyBase(a3), 2, a3)])
      const { state: plainState } = step(collecting('secret'), peerBytes(plain), comparatorDeps(seededBytes('victim')))
      if (state.tag !== 'awaiting-message-3' || plainState.tag !== 'awaiting-message-3')
        throw new Error('another state')
      expect(state.hasFailed).toBe(false)
      expect(encodePoints([state.g2, state.Pb, state.Qb])).toEqual(
        encodePoints([plainState.g2, plainState.Pb, plainState.Qb])
      )
    }
  })

  test.each([
    { number: 2, position: 7, pointAt: 224, proofAt: 192 },
    { number: 3, position: 8, pointAt: 32, proofAt: 32 }
  ])('in message $number is not touched by the nonce of proof $position', ({ number, position, pointAt, proofAt }) => {
    const message = equal.messages[number - 1] as Uint8Array
    const { state, deps } = taker(equal, number - 1, 'secret')
    const secret = 'a3' in state ? state.a3 : (state as { readonly b3: Uint8Array }).b3
    for (const bytes of SMALL_ORDER) {
      const Q = addPoints(decodePoint(message.subarray(pointAt, pointAt + 32)), decodePoint(bytes))
      const reply = replyOf(step(state, peerBytes(replaced(message, pointAt, encoded(Q))), deps))
      const ownQ = decodePoint(number === 2 ? reply.subarray(32, 64) : equal.messages[1].subarray(224, 256))
      const T = number === 2 ? subtractPoints(ownQ, Q) : subtractPoints(Q, ownQ)
      const [c, s] = [reply.subarray(proofAt, proofAt + 32), reply.subarray(proofAt + 32, proofAt + 64)]
      // r = s - c·a
      const nonce = respond(numberToBytesLE(ORDER - bytesToNumberLE(c), 32), secret, s)
      const commitments = [multiplyBase(nonce), multiplyPoint(eighthOf(nonce), clearCofactor(T))]
      const again = finishProof(position, encodePoints(commitments), { secret, nonce })
      expect(again).toEqual(reply.subarray(proofAt, proofAt + 64))
    }
  })
})

test('two sides that drew one blinding scalar have nothing to compare, and do not match', () => {
  const blinding = clampScalar(random(32))
  const withBlinding = (name: string) => {
    const deps = comparatorDeps(seededBytes(name))
    return {
      ...deps,
      drawScalar: (which: ScalarName) => (which === 'blinding' ? blinding.slice() : deps.drawScalar(which))
    }
  }
  const [initiatorDeps, responderDeps] = [withBlinding('initiator'), withBlinding('responder')]
  const begun = step(collecting('secret'), { type: 'begin' }, initiatorDeps)
  const answered1 = step(collecting('secret'), peerBytes(replyOf(begun)), responderDeps)
  const answered2 = step(begun.state, peerBytes(replyOf(answered1)), initiatorDeps)
  const answered3 = step(answered1.state, peerBytes(replyOf(answered2)), responderDeps)
  const ended = step(answered2.state, peerBytes(replyOf(answered3)), initiatorDeps)
  expect([ended.state, answered3.state].map(resultOf)).toEqual(['no-match', 'no-match'])
})

describe('a reflection', () => {
  test('of the own message is refused or never matches', () => {
    const { messages, initiatorDeps, responderDeps, initiator, responder } = equal
    for (const [state, deps] of [
      [initiator.awaiting2, initiatorDeps],
      [initiator.awaiting4, initiatorDeps],
      [responder.awaiting3, responderDeps]
    ] as const) {
      for (const message of messages) {
        const genuine =
          messages[['awaiting-message-2', 'awaiting-message-3', 'awaiting-message-4'].indexOf(state.tag) + 1]
        if (message === genuine) continue
        succeedsOrRefuses(() => expect(resultOf(step(state, peerBytes(message), deps).state)).toBe('no-match'))
      }
    }
  })

  test('of the own points with their proofs fails by the position in each proof', () => {
    const [message1, message2] = equal.messages
    const mirrored = Buffer.concat([message1, message2.subarray(192)])
    const answered = step(equal.initiator.awaiting2, peerBytes(mirrored), equal.initiatorDeps)
    expect(resultOf(answered.state)).toBe('no-match')
  })

  test('of Pb and Qb as Pa and Qa ends with nothing to compare, and does not match', () => {
    const [, message2, message3] = equal.messages
    const mirrored = Buffer.concat([message2.subarray(192, 352), SMALL_ORDER[0] as Uint8Array, message3.subarray(192)])
    const answered = step(equal.responder.awaiting3, peerBytes(mirrored), equal.responderDeps)
    expect(resultOf(answered.state)).toBe('no-match')
  })

  test('of a message of another run with the same secret does not match', () => {
    const older = compare('older', 'secret', 'secret')
    for (const [index, message] of older.messages.entries()) {
      if (index === 0) continue
      const { state, deps } = taker(equal, index, 'secret')
      expect(resultOf(step(state, peerBytes(message), deps).state)).toBe('no-match')
    }
  })
})

/** An encoded point and a proof, that holds, of knowing its logarithm but for a small-order part of the point. */
function published(point: Point, position: number, logarithm: Uint8Array): [Uint8Array, Uint8Array] {
  for (;;) {
    const nonce = drawNonce(random)
    const [commitment] = encodePoints([multiplyBase(nonce)])
    const proof = finishProof(position, [commitment as Uint8Array], { secret: logarithm, nonce })
    // A challenge that is a multiple of 8 takes the small-order part away.
    if ((proof[0] as number) % 8 === 0) return [encoded(point), proof]
  }
}

/** Runs on from a message that was changed, with both sides, to the end. */
function runOn(run: Run, index: number, change: (bytes: Uint8Array) => Uint8Array): readonly string[] {
  let initiator: ComparatorState = index < 2 ? run.initiator.awaiting2 : run.initiator.awaiting4
  let responder: ComparatorState = index < 1 ? collecting('other') : run.responder.awaiting3
  if (index === 3) responder = run.responder.end
  let message: Uint8Array | undefined = change(run.messages[index] as Uint8Array)
  for (let i = index; i < 4 && message !== undefined; i++) {
    const isResponder = i % 2 === 0
    const deps = isResponder ? run.responderDeps : run.initiatorDeps
    const taken = step(isResponder ? responder : initiator, peerBytes(message), deps)
    if (isResponder) responder = taken.state
    else initiator = taken.state
    message = taken.reply
  }
  return [resultOf(initiator), resultOf(responder)]
}

function encoded(point: Point): Uint8Array {
  return encodePoints([point])[0] as Uint8Array
}
