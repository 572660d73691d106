import { normalizeZ } from '@noble/curves/abstract/curve.js'
import { ed25519 } from '@noble/curves/ed25519.js'
import { bytesToNumberLE } from '@noble/curves/utils.js'
import { ProtocolError } from '../errors.ts'
import {
  type Fe,
  feAdd,
  feCarry,
  feFromBigint,
  feMultiply,
  feSqrtRatio,
  feSquare,
  feSubtract,
  feToBigint,
  newFe
} from './field25519.ts'
import { SLIDING_DIGITS, signedDigits, slidingDigits, SIGNED_DIGITS as WINDOWS } from './scalar25519.ts'

/** Bytes of an encoded point. */
export const POINT_BYTES = 32

/** The identity, encoded. */
export const IDENTITY_BYTES: Uint8Array = ed25519.Point.ZERO.toBytes()

/**
 * A point of edwards25519 in extended coordinates, all tight: x = X/Z, y = Y/Z, T = XY/Z. Plain data, never changed once
 * it was returned.
 */
export interface Point {
  readonly X: Fe
  readonly Y: Fe
  readonly Z: Fe
  readonly T: Fe
}

/** A point ready to be added: Y + X, Y - X, 2Z and 2dT. */
interface Addend {
  readonly sum: Fe
  readonly difference: Fe
  readonly twoZ: Fe
  readonly twoDT: Fe
}

/** A public number and the public point that it multiplies; without a point, the base point. */
export interface Term {
  /** 32 bytes, little-endian. The number itself, not its residue: it also acts on a small-order part of the point. */
  readonly scalar: Uint8Array
  readonly point?: Point
}

const NoblePoint = ed25519.Point
const { Fp } = NoblePoint
const D = feFromBigint(NoblePoint.CURVE().d)
const TWO_D = feFromBigint(Fp.create(2n * NoblePoint.CURVE().d))
const ZERO = newFe()
const ADDEND_NUMBERS = 48
/** Multiples 1 to 8: a window of four bits with a sign. */
const WINDOW_ENTRIES = 8

/**
 * Decodes a point as ZIP-215 has it: y may be 2^255 - 19 or more, and x may be a negative zero. Points of small order
 * and the identity are points like others. Variable time.
 *
 * @param bytes - 32 bytes
 * @throws {ProtocolError} `INVALID_MESSAGE` for what is not on the curve
 * @see RFC 8032, section 5.1.3, and ZIP-215
 */
export function decodePoint(bytes: Uint8Array): Point {
  const encoded = bytesToNumberLE(bytes)
  const point = { X: newFe(), Y: feFromBigint(BigInt.asUintN(255, encoded)), Z: one(), T: newFe() }
  const { X, Y, Z, T } = point
  // x² = (y² - 1) / (d·y² + 1)
  const u = newFe()
  const v = newFe()
  feSquare(u, Y)
  feMultiply(v, u, D)
  feSubtract(u, u, Z)
  feAdd(v, v, Z)
  feCarry(u)
  feCarry(v)
  if (!feSqrtRatio(X, u, v)) throw new ProtocolError('INVALID_MESSAGE', 'not a point')
  if ((feToBigint(X) & 1n) !== encoded >> 255n) feSubtract(X, ZERO, X)
  feMultiply(T, X, Y)
  return point
}

/** Encodes points, in canonical form, with one inversion for all of them. Variable time: what it is given, it shows. */
export function encodePoints(points: readonly Point[]): Uint8Array[] {
  const nobles = points.map(
    ({ X, Y, Z, T }) => new NoblePoint(feToBigint(X), feToBigint(Y), feToBigint(Z), feToBigint(T))
  )
  return normalizeZ(NoblePoint, nobles).map(point => point.toBytes())
}

/** p + q, whatever they are: the formulas have no exception. */
export function addPoints(p: Point, q: Point): Point {
  const sum = newPoint()
  const addend = newAddend()
  setAddend(addend, q)
  addTo(sum, p, addend)
  return sum
}

/** p - q, whatever they are. */
export function subtractPoints(p: Point, q: Point): Point {
  return addPoints(p, negatePoint(q))
}

/** 8p, which has no small-order part. */
export function clearCofactor(p: Point): Point {
  const out = newPoint()
  double(out, p, false)
  double(out, out, false)
  double(out, out, true)
  return out
}

/**
 * Multiplies a point by a secret number: always the same operations on the same addresses, whatever the number.
 *
 * @param scalar - 32 bytes, little-endian, less than 2^255. The number itself, not its residue, so a multiple of 8 takes
 * away a small-order part of the point
 */
