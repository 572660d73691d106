import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes, readU32le, writeU32le } from '../../src/bytes.ts'
import { ProtocolError } from '../../src/errors.ts'
import { encryptWithMasterKey } from '../../src/secure-cell/cipher.ts'
import { encodePassphraseHeader, PASSPHRASE_HEADER_BYTES } from '../../src/secure-cell/header.ts'
import {
  decryptSealWithPassphrase,
  decryptSealWithPassphraseAsync,
  encryptSealWithPassphrase,
  encryptSealWithPassphraseAsync,
  PASSPHRASE_ITERATIONS
} from '../../src/secure-cell/passphrase.ts'
import { decryptSeal, encryptSeal } from '../../src/secure-cell/seal.ts'
import { stretchPassphrase } from '../../src/soter/pbkdf2.ts'
import { flipped, seededBytes } from '../support/random.ts'
import { codeOf, succeedsOrRefuses } from '../support/refusal.ts'

const randomBytes = seededBytes('passphrases')
const encode = (text: string) => new TextEncoder().encode(text)
type Bytes = Uint8Array
const PASSPHRASE = encode('correct horse battery staple')
const MESSAGE = encode('message')
const CONTEXT = encode('context')
const ITERATIONS_AT = 48

/** A cell as from a writer that chose another number of iterations. */
function sealedBy(iterations: number, message = MESSAGE, context = CONTEXT, passphrase = PASSPHRASE): Uint8Array {
  const salt = randomBytes(16)
  const stretched = stretchPassphrase(passphrase, salt, iterations)
  const { nonce, tag, ciphertext } = encryptWithMasterKey(stretched, message, randomBytes, context)
  const header = encodePassphraseHeader({ nonce, tag, messageBytes: message.length, iterations, salt })
  return concatBytes(header, ciphertext)
}

describe('a cell sealed with a passphrase', () => {
  test('gives back its message, and has the iterations that Themis writes', () => {
    const sealed = encryptSealWithPassphrase(PASSPHRASE, MESSAGE, randomBytes, CONTEXT)
    expect(sealed.length).toBe(PASSPHRASE_HEADER_BYTES + MESSAGE.length)
    expect([readU32le(sealed, ITERATIONS_AT), PASSPHRASE_ITERATIONS]).toEqual([314_110, 314_110])
    expect(decryptSealWithPassphrase(PASSPHRASE, sealed, CONTEXT)).toEqual(MESSAGE)
    expect([sealed.constructor, sealed.buffer.byteLength]).toEqual([Uint8Array, sealed.length])
  })

  test('asks for as many iterations as it was told, and for no number that is none', async () => {
    const sealed = await encryptSealWithPassphraseAsync(PASSPHRASE, MESSAGE, randomBytes, CONTEXT, 1_000)
    expect(readU32le(sealed, ITERATIONS_AT)).toBe(1_000)
    expect(decryptSealWithPassphrase(PASSPHRASE, sealed, CONTEXT, { iterationsMax: 1_000 })).toEqual(MESSAGE)
    for (const iterations of [0, -1, 2 ** 31]) {
      const sealing = encryptSealWithPassphraseAsync(PASSPHRASE, MESSAGE, randomBytes, CONTEXT, iterations)
      await expect(sealing).rejects.toThrow(RangeError)
    }
  })

  test('is made and opened off the event loop too', async () => {
    const sealed = await encryptSealWithPassphraseAsync(PASSPHRASE, MESSAGE, randomBytes)
    expect(await decryptSealWithPassphraseAsync(PASSPHRASE, sealed)).toEqual(MESSAGE)
    expect(decryptSealWithPassphrase(PASSPHRASE, sealed, new Uint8Array(0))).toEqual(MESSAGE)
  })

  test('off the event loop, too, is of what its arguments were, though they are overwritten at once', async () => {
    const args = () => [PASSPHRASE, MESSAGE, CONTEXT].map(bytes => Uint8Array.from(bytes)) as [Bytes, Bytes, Bytes]
    const overwrite = (...given: readonly Uint8Array[]) => {
      for (const bytes of given) bytes.fill(0)
    }
    const [passphrase, message, context] = args()
    const sealing = encryptSealWithPassphraseAsync(passphrase, message, randomBytes, context)
    overwrite(passphrase, message, context)
    const sealed = await sealing
    expect(decryptSealWithPassphrase(PASSPHRASE, sealed, CONTEXT)).toEqual(MESSAGE)
    const [again, , about] = args()
    const opening = decryptSealWithPassphraseAsync(again, sealed, about)
    overwrite(again, sealed, about)
    expect(await opening).toEqual(MESSAGE)
  })

  test('opens for any passphrase, message and context', () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 100 })
    fc.assert(
      fc.property(bytes, bytes, fc.uint8Array({ maxLength: 80 }), (passphrase, message, context) => {
        const sealed = sealedBy(2, message, context, passphrase)
        expect(decryptSealWithPassphrase(passphrase, sealed, context)).toEqual(message)
      })
    )
  })

  test('is refused when any bit is changed, and when it is cut or longer', async () => {
    const sealed = sealedBy(10)
    const limits = { iterationsMax: 2000 }
    const decrypt = (cell: Uint8Array) => () => decryptSealWithPassphrase(PASSPHRASE, cell, CONTEXT, limits)
    for (let offset = 0; offset < sealed.length; offset++) {
      for (let bit = 0; bit < 8; bit++) {
        expect(['AUTHENTICATION_FAILED', 'INVALID_MESSAGE']).toContain(codeOf(decrypt(flipped(sealed, offset, bit))))
      }
      codeOf(decrypt(sealed.subarray(0, offset)))
      codeOf(decrypt(sealed.subarray(offset + 1)))
    }
    codeOf(decrypt(concatBytes(sealed, Uint8Array.of(0))))
    const changed = decryptSealWithPassphraseAsync(PASSPHRASE, flipped(sealed, 75), CONTEXT)
    await expect(changed).rejects.toThrow(expect.objectContaining({ code: 'AUTHENTICATION_FAILED' }))
  })

  test('is refused with another passphrase or context', () => {
    const sealed = sealedBy(10)
    for (const open of [
      () => decryptSealWithPassphrase(flipped(PASSPHRASE, 0), sealed, CONTEXT),
      () => decryptSealWithPassphrase(PASSPHRASE, sealed, flipped(CONTEXT, 0)),
      () => decryptSealWithPassphrase(PASSPHRASE, sealed)
    ]) {
      expect(codeOf(open)).toBe('AUTHENTICATION_FAILED')
    }
  })

  test('does not open as one sealed with a key, nor the reverse', () => {
    expect(codeOf(() => decryptSeal(PASSPHRASE, sealedBy(10), CONTEXT))).toBe('AUTHENTICATION_FAILED')
    const sealed = encryptSeal(PASSPHRASE, new Uint8Array(100), randomBytes)
    expect(codeOf(() => decryptSealWithPassphrase(PASSPHRASE, sealed))).toBe('AUTHENTICATION_FAILED')
  })

  test.each([4, 8, 12, 16])('with 2^32 - 1 or 0 in the length at %i is refused', offset => {
    for (const value of [0xffff_ffff, 0]) {
      const changed = sealedBy(10)
      writeU32le(changed, offset, value)
      const expected = offset === 12 && value === 0 ? 'INVALID_MESSAGE' : 'AUTHENTICATION_FAILED'
      expect(codeOf(() => decryptSealWithPassphrase(PASSPHRASE, changed, CONTEXT))).toBe(expected)
    }
  })

  test('read from hostile bytes throws nothing but ProtocolError', () => {
    const start = sealedBy(1).subarray(0, 20)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
        const cell = concatBytes(start, bytes)
        writeU32le(cell, 12, Math.max(0, cell.length - PASSPHRASE_HEADER_BYTES))
        for (const hostile of [bytes, cell]) {
          const open = () => decryptSealWithPassphrase(PASSPHRASE, hostile, CONTEXT, { iterationsMax: 100 })
          expect(succeedsOrRefuses(open)).toBe(false)
        }
      })
    )
  })
})

