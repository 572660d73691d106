import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import dropIn, * as named from '../../src/themis.ts'

const { KeyPair, PrivateKey, PublicKey, SecureCellSeal, SecureMessage, SecureMessageSign, SecureMessageVerify } = named
const TEXT = new TextEncoder().encode('some content')
const errorCode = (code: number) => expect.objectContaining({ errorCode: code })

describe('the drop-in as a module', () => {
  test('gives all of its values in the default export, too', () => {
    const { default: everything, ...others } = { ...named }
    expect({ ...everything }).toEqual(others)
    expect(dropIn).toBe(everything)
  })

  test('is ready before it was initialized', () => {
    expect(new named.SymmetricKey().length).toBe(32)
  })

  test('is initialized once, by a call or by waiting, wherever WebAssembly may be', async () => {
    expect(await named.initialize('/does/not/exist')).toBeUndefined()
    await expect(named.initialize()).rejects.toEqual(errorCode(11))
    expect(await named.initialized).toBeUndefined()
    expect(await named.initialized.catch(() => 'failed')).toBeUndefined()
  })
})

describe('errors', () => {
  test('tell their cause, and show nothing else', () => {
    const cell = SecureCellSeal.withKey(TEXT)
    const sealed = cell.encrypt(TEXT)
    let error: unknown
    try {
      cell.decrypt(sealed.fill(0, 20))
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(named.ThemisError)
    expect(error).toMatchObject({ errorCode: 11, code: 11, cause: { code: 'AUTHENTICATION_FAILED' } })
    expect(inspect(error, { depth: 9 })).not.toMatch(/some content|115, 111/)
  })

  test('that are bugs of a caller pass as they are', () => {
    const key = new Proxy(new Uint8Array(4), {})
    expect(() => SecureCellSeal.withKey(key).encrypt(TEXT)).toThrow(TypeError)
  })
})

describe('RSA keys, which wasm-themis reads and does not make', () => {
  test('are made with 2048 bits, encrypt and sign', async () => {
    for (const pair of [KeyPair.generateRSA(), await KeyPair.generateRSAAsync(2048)]) {
      expect([pair.privateKey.length, pair.publicKey.length]).toEqual([1168, 272])
      const message = new SecureMessage(pair)
      expect(message.decrypt(message.encrypt(TEXT))).toEqual(TEXT)
      const signed = new SecureMessageSign(pair.privateKey).sign(TEXT)
      expect(new SecureMessageVerify(pair.publicKey).verify(signed)).toEqual(TEXT)
    }
  })

  test('are not made with other numbers of bits', async () => {
    expect(() => KeyPair.generateRSA(1024 as 2048)).toThrow(errorCode(12))
    await expect(KeyPair.generateRSAAsync(3072 as 2048)).rejects.toEqual(errorCode(12))
  })

  test('do not go together with EC keys', () => {
    const mixed = new KeyPair(new KeyPair().privateKey, KeyPair.generateRSA().publicKey)
    expect(() => new SecureMessage(mixed).encrypt(TEXT)).toThrow(errorCode(12))
  })
})

describe('keys', () => {
  test('are bytes, whose parts and copies are plain bytes', () => {
    const { privateKey, publicKey } = new KeyPair()
    for (const part of [privateKey.slice(0, 4), privateKey.subarray(0, 4), publicKey.map(byte => byte)]) {
      expect(part.constructor).toBe(Uint8Array)
    }
    expect(new PrivateKey(privateKey)).toEqual(privateKey)
    expect(new PrivateKey(privateKey).buffer).not.toBe(privateKey.buffer)
    expect(new PublicKey(Buffer.from(publicKey))).toEqual(publicKey)
  })

  test('that are secret do not show themselves', () => {
    const { privateKey } = new KeyPair()
    const key = new named.SymmetricKey()
    expect([inspect(privateKey), JSON.stringify({ key })]).toEqual([
      '[PrivateKey: 45 bytes]',
      '{"key":"[SymmetricKey: 32 bytes]"}'
    ])
    expect(inspect({ pair: new KeyPair(), cell: SecureCellSeal.withPassphrase('secret') })).not.toContain('secret')
  })
})

describe('passphrase cells', () => {
  test('are opened within the limits that a program sets', () => {
    const sealed = SecureCellSeal.withPassphrase('secret').encrypt(TEXT)
    const open = (limits: { iterationsMin?: number; iterationsMax?: number }) =>
      SecureCellSeal.withPassphrase('secret', limits).decrypt(sealed)
    expect(open({ iterationsMin: 314_110, iterationsMax: 314_110 })).toEqual(TEXT)
    expect(() => open({ iterationsMax: 314_109 })).toThrow(errorCode(12))
    expect(() => open({ iterationsMin: 314_111 })).toThrow(errorCode(12))
  })
})
