import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes, writeU32le } from '../../src/bytes.ts'
import { generateRsaKeyPair } from '../../src/rsa-keys.ts'
import { signMessage, verifyMessage } from '../../src/secure-message/sign.ts'
import { ALICE, BOB } from '../support/peers.ts'
import { flipped } from '../support/random.ts'
import { codeOf, succeedsOrRefuses } from '../support/refusal.ts'

const { privateKey, publicKey } = ALICE.keys
const rsa = generateRsaKeyPair()

describe.each([
  { kind: 'EC', keys: ALICE.keys, other: BOB.keys.publicKey, otherType: 0x10 },
  { kind: 'RSA', keys: rsa, other: generateRsaKeyPair().publicKey, otherType: 0x20 }
])('a message signed with an $kind key', ({ keys: { privateKey, publicKey }, other, otherType }) => {
  test('gives back its content, which stands readable in it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), message => {
        const signed = signMessage(privateKey, message)
        expect(signed.subarray(12, 12 + message.length)).toEqual(message)
        expect(verifyMessage(publicKey, signed)).toEqual(message)
        expect(verifyMessage(publicKey, Buffer.from(signed))).toEqual(message)
      }),
      { numRuns: 30 }
    )
  })

  test('gives its content out as a copy', () => {
    const message = new TextEncoder().encode('content')
    const signed = signMessage(privateKey, message)
    const content = verifyMessage(publicKey, signed)
    signed.fill(0)
    expect(content).toEqual(message)
    expect(content.buffer.byteLength).toBe(message.length)
  })

  test('is refused when any bit is changed', () => {
    const signed = signMessage(privateKey, new TextEncoder().encode('content'))
    for (let offset = 0; offset < signed.length; offset++) {
      for (const bit of [0, 3, 7]) {
        expect(['INVALID_MESSAGE', 'AUTHENTICATION_FAILED']).toContain(
          codeOf(() => verifyMessage(publicKey, flipped(signed, offset, bit)))
        )
      }
      codeOf(() => verifyMessage(publicKey, signed.subarray(0, offset)))
    }
  })

  test('is refused with the key of somebody else', () => {
    const signed = signMessage(privateKey, Uint8Array.of(1))
    expect(codeOf(() => verifyMessage(other, signed))).toBe('AUTHENTICATION_FAILED')
  })

  test('may have bytes after it, which are not part of its content', () => {
    const signed = signMessage(privateKey, Uint8Array.of(1))
    expect(verifyMessage(publicKey, concatBytes(signed, Uint8Array.of(0, 0)))).toEqual(Uint8Array.of(1))
  })

  test('of another kind of key, of another type, or encrypted, is refused', () => {
    const signed = signMessage(privateKey, Uint8Array.of(1))
    for (const [offset, value] of [
      [0, otherType],
      [0, 0xff],
      [1, 0x27]
    ] as const) {
      const changed = Uint8Array.from(signed)
      changed[offset] = value
      expect(codeOf(() => verifyMessage(publicKey, changed))).toBe('INVALID_MESSAGE')
    }
  })

  test('that declares an empty message or an empty signature is refused', () => {
    const signed = signMessage(privateKey, Uint8Array.of(1))
    for (const lengthAt of [4, 8]) {
      const emptied = Uint8Array.from(signed)
      writeU32le(emptied, lengthAt, 0)
      expect(codeOf(() => verifyMessage(publicKey, emptied))).toBe('AUTHENTICATION_FAILED')
    }
  })

  test('of nothing cannot be made', () => {
    expect(() => signMessage(privateKey, new Uint8Array(0))).toThrow(RangeError)
    expect(() => signMessage(privateKey, 'text' as unknown as Uint8Array)).toThrow(TypeError)
    expect(() => verifyMessage(publicKey, 'text' as unknown as Uint8Array)).toThrow(TypeError)
  })

  test('read from hostile bytes throws nothing but ProtocolError', () => {
    const header = signMessage(privateKey, Uint8Array.of(1)).subarray(0, 4)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
        expect(succeedsOrRefuses(() => verifyMessage(publicKey, concatBytes(header, bytes)))).toBe(false)
        expect(succeedsOrRefuses(() => verifyMessage(publicKey, bytes))).toBe(false)
      })
    )
  })
})

describe('keys of different kinds', () => {
  test('do not verify for each other', () => {
    const message = Uint8Array.of(1)
    expect(codeOf(() => verifyMessage(rsa.publicKey, signMessage(privateKey, message)))).toBe('INVALID_MESSAGE')
    expect(codeOf(() => verifyMessage(publicKey, signMessage(rsa.privateKey, message)))).toBe('INVALID_MESSAGE')
  })
})