describe('the number of iterations of a cell', () => {
  test('is refused outside the limits of who reads, and nothing is computed for it', async () => {
    const sealed = sealedBy(100)
    const open = (iterationsMin: number, iterationsMax: number) =>
      decryptSealWithPassphrase(PASSPHRASE, sealed, CONTEXT, { iterationsMin, iterationsMax })
    expect(open(100, 100)).toEqual(MESSAGE)
    for (const [min, max] of [
      [101, 1000],
      [1, 99]
    ] as const) {
      expect(codeOf(() => open(min, max))).toBe('INVALID_MESSAGE')
      const limits = { iterationsMin: min, iterationsMax: max }
      const refusal = await decryptSealWithPassphraseAsync(PASSPHRASE, sealed, CONTEXT, limits).catch(error => error)
      expect(refusal).toBeInstanceOf(ProtocolError)
      expect(refusal.code).toBe('INVALID_MESSAGE')
    }
  })

  test.each([0, 2_000_001, 0x8000_0000, 0xffff_ffff])('of %i is refused by default', iterations => {
    const changed = sealedBy(10)
    writeU32le(changed, ITERATIONS_AT, iterations)
    expect(codeOf(() => decryptSealWithPassphrase(PASSPHRASE, changed, CONTEXT))).toBe('INVALID_MESSAGE')
  })

  test('cannot be limited to nonsense', () => {
    const sealed = sealedBy(10)
    for (const limits of [
      { iterationsMin: 0 },
      { iterationsMax: 0 },
      { iterationsMin: 20, iterationsMax: 10 },
      { iterationsMax: 2 ** 31 },
      { iterationsMax: Number.NaN },
      { iterationsMin: Number.NaN }
    ]) {
      expect(() => decryptSealWithPassphrase(PASSPHRASE, sealed, CONTEXT, limits)).toThrow(RangeError)
    }
  })
})

describe('a wrong call with a passphrase', () => {
  test('throws, or rejects, before anything is computed', async () => {
    const empty = new Uint8Array(0)
    const text = 'text' as unknown as Uint8Array
    for (const [passphrase, message, expected] of [
      [empty, MESSAGE, RangeError],
      [PASSPHRASE, empty, RangeError],
      [text, MESSAGE, TypeError],
      [PASSPHRASE, text, TypeError]
    ] as const) {
      expect(() => encryptSealWithPassphrase(passphrase, message, randomBytes)).toThrow(expected)
      await expect(encryptSealWithPassphraseAsync(passphrase, message, randomBytes)).rejects.toThrow(expected)
    }
    expect(() => decryptSealWithPassphrase(empty, MESSAGE)).toThrow(RangeError)
    expect(() => decryptSealWithPassphrase(PASSPHRASE, text)).toThrow(TypeError)
    await expect(decryptSealWithPassphraseAsync(text, MESSAGE)).rejects.toThrow(TypeError)
    expect(codeOf(() => decryptSealWithPassphrase(PASSPHRASE, empty))).toBe('INVALID_MESSAGE')
  })
})