export function multiplyPoint(scalar: Uint8Array, point: Point): Point {
  const digits = signedDigits(scalar)
  const table = new Float64Array(WINDOW_ENTRIES * ADDEND_NUMBERS)
  fillWindow(table, 0, point)
  const out = identity()
  const addend = newSelection()
  for (let window = WINDOWS - 1; window >= 0; window--) {
    for (let i = 0; i < 4 && window !== WINDOWS - 1; i++) double(out, out, i === 3)
    select(addend, table, 0, digits[window] as number)
    addTo(out, out, addend)
  }
  digits.fill(0)
  table.fill(0)
  addend.all.fill(0)
  return out
}

/** Multiplies the base point by a secret number, as {@link multiplyPoint} does, at a fifth of the cost. */
export function multiplyBase(scalar: Uint8Array): Point {
  const digits = signedDigits(scalar)
  const table = baseWindows()
  const out = identity()
  const addend = newSelection()
  for (let window = 0; window < WINDOWS; window++) {
    select(addend, table, window * WINDOW_ENTRIES * ADDEND_NUMBERS, digits[window] as number)
    addTo(out, out, addend)
  }
  digits.fill(0)
  addend.all.fill(0)
  return out
}

/**
 * The sum of public multiples of public points, with one chain of doublings for all of them.
 *
 * **Variable time**: its time and its memory addresses tell the numbers.
 *
 * @see B. Möller, "Algorithms for multi-exponentiation" (interleaved windows)
 */
export function sumOfMultiples(terms: readonly Term[]): Point {
  const rows = terms.map(({ scalar, point }) => ({
    digits: slidingDigits(scalar, point ? POINT_WIDTH : BASE_WIDTH),
    odds: point ? oddMultiples(point, POINT_WIDTH) : baseOdds()
  }))
  const out = identity()
  const negated = newAddend()
  for (let bit = SLIDING_DIGITS - 1; bit >= 0; bit--) {
    double(
      out,
      out,
      rows.some(({ digits }) => digits[bit] !== 0)
    )
    for (const { digits, odds } of rows) {
      const digit = digits[bit] as number
      if (digit === 0) continue
      const addend = odds[(Math.abs(digit) - 1) / 2] as Addend
      addTo(out, out, digit > 0 ? addend : setNegated(negated, addend))
    }
  }
  return out
}

/** -p */
export function negatePoint({ X, Y, Z, T }: Point): Point {
  const negated = newPoint()
  feSubtract(negated.X, ZERO, X)
  negated.Y.set(Y)
  negated.Z.set(Z)
  feSubtract(negated.T, ZERO, T)
  return negated
}

const POINT_WIDTH = 5
const BASE_WIDTH = 8

let basePoint: Point | undefined
let windowsOfBase: Float64Array | undefined
let oddsOfBase: readonly Addend[] | undefined

function base(): Point {
  basePoint ??= decodePoint(NoblePoint.BASE.toBytes())
  return basePoint
}

/** Multiples 1 to 8 of 16^i times the base point, for i from 0 to 63: 196 kB, made at first use. */
function baseWindows(): Float64Array {
  if (windowsOfBase !== undefined) return windowsOfBase
  const table = new Float64Array(WINDOWS * WINDOW_ENTRIES * ADDEND_NUMBERS)
  const power = copyOf(base())
  for (let window = 0; window < WINDOWS; window++) {
    fillWindow(table, window * WINDOW_ENTRIES * ADDEND_NUMBERS, power)
    for (let i = 0; i < 4; i++) double(power, power, i === 3)
  }
  windowsOfBase = table
  return table
}

function baseOdds(): readonly Addend[] {
  oddsOfBase ??= oddMultiples(base(), BASE_WIDTH)
  return oddsOfBase
}

/** Multiples 1, 3, 5, … of a point, up to 2^(width - 1) - 1. */
function oddMultiples(point: Point, width: number): readonly Addend[] {
  const twice = newPoint()
  double(twice, point, true)
  const step = newAddend()
  setAddend(step, twice)
  const multiple = copyOf(point)
  return Array.from({ length: 2 ** (width - 2) }, (_, i) => {
    if (i > 0) addTo(multiple, multiple, step)
    const addend = newAddend()
    setAddend(addend, multiple)
    return addend
  })
}

/** Writes multiples 1 to 8 of a point, as addends, from an offset on. */
function fillWindow(table: Float64Array, offset: number, point: Point): void {
  const step = newAddend()
  setAddend(step, point)
  const multiple = copyOf(point)
  for (let i = 0; i < WINDOW_ENTRIES; i++) {
    if (i > 0) addTo(multiple, multiple, step)
    setAddend(addendAt(table, offset + i * ADDEND_NUMBERS), multiple)
  }
}

/** An addend with all of its numbers in one array, so that it can be selected in one loop. */
interface Selection extends Addend {
  readonly all: Float64Array
}

function newSelection(): Selection {
  const all = new Float64Array(ADDEND_NUMBERS)
  return { all, ...addendAt(all, 0) }
}

/**
 * Selects digit times a window's point, for a digit from -8 to 8. Reads all entries, and has no branch that depends on the
 * digit.
 */
