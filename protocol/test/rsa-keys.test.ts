import { constants, createPrivateKey, sign } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { copyBytes, writeU32be } from '../src/bytes.ts'
import {
  assertValidKey,
  decodeAnyPrivateKey,
  decodeAnyPublicKey,
  decodePrivateKey,
  decodePublicKey,
  decodeRsaPrivateKey,
  decodeRsaPublicKey,
  fingerprint,
  generateSymmetricKey,
  keyKind
} from '../src/keys.ts'
import { generateRsaKeyPair, generateRsaKeyPairAsync } from '../src/rsa-keys.ts'
import { CONTAINER_HEADER_BYTES, encodeContainer } from '../src/soter/container.ts'
import { sha256 } from '../src/soter/hash.ts'
import { encodeIntegers } from '../src/soter/pkcs1.ts'
import { ALICE } from './support/peers.ts'
import { flipped, seededBytes } from './support/random.ts'
import { codeOf, succeedsOrRefuses } from './support/refusal.ts'

const MESSAGE = new TextEncoder().encode('message')
const { privateKey, publicKey } = generateRsaKeyPair()
const privateContainer = privateKey.toBytes()
const publicContainer = publicKey.toBytes()
const privatePayload = privateContainer.subarray(CONTAINER_HEADER_BYTES)
const publicPayload = publicContainer.subarray(CONTAINER_HEADER_BYTES)

/** Where the fields of a private payload of 2048 bits are. */
const FIELDS = [
  { name: 'd', at: 0, bytes: 256 },
  { name: 'p', at: 256, bytes: 128 },
  { name: 'q', at: 384, bytes: 128 },
  { name: 'd mod p-1', at: 512, bytes: 128 },
  { name: 'd mod q-1', at: 640, bytes: 128 },
  { name: '1/q mod p', at: 768, bytes: 128 },
  { name: 'n', at: 896, bytes: 256 },
  { name: 'e', at: 1152, bytes: 4 }
]

describe('an RSA key pair', () => {
  test('has 2048 bits unless said, exponent 65537, and the lengths that Themis has', () => {
    expect([privateKey.bits, publicKey.bits]).toEqual([2048, 2048])
    expect([privateContainer.length, publicContainer.length]).toEqual([1168, 272])
    expect(publicContainer.subarray(-4)).toEqual(Uint8Array.of(0, 1, 0, 1))
    expect([keyKind(privateContainer), keyKind(publicContainer)]).toEqual(['rsa-private', 'rsa-public'])
    for (const container of [privateContainer, publicContainer]) assertValidKey(container)
  })

  test('is made off the event loop too, with 4096 bits', async () => {
    const pair = await generateRsaKeyPairAsync(4096)
    expect([pair.privateKey.toBytes().length, pair.publicKey.toBytes().length]).toEqual([2320, 528])
    expect(pair.publicKey.verify(MESSAGE, pair.privateKey.sign(MESSAGE))).toBe(true)
  })

  test('is not made with 1024 bits, or a number that Themis does not know', async () => {
    for (const bits of [1024, 3072, 0] as unknown as readonly 2048[]) {
      expect(() => generateRsaKeyPair(bits)).toThrow(RangeError)
      await expect(generateRsaKeyPairAsync(bits)).rejects.toThrow(RangeError)
    }
  })

  test('is read and written byte for byte', () => {
    expect(decodeRsaPrivateKey(privateContainer).toBytes()).toEqual(privateContainer)
    expect(decodeRsaPublicKey(publicContainer).toBytes()).toEqual(publicContainer)
    expect(decodeRsaPrivateKey(Buffer.from(privateContainer)).toPublicKey().toBytes()).toEqual(publicContainer)
    expect(fingerprint(publicKey)).toEqual(sha256(publicContainer))
  })

  test('is read as the kind that it is, where either kind is taken', () => {
    expect(decodeAnyPrivateKey(privateContainer).algorithm).toBe('RSA')
    expect(decodeAnyPublicKey(publicContainer).algorithm).toBe('RSA')
    expect(decodeAnyPrivateKey(ALICE.keys.privateKey.toBytes()).algorithm).toBe('EC')
    expect(decodeAnyPublicKey(ALICE.keys.publicKey.toBytes()).algorithm).toBe('EC')
  })

  test('is refused where the other half or another kind is asked for', () => {
    for (const refused of [
      () => decodeRsaPublicKey(privateContainer),
      () => decodeRsaPrivateKey(publicContainer),
      () => decodePublicKey(publicContainer),
      () => decodePrivateKey(privateContainer),
      () => decodeRsaPublicKey(ALICE.keys.publicKey.toBytes()),
      () => decodeAnyPublicKey(privateContainer),
      () => decodeAnyPrivateKey(publicContainer)
    ]) {
      expect(codeOf(refused)).toBe('INVALID_KEY')
    }
  })

  test('cannot be changed through what it takes or hands out', () => {
    const [ownPrivate, ownPublic] = [copyBytes(privateContainer), copyBytes(publicContainer)]
    const [decodedPrivate, decodedPublic] = [decodeRsaPrivateKey(ownPrivate), decodeRsaPublicKey(ownPublic)]
    for (const bytes of [ownPrivate, ownPublic, decodedPrivate.toBytes(), decodedPublic.toBytes()]) bytes.fill(0)
    expect(decodedPrivate.toBytes()).toEqual(privateContainer)
    expect(decodedPublic.toBytes()).toEqual(publicContainer)
  })

  test('shows no secret when printed or serialised', () => {
    expect(inspect(privateKey, { depth: 9, showHidden: true })).toMatchInlineSnapshot(
      `"RsaPrivateKey { algorithm: 'RSA', bits: 2048 }"`
    )
    expect(JSON.stringify(privateKey)).toBe('{"algorithm":"RSA","bits":2048}')
  })

  test('is unusable once wiped', () => {
    const wiped = decodeRsaPrivateKey(privateContainer)
    wiped.wipe()
    wiped.wipe()
    for (const use of [
      () => wiped.sign(MESSAGE),
      () => wiped.decryptSecret(new Uint8Array(256)),
      () => wiped.toBytes(),
      () => wiped.toPublicKey()
    ]) {
      expect(codeOf(use)).toBe('INVALID_STATE')
    }
  })
})

