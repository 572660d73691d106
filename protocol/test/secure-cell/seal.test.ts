import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes, writeU32le } from '../../src/bytes.ts'
import { CELL_MESSAGE_BYTES_MAX, KEY_HEADER_BYTES } from '../../src/secure-cell/header.ts'
import { decryptSeal, encryptSeal } from '../../src/secure-cell/seal.ts'
import { decryptTokenProtect, encryptTokenProtect } from '../../src/secure-cell/token-protect.ts'
import { flipped, seededBytes } from '../support/random.ts'
import { codeOf, succeedsOrRefuses } from '../support/refusal.ts'

const randomBytes = seededBytes('cells')
const KEY = seededBytes('master key')(32)
const MESSAGE = new TextEncoder().encode('message')
const CONTEXT = new TextEncoder().encode('context')
const REFUSALS = ['AUTHENTICATION_FAILED', 'INVALID_MESSAGE']

const secrets = fc.uint8Array({ minLength: 1, maxLength: 100 })
const messages = fc.uint8Array({ minLength: 1, maxLength: 300 })
const contexts = fc.option(fc.uint8Array({ maxLength: 80 }), { nil: undefined })

describe('a cell sealed with a key', () => {
  test('gives back its message, for a key of any length and with or without a context', () => {
    fc.assert(
      fc.property(secrets, messages, contexts, (key, message, context) => {
        const sealed = encryptSeal(key, message, randomBytes, context)
        expect(sealed.length).toBe(KEY_HEADER_BYTES + message.length)
        expect(decryptSeal(key, sealed, context)).toEqual(message)
        expect(decryptSeal(Buffer.from(key), Buffer.from(sealed), context && Buffer.from(context))).toEqual(message)
      })
    )
  })

  test('is the token and the data of Token Protect, one after the other', () => {
    const { token, data } = encryptTokenProtect(KEY, MESSAGE, randomBytes, CONTEXT)
    expect([token.length, data.length]).toEqual([KEY_HEADER_BYTES, MESSAGE.length])
    expect(decryptSeal(KEY, concatBytes(token, data), CONTEXT)).toEqual(MESSAGE)
    const sealed = encryptSeal(KEY, MESSAGE, randomBytes, CONTEXT)
    const parts = { token: sealed.subarray(0, KEY_HEADER_BYTES), data: sealed.subarray(KEY_HEADER_BYTES) }
    expect(decryptTokenProtect(KEY, parts, CONTEXT)).toEqual(MESSAGE)
  })

  test('is refused when any bit is changed, and when it is cut or longer', () => {
    for (const context of [undefined, CONTEXT]) {
      const sealed = encryptSeal(KEY, MESSAGE, randomBytes, context)
      for (let offset = 0; offset < sealed.length; offset++) {
        for (let bit = 0; bit < 8; bit++) {
          expect(REFUSALS).toContain(codeOf(() => decryptSeal(KEY, flipped(sealed, offset, bit), context)))
        }
        codeOf(() => decryptSeal(KEY, sealed.subarray(0, offset), context))
        codeOf(() => decryptSeal(KEY, sealed.subarray(offset + 1), context))
      }
      codeOf(() => decryptSeal(KEY, concatBytes(sealed, Uint8Array.of(0)), context))
    }
  })

  test('is refused with another key, another context, none, or one where there was none', () => {
    const sealed = encryptSeal(KEY, MESSAGE, randomBytes, CONTEXT)
    const plain = encryptSeal(KEY, MESSAGE, randomBytes)
    for (const open of [
      () => decryptSeal(flipped(KEY, 31), sealed, CONTEXT),
      () => decryptSeal(KEY, sealed, flipped(CONTEXT, 0)),
      () => decryptSeal(KEY, sealed),
      () => decryptSeal(KEY, plain, CONTEXT)
    ]) {
      expect(codeOf(open)).toBe('AUTHENTICATION_FAILED')
    }
  })

  test('takes an empty context for none', () => {
    const empty = new Uint8Array(0)
    expect(decryptSeal(KEY, encryptSeal(KEY, MESSAGE, randomBytes, empty))).toEqual(MESSAGE)
    expect(decryptSeal(KEY, encryptSeal(KEY, MESSAGE, randomBytes), empty)).toEqual(MESSAGE)
  })

  test('never has the same bytes twice', () => {
    expect(encryptSeal(KEY, MESSAGE, randomBytes)).not.toEqual(encryptSeal(KEY, MESSAGE, randomBytes))
  })

  test('leaves what it is given as it was, and gives what the caller may change', () => {
    const pool = seededBytes('pool')(64)
    const before = { key: KEY.slice(), message: MESSAGE.slice(), pool: pool.slice() }
    const sealed = encryptSeal(KEY, MESSAGE, length => pool.subarray(0, length), CONTEXT)
    const copy = sealed.slice()
    const opened = decryptSeal(KEY, sealed, CONTEXT)
    opened.fill(0)
    expect({ key: KEY, message: MESSAGE, pool }).toEqual(before)
    expect(sealed).toEqual(copy)
    expect([sealed.constructor, opened.constructor]).toEqual([Uint8Array, Uint8Array])
    expect([sealed.buffer.byteLength, opened.buffer.byteLength]).toEqual([sealed.length, opened.length])
  })

  test.each([4, 8, 12])('with 2^32 - 1, 2^31 or 0 in the length at %i is refused', offset => {
    const sealed = encryptSeal(KEY, MESSAGE, randomBytes)
    for (const value of [0xffff_ffff, 0x8000_0000, 0]) {
      const changed = sealed.slice()
      writeU32le(changed, offset, value)
      expect(codeOf(() => decryptSeal(KEY, changed))).toBe(offset === 12 ? 'INVALID_MESSAGE' : 'AUTHENTICATION_FAILED')
    }
  })

  test('read from hostile bytes throws nothing but ProtocolError', () => {
    const header = encryptSeal(KEY, MESSAGE, randomBytes).subarray(0, 12)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
        expect(succeedsOrRefuses(() => decryptSeal(KEY, bytes))).toBe(false)
        const cell = concatBytes(header, new Uint8Array(4), bytes)
        writeU32le(cell, 12, Math.max(0, cell.length - KEY_HEADER_BYTES))
        expect(succeedsOrRefuses(() => decryptSeal(KEY, cell))).toBe(false)
      })
    )
  })

  test('that is refused is described by nothing of it', () => {
    const sealed = encryptSeal(KEY, MESSAGE, randomBytes)
    try {
      decryptSeal(flipped(KEY, 0), sealed)
      expect.unreachable()
    } catch (error) {
      expect(JSON.stringify(error)).toBe('{"name":"ProtocolError","code":"AUTHENTICATION_FAILED"}')
      expect((error as Error).cause).toBeUndefined()
      expect(inspect(error, { showHidden: true, depth: 9 })).not.toMatch(/Uint8Array|Buffer|message key/)
    }
  })
})

