import { createECDH } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes, copyBytes, writeU32le } from '../../src/bytes.ts'
import { decodePrivateKey } from '../../src/keys.ts'
import { generateRsaKeyPair } from '../../src/rsa-keys.ts'
import { encryptSeal } from '../../src/secure-cell/seal.ts'
import { decryptMessage, encryptMessage } from '../../src/secure-message/encrypt.ts'
import { encodeContainer } from '../../src/soter/container.ts'
import { ALICE, BOB, MALLORY } from '../support/peers.ts'
import { flipped, seededBytes } from '../support/random.ts'
import { codeOf, succeedsOrRefuses } from '../support/refusal.ts'

const randomBytes = seededBytes('encrypted messages')
const MESSAGE = new TextEncoder().encode('message')
const REFUSALS = ['AUTHENTICATION_FAILED', 'INVALID_MESSAGE']

const rsaAlice = generateRsaKeyPair()
const rsaBob = generateRsaKeyPair()

const KINDS = [
  { kind: 'EC', alice: ALICE.keys, bob: BOB.keys, cellAt: 8, type: 0x20 },
  { kind: 'RSA', alice: rsaAlice, bob: rsaBob, cellAt: 12 + 256, type: 0x10 }
] as const

function onP384() {
  const ecdh = createECDH('secp384r1')
  ecdh.generateKeys()
  return decodePrivateKey(encodeContainer('REC3', copyBytes(Buffer.concat([new Uint8Array(1), ecdh.getPrivateKey()]))))
}

describe.each(KINDS)('a message encrypted with $kind keys', ({ alice, bob, cellAt, type }) => {
  const encrypt = (message: Uint8Array) => encryptMessage(alice.privateKey, bob.publicKey, message, randomBytes)
  const decrypt = (encrypted: Uint8Array) => decryptMessage(bob.privateKey, alice.publicKey, encrypted)

  test('gives back its content, and has the lengths that Themis has', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), message => {
        const encrypted = encrypt(message)
        expect(encrypted.length).toBe(cellAt + 44 + message.length)
        expect(decrypt(encrypted)).toEqual(message)
        expect(decrypt(Buffer.from(encrypted))).toEqual(message)
      }),
      { numRuns: 25 }
    )
    expect(encrypt(MESSAGE).subarray(0, 4)).toEqual(Uint8Array.of(type, 0x27, 0x04, 0x26))
  })

  test('is refused when any byte is changed, and when it is cut or longer', () => {
    const encrypted = encrypt(MESSAGE)
    for (let offset = 0; offset < encrypted.length; offset++) {
      expect(REFUSALS).toContain(codeOf(() => decrypt(flipped(encrypted, offset, offset % 8))))
      codeOf(() => decrypt(encrypted.subarray(0, offset)))
    }
    expect(codeOf(() => decrypt(concatBytes(encrypted, Uint8Array.of(0))))).toBe('INVALID_MESSAGE')
  })

  test('is refused when its length is right and its cell is not, whatever is wrong with that', () => {
    const encrypted = encrypt(MESSAGE)
    for (let length = cellAt + 1; length <= encrypted.length + 1; length++) {
      const changed = new Uint8Array(length)
      changed.set(encrypted.subarray(0, length))
      writeU32le(changed, 4, length)
      if (length !== encrypted.length) expect(codeOf(() => decrypt(changed))).toBe('AUTHENTICATION_FAILED')
    }
    for (const messageBytes of [0, 0xffff_ffff]) {
      const changed = copyBytes(encrypted)
      writeU32le(changed, cellAt + 12, messageBytes)
      expect(codeOf(() => decrypt(changed))).toBe('AUTHENTICATION_FAILED')
    }
  })

  test('is refused by who it was not for', () => {
    const { privateKey } = alice
    expect(codeOf(() => decryptMessage(privateKey, alice.publicKey, encrypt(MESSAGE)))).toBe('AUTHENTICATION_FAILED')
  })

  test('of nothing, of too much, or of what is no bytes cannot be made or read', () => {
    expect(() => encrypt(new Uint8Array(0))).toThrow(RangeError)
    expect(() => encrypt(new Uint8Array(2 ** 31))).toThrow(RangeError)
    expect(() => encrypt('text' as unknown as Uint8Array)).toThrow(TypeError)
    expect(() => decrypt('text' as unknown as Uint8Array)).toThrow(TypeError)
  })

  test('read from hostile bytes throws nothing but ProtocolError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), bytes => {
        const framed = concatBytes(Uint8Array.of(type, 0x27, 0x04, 0x26, 0, 0, 0, 0), bytes)
        writeU32le(framed, 4, framed.length)
        for (const hostile of [bytes, framed]) expect(succeedsOrRefuses(() => decrypt(hostile))).toBe(false)
      })
    )
  })
})

