import { ed25519 } from '@noble/curves/ed25519.js'

/**
 * An element of the field modulo 2^255 - 19, as the sum of twelve floating-point numbers: limb i is a multiple of
 * 2^⌈21.25 i⌉. Plain data: it can be cloned to a worker, and overwritten.
 *
 * Everything here but {@link feFromBigint}, {@link feToBigint} and {@link feSqrtRatio} is straight-line floating-point arithmetic in which each
 * operation is exact: no branch and no index depends on a value. BigInt, whose operations take a time that depends on
 * their operands, is for the borders alone.
 *
 * Bounds: an element is *tight* when |limb i| is at most 1.03 · 2^(⌈21.25 (i + 1)⌉ - 1). Products and squares are
 * tight; sums and differences, which are not carried, add up their bounds. A product is exact while the bounds of its
 * two factors, in units of tight, multiply to at most 8: then no column reaches 2^53 units of its own first bit.
 *
 * @see D. J. Bernstein, "Curve25519: new Diffie-Hellman speed records", section 4
 */
export interface Fe extends Float64Array {
  0: number
  1: number
  2: number
  3: number
  4: number
  5: number
  6: number
  7: number
  8: number
  9: number
  10: number
  11: number
}

const LIMBS = 12
const BITS = 255
const { Fp } = ed25519.Point

/** Where limb i begins, in bits; the last is the end of all. */
const OFFSETS = Array.from({ length: LIMBS + 1 }, (_, i) => Math.ceil(21.25 * i))

/** Adding and then subtracting one of these rounds a number to a multiple of 2^offset. */
const ROUND_22 = 1.5 * 2 ** 74
const ROUND_43 = 1.5 * 2 ** 95
const ROUND_64 = 1.5 * 2 ** 116
const ROUND_85 = 1.5 * 2 ** 137
const ROUND_107 = 1.5 * 2 ** 159
const ROUND_128 = 1.5 * 2 ** 180
const ROUND_149 = 1.5 * 2 ** 201
const ROUND_170 = 1.5 * 2 ** 222
const ROUND_192 = 1.5 * 2 ** 244
const ROUND_213 = 1.5 * 2 ** 265
const ROUND_234 = 1.5 * 2 ** 286
const ROUND_255 = 1.5 * 2 ** 307

/** What is beyond 2^255 comes back times this. */
const FOLD = 19 * 2 ** -BITS

export function newFe(): Fe {
  return new Float64Array(LIMBS) as Fe
}

/** Converts a number from 0 to 2^255 - 1, in variable time. */
export function feFromBigint(value: bigint): Fe {
  const out = newFe()
  for (let i = 0; i < LIMBS; i++) {
    const [start, end] = [OFFSETS[i] as number, OFFSETS[i + 1] as number]
    out[i] = Number(BigInt.asUintN(end - start, value >> BigInt(start))) * 2 ** start
  }
  feCarry(out)
  return out
}

/** The canonical value, in variable time. */
export function feToBigint(fe: Fe): bigint {
  let sum = 0n
  for (let i = 0; i < LIMBS; i++) sum += BigInt(fe[i] as number)
  return Fp.create(sum)
}

/** out = a + b. Any two of the three may be one. */
export function feAdd(out: Fe, a: Fe, b: Fe): void {
  out[0] = a[0] + b[0]
  out[1] = a[1] + b[1]
  out[2] = a[2] + b[2]
  out[3] = a[3] + b[3]
  out[4] = a[4] + b[4]
  out[5] = a[5] + b[5]
  out[6] = a[6] + b[6]
  out[7] = a[7] + b[7]
  out[8] = a[8] + b[8]
  out[9] = a[9] + b[9]
  out[10] = a[10] + b[10]
  out[11] = a[11] + b[11]
}