function select({ all }: Selection, table: Float64Array, offset: number, digit: number): void {
  const isNegative = digit >>> 31
  const size = (digit ^ -isNegative) + isNegative
  const isZero = isEqual(size, 0)
  all.fill(0)
  // The identity: Y + X = Y - X = 1, 2Z = 2.
  all[0] = isZero
  all[12] = isZero
  all[24] = 2 * isZero
  for (let entry = 0; entry < WINDOW_ENTRIES; entry++) {
    const isThis = isEqual(size, entry + 1)
    const start = offset + entry * ADDEND_NUMBERS
    for (let i = 0; i < ADDEND_NUMBERS; i++) {
      all[i] = (all[i] as number) + isThis * (table[start + i] as number)
    }
  }
  const sign = 1 - 2 * isNegative
  for (let i = 0; i < 12; i++) {
    const swap = isNegative * ((all[i] as number) - (all[i + 12] as number))
    all[i] = (all[i] as number) - swap
    all[i + 12] = (all[i + 12] as number) + swap
    all[i + 36] = sign * (all[i + 36] as number)
  }
}

/** 1 or 0, for numbers from 0 to 2^31 - 1. */
function isEqual(a: number, b: number): number {
  return ((a ^ b) - 1) >>> 31
}

function newPoint(): Point {
  return { X: newFe(), Y: newFe(), Z: newFe(), T: newFe() }
}

function one(): Fe {
  const fe = newFe()
  fe[0] = 1
  return fe
}

function identity(): Point {
  return { X: newFe(), Y: one(), Z: one(), T: newFe() }
}

function copyOf({ X, Y, Z, T }: Point): Point {
  return { X: X.slice() as Fe, Y: Y.slice() as Fe, Z: Z.slice() as Fe, T: T.slice() as Fe }
}

function newAddend(): Addend {
  return addendAt(new Float64Array(ADDEND_NUMBERS), 0)
}

function addendAt(numbers: Float64Array, offset: number): Addend {
  const at = (i: number) => numbers.subarray(offset + 12 * i, offset + 12 * (i + 1)) as Fe
  return { sum: at(0), difference: at(1), twoZ: at(2), twoDT: at(3) }
}

function setAddend({ sum, difference, twoZ, twoDT }: Addend, { X, Y, Z, T }: Point): void {
  feAdd(sum, Y, X)
  feSubtract(difference, Y, X)
  feAdd(twoZ, Z, Z)
  feMultiply(twoDT, T, TWO_D)
}

function setNegated(out: Addend, addend: Addend): Addend {
  out.sum.set(addend.difference)
  out.difference.set(addend.sum)
  out.twoZ.set(addend.twoZ)
  feSubtract(out.twoDT, ZERO, addend.twoDT)
  return out
}

// What addition and doubling compute in between. Kept, because making them anew would cost as much as the arithmetic.
const [a, b, c, d, e, f, g, h] = Array.from({ length: 8 }, newFe) as [Fe, Fe, Fe, Fe, Fe, Fe, Fe, Fe]

/** Overwrites what the last additions and doublings left behind. */
export function wipeScratch(): void {
  for (const fe of [a, b, c, d, e, f, g, h]) fe.fill(0)
}

/** out = p + q. `out` may be `p`. Source: add-2008-hwcd-3; a = -1 is a square and d is none, so it has no exception. */
function addTo(out: Point, p: Point, q: Addend): void {
  feSubtract(a, p.Y, p.X)
  feMultiply(a, a, q.difference)
  feAdd(b, p.Y, p.X)
  feMultiply(b, b, q.sum)
  feMultiply(c, p.T, q.twoDT)
  feMultiply(d, p.Z, q.twoZ)
  feSubtract(e, b, a)
  feSubtract(f, d, c)
  feAdd(g, d, c)
  feAdd(h, b, a)
  // Each of e, f, g, h is within 2 tight.
  feMultiply(out.X, e, f)
  feMultiply(out.Y, g, h)
  feMultiply(out.T, e, h)
  feMultiply(out.Z, f, g)
}

/** out = 2p, without T where an addition is not next. `out` may be `p`. Source: dbl-2008-hwcd with a = -1, and E as 2XY. */
function double(out: Point, p: Point, withT: boolean): void {
  feSquare(a, p.X)
  feSquare(b, p.Y)
  feSquare(c, p.Z)
  feMultiply(d, p.X, p.Y)
  feAdd(e, d, d)
  feSubtract(g, b, a)
  feAdd(h, a, b)
  feSubtract(h, ZERO, h)
  feAdd(c, c, c)
  feSubtract(f, g, c)
  // e, g and h are within 2 tight, f within 4.
  feMultiply(out.X, e, f)
  feMultiply(out.Y, g, h)
  if (withT) feMultiply(out.T, e, h)
  feMultiply(out.Z, f, g)
}
