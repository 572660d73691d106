import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decryptContextImprint, encryptContextImprint } from '../../src/secure-cell/context-imprint.ts'
import { CELL_MESSAGE_BYTES_MAX } from '../../src/secure-cell/header.ts'
import { flipped, seededBytes } from '../support/random.ts'
import { codeOf } from '../support/refusal.ts'

const KEY = seededBytes('master key')(32)
const MESSAGE = new TextEncoder().encode('a message that fills more than one block of the cipher')
const CONTEXT = new TextEncoder().encode('context')
const bytes = fc.uint8Array({ minLength: 1, maxLength: 200 })

describe('a message in Context Imprint mode', () => {
  test('gives back its message, in its own length, the same every time', () => {
    fc.assert(
      fc.property(bytes, bytes, bytes, (key, message, context) => {
        const imprinted = encryptContextImprint(key, message, context)
        expect(imprinted.length).toBe(message.length)
        expect(encryptContextImprint(key, message, context)).toEqual(imprinted)
        expect(decryptContextImprint(key, imprinted, context)).toEqual(message)
      })
    )
  })

  test('is the known bytes for a known key', () => {
    const key = Uint8Array.from({ length: 32 }, (_, i) => i)
    const encode = (text: string) => new TextEncoder().encode(text)
    const imprinted = encryptContextImprint(key, encode('hello world'), encode('ctx'))
    expect(Buffer.from(imprinted).toString('hex')).toBe('baca1561de8d497a381b01')
  })

  test('is not authenticated: a changed bit changes that bit, another key or context everything', () => {
    const imprinted = encryptContextImprint(KEY, MESSAGE, CONTEXT)
    for (let offset = 0; offset < imprinted.length; offset++) {
      expect(decryptContextImprint(KEY, flipped(imprinted, offset, 3), CONTEXT)).toEqual(flipped(MESSAGE, offset, 3))
    }
    expect(decryptContextImprint(flipped(KEY, 0), imprinted, CONTEXT)).not.toEqual(MESSAGE)
    expect(decryptContextImprint(KEY, imprinted, flipped(CONTEXT, 0))).not.toEqual(MESSAGE)
    // The length is part of the key.
    expect(decryptContextImprint(KEY, imprinted.subarray(1), CONTEXT)).not.toEqual(MESSAGE.subarray(1))
    expect(decryptContextImprint(KEY, imprinted.subarray(0, 9), CONTEXT)).not.toEqual(MESSAGE.subarray(0, 9))
  })

  test('needs a key, a context and a message that are bytes, none of them empty', () => {
    const empty = new Uint8Array(0)
    for (const call of [
      () => encryptContextImprint(empty, MESSAGE, CONTEXT),
      () => encryptContextImprint(KEY, empty, CONTEXT),
      () => encryptContextImprint(KEY, MESSAGE, empty),
      () => decryptContextImprint(empty, MESSAGE, CONTEXT),
      () => decryptContextImprint(KEY, MESSAGE, empty),
      () => encryptContextImprint(KEY, new Uint8Array(CELL_MESSAGE_BYTES_MAX + 1), CONTEXT)
    ]) {
      expect(call).toThrow(RangeError)
    }
    for (const wrong of ['text', undefined] as unknown as Uint8Array[]) {
      expect(() => encryptContextImprint(wrong, MESSAGE, CONTEXT)).toThrow(TypeError)
      expect(() => encryptContextImprint(KEY, wrong, CONTEXT)).toThrow(TypeError)
      expect(() => encryptContextImprint(KEY, MESSAGE, wrong)).toThrow(TypeError)
      expect(() => decryptContextImprint(KEY, wrong, CONTEXT)).toThrow(TypeError)
    }
  })

  test('that is empty or too long is refused', () => {
    for (const length of [0, CELL_MESSAGE_BYTES_MAX + 1]) {
      expect(codeOf(() => decryptContextImprint(KEY, new Uint8Array(length), CONTEXT))).toBe('INVALID_MESSAGE')
    }
  })
})
