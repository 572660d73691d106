import { mulAddUnsafe } from '@noble/curves/abstract/curve.js'
import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js'
import { bytesToNumberLE, numberToBytesLE } from '@noble/curves/utils.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addPoints,
  clearCofactor,
  decodePoint,
  encodePoints,
  IDENTITY_BYTES,
  multiplyBase,
  multiplyPoint,
  negatePoint,
  type Point,
  subtractPoints,
  sumOfMultiples
} from '../../src/soter/edwards25519.ts'
import {
  type Fe,
  feAdd,
  feCarry,
  feFromBigint,
  feMultiply,
  feSquare,
  feSubtract,
  feToBigint,
  newFe
} from '../../src/soter/field25519.ts'
import { clampScalar, eighthOf, ORDER, reduceScalar, respond } from '../../src/soter/scalar25519.ts'
import { codeOf, succeedsOrRefuses } from '../support/refusal.ts'

const Noble = ed25519.Point
const { Fp, Fn } = Noble
const P = Fp.ORDER
type NoblePoint = typeof Noble.BASE

/** Numbers at the edges of the field, and any. */
const element = fc.oneof(
  fc.constantFrom(0n, 1n, 2n, 18n, 19n, P - 1n, P - 2n, P, P + 18n, 2n ** 254n, 2n ** 255n - 1n),
  fc.bigInt({ min: 0n, max: 2n ** 255n - 1n })
)
const number256 = fc.oneof(
  fc.constantFrom(0n, 1n, 7n, 8n, 9n, 255n, ORDER - 1n, ORDER, ORDER + 1n, 2n ** 253n - 1n, 2n ** 256n - 1n),
  fc.bigInt({ min: 0n, max: 2n ** 256n - 1n })
)
const number255 = number256.map(n => BigInt.asUintN(255, n))
/** Any point of the curve: of the large subgroup, of small order, and sums of both. */
const point = fc
  .tuple(fc.bigInt({ min: 0n, max: ORDER - 1n }), fc.constantFrom(...ED25519_TORSION_SUBGROUP))
  .map(([n, torsion]) => Noble.BASE.multiplyUnsafe(n).add(Noble.fromHex(torsion, true)))

const bytesOf = (n: bigint) => numberToBytesLE(n, 32)
const ours = (p: NoblePoint): Point => decodePoint(p.toBytes())
const encoded = (p: Point): Uint8Array => encodePoints([p])[0] as Uint8Array
const times = (n: bigint, p: NoblePoint): NoblePoint => mulAddUnsafe(Noble, [p], [n], true)

describe('the field modulo 2^255 - 19', () => {
  test('agrees with noble', () => {
    fc.assert(
      fc.property(element, element, element, (a, b, c) => {
        const [x, y, z] = [a, b, c].map(feFromBigint) as [Fe, Fe, Fe]
        const out = newFe()
        feMultiply(out, x, y)
        expect(feToBigint(out)).toBe(Fp.create(a * b))
        feSquare(out, x)
        expect(feToBigint(out)).toBe(Fp.create(a * a))
        feAdd(out, x, y)
        feSubtract(out, out, z)
        feMultiply(out, out, z)
        expect(feToBigint(out)).toBe(Fp.create((a + b - c) * c))
      }),
      { numRuns: 500 }
    )
  })

  test('is exact at the bounds that it states, limb by limb, and products are tight', () => {
    const tightOf = (i: number) => 1.03 * 2 ** (Math.ceil(21.25 * (i + 1)) - 1)
    const limbs = (bound: number) =>
      fc
        .array(fc.constantFrom(-1, 1), { minLength: 12, maxLength: 12 })
        .map(signs => signs.map((sign, i) => sign * roundTo(bound * tightOf(i), Math.ceil(21.25 * i))))
    const allPlus = (bound: number) =>
      fc.constant(Array.from({ length: 12 }, (_, i) => roundTo(bound * tightOf(i), Math.ceil(21.25 * i))))
    for (const [boundA, boundB] of [
      [2, 4],
      [4, 2],
      [1, 8],
      [8, 1]
    ] as const) {
      const left = fc.oneof(limbs(boundA), allPlus(boundA))
      const right = fc.oneof(limbs(boundB), allPlus(boundB))
      fc.assert(
        fc.property(left, right, (a, b) => {
          const out = newFe()
          feMultiply(out, Float64Array.from(a) as Fe, Float64Array.from(b) as Fe)
          expect(feToBigint(out)).toBe(Fp.create(exactSum(a) * exactSum(b)))
          for (const [i, limb] of out.entries()) expect(Math.abs(limb)).toBeLessThanOrEqual(tightOf(i))
        })
      )
    }
    fc.assert(
      fc.property(fc.oneof(limbs(2), allPlus(2)), a => {
        const out = newFe()
        feSquare(out, Float64Array.from(a) as Fe)
        expect(feToBigint(out)).toBe(Fp.create(exactSum(a) ** 2n))
        const carried = Float64Array.from(a) as Fe
        feCarry(carried)
        expect(feToBigint(carried)).toBe(Fp.create(exactSum(a)))
      })
    )
  })
})

