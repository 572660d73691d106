import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import {
  type AnyPrivateKey,
  type AnyPublicKey,
  decodeAnyPrivateKey,
  decodeAnyPublicKey,
  decryptContextImprint,
  decryptMessage,
  decryptSeal,
  decryptSealWithPassphrase,
  decryptTokenProtect,
  encryptContextImprint,
  encryptMessage,
  encryptSeal,
  encryptSealWithPassphrase,
  encryptTokenProtect,
  generateKeyPair,
  generateRsaKeyPair,
  generateRsaKeyPairAsync,
  generateSymmetricKey,
  type RsaBits,
  signMessage,
  verifyMessage
} from '@parley/protocol'
import { beforeAll, describe, expect, test } from 'vitest'
import { loadWasmThemis } from './wasm-themis.ts'

const themis = await loadWasmThemis()

const SIZES_BYTES = [1, 2, 15, 16, 17, 255, 1024, 65_536, 1_048_576]
const LARGEST_BYTES = 20 * 1_048_576
const ONE_KIB = new Uint8Array(randomBytes(1024))

const CONTEXTS = [
  { context: 'no context', bytes: undefined },
  { context: 'an empty context', bytes: new Uint8Array(0) },
  { context: 'a context', bytes: new TextEncoder().encode('a context of more than one block of SHA-256, '.repeat(3)) }
]

const MASTER_KEYS = [
  { key: 'made by us', makeKey: () => generateSymmetricKey(randomBytes) },
  { key: 'made by wasm-themis', makeKey: () => new Uint8Array(new themis.SymmetricKey()) },
  { key: 'of 1 byte', makeKey: () => Uint8Array.of(7) },
  { key: 'of 1000 bytes', makeKey: () => new Uint8Array(randomBytes(1000)) }
]

function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  // Not toEqual: it takes seconds for megabytes.
  expect(Buffer.compare(actual, expected)).toBe(0)
}

function sealBothWays(key: Uint8Array, message: Uint8Array, context?: Uint8Array): void {
  const theirs = themis.SecureCellSeal.withKey(key)
  expectSame(theirs.decrypt(encryptSeal(key, message, randomBytes, context), context), message)
  expectSame(decryptSeal(key, theirs.encrypt(message, context), context), message)
}

function tokenProtectBothWays(key: Uint8Array, message: Uint8Array, context?: Uint8Array): void {
  const theirs = themis.SecureCellTokenProtect.withKey(key)
  // The reference's types leave the context out, and its code looks how many arguments there are.
  const more = (context === undefined ? [] : [context]) as unknown as []
  const { token, data } = encryptTokenProtect(key, message, randomBytes, context)
  expectSame(theirs.decrypt(data, token, ...more), message)
  expectSame(decryptTokenProtect(key, theirs.encrypt(message, ...more), context), message)
}

function imprintBothWays(key: Uint8Array, message: Uint8Array, context: Uint8Array): void {
  const theirs = themis.SecureCellContextImprint.withKey(key)
  const imprinted = encryptContextImprint(key, message, context)
  expectSame(theirs.encrypt(message, context), imprinted)
  expectSame(theirs.decrypt(imprinted, context), message)
  expectSame(decryptContextImprint(key, imprinted, context), message)
}

describe.each(MASTER_KEYS)('Secure Cell with wasm-themis and a master key $key', ({ makeKey }) => {
  const key = makeKey()

  test.each(CONTEXTS)('each side decrypts what the other encrypted, with $context', ({ bytes }) => {
    sealBothWays(key, ONE_KIB, bytes)
    tokenProtectBothWays(key, ONE_KIB, bytes)
    if (bytes !== undefined && bytes.length > 0) imprintBothWays(key, ONE_KIB, bytes)
  })

  test('each side refuses what the other encrypted for another context', () => {
    const [own, other] = [Uint8Array.of(1), Uint8Array.of(2)]
    const theirs = themis.SecureCellSeal.withKey(key)
    expect(() => theirs.decrypt(encryptSeal(key, ONE_KIB, randomBytes, own), other)).toThrow(themis.ThemisError)
    expect(() => decryptSeal(key, theirs.encrypt(ONE_KIB, own), other)).toThrow(
      expect.objectContaining({ code: 'AUTHENTICATION_FAILED' })
    )
  })
})

