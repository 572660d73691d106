import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  COMPARATOR_MESSAGE_BYTES,
  decodeMessage1,
  decodeMessage2,
  decodeMessage3,
  decodeMessage4,
  encodeMessage1,
  encodeMessage2,
  encodeMessage3,
  encodeMessage4
} from '../../src/secure-comparator/messages.ts'
import { encodePoints, type Point } from '../../src/soter/edwards25519.ts'
import { compare } from '../support/comparison.ts'
import { codeOf, succeedsOrRefuses } from '../support/refusal.ts'

const [message1, message2, message3, message4] = compare('messages', 'a', 'a').messages
const MESSAGES = [
  { number: 1, bytes: message1, decode: decodeMessage1, encode: encodeMessage1, pointsAt: [0, 96] },
  { number: 2, bytes: message2, decode: decodeMessage2, encode: encodeMessage2, pointsAt: [0, 96, 192, 224] },
  { number: 3, bytes: message3, decode: decodeMessage3, encode: encodeMessage3, pointsAt: [0, 32, 160] },
  { number: 4, bytes: message4, decode: decodeMessage4, encode: encodeMessage4, pointsAt: [0] }
] as const
/** y = 2 is on no point of the curve. */
const NO_POINT = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 2 : 0))

describe.each(MESSAGES)('message $number of a comparison', ({ number, bytes, decode, encode, pointsAt }) => {
  test('has the length that is stated', () => {
    expect(bytes.length).toBe(COMPARATOR_MESSAGE_BYTES[number])
  })

  test('is the same when its decoded parts are encoded again', () => {
    const parts = Object.entries(decode(bytes)).map(([name, part]) => [name, encodedPart(part)])
    expect((encode as (parts: object) => Uint8Array)(Object.fromEntries(parts))).toEqual(bytes)
  })

  test('is refused when it is cut anywhere, and taken with bytes after its end', () => {
    for (let length = 0; length < bytes.length; length++) {
      expect(codeOf(() => decode(bytes.subarray(0, length)))).toBe('INVALID_MESSAGE')
    }
    expect(decode(Buffer.concat([bytes, Uint8Array.of(1, 2, 3)]))).toEqual(decode(bytes))
  })

  test('is refused when a point of it does not decode', () => {
    for (const offset of pointsAt) {
      const changed = bytes.slice()
      changed.set(NO_POINT, offset)
      expect(codeOf(() => decode(changed))).toBe('INVALID_MESSAGE')
    }
  })

  test('throws nothing but ProtocolError on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: bytes.length - 1, maxLength: bytes.length + 1 }), hostile => {
        succeedsOrRefuses(() => decode(hostile))
      })
    )
  })
})

function encodedPart(part: Uint8Array | Point): Uint8Array {
  return part instanceof Uint8Array ? part : (encodePoints([part])[0] as Uint8Array)
}