/** out = a - b. Any two of the three may be one. */
export function feSubtract(out: Fe, a: Fe, b: Fe): void {
  out[0] = a[0] - b[0]
  out[1] = a[1] - b[1]
  out[2] = a[2] - b[2]
  out[3] = a[3] - b[3]
  out[4] = a[4] - b[4]
  out[5] = a[5] - b[5]
  out[6] = a[6] - b[6]
  out[7] = a[7] - b[7]
  out[8] = a[8] - b[8]
  out[9] = a[9] - b[9]
  out[10] = a[10] - b[10]
  out[11] = a[11] - b[11]
}

/** out = a · b, tight. Any two of the three may be one. */
export function feMultiply(out: Fe, a: Fe, b: Fe): void {
  const a0 = a[0]
  const a1 = a[1]
  const a2 = a[2]
  const a3 = a[3]
  const a4 = a[4]
  const a5 = a[5]
  const a6 = a[6]
  const a7 = a[7]
  const a8 = a[8]
  const a9 = a[9]
  const a10 = a[10]
  const a11 = a[11]
  const b0 = b[0]
  const b1 = b[1]
  const b2 = b[2]
  const b3 = b[3]
  const b4 = b[4]
  const b5 = b[5]
  const b6 = b[6]
  const b7 = b[7]
  const b8 = b[8]
  const b9 = b[9]
  const b10 = b[10]
  const b11 = b[11]
  const c1 = b1 * FOLD
  const c2 = b2 * FOLD
  const c3 = b3 * FOLD
  const c4 = b4 * FOLD
  const c5 = b5 * FOLD
  const c6 = b6 * FOLD
  const c7 = b7 * FOLD
  const c8 = b8 * FOLD
  const c9 = b9 * FOLD
  const c10 = b10 * FOLD
  const c11 = b11 * FOLD
  out[0] = a0 * b0 + a1 * c11 + a2 * c10 + a3 * c9 + a4 * c8 + a5 * c7
  out[0] += a6 * c6 + a7 * c5 + a8 * c4 + a9 * c3 + a10 * c2 + a11 * c1
  out[1] = a0 * b1 + a1 * b0 + a2 * c11 + a3 * c10 + a4 * c9 + a5 * c8
  out[1] += a6 * c7 + a7 * c6 + a8 * c5 + a9 * c4 + a10 * c3 + a11 * c2
  out[2] = a0 * b2 + a1 * b1 + a2 * b0 + a3 * c11 + a4 * c10 + a5 * c9
  out[2] += a6 * c8 + a7 * c7 + a8 * c6 + a9 * c5 + a10 * c4 + a11 * c3
  out[3] = a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0 + a4 * c11 + a5 * c10
  out[3] += a6 * c9 + a7 * c8 + a8 * c7 + a9 * c6 + a10 * c5 + a11 * c4
  out[4] = a0 * b4 + a1 * b3 + a2 * b2 + a3 * b1 + a4 * b0 + a5 * c11
  out[4] += a6 * c10 + a7 * c9 + a8 * c8 + a9 * c7 + a10 * c6 + a11 * c5
  out[5] = a0 * b5 + a1 * b4 + a2 * b3 + a3 * b2 + a4 * b1 + a5 * b0
  out[5] += a6 * c11 + a7 * c10 + a8 * c9 + a9 * c8 + a10 * c7 + a11 * c6
  out[6] = a0 * b6 + a1 * b5 + a2 * b4 + a3 * b3 + a4 * b2 + a5 * b1
  out[6] += a6 * b0 + a7 * c11 + a8 * c10 + a9 * c9 + a10 * c8 + a11 * c7
  out[7] = a0 * b7 + a1 * b6 + a2 * b5 + a3 * b4 + a4 * b3 + a5 * b2
  out[7] += a6 * b1 + a7 * b0 + a8 * c11 + a9 * c10 + a10 * c9 + a11 * c8
  out[8] = a0 * b8 + a1 * b7 + a2 * b6 + a3 * b5 + a4 * b4 + a5 * b3
  out[8] += a6 * b2 + a7 * b1 + a8 * b0 + a9 * c11 + a10 * c10 + a11 * c9
  out[9] = a0 * b9 + a1 * b8 + a2 * b7 + a3 * b6 + a4 * b5 + a5 * b4
  out[9] += a6 * b3 + a7 * b2 + a8 * b1 + a9 * b0 + a10 * c11 + a11 * c10
  out[10] = a0 * b10 + a1 * b9 + a2 * b8 + a3 * b7 + a4 * b6 + a5 * b5
  out[10] += a6 * b4 + a7 * b3 + a8 * b2 + a9 * b1 + a10 * b0 + a11 * c11
  out[11] = a0 * b11 + a1 * b10 + a2 * b9 + a3 * b8 + a4 * b7 + a5 * b6
  out[11] += a6 * b5 + a7 * b4 + a8 * b3 + a9 * b2 + a10 * b1 + a11 * b0
  feCarry(out)
}