describe('a wrong call of Secure Cell', () => {
  const empty = new Uint8Array(0)
  const { token, data } = encryptTokenProtect(KEY, MESSAGE, randomBytes)

  test('with an empty key or message is a RangeError', () => {
    for (const call of [
      () => encryptSeal(empty, MESSAGE, randomBytes),
      () => encryptSeal(KEY, empty, randomBytes),
      () => decryptSeal(empty, concatBytes(token, data)),
      () => encryptTokenProtect(empty, MESSAGE, randomBytes),
      () => encryptTokenProtect(KEY, empty, randomBytes),
      () => decryptTokenProtect(empty, { token, data })
    ]) {
      expect(call).toThrow(RangeError)
    }
  })

  test('with a message of 2^31 bytes is a RangeError, and such a cell is refused', () => {
    const long = new Uint8Array(CELL_MESSAGE_BYTES_MAX + 1 + KEY_HEADER_BYTES)
    const tooLong = long.subarray(KEY_HEADER_BYTES)
    expect(() => encryptSeal(KEY, tooLong, randomBytes)).toThrow(RangeError)
    expect(() => encryptTokenProtect(KEY, tooLong, randomBytes)).toThrow(RangeError)
    long.set(token)
    writeU32le(long, 12, tooLong.length)
    expect(codeOf(() => decryptSeal(KEY, long))).toBe('INVALID_MESSAGE')
    expect(codeOf(() => decryptTokenProtect(KEY, { token: long.subarray(0, 44), data: tooLong }))).toBe(
      'INVALID_MESSAGE'
    )
  })

  test('with what is no bytes is a TypeError', () => {
    for (const wrong of ['text', [1, 2], new ArrayBuffer(4), new Uint16Array(4), null, {}] as unknown as Uint8Array[]) {
      for (const call of [
        () => encryptSeal(wrong, MESSAGE, randomBytes),
        () => encryptSeal(KEY, wrong, randomBytes),
        () => encryptSeal(KEY, MESSAGE, randomBytes, wrong),
        () => decryptSeal(KEY, wrong),
        () => decryptTokenProtect(KEY, { token: wrong, data }),
        () => decryptTokenProtect(KEY, { token, data: wrong })
      ]) {
        expect(call).toThrow(TypeError)
      }
    }
  })
})