describe('an RSA signature', () => {
  const signature = privateKey.sign(MESSAGE)

  test('is as long as the modulus, and verifies for its message alone', () => {
    expect(signature.length).toBe(256)
    expect(publicKey.verify(MESSAGE, signature)).toBe(true)
    expect(publicKey.verify(flipped(MESSAGE, 0), signature)).toBe(false)
    expect(publicKey.verify(MESSAGE, flipped(signature, 255))).toBe(false)
  })

  test('of another length, or beyond the modulus, does not verify', () => {
    for (const bad of [
      new Uint8Array(0),
      signature.subarray(1),
      new Uint8Array([...signature, 0]),
      new Uint8Array([0, ...signature]),
      new Uint8Array(256).fill(0xff)
    ]) {
      expect(publicKey.verify(MESSAGE, bad)).toBe(false)
    }
  })

  test.each([0, 32, 222])('with a salt of %i bytes verifies, and ours has 222', saltLength => {
    const [d, p, q, dp, dq, inverse, n, e] = FIELDS.map(({ at, bytes }) => privatePayload.subarray(at, at + bytes))
    const fields = [Uint8Array.of(0), n, e, d, p, q, dp, dq, inverse] as Uint8Array[]
    const key = createPrivateKey({ key: encodeIntegers(fields) as Buffer, format: 'der', type: 'pkcs1' })
    const padding = constants.RSA_PKCS1_PSS_PADDING
    expect(publicKey.verify(MESSAGE, copyBytes(sign('sha256', MESSAGE, { key, padding, saltLength })))).toBe(true)
  })
})

describe('an RSA secret', () => {
  test('goes through, from 0 to 214 bytes, and no longer when a bit is changed', () => {
    for (const length of [0, 1, 70, 214]) {
      const secret = seededBytes(`secret of ${length}`)(length)
      const encrypted = publicKey.encryptSecret(secret)
      expect(encrypted.length).toBe(256)
      expect(privateKey.decryptSecret(encrypted)).toEqual(secret)
      expect(codeOf(() => privateKey.decryptSecret(flipped(encrypted, 200)))).toBe('AUTHENTICATION_FAILED')
      expect(codeOf(() => privateKey.decryptSecret(encrypted.subarray(1)))).toBe('AUTHENTICATION_FAILED')
    }
    expect(() => publicKey.encryptSecret(new Uint8Array(215))).toThrow(RangeError)
  })

  test('is refused without its leading zero byte, which is the same number', () => {
    const secret = seededBytes('secret')(70)
    let encrypted = publicKey.encryptSecret(secret)
    for (let tries = 0; encrypted[0] !== 0 && tries < 20_000; tries++) encrypted = publicKey.encryptSecret(secret)
    expect(encrypted[0]).toBe(0)
    expect(codeOf(() => privateKey.decryptSecret(encrypted.subarray(1)))).toBe('AUTHENTICATION_FAILED')
    expect(privateKey.decryptSecret(encrypted)).toEqual(secret)
  })
})

