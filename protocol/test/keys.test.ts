import { createECDH } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { copyBytes } from '../src/bytes.ts'
import {
  assertValidKey,
  decodePrivateKey,
  decodePublicKey,
  fingerprint,
  generateKeyPair,
  keyKind
} from '../src/keys.ts'
import { encodeContainer } from '../src/soter/container.ts'
import { sha256 } from '../src/soter/hash.ts'
import { flipped, seededBytes } from './support/random.ts'
import { codeOf, succeedsOrRefuses } from './support/refusal.ts'

const MESSAGE = new TextEncoder().encode('message')
const CURVES = [
  { tag: '2', name: 'P-256', openssl: 'prime256v1', fieldBytes: 32 },
  { tag: '3', name: 'P-384', openssl: 'secp384r1', fieldBytes: 48 },
  { tag: '5', name: 'P-521', openssl: 'secp521r1', fieldBytes: 66 }
] as const

describe.each(CURVES)('keys on $name', ({ tag, name, openssl, fieldBytes }) => {
  const ecdh = createECDH(openssl)
  ecdh.generateKeys()
  const scalar = new Uint8Array(fieldBytes)
  scalar.set(ecdh.getPrivateKey(), fieldBytes - ecdh.getPrivateKey().length)
  const longPrivate = encodeContainer(`REC${tag}`, Uint8Array.of(0), scalar)
  const shortPrivate = encodeContainer(`REC${tag}`, scalar)
  const compressed = encodeContainer(`UEC${tag}`, copyBytes(ecdh.getPublicKey(null, 'compressed')))
  const uncompressed = encodeContainer(`UEC${tag}`, copyBytes(ecdh.getPublicKey()))

  test('are read in both forms and written in the long private and the compressed public form', () => {
    for (const container of [longPrivate, shortPrivate]) {
      const privateKey = decodePrivateKey(container)
      expect(privateKey.curve).toBe(name)
      expect(privateKey.toBytes()).toEqual(longPrivate)
      expect(privateKey.toPublicKey().toBytes()).toEqual(compressed)
    }
    for (const container of [compressed, uncompressed]) expect(decodePublicKey(container).toBytes()).toEqual(container)
  })

  test('sign and verify, in any mix of forms', () => {
    for (const privateKey of [longPrivate, shortPrivate].map(decodePrivateKey)) {
      const signature = privateKey.sign(MESSAGE)
      for (const publicKey of [compressed, uncompressed].map(decodePublicKey)) {
        expect(publicKey.verify(MESSAGE, signature)).toBe(true)
        expect(publicKey.verify(flipped(MESSAGE, 0), signature)).toBe(false)
        expect(publicKey.verify(MESSAGE, flipped(signature, signature.length - 1))).toBe(false)
        expect(publicKey.verify(MESSAGE, new Uint8Array([...signature, 0]))).toBe(false)
        expect(publicKey.verify(MESSAGE, new Uint8Array(0))).toBe(false)
      }
      expect(privateKey.toPublicKey().verify(MESSAGE, signature)).toBe(true)
    }
  })

  test('agree on a secret of the whole field size', () => {
    const other = createECDH(openssl)
    other.generateKeys()
    const theirs = decodePublicKey(encodeContainer(`UEC${tag}`, copyBytes(other.getPublicKey())))
    const secret = decodePrivateKey(longPrivate).deriveSecret(theirs)
    expect(secret).toEqual(copyBytes(other.computeSecret(ecdh.getPublicKey())))
    expect(secret.length).toBe(fieldBytes)
  })

  test('agree on the same secret the first time and every other', () => {
    const own = decodePrivateKey(longPrivate)
    for (let i = 0; i < 5; i++) {
      const other = createECDH(openssl)
      other.generateKeys()
      const theirs = decodePublicKey(encodeContainer(`UEC${tag}`, copyBytes(other.getPublicKey())))
      const [first, second] = [decodePrivateKey(longPrivate).deriveSecret(theirs), own.deriveSecret(theirs)]
      expect(second).toEqual(first)
      expect(own.deriveSecret(theirs)).toEqual(first)
    }
  })

  test('are refused with a point that is hybrid, cut, at infinity or off the curve', () => {
    const point = copyBytes(ecdh.getPublicKey())
    const hybrid = copyBytes(point)
    hybrid[0] = 6 + ((point.at(-1) as number) & 1)
    for (const bad of [
      hybrid,
      flipped(point, point.length - 1),
      new Uint8Array(1 + 2 * fieldBytes),
      new Uint8Array(1 + fieldBytes)
    ]) {
      expect(codeOf(() => decodePublicKey(encodeContainer(`UEC${tag}`, bad)))).toBe('INVALID_KEY')
    }
  })

  test('are refused with a scalar of zero, beyond the order, or with a spare byte that is not zero', () => {
    const beyond = new Uint8Array(fieldBytes).fill(0xff)
    for (const bad of [new Uint8Array(fieldBytes), beyond, new Uint8Array([1, ...scalar])]) {
      expect(codeOf(() => decodePrivateKey(encodeContainer(`REC${tag}`, bad)))).toBe('INVALID_KEY')
    }
  })
})