describe('a message in Token Protect mode', () => {
  test('gives back its message, for a key of any length and with or without a context', () => {
    fc.assert(
      fc.property(secrets, messages, contexts, (key, message, context) => {
        const isolated = encryptTokenProtect(key, message, randomBytes, context)
        expect(isolated.data.length).toBe(message.length)
        expect(decryptTokenProtect(key, isolated, context)).toEqual(message)
      })
    )
  })

  test('is refused when any bit of token or data is changed, or one of them is cut, longer or empty', () => {
    const { token, data } = encryptTokenProtect(KEY, MESSAGE, randomBytes, CONTEXT)
    const decrypt = (token: Uint8Array, data: Uint8Array) => () => decryptTokenProtect(KEY, { token, data }, CONTEXT)
    for (let bit = 0; bit < 8; bit++) {
      for (let offset = 0; offset < token.length; offset++) {
        expect(codeOf(decrypt(flipped(token, offset, bit), data))).toBe('AUTHENTICATION_FAILED')
      }
      for (let offset = 0; offset < data.length; offset++) {
        expect(codeOf(decrypt(token, flipped(data, offset, bit)))).toBe('AUTHENTICATION_FAILED')
      }
    }
    for (let length = 0; length < token.length; length++) {
      const expected = length === 0 ? 'INVALID_MESSAGE' : 'AUTHENTICATION_FAILED'
      expect(codeOf(decrypt(token.subarray(0, length), data))).toBe(expected)
    }
    for (let length = 0; length < data.length; length++) {
      const expected = length === 0 ? 'INVALID_MESSAGE' : 'AUTHENTICATION_FAILED'
      expect(codeOf(decrypt(token, data.subarray(0, length)))).toBe(expected)
    }
    for (const longer of [
      decrypt(concatBytes(token, Uint8Array.of(0)), data),
      decrypt(token, concatBytes(data, data))
    ]) {
      expect(codeOf(longer)).toBe('AUTHENTICATION_FAILED')
    }
  })

  test('does not open with the token of another message', () => {
    const { token } = encryptTokenProtect(KEY, MESSAGE, randomBytes)
    const { data } = encryptTokenProtect(KEY, MESSAGE, randomBytes)
    expect(codeOf(() => decryptTokenProtect(KEY, { token, data }))).toBe('AUTHENTICATION_FAILED')
  })

  test('read from hostile bytes throws nothing but ProtocolError', () => {
    const bytes = fc.uint8Array({ maxLength: 80 })
    fc.assert(
      fc.property(bytes, bytes, (token, data) => {
        expect(succeedsOrRefuses(() => decryptTokenProtect(KEY, { token, data }))).toBe(false)
      })
    )
  })
})
