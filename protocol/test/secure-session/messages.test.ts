import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeFinish,
  decodeIntroduction,
  decodeProceed,
  encodeFinish,
  encodeIntroduction,
  encodeProceed,
  HANDSHAKE_MESSAGE_BYTES_MAX
} from '../../src/secure-session/messages.ts'
import { encodeContainer } from '../../src/soter/container.ts'
import { flipped } from '../support/random.ts'
import { codeOf, succeedsOrRefuses } from '../support/refusal.ts'

const some = fc.uint8Array({ minLength: 1, maxLength: 200 })
const mac = fc.uint8Array({ minLength: 32, maxLength: 32 })
const ephemeralKey = fc.uint8Array({ maxLength: 100 }).map(payload => encodeContainer('UEC2', payload))

describe('handshake messages', () => {
  test('decoding gives back what was encoded', () => {
    fc.assert(
      fc.property(some, ephemeralKey, some, mac, (id, key, signature, sum) => {
        const introduction = encodeIntroduction(id, key, signature)
        expect(decodeIntroduction(introduction)).toEqual({ id, ephemeralKey: key, signature, bytes: introduction })
        expect(decodeProceed(encodeProceed(signature, sum))).toEqual({ signature, mac: sum })
        expect(decodeFinish(encodeFinish(sum))).toEqual(sum)
      })
    )
  })

  test('any changed bit and any cut is refused', () => {
    const messages = [
      {
        decode: decodeIntroduction,
        bytes: encodeIntroduction(Uint8Array.of(1), encodeContainer('UEC2'), Uint8Array.of(2))
      },
      { decode: decodeProceed, bytes: encodeProceed(Uint8Array.of(1), new Uint8Array(32)) },
      { decode: decodeFinish, bytes: encodeFinish(new Uint8Array(32)) }
    ]
    for (const { decode, bytes } of messages) {
      for (let offset = 0; offset < bytes.length; offset++) {
        for (let bit = 0; bit < 8; bit++) codeOf(() => decode(flipped(bytes, offset, bit)))
        expect(codeOf(() => decode(bytes.subarray(0, offset)))).toBe('INVALID_MESSAGE')
      }
    }
  })

  test('decoders of hostile bytes throw nothing but ProtocolError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), payload => {
        for (const bytes of [
          payload,
          encodeContainer('TSPM', payload),
          encodeContainer('TSPM', innerGarbage(payload))
        ]) {
          for (const decode of [decodeIntroduction, decodeProceed, decodeFinish]) succeedsOrRefuses(() => decode(bytes))
        }
      }),
      { numRuns: 300 }
    )
  })

  test.each([
    ['an empty ID', encodeIntroduction(new Uint8Array(0), encodeContainer('UEC2'), Uint8Array.of(1))],
    ['no signature', encodeIntroduction(Uint8Array.of(1), encodeContainer('UEC2'), new Uint8Array(0))],
    ['a private key as ephemeral key', encodeIntroduction(Uint8Array.of(1), encodeContainer('REC2'), Uint8Array.of(1))],
    ['an ID in another container', encodeContainer('TSPM', encodeContainer('TSIX', Uint8Array.of(1)))],
    ['bytes after the container', new Uint8Array([...encodeFinish(new Uint8Array(32)), 0])],
    ['more than 65,535 bytes', encodeIntroduction(new Uint8Array(65_536), encodeContainer('UEC2'), Uint8Array.of(1))]
  ])('message 1 with %s is refused', (_, bytes) => {
    expect(codeOf(() => decodeIntroduction(bytes))).toBe('INVALID_MESSAGE')
  })

  test('message 1 of exactly 65,535 bytes is read', () => {
    const overheadBytes = encodeIntroduction(Uint8Array.of(1), encodeContainer('UEC2'), Uint8Array.of(1)).length - 1
    const id = new Uint8Array(HANDSHAKE_MESSAGE_BYTES_MAX - overheadBytes)
    expect(decodeIntroduction(encodeIntroduction(id, encodeContainer('UEC2'), Uint8Array.of(1))).id).toEqual(id)
  })

  test('message 3 needs a signature before its MAC, and message 4 has exactly a MAC', () => {
    expect(codeOf(() => decodeProceed(encodeContainer('TSPM', new Uint8Array(32))))).toBe('INVALID_MESSAGE')
    expect(decodeProceed(encodeContainer('TSPM', new Uint8Array(33))).signature.length).toBe(1)
    for (const length of [0, 1, 31, 33]) {
      expect(codeOf(() => decodeFinish(encodeContainer('TSPM', new Uint8Array(length))))).toBe('INVALID_MESSAGE')
    }
  })
})

/** An ID and a key container with chosen sizes and right checksums around hostile bytes. */
function innerGarbage(payload: Uint8Array): Uint8Array {
  return new Uint8Array([...encodeContainer('TSID', payload), ...encodeContainer('UEC2', payload), ...payload])
}
