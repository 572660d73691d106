import { bytesToNumberLE, numberToBytesLE } from '@noble/curves/utils.js'
import { describe, expect, test } from 'vitest'
import {
  allHold,
  type Claim,
  claimEquality,
  claimLogarithm,
  claimOpening,
  drawNonce,
  finishProof
} from '../../src/secure-comparator/proofs.ts'
import { addPoints, encodePoints, multiplyBase, multiplyPoint, type Point } from '../../src/soter/edwards25519.ts'
import { clampScalar, ORDER } from '../../src/soter/scalar25519.ts'
import { flipped, seededBytes } from '../support/random.ts'

const random = seededBytes('proofs')
const a = clampScalar(random(32))
const b = clampScalar(random(32))
const [A, g2, g3, T] = [multiplyBase(a), anyPoint(), anyPoint(), anyPoint()]
const P = multiplyPoint(a, g3)
const Q = addPoints(multiplyPoint(b, g2), A)
const R = multiplyPoint(a, T)

const PROOFS: readonly {
  readonly kind: string
  readonly make: (position: number) => Uint8Array
  readonly claim: (position: number, proof: Uint8Array) => Claim
}[] = [
  {
    kind: 'DL',
    make: position => {
      const nonce = drawNonce(random)
      return finishProof(position, encodePoints([multiplyBase(nonce)]), { secret: a, nonce })
    },
    claim: (position, proof) => claimLogarithm(position, proof, A)
  },
  {
    kind: '2DL',
    make: position => {
      const [r1, r2] = [drawNonce(random), drawNonce(random)]
      const commitments = [multiplyPoint(r1, g3), addPoints(multiplyPoint(r2, g2), multiplyBase(r1))]
      return finishProof(position, encodePoints(commitments), { secret: a, nonce: r1 }, { secret: b, nonce: r2 })
    },
    claim: (position, proof) => claimOpening(position, proof, { P, Q, g2, g3 })
  },
  {
    kind: 'EQ',
    make: position => {
      const nonce = drawNonce(random)
      const commitments = [multiplyBase(nonce), multiplyPoint(nonce, T)]
      return finishProof(position, encodePoints(commitments), { secret: a, nonce })
    },
    claim: (position, proof) => claimEquality(position, proof, { A, R, T })
  }
]

describe.each(PROOFS)('a proof $kind', ({ make, claim }) => {
  const proof = make(5)

  test('holds at its position, and at no other', () => {
    for (const position of [1, 2, 3, 4, 5, 6, 7, 8]) {
      expect(allHold([claim(position, proof)])).toBe(position === 5)
    }
  })

  test('does not hold with any byte changed', () => {
    for (let offset = 0; offset < proof.length; offset++) {
      expect(allHold([claim(5, flipped(proof, offset, offset % 8))])).toBe(false)
    }
  })

  test('holds with answers of ℓ or more, while their top three bits are zero', () => {
    for (let start = 32; start < proof.length; start += 32) {
      const answer = bytesToNumberLE(proof.subarray(start, start + 32))
      for (let more = 1n; answer + more * ORDER < 2n ** 256n; more++) {
        const longer = proof.slice()
        longer.set(numberToBytesLE(answer + more * ORDER, 32), start)
        expect(allHold([claim(5, longer)])).toBe(answer + more * ORDER < 2n ** 253n)
      }
    }
  })

  test('does not hold with a challenge that is not reduced', () => {
    const challenge = bytesToNumberLE(proof.subarray(0, 32)) + ORDER
    const longer = proof.slice()
    longer.set(numberToBytesLE(challenge, 32))
    expect(allHold([claim(5, longer)])).toBe(false)
  })
})

test('proofs hold together only when each does, wherever the bad one is', () => {
  const claims = PROOFS.map(({ make, claim }) => claim(3, make(3)))
  expect(allHold(claims)).toBe(true)
  for (const [i, { make, claim }] of PROOFS.entries()) {
    const withBad = claims.with(i, claim(3, make(4)))
    expect(allHold(withBad)).toBe(false)
  }
})

test('a finished proof leaves no nonce behind', () => {
  const nonce = drawNonce(random)
  finishProof(1, encodePoints([multiplyBase(nonce)]), { secret: a, nonce })
  expect(nonce).toEqual(new Uint8Array(32))
})

test('nonces come from 64 random bytes, which are overwritten, and cover all residues', () => {
  let asked: Uint8Array | undefined
  const nonces = Array.from({ length: 2000 }, () =>
    bytesToNumberLE(
      drawNonce(length => {
        asked = random(length)
        expect(length).toBe(64)
        return asked
      })
    )
  )
  expect(asked).toEqual(new Uint8Array(64))
  const eighths = Array.from({ length: 8 }, (_, i) => nonces.filter(nonce => (nonce * 8n) / ORDER === BigInt(i)).length)
  const residues = Array.from({ length: 8 }, (_, i) => nonces.filter(nonce => nonce % 8n === BigInt(i)).length)
  for (const count of [...eighths, ...residues]) {
    expect(count).toBeGreaterThan(170)
    expect(count).toBeLessThan(330)
  }
})

function anyPoint(): Point {
  return multiplyBase(clampScalar(random(32)))
}