describe('Secure Cell with wasm-themis', () => {
  const key = generateSymmetricKey(randomBytes)
  const context = Uint8Array.of(1, 2, 3)

  test('carries 1 byte to 1 MiB in every mode', () => {
    for (const size of SIZES_BYTES) {
      const message = new Uint8Array(randomBytes(size))
      sealBothWays(key, message, context)
      tokenProtectBothWays(key, message, context)
      imprintBothWays(key, message, context)
    }
  })

  test('carries 20 MiB', () => {
    sealBothWays(key, new Uint8Array(randomBytes(LARGEST_BYTES)), context)
  })

  test.each(CONTEXTS)('opens what a passphrase sealed, with $context', ({ bytes }) => {
    const text = 'pässword, not normalised'
    const passphrase = new TextEncoder().encode(text)
    const theirs = themis.SecureCellSeal.withPassphrase(text)
    expectSame(theirs.decrypt(encryptSealWithPassphrase(passphrase, ONE_KIB, randomBytes, bytes), bytes), ONE_KIB)
    expectSame(decryptSealWithPassphrase(passphrase, theirs.encrypt(ONE_KIB, bytes), bytes), ONE_KIB)
  })
})

/** A key pair in the forms of both sides. */
interface SharedPair {
  readonly ours: { readonly privateKey: AnyPrivateKey; readonly publicKey: AnyPublicKey }
  readonly theirs: InstanceType<typeof themis.KeyPair>
}

function shared(privateKey: AnyPrivateKey, publicKey: AnyPublicKey = privateKey.toPublicKey()): SharedPair {
  const theirPrivate = new themis.PrivateKey(privateKey.toBytes())
  const theirPublic = new themis.PublicKey(publicKey.toBytes())
  return { ours: { privateKey, publicKey }, theirs: new themis.KeyPair(theirPrivate, theirPublic) }
}

function madeByThem(): SharedPair {
  const theirs = new themis.KeyPair()
  return shared(decodeAnyPrivateKey(theirs.privateKey), decodeAnyPublicKey(theirs.publicKey))
}

function madeByUs(bits?: RsaBits): SharedPair {
  return shared(bits === undefined ? generateKeyPair(randomBytes).privateKey : generateRsaKeyPair(bits).privateKey)
}

const keyVectors = JSON.parse(readFileSync(new URL('../vectors/data/keys.json', import.meta.url), 'utf8')) as {
  readonly cases: readonly { readonly desc: string; readonly key: string }[]
}

/** A pair of the golden vectors, for what nobody makes any more. */
function recorded(description: string): SharedPair {
  const bytesOf = (half: 'private' | 'public') => {
    const found = keyVectors.cases.find(({ desc }) => desc === `${description} ${half}`)
    return new Uint8Array(Buffer.from(found?.key ?? '', 'base64'))
  }
  return shared(decodeAnyPrivateKey(bytesOf('private')), decodeAnyPublicKey(bytesOf('public')))
}

const PAIRS = [
  { keys: 'EC P-256 made by us', makePair: () => [madeByUs(), madeByUs()] },
  { keys: 'EC P-256 made by wasm-themis', makePair: () => [madeByThem(), madeByThem()] },
  { keys: 'EC P-256 made by both', makePair: () => [madeByUs(), madeByThem()] },
  { keys: 'EC P-256 uncompressed and not', makePair: () => [recorded('EC P-256 uncompressed'), madeByUs()] },
  { keys: 'EC P-384', makePair: () => [recorded('EC P-384'), recorded('EC P-384')] },
  { keys: 'EC P-521', makePair: () => [recorded('EC P-521'), recorded('EC P-521')] },
  { keys: 'RSA of 1024 bits', makePair: () => [recorded('RSA 1024'), recorded('RSA 1024')] },
  { keys: 'RSA of 2048 bits', makePair: () => [madeByUs(2048), recorded('RSA 2048')] },
  { keys: 'RSA of 2048 and 4096 bits', makePair: () => [madeByUs(2048), madeByUs(4096)] }
] as readonly { readonly keys: string; readonly makePair: () => [SharedPair, SharedPair] }[]