describe('a message encrypted with EC keys', () => {
  const encrypted = encryptMessage(ALICE.keys.privateKey, BOB.keys.publicKey, MESSAGE, randomBytes)

  test('is opened by its sender too, and by nobody for another sender', () => {
    expect(decryptMessage(ALICE.keys.privateKey, BOB.keys.publicKey, encrypted)).toEqual(MESSAGE)
    const forOther = () => decryptMessage(BOB.keys.privateKey, MALLORY.keys.publicKey, encrypted)
    expect(codeOf(forOther)).toBe('AUTHENTICATION_FAILED')
  })

  test('needs both keys on one curve', () => {
    const other = onP384()
    for (const use of [
      () => encryptMessage(other, BOB.keys.publicKey, MESSAGE, randomBytes),
      () => decryptMessage(other, ALICE.keys.publicKey, encrypted)
    ]) {
      expect(codeOf(use)).toBe('INVALID_KEY')
    }
    const own = encryptMessage(other, other.toPublicKey(), MESSAGE, randomBytes)
    expect(decryptMessage(other, other.toPublicKey(), own)).toEqual(MESSAGE)
  })

  test('keeps the keys usable', () => {
    const again = encryptMessage(ALICE.keys.privateKey, BOB.keys.publicKey, MESSAGE, randomBytes)
    expect(decryptMessage(BOB.keys.privateKey, ALICE.keys.publicKey, again)).toEqual(MESSAGE)
  })
})

describe('a message encrypted with RSA keys', () => {
  const encrypted = encryptMessage(rsaAlice.privateKey, rsaBob.publicKey, MESSAGE, randomBytes)

  test('says nothing of its sender: any RSA key will do for it', () => {
    expect(decryptMessage(rsaBob.privateKey, rsaBob.publicKey, encrypted)).toEqual(MESSAGE)
  })

  test('may have a password of another length, but not an empty one', () => {
    for (const length of [1, 32, 214, 0]) {
      const password = seededBytes('password')(length)
      const wrapped = rsaBob.publicKey.encryptSecret(password)
      const cell = encryptSeal(length === 0 ? Uint8Array.of(0) : password, MESSAGE, randomBytes)
      const head = encrypted.slice(0, 12)
      const message = concatBytes(head, wrapped, cell)
      if (length > 0) expect(decryptMessage(rsaBob.privateKey, rsaAlice.publicKey, message)).toEqual(MESSAGE)
      else
        expect(codeOf(() => decryptMessage(rsaBob.privateKey, rsaAlice.publicKey, message))).toBe(
          'AUTHENTICATION_FAILED'
        )
    }
  })

  test.each([0, 255, 257, 0xffff_ffff])('with %i as the length of its password is refused', length => {
    const changed = copyBytes(encrypted)
    writeU32le(changed, 8, length)
    expect(codeOf(() => decryptMessage(rsaBob.privateKey, rsaAlice.publicKey, changed))).toBe('AUTHENTICATION_FAILED')
  })
})

describe('keys of different kinds', () => {
  test('encrypt and decrypt nothing between them', () => {
    const [ec, rsa] = KINDS
    for (const [own, peer] of [
      [ec, rsa],
      [rsa, ec]
    ] as const) {
      const encrypted = encryptMessage(peer.alice.privateKey, peer.bob.publicKey, MESSAGE, randomBytes)
      for (const use of [
        () => encryptMessage(own.alice.privateKey, peer.bob.publicKey, MESSAGE, randomBytes),
        () => decryptMessage(own.bob.privateKey, peer.alice.publicKey, encrypted)
      ]) {
        expect(codeOf(use)).toBe('INVALID_KEY')
      }
      const wrongKind = () => decryptMessage(own.bob.privateKey, own.alice.publicKey, encrypted)
      expect(codeOf(wrongKind)).toBe('INVALID_MESSAGE')
    }
  })
})
