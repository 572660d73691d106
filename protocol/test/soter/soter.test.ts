import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes } from '../../src/bytes.ts'
import { importAesKey, openGcm, sealGcm } from '../../src/soter/aead.ts'
import { decodeContainer, encodeContainer } from '../../src/soter/container.ts'
import { crc32c } from '../../src/soter/crc32c.ts'
import { equalBytes, hmacSha256, sha256 } from '../../src/soter/hash.ts'
import { soterKdf } from '../../src/soter/kdf.ts'
import { flipped } from '../support/random.ts'
import { codeOf, succeedsOrRefuses } from '../support/refusal.ts'

const ascii = (text: string) => new TextEncoder().encode(text)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe('CRC-32C', () => {
  test.each([
    ['', 0],
    ['a', 0xc1d04330],
    ['123456789', 0xe3069283]
  ])('of "%s" is the published value', (text, expected) => {
    expect(crc32c(ascii(text))).toBe(expected)
  })

  test('does not depend on how the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 50 })), parts => {
        expect(crc32c(...parts)).toBe(crc32c(concatBytes(...parts)))
      })
    )
  })
})

describe('a container', () => {
  test('gives back what was put in, and refuses any changed bit, cut or addition', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(), (payload, at) => {
        const container = encodeContainer('TSPM', payload)
        expect(decodeContainer(container, 'TSPM')).toEqual(payload)
        codeOf(() => decodeContainer(flipped(container, at % container.length, at % 8), 'TSPM'))
        expect(codeOf(() => decodeContainer(container.subarray(0, at % container.length), 'TSPM'))).toBe(
          'INVALID_MESSAGE'
        )
        expect(codeOf(() => decodeContainer(concatBytes(container, Uint8Array.of(0)), 'TSPM'))).toBe('INVALID_MESSAGE')
      })
    )
  })

  test('with another tag is refused, with a wrong checksum too', () => {
    const container = encodeContainer('TSPM', ascii('payload'))
    expect(codeOf(() => decodeContainer(container, 'TSID'))).toBe('INVALID_MESSAGE')
    expect(codeOf(() => decodeContainer(flipped(container, 8), 'TSPM'))).toBe('DATA_CORRUPT')
    expect(codeOf(() => decodeContainer(flipped(container, 12), 'TSPM'))).toBe('DATA_CORRUPT')
  })

  test('read from hostile bytes throws nothing but ProtocolError', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 60 }),
        bytes => void succeedsOrRefuses(() => decodeContainer(bytes, 'TSPM'))
      )
    )
  })
})

describe('the key derivation', () => {
  test('gives the values of Themis, with and without a key', () => {
    expect(hex(soterKdf(ascii('key'), 'label', [ascii('c1'), ascii('c22')], 32))).toBe(
      'cb745071192701be8f7f79f0eb4b442a578e95914bb6dccfeb6acf1c99b7edee'
    )
    const contexts = [new Uint8Array(45).fill(7), new Uint8Array(45).fill(9), ascii('idc'), ascii('ids')]
    expect(hex(soterKdf(undefined, 'Themis secure session unique identifier', contexts, 4))).toBe('02d5fa7d')
  })

  test('refuses other lengths and an empty key as wrong calls', () => {
    for (const length of [0, -1, 33, 1.5]) expect(() => soterKdf(ascii('k'), 'l', [], length)).toThrow(RangeError)
    expect(() => soterKdf(new Uint8Array(0), 'l', [], 1)).toThrow(RangeError)
  })
})

describe('AES-256-GCM', () => {
  const key = importAesKey(new Uint8Array(32))
  const nonce = new Uint8Array(12)

  test('gives the published ciphertext and tag of 16 zero bytes', () => {
    const [ciphertext, tag] = sealGcm(key, nonce, [new Uint8Array(16)])
    expect(hex(ciphertext as Uint8Array)).toBe('cea7403d4d606b6e074ec5d3baf39d18')
    expect(hex(tag as Uint8Array)).toBe('d0d1c8a799996bf0265b98b5d48ab919')
  })

  test('opens what it sealed, and nothing that was changed', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { minLength: 1 }), fc.nat(), (parts, at) => {
        const sealed = sealGcm(key, nonce, parts)
        const tag = sealed.pop() as Uint8Array
        const ciphertext = concatBytes(...sealed)
        expect(openGcm(key, nonce, ciphertext, tag)).toEqual(concatBytes(...parts))
        const changes = [
          () => openGcm(key, nonce, flipped(ciphertext, at % ciphertext.length), tag),
          () => openGcm(key, nonce, ciphertext, flipped(tag, at % 16)),
          () => openGcm(key, flipped(nonce, at % 12), ciphertext, tag)
        ]
        for (const change of changes) expect(codeOf(change)).toBe('AUTHENTICATION_FAILED')
      })
    )
  })
})

test('hashes are those of RFC 6234 and RFC 4231', () => {
  expect(hex(sha256(ascii('a'), ascii('bc')))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  expect(hex(hmacSha256(ascii('Jefe'), ascii('what do ya want '), ascii('for nothing?')))).toBe(
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'
  )
})

test('an HMAC is that of node:crypto for keys and inputs of any length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.uint8Array({ maxLength: 100 })), (key, parts) => {
      const expected = createHmac('sha256', key)
      for (const part of parts) expected.update(part)
      expect(hex(hmacSha256(key, ...parts))).toBe(expected.digest('hex'))
    })
  )
})

test.each([0, 1, 447, 448, 449, 5000])(
  'an HMAC of %i bytes is that of node:crypto, around the size of a block and of the scratch',
  length => {
    const input = new Uint8Array(length).fill(7)
    for (const keyLength of [1, 63, 64, 65, 66, 200]) {
      const key = new Uint8Array(keyLength).fill(9)
      expect(hex(hmacSha256(key, input))).toBe(createHmac('sha256', key).update(input).digest('hex'))
      expect(key).toEqual(new Uint8Array(keyLength).fill(9))
    }
  }
)

test('bytes are equal only when length and content are', () => {
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true)
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false)
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1))).toBe(false)
})
