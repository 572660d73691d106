import { format, inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import dropIn, * as themis from '../../src/jsthemis.ts'
import { KeyPair as PlainKeyPair } from '../../src/themis.ts'

const TEXT = Buffer.from('some content')
const CONTEXT = Buffer.from('a context')
const EMPTY = Buffer.alloc(0)
const withCode = (code: number) => expect.objectContaining({ code })
/** Arguments whose types forbid what is tried. */
const wrong = <T>(value: unknown) => value as T

describe('classes of jsthemis', () => {
  test.each<[string, () => object]>([
    ['KeyPair', () => themis.KeyPair(new themis.KeyPair().private(), new themis.KeyPair().public())],
    ['SecureCellSeal', () => themis.SecureCellSeal(TEXT)],
    ['SecureCellTokenProtect', () => themis.SecureCellTokenProtect(TEXT)],
    ['SecureCellContextImprint', () => themis.SecureCellContextImprint(TEXT)],
    ['SecureComparator', () => themis.SecureComparator(TEXT)]
  ])('%s may be called without new', (name, call) => {
    const made = call()
    expect(made.constructor.name).toBe(name)
    expect(made).toBeInstanceOf((themis as unknown as Record<string, new () => object>)[name])
  })

  test('are all in the default export, with the numbers of errors', () => {
    const { default: everything, ...others } = { ...themis }
    expect({ ...everything }).toEqual(others)
    expect(dropIn.SSESSION_GET_PUB_FOR_ID_CALLBACK_ERROR).toBe(21)
  })
})

describe('keys', () => {
  test('come out of a pair as Buffers, which make the same pair again', () => {
    const pair = new themis.KeyPair()
    const again = new themis.KeyPair(pair.private(), pair.public())
    expect(Buffer.isBuffer(pair.private())).toBe(true)
    expect(again.private().equals(pair.private())).toBe(true)
    expect(again.public().equals(pair.public())).toBe(true)
    expect(() => new themis.KeyPair(EMPTY, EMPTY)).toThrow(withCode(themis.INVALID_PARAMETER))
    expect(() => new themis.KeyPair(pair.private())).toThrow(withCode(themis.INVALID_PARAMETER))
    expect(() => new themis.KeyPair(wrong('key'), pair.public())).toThrow(TypeError)
  })

  test('for cells are Buffers, made or copied', () => {
    const key = new themis.SymmetricKey()
    expect(Buffer.isBuffer(key) && key.length).toBe(32)
    expect(new themis.SymmetricKey(key)).toEqual(key)
    expect(themis.SymmetricKey(key)).not.toBe(key)
    expect(() => new themis.SymmetricKey(EMPTY)).toThrow(withCode(themis.INVALID_PARAMETER))
    expect(() => new themis.SymmetricKey(undefined)).toThrow(TypeError)
  })
})

test('secret keys are not shown by inspection, formats and JSON, though they are Buffers', () => {
  const key = new themis.SymmetricKey(Buffer.alloc(32, 0xc9))
  for (const secret of [key, new themis.KeyPair().private()]) {
    for (const text of [inspect(secret), inspect({ secret }), format('%s %j %o', secret, secret, secret)]) {
      expect(text).not.toMatch(/c9 c9|201|52 45 43|82, ?69/)
    }
    expect(JSON.stringify({ secret })).not.toMatch(/201|82,69/)
    expect(secret.equals(Buffer.from(secret.toString('base64'), 'base64'))).toBe(true)
    expect(inspect(secret.subarray(0, 1))).toMatch(/<Buffer/)
  }
})

describe('Secure Message', () => {
  const [alice, bob] = [new themis.KeyPair(), new themis.KeyPair()]

  test('encrypts and decrypts with both keys', () => {
    const encrypted = new themis.SecureMessage(alice.private(), bob.public()).encrypt(TEXT)
    expect(new themis.SecureMessage(bob.private(), alice.public()).decrypt(encrypted)).toEqual(TEXT)
  })

  test('signs with the private key alone and verifies with the public one alone', () => {
    const signer = themis.SecureMessage(alice.private(), null)
    const verifier = new themis.SecureMessage(EMPTY, alice.public())
    const signed = signer.sign(TEXT)
    expect(signed.includes(TEXT)).toBe(true)
    expect(verifier.verify(signed)).toEqual(TEXT)
    expect(() => verifier.sign(TEXT)).toThrow(withCode(themis.INVALID_PARAMETER))
    expect(() => signer.verify(signed)).toThrow(withCode(themis.INVALID_PARAMETER))
    expect(() => signer.encrypt(TEXT)).toThrow(withCode(themis.INVALID_PARAMETER))
    expect(() => verifier.decrypt(TEXT)).toThrow(withCode(themis.INVALID_PARAMETER))
  })

  test('is not made without keys, or of wrong ones', () => {
    const make = (...args: unknown[]) => Reflect.construct(themis.SecureMessage, args)
    expect(() => make(null, null)).toThrow(withCode(themis.INVALID_PARAMETER))
    expect(() => make(alice.private())).toThrow(withCode(themis.INVALID_PARAMETER))
    expect(() => make(alice.public(), alice.private())).toThrow(withCode(themis.INVALID_PARAMETER))
    expect(() => make(undefined, alice.public())).toThrow(TypeError)
  })
})

describe('Secure Cell', () => {
  test('seals with a key and with a passphrase', () => {
    for (const cell of [themis.SecureCellSeal.withKey(TEXT), themis.SecureCellSeal.withPassphrase('secret')]) {
      const sealed = cell.encrypt(TEXT, CONTEXT)
      expect(Buffer.isBuffer(sealed)).toBe(true)
      expect(cell.decrypt(sealed, CONTEXT)).toEqual(TEXT)
      expect(cell.decrypt(cell.encrypt(TEXT, null))).toEqual(TEXT)
      expect(() => cell.decrypt(sealed)).toThrow(withCode(themis.FAIL))
      expect(() => cell.encrypt(TEXT, wrong(undefined))).toThrow(TypeError)
    }
    expect(() => themis.SecureCellSeal.withKey(wrong('key'))).toThrow(TypeError)
  })

  test('protects with a token', () => {
    const cell = themis.SecureCellTokenProtect.withKey(TEXT)
    const { data, token } = cell.encrypt(TEXT, CONTEXT)
    expect(Buffer.isBuffer(data) && Buffer.isBuffer(token)).toBe(true)
    expect(cell.decrypt(data, token, CONTEXT)).toEqual(TEXT)
    expect(() => cell.decrypt(data, token, null)).toThrow(withCode(themis.FAIL))
  })

  test('imprints a context, and not without one', () => {
    const cell = themis.SecureCellContextImprint.withKey(TEXT)
    const imprinted = cell.encrypt(TEXT, CONTEXT)
    expect(imprinted.length).toBe(TEXT.length)
    expect(cell.decrypt(imprinted, CONTEXT)).toEqual(TEXT)
    expect(() => Reflect.apply(cell.encrypt, cell, [TEXT])).toThrow(withCode(themis.INVALID_PARAMETER))
    expect(() => cell.encrypt(TEXT, wrong(undefined))).toThrow(TypeError)
  })
})

describe('Secure Session', () => {
  const [clientPair, serverPair] = [new themis.KeyPair(), new themis.KeyPair()]
  const [clientId, serverId] = [Buffer.from('client'), Buffer.from('server')]
  const makeClient = (callback: themis.KeyCallback = id => (id.equals(serverId) ? serverPair.public() : null)) =>
    new themis.SecureSession(clientId, clientPair.private(), callback)
  const makeServer = (callback: themis.KeyCallback = id => (id.equals(clientId) ? clientPair.public() : null)) =>
    themis.SecureSession(serverId, serverPair.private(), callback)

  test('unwraps the handshake and then data, in one loop', () => {
    const [client, server] = [makeClient(), makeServer()]
    let message: Buffer | undefined = client.connectRequest()
    for (const side of [server, client, server, client]) message = side.unwrap(message as Buffer)
    expect(message).toBeUndefined()
    expect([client.isEstablished(), server.isEstablished()]).toEqual([true, true])
    expect(server.unwrap(client.wrap(TEXT))).toEqual(TEXT)
    expect(client.unwrap(server.wrap(TEXT))).toEqual(TEXT)
    expect(() => server.wrap(EMPTY)).toThrow(withCode(themis.INVALID_PARAMETER))
  })

  test.each<[string, themis.KeyCallback, number]>([
    ['gives nothing', () => null, 21],
    ['gives no bytes', () => wrong('key'), 21],
    ['gives a private key', () => clientPair.private(), 12],
    ['gives another key', () => new themis.KeyPair().public(), 16]
  ])('refuses a client for whom the callback %s', (_what, callback, code) => {
    expect(() => makeServer(callback).unwrap(makeClient().connectRequest())).toThrow(withCode(code))
  })

  test('tells of an error in the callback as the cause of its own', () => {
    const cause = new Error('the directory is away')
    const server = makeServer(() => {
      throw cause
    })
    const expected = expect.objectContaining({ code: 21, cause })
    expect(() => server.unwrap(makeClient().connectRequest())).toThrow(expected)
  })

  test('is not made of wrong things', () => {
    const rsa = PlainKeyPair.generateRSA()
    const make = (...args: unknown[]) => Reflect.construct(themis.SecureSession, args)
    expect(() => make('id', clientPair.private(), () => null)).toThrow(TypeError)
    expect(() => make(clientId, 'key', () => null)).toThrow(TypeError)
    for (const args of [
      [EMPTY, clientPair.private(), () => null],
      [clientId, clientPair.public(), () => null],
      [clientId, rsa.privateKey, () => null],
      [clientId, clientPair.private(), {}],
      [clientId, clientPair.private()]
    ]) {
      expect(() => make(...args)).toThrow(withCode(themis.INVALID_PARAMETER))
    }
  })
})

describe('Secure Comparator', () => {
  test.each([
    [TEXT, true],
    [CONTEXT, false]
  ])('compares with %s', (secret, matches) => {
    const [alice, bob] = [new themis.SecureComparator(TEXT), themis.SecureComparator(secret)]
    expect(() => alice.isMatch()).toThrow(withCode(themis.SCOMPARE_NOT_READY))
    let message: Buffer | undefined = alice.beginCompare()
    for (const side of [bob, alice, bob, alice]) message = side.proceedCompare(message as Buffer)
    expect(message).toBeUndefined()
    expect([alice.isMatch(), bob.isMatch()]).toEqual([matches, matches])
    expect([alice.isCompareComplete(), bob.isCompareComplete()]).toEqual([1, 1])
  })

  test('wants a secret, and messages', () => {
    expect(() => Reflect.construct(themis.SecureComparator, [])).toThrow(withCode(themis.INVALID_PARAMETER))
    expect(() => new themis.SecureComparator(EMPTY)).toThrow(withCode(themis.INVALID_PARAMETER))
    expect(() => new themis.SecureComparator(wrong('secret'))).toThrow(TypeError)
    expect(() => new themis.SecureComparator(TEXT).proceedCompare(EMPTY)).toThrow(withCode(themis.INVALID_PARAMETER))
  })
})