function secureMessage(own: SharedPair, peer: SharedPair) {
  return new themis.SecureMessage(new themis.KeyPair(own.theirs.privateKey, peer.theirs.publicKey))
}

function signBothWays({ ours, theirs }: SharedPair, message: Uint8Array): void {
  const verify = new themis.SecureMessageVerify(theirs.publicKey)
  expectSame(verify.verify(signMessage(ours.privateKey, message)), message)
  expectSame(verifyMessage(ours.publicKey, new themis.SecureMessageSign(theirs.privateKey).sign(message)), message)
}

function encryptBothWays(alice: SharedPair, bob: SharedPair, message: Uint8Array): void {
  const atAlice = secureMessage(alice, bob)
  const atBob = secureMessage(bob, alice)
  const encrypted = encryptMessage(alice.ours.privateKey, bob.ours.publicKey, message, randomBytes)
  expectSame(atBob.decrypt(encrypted), message)
  expectSame(decryptMessage(bob.ours.privateKey, alice.ours.publicKey, atAlice.encrypt(message)), message)
}

describe.each(PAIRS)('Secure Message with wasm-themis and keys $keys', ({ makePair }) => {
  let alice: SharedPair
  let bob: SharedPair

  beforeAll(() => {
    ;[alice, bob] = makePair()
  })

  test('each side verifies what the other signed', () => {
    for (const message of [Uint8Array.of(0), ONE_KIB]) {
      signBothWays(alice, message)
      signBothWays(bob, message)
    }
  })

  test('each side decrypts what the other encrypted, in both directions', () => {
    for (const message of [Uint8Array.of(0), ONE_KIB]) {
      encryptBothWays(alice, bob, message)
      encryptBothWays(bob, alice, message)
    }
  })

  test('each side refuses what the other made when it has been changed', () => {
    const signed = signMessage(alice.ours.privateKey, ONE_KIB)
    const encrypted = encryptMessage(alice.ours.privateKey, bob.ours.publicKey, ONE_KIB, randomBytes)
    const theirSigned = new themis.SecureMessageSign(alice.theirs.privateKey).sign(ONE_KIB)
    const theirEncrypted = secureMessage(alice, bob).encrypt(ONE_KIB)
    for (const bytes of [signed, encrypted, theirSigned, theirEncrypted]) {
      const last = bytes.length - 1
      bytes[last] = (bytes[last] as number) ^ 1
    }
    const atBob = secureMessage(bob, alice)
    expect(() => new themis.SecureMessageVerify(alice.theirs.publicKey).verify(signed)).toThrow(themis.ThemisError)
    expect(() => atBob.decrypt(encrypted)).toThrow(themis.ThemisError)
    const unauthentic = expect.objectContaining({ code: 'AUTHENTICATION_FAILED' })
    expect(() => verifyMessage(alice.ours.publicKey, theirSigned)).toThrow(unauthentic)
    expect(() => decryptMessage(bob.ours.privateKey, alice.ours.publicKey, theirEncrypted)).toThrow(unauthentic)
  })
})

describe('Secure Message with wasm-themis', () => {
  test.each([
    { kind: 'EC', makePair: () => madeByUs() },
    { kind: 'RSA', makePair: () => madeByUs(2048) }
  ])('carries 1 byte to 1 MiB, encrypted with $kind keys', ({ makePair }) => {
    const [alice, bob] = [makePair(), makePair()]
    for (const size of SIZES_BYTES) {
      const message = new Uint8Array(randomBytes(size))
      encryptBothWays(alice, bob, message)
      signBothWays(alice, message)
    }
  })

  test('carries 20 MiB, signed and encrypted', () => {
    const message = new Uint8Array(randomBytes(LARGEST_BYTES))
    const pair = madeByUs()
    signBothWays(pair, message)
    const encrypted = encryptMessage(pair.ours.privateKey, pair.ours.publicKey, message, randomBytes)
    expectSame(secureMessage(pair, pair).decrypt(encrypted), message)
  })

  test('takes RSA keys of 8192 bits, which we make', async () => {
    const pair = shared((await generateRsaKeyPairAsync(8192)).privateKey)
    signBothWays(pair, ONE_KIB)
    encryptBothWays(pair, pair, ONE_KIB)
  })
})