describe('a key', () => {
  const { privateKey, publicKey } = generateKeyPair(seededBytes('keys'))

  test('is refused when any bit of its container is changed', () => {
    for (const [container, decode] of [
      [privateKey.toBytes(), decodePrivateKey],
      [publicKey.toBytes(), decodePublicKey]
    ] as const) {
      for (let offset = 0; offset < container.length; offset++) {
        const code = codeOf(() => decode(flipped(container, offset)))
        expect(code).toBe(offset < 8 && offset !== 3 ? 'INVALID_KEY' : 'DATA_CORRUPT')
      }
    }
  })

  test('of the other kind is refused', () => {
    expect(codeOf(() => decodePublicKey(privateKey.toBytes()))).toBe('INVALID_KEY')
    expect(codeOf(() => decodePrivateKey(publicKey.toBytes()))).toBe('INVALID_KEY')
  })

  test('on another curve agrees on nothing', () => {
    const ecdh = createECDH('secp384r1')
    ecdh.generateKeys()
    const other = decodePublicKey(encodeContainer('UEC3', copyBytes(ecdh.getPublicKey(null, 'compressed'))))
    expect(codeOf(() => privateKey.deriveSecret(other))).toBe('INVALID_KEY')
  })

  test('may come in a Buffer, which is copied, or in a subclass with a constructor of its own', () => {
    class OwnBytes extends Uint8Array {
      constructor(bytes: Uint8Array) {
        super(bytes)
      }
    }
    const buffer = Buffer.from(publicKey.toBytes())
    const decoded = decodePublicKey(buffer)
    buffer.fill(0)
    expect(decoded.toBytes()).toEqual(publicKey.toBytes())
    expect(decodePublicKey(new OwnBytes(publicKey.toBytes())).toBytes()).toEqual(publicKey.toBytes())
    expect(decodePrivateKey(new OwnBytes(privateKey.toBytes())).toBytes()).toEqual(privateKey.toBytes())
  })

  test('cannot be changed through what it hands out', () => {
    publicKey.toBytes().fill(0)
    publicKey.toPoint().fill(0)
    privateKey.toBytes().fill(0)
    expect(publicKey.verify(MESSAGE, privateKey.sign(MESSAGE))).toBe(true)
    expect(decodePublicKey(publicKey.toBytes()).toPoint()[0]).toBe(4)
  })

  test('is named by the hash of its container', () => {
    expect(fingerprint(publicKey)).toEqual(sha256(publicKey.toBytes()))
  })

  test('keeps the leading zero of a secret that has one', () => {
    const own = decodePrivateKey(privateKey.toBytes())
    const peer = generateKeyPair(seededBytes('peer 196')).publicKey
    for (const secret of [own.deriveSecret(peer), own.deriveSecret(peer)]) {
      expect([secret.length, secret[0]]).toEqual([32, 0])
    }
  })

  test('shows no secret when printed or serialised', () => {
    expect(inspect(privateKey, { depth: 9, showHidden: true })).toMatchInlineSnapshot(
      `"PrivateKey { algorithm: 'EC', curve: 'P-256' }"`
    )
    expect(JSON.stringify(privateKey)).toBe('{"algorithm":"EC","curve":"P-256"}')
  })

  test('is unusable once wiped', () => {
    const wiped = generateKeyPair(seededBytes('wiped')).privateKey
    wiped.wipe()
    wiped.wipe()
    for (const use of [
      () => wiped.sign(MESSAGE),
      () => wiped.deriveSecret(publicKey),
      () => wiped.toBytes(),
      () => wiped.toPublicKey()
    ]) {
      expect(codeOf(use)).toBe('INVALID_STATE')
    }
  })
})

describe('key containers', () => {
  test('hostile bytes cause nothing but ProtocolError', () => {
    const tags = fc.constantFrom('UEC2', 'REC2', 'UEC3', 'REC5', 'URA2', 'XXXX')
    fc.assert(
      fc.property(tags, fc.uint8Array({ maxLength: 70 }), (tag, payload) => {
        for (const bytes of [payload, encodeContainer(tag, payload)]) {
          for (const decode of [assertValidKey, decodePublicKey, decodePrivateKey])
            succeedsOrRefuses(() => decode(bytes))
          keyKind(bytes)
        }
      }),
      { numRuns: 500 }
    )
  })
})

describe('generating a key pair', () => {
  test('is determined by the random bytes', () => {
    const pair = () => generateKeyPair(seededBytes('one seed')).publicKey.toBytes()
    expect(pair()).toEqual(pair())
    expect(generateKeyPair(seededBytes('another')).publicKey.toBytes()).not.toEqual(pair())
  })

  test('draws again when the bytes are no scalar, and gives up on a broken source', () => {
    const good = seededBytes('good')
    let calls = 0
    const { privateKey } = generateKeyPair(length => (calls++ === 0 ? new Uint8Array(length) : good(length)))
    expect(calls).toBe(2)
    expect(privateKey.sign(MESSAGE).length).toBeGreaterThan(0)
    expect(() => generateKeyPair(length => new Uint8Array(length))).toThrow(RangeError)
    expect(() =>
      generateKeyPair(() => {
        throw new TypeError('broken')
      })
    ).toThrow(TypeError)
  })
})