describe('edwards25519', () => {
  test('decodes and encodes what noble does by ZIP-215, and refuses what noble refuses', () => {
    const high = fc.bigInt({ min: P, max: 2n ** 255n - 1n }).map(bytesOf)
    const negative = (bytes: Uint8Array) => bytes.map((byte, i) => (i === 31 ? byte | 0x80 : byte))
    const any = fc.oneof(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      high,
      high.map(negative),
      edges(),
      point.map(p => p.toBytes())
    )
    let decoded = 0
    fc.assert(
      fc.property(any, bytes => {
        let expected: NoblePoint | undefined
        try {
          expected = Noble.fromBytes(bytes, true)
        } catch {
          // Not on the curve; so it must be for us.
        }
        if (expected === undefined) {
          expect(codeOf(() => decodePoint(bytes))).toBe('INVALID_MESSAGE')
          return
        }
        decoded++
        expect(encoded(decodePoint(bytes))).toEqual(Noble.fromAffine(expected.toAffine()).toBytes())
      }),
      { numRuns: 500 }
    )
    expect(decoded).toBeGreaterThan(100)
  })

  test('decoding throws nothing but ProtocolError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), bytes => {
        succeedsOrRefuses(() => decodePoint(bytes))
      })
    )
  })

  test('adds and subtracts any two points, equal, opposite, of small order or the identity', () => {
    fc.assert(
      fc.property(point, point, (p, q) => {
        for (const [a, b] of [
          [p, q],
          [p, p],
          [p, p.negate()],
          [p, Noble.ZERO]
        ] as const) {
          expect(encoded(addPoints(ours(a), ours(b)))).toEqual(a.add(b).toBytes())
          expect(encoded(subtractPoints(ours(a), ours(b)))).toEqual(a.subtract(b).toBytes())
        }
        expect(encoded(negatePoint(ours(p)))).toEqual(p.negate().toBytes())
        expect(encoded(clearCofactor(ours(p)))).toEqual(p.clearCofactor().toBytes())
      }),
      { numRuns: 50 }
    )
  })

  test('multiplies by the number itself, not by its residue', () => {
    fc.assert(
      fc.property(number255, point, (n, p) => {
        expect(encoded(multiplyPoint(bytesOf(n), ours(p)))).toEqual(times(n, p).toBytes())
        expect(encoded(multiplyBase(bytesOf(n)))).toEqual(times(n, Noble.BASE).toBytes())
      }),
      { numRuns: 100 }
    )
  })

  test('sums multiples of points, with numbers of 256 bits', () => {
    fc.assert(
      fc.property(number256, number256, number256, point, point, (k, m, n, p, q) => {
        const sum = sumOfMultiples([
          { scalar: bytesOf(k), point: ours(p) },
          { scalar: bytesOf(m) },
          { scalar: bytesOf(n), point: ours(q) }
        ])
        expect(encoded(sum)).toEqual(times(k, p).add(times(m, Noble.BASE)).add(times(n, q)).toBytes())
      }),
      { numRuns: 100 }
    )
  })

  test('a clamped number takes a small-order part away', () => {
    for (const torsion of ED25519_TORSION_SUBGROUP) {
      const clamped = clampScalar(new Uint8Array(32).fill(0x5a))
      expect(encoded(multiplyPoint(clamped, decodePoint(Buffer.from(torsion, 'hex'))))).toEqual(IDENTITY_BYTES)
    }
  })

  test('changes no point that it is given', () => {
    const p = ours(Noble.BASE)
    const before = structuredClone(p)
    multiplyPoint(bytesOf(12_345n), p)
    sumOfMultiples([{ scalar: bytesOf(3n), point: p }])
    subtractPoints(addPoints(p, p), negatePoint(clearCofactor(p)))
    expect(p).toEqual(before)
  })
})

describe('numbers modulo ℓ', () => {
  test('agree with noble', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), number256, number256, number256, (wide, a, b, c) => {
        expect(bytesToNumberLE(reduceScalar(wide))).toBe(Fn.create(bytesToNumberLE(wide)))
        expect(bytesToNumberLE(respond(bytesOf(a), bytesOf(b), bytesOf(c)))).toBe(Fn.create(a * b + c))
        expect(Fn.create(8n * bytesToNumberLE(eighthOf(bytesOf(a))))).toBe(Fn.create(a))
      })
    )
  })
})

/** Encodings that are not canonical, or whose x is zero. */
function edges() {
  const ys = [0n, 1n, P - 1n, P, P + 1n, 2n ** 255n - 1n]
  return fc.constantFrom(...ys.flatMap(y => [bytesOf(y), bytesOf(y + 2n ** 255n)]))
}

function roundTo(value: number, offset: number): number {
  return Math.floor(value / 2 ** offset) * 2 ** offset
}

function exactSum(limbs: readonly number[]): bigint {
  return limbs.reduce((sum, limb) => sum + BigInt(limb), 0n)
}