/** out = a², tight. The two may be one. */
export function feSquare(out: Fe, a: Fe): void {
  const a0 = a[0]
  const a1 = a[1]
  const a2 = a[2]
  const a3 = a[3]
  const a4 = a[4]
  const a5 = a[5]
  const a6 = a[6]
  const a7 = a[7]
  const a8 = a[8]
  const a9 = a[9]
  const a10 = a[10]
  const a11 = a[11]
  const d0 = 2 * a0
  const d1 = 2 * a1
  const d2 = 2 * a2
  const d3 = 2 * a3
  const d4 = 2 * a4
  const d5 = 2 * a5
  const d6 = 2 * a6
  const d7 = 2 * a7
  const d8 = 2 * a8
  const d9 = 2 * a9
  const d10 = 2 * a10
  const c6 = a6 * FOLD
  const c7 = a7 * FOLD
  const c8 = a8 * FOLD
  const c9 = a9 * FOLD
  const c10 = a10 * FOLD
  const c11 = a11 * FOLD
  out[0] = a0 * a0 + d1 * c11 + d2 * c10 + d3 * c9 + d4 * c8 + d5 * c7 + a6 * c6
  out[1] = d0 * a1 + d2 * c11 + d3 * c10 + d4 * c9 + d5 * c8 + d6 * c7
  out[2] = d0 * a2 + a1 * a1 + d3 * c11 + d4 * c10 + d5 * c9 + d6 * c8 + a7 * c7
  out[3] = d0 * a3 + d1 * a2 + d4 * c11 + d5 * c10 + d6 * c9 + d7 * c8
  out[4] = d0 * a4 + d1 * a3 + a2 * a2 + d5 * c11 + d6 * c10 + d7 * c9 + a8 * c8
  out[5] = d0 * a5 + d1 * a4 + d2 * a3 + d6 * c11 + d7 * c10 + d8 * c9
  out[6] = d0 * a6 + d1 * a5 + d2 * a4 + a3 * a3 + d7 * c11 + d8 * c10 + a9 * c9
  out[7] = d0 * a7 + d1 * a6 + d2 * a5 + d3 * a4 + d8 * c11 + d9 * c10
  out[8] = d0 * a8 + d1 * a7 + d2 * a6 + d3 * a5 + a4 * a4 + d9 * c11 + a10 * c10
  out[9] = d0 * a9 + d1 * a8 + d2 * a7 + d3 * a6 + d4 * a5 + d10 * c11
  out[10] = d0 * a10 + d1 * a9 + d2 * a8 + d3 * a7 + d4 * a6 + a5 * a5 + a11 * c11
  out[11] = d0 * a11 + d1 * a10 + d2 * a9 + d3 * a8 + d4 * a7 + d5 * a6
  feCarry(out)
}