describe('RSA key material', () => {
  test('is refused when any bit of its container is changed', () => {
    for (const [container, decode] of [
      [privateContainer, decodeRsaPrivateKey],
      [publicContainer, decodeRsaPublicKey]
    ] as const) {
      for (let offset = 0; offset < container.length; offset++) {
        const code = codeOf(() => decode(flipped(container, offset)))
        expect(code).toBe(offset < 8 && offset !== 3 ? 'INVALID_KEY' : 'DATA_CORRUPT')
      }
    }
  })

  test.each([0, 1, 5, 17, 65_539, 0xffff_ffff])('with exponent %i is refused', exponent => {
    for (const [tag, payload, decode] of [
      ['URA2', publicPayload, decodeRsaPublicKey],
      ['RRA2', privatePayload, decodeRsaPrivateKey]
    ] as const) {
      const changed = copyBytes(payload)
      writeU32be(changed, changed.length - 4, exponent)
      expect(codeOf(() => decode(encodeContainer(tag, changed)))).toBe('INVALID_KEY')
    }
  })

  test('with exponent 3 is read', () => {
    const changed = copyBytes(publicPayload)
    writeU32be(changed, changed.length - 4, 3)
    expect(decodeRsaPublicKey(encodeContainer('URA2', changed)).verify(MESSAGE, privateKey.sign(MESSAGE))).toBe(false)
  })

  test('with a modulus that is even or has fewer bits is refused', () => {
    for (const changed of [flipped(publicPayload, 255), flipped(publicPayload, 0, 7), new Uint8Array(260)]) {
      changed.set(publicPayload.subarray(-4), 256)
      expect(codeOf(() => decodeRsaPublicKey(encodeContainer('URA2', changed)))).toBe('INVALID_KEY')
    }
  })

  test.each(FIELDS)('with $name zeroed is refused', ({ at, bytes }) => {
    const zeroed = copyBytes(privatePayload).fill(0, at, at + bytes)
    expect(codeOf(() => decodeRsaPrivateKey(encodeContainer('RRA2', zeroed)))).toBe('INVALID_KEY')
  })

  test.each(FIELDS)('with another $name signs rightly or not at all', ({ at, bytes }) => {
    for (const offset of [0, 1, bytes - 1]) {
      for (const bit of [0, 1, 7]) {
        const container = encodeContainer('RRA2', flipped(privatePayload, at + offset, bit))
        let signature: Uint8Array | undefined
        const signs = succeedsOrRefuses(() => {
          signature = decodeRsaPrivateKey(container).sign(MESSAGE)
        })
        if (signs) expect(publicKey.verify(MESSAGE, signature as Uint8Array)).toBe(true)
      }
    }
  })

  test('that is refused is not described by the error', () => {
    const changed = copyBytes(privatePayload).fill(0, 0, 256)
    try {
      decodeRsaPrivateKey(encodeContainer('RRA2', changed))
      expect.unreachable()
    } catch (error) {
      expect((error as Error).cause).toBeUndefined()
      const shown = inspect(error, { depth: 9, showHidden: true }) + JSON.stringify(error)
      expect(shown).not.toContain(Buffer.from(privatePayload.subarray(256, 264)).toString('hex'))
      expect(shown).not.toMatch(/Uint8Array|Buffer/)
    }
  })

  test('that is hostile causes nothing but ProtocolError', () => {
    const payloads = fc.uint8Array({ minLength: 580, maxLength: 580 })
    fc.assert(
      fc.property(payloads, fc.constantFrom(3, 65_537), (payload, exponent) => {
        // The rest is so hostile as it comes; the cheap checks are met, so that OpenSSL sees it.
        payload[448] = (payload[448] as number) | 0x80
        payload[575] = (payload[575] as number) | 1
        writeU32be(payload, 576, exponent)
        const hostile = encodeContainer('RRA1', payload)
        succeedsOrRefuses(() => decodeRsaPrivateKey(hostile).sign(MESSAGE))
        succeedsOrRefuses(() => decodeRsaPrivateKey(hostile).decryptSecret(payload.subarray(0, 128)))
        const hostilePublic = decodeRsaPublicKey(encodeContainer('URA1', payload.subarray(448)))
        expect(hostilePublic.verify(MESSAGE, payload.subarray(0, 128))).toBe(false)
        expect(hostilePublic.encryptSecret(payload.subarray(0, 70)).length).toBe(128)
      }),
      { numRuns: 60 }
    )
  })
})

describe('a symmetric key', () => {
  test('is 32 random bytes, which the caller alone has', () => {
    const pool = seededBytes('pool')(64)
    const drawn = pool.slice(0, 32)
    const key = generateSymmetricKey(length => pool.subarray(0, length))
    expect(key).toEqual(drawn)
    expect(key.buffer.byteLength).toBe(32)
    expect(pool.subarray(0, 32)).toEqual(new Uint8Array(32))
  })
})