/** Makes an element tight whose limbs are under 2^53 units, a unit of limb i being 2^⌈21.25 i⌉. */
export function feCarry(fe: Fe): void {
  let h0 = fe[0]
  let h1 = fe[1]
  let h2 = fe[2]
  let h3 = fe[3]
  let h4 = fe[4]
  let h5 = fe[5]
  let h6 = fe[6]
  let h7 = fe[7]
  let h8 = fe[8]
  let h9 = fe[9]
  let h10 = fe[10]
  let h11 = fe[11]
  let carry: number
  carry = h0 + ROUND_22 - ROUND_22
  h1 += carry
  h0 -= carry
  carry = h6 + ROUND_149 - ROUND_149
  h7 += carry
  h6 -= carry
  carry = h1 + ROUND_43 - ROUND_43
  h2 += carry
  h1 -= carry
  carry = h7 + ROUND_170 - ROUND_170
  h8 += carry
  h7 -= carry
  carry = h2 + ROUND_64 - ROUND_64
  h3 += carry
  h2 -= carry
  carry = h8 + ROUND_192 - ROUND_192
  h9 += carry
  h8 -= carry
  carry = h3 + ROUND_85 - ROUND_85
  h4 += carry
  h3 -= carry
  carry = h9 + ROUND_213 - ROUND_213
  h10 += carry
  h9 -= carry
  carry = h4 + ROUND_107 - ROUND_107
  h5 += carry
  h4 -= carry
  carry = h10 + ROUND_234 - ROUND_234
  h11 += carry
  h10 -= carry
  carry = h5 + ROUND_128 - ROUND_128
  h6 += carry
  h5 -= carry
  carry = h11 + ROUND_255 - ROUND_255
  h0 += carry * FOLD
  h11 -= carry
  carry = h6 + ROUND_149 - ROUND_149
  h7 += carry
  h6 -= carry
  carry = h0 + ROUND_22 - ROUND_22
  h1 += carry
  h0 -= carry
  fe[0] = h0
  fe[1] = h1
  fe[2] = h2
  fe[3] = h3
  fe[4] = h4
  fe[5] = h5
  fe[6] = h6
  fe[7] = h7
  fe[8] = h8
  fe[9] = h9
  fe[10] = h10
  fe[11] = h11
}

/**
 * out = a square root of u/v, if there is one; which of the two is left open. u and v are tight, and public: the answer is
 * compared in variable time.
 *
 * @returns whether there is one
 * @see RFC 8032, section 5.1.3
 */
export function feSqrtRatio(out: Fe, u: Fe, v: Fe): boolean {
  const v3 = product(square(v), v)
  const power = powerOf2252Minus3(product(u, product(square(v3), v)))
  feMultiply(out, product(u, v3), power)
  const wanted = feToBigint(u)
  const found = feToBigint(product(v, square(out)))
  if (found === wanted) return true
  feMultiply(out, out, SQRT_OF_MINUS_1)
  return found === Fp.neg(wanted)
}

const SQRT_OF_MINUS_1 = feFromBigint(Fp.sqrt(Fp.neg(1n)))

/** x^(2^252 - 3), by the usual chain: each name tells how many ones the exponent has in binary. */
function powerOf2252Minus3(x: Fe): Fe {
  const ones2 = product(square(x), x)
  const ones4 = product(square(ones2, 2), ones2)
  const ones5 = product(square(ones4), x)
  const ones10 = product(square(ones5, 5), ones5)
  const ones20 = product(square(ones10, 10), ones10)
  const ones40 = product(square(ones20, 20), ones20)
  const ones50 = product(square(ones40, 10), ones10)
  const ones100 = product(square(ones50, 50), ones50)
  const ones200 = product(square(ones100, 100), ones100)
  const ones250 = product(square(ones200, 50), ones50)
  return product(square(ones250, 2), x)
}

function product(a: Fe, b: Fe): Fe {
  const out = newFe()
  feMultiply(out, a, b)
  return out
}

/** a^(2^times). */
function square(a: Fe, times = 1): Fe {
  const out = newFe()
  feSquare(out, a)
  for (let i = 1; i < times; i++) feSquare(out, out)
  return out
}
