import { expect, test } from 'vitest'
import {
  assertValidKey,
  decodeAnyPrivateKey,
  decodeAnyPublicKey,
  decodePrivateKey,
  decodePublicKey,
  decodeRsaPrivateKey,
  decodeRsaPublicKey,
  encryptMessage,
  encryptSeal,
  encryptSealWithPassphrase,
  encryptSealWithPassphraseAsync,
  encryptTokenProtect,
  generateKeyPair,
  generateRsaKeyPair,
  generateSymmetricKey,
  keyKind,
  type PrivateKey,
  type PublicKey,
  poolRandomBytes,
  type RandomBytes,
  SecureComparator,
  SecureSession,
  type SecureSessionOptions
} from '../src/index.ts'
import { ALICE, BOB, establishedPair, NOW_SECONDS, openSession } from './support/peers.ts'
import { seededBytes } from './support/random.ts'
import { codeOf } from './support/refusal.ts'

/** What is no bytes, though some of it has a length, or elements, like bytes. */
const NOT_BYTES = [
  { what: 'text', value: 'text' },
  { what: 'undefined', value: undefined },
  { what: 'null', value: null },
  { what: 'number', value: 7 },
  { what: 'array', value: [1, 2] },
  { what: 'array of words', value: new Uint16Array(45) },
  { what: 'ArrayBuffer', value: new ArrayBuffer(45) },
  { what: 'object with a length', value: { length: 45 } }
]
const asBytes = (value: unknown) => value as Uint8Array

const session = (options: Partial<SecureSessionOptions>) =>
  SecureSession.create({
    role: 'client',
    id: ALICE.id,
    privateKey: ALICE.keys.privateKey,
    randomBytes: seededBytes('wrong calls'),
    receivePolicy: 'ordered',
    ...options
  })

test.each(NOT_BYTES)('a session takes no $what for bytes: it would go out as other bytes', ({ value }) => {
  const { client, server } = establishedPair()
  for (const call of [
    () => session({ id: asBytes(value) }),
    () => openSession('server', BOB).receive(asBytes(value)),
    () => client.wrap(asBytes(value), NOW_SECONDS),
    () => client.wrapParts([ALICE.id, asBytes(value)], NOW_SECONDS),
    () => server.unwrap(asBytes(value), NOW_SECONDS),
    () => SecureSession.load(asBytes(value), seededBytes('loaded'))
  ]) {
    expect(call).toThrow(TypeError)
  }
  expect(client.counts.wrapped).toBe(0)
})

test.each(NOT_BYTES)('a comparator takes no $what for a secret: any two texts of a length would match', ({ value }) => {
  const comparator = new SecureComparator({ randomBytes: seededBytes('comparator') })
  expect(() => comparator.append(asBytes(value))).toThrow(TypeError)
  comparator.append(ALICE.id)
  expect(() => comparator.receive(asBytes(value))).toThrow(TypeError)
  expect(comparator.role).toBeUndefined()
})

test.each(NOT_BYTES)('no key is read from an argument that is $what', ({ value }) => {
  for (const read of [
    keyKind,
    assertValidKey,
    decodePublicKey,
    decodePrivateKey,
    decodeRsaPublicKey,
    decodeRsaPrivateKey,
    decodeAnyPublicKey,
    decodeAnyPrivateKey
  ]) {
    expect(() => read(asBytes(value))).toThrow(TypeError)
  }
})

test('a session refuses a role, a receive policy and a kind of key that it does not know', () => {
  const { privateKey, publicKey } = generateRsaKeyPair()
  for (const options of [
    { role: 'Server' as 'server' },
    { receivePolicy: 'strict' as 'ordered' },
    { privateKey: privateKey as unknown as PrivateKey }
  ]) {
    expect(() => session(options)).toThrow(TypeError)
  }
  const [client, server] = [openSession('client', ALICE), openSession('server', BOB)]
  const message1 = client.connectRequest()
  for (const key of [publicKey, ALICE.keys.publicKey.toBytes()]) {
    server.receive(message1)
    expect(codeOf(() => server.peerKey(key as unknown as PublicKey))).toBe('INVALID_KEY')
  }
  server.receive(message1)
  const message2 = server.peerKey(ALICE.keys.publicKey).reply as Uint8Array
  client.receive(message2)
  expect(codeOf(() => client.peerKey(publicKey as unknown as PublicKey))).toBe('INVALID_KEY')
})

test.each([
  { what: 'fewer bytes', source: (length: number) => new Uint8Array(length - 1) },
  { what: 'more bytes', source: (length: number) => new Uint8Array(length + 1) },
  { what: 'a promise', source: async (length: number) => new Uint8Array(length) },
  { what: 'text', source: (length: number) => 'x'.repeat(length) }
])('a random source that gives $what makes no key, nonce or salt', async ({ source }) => {
  const broken = source as unknown as RandomBytes
  const { privateKey, publicKey } = ALICE.keys
  const comparator = new SecureComparator({ randomBytes: broken })
  comparator.append(ALICE.id)
  const { client } = establishedPair('themis')
  const loaded = SecureSession.load(client.save(), broken)
  for (const call of [
    () => generateSymmetricKey(broken),
    () => generateKeyPair(broken),
    () => encryptSeal(ALICE.id, BOB.id, broken),
    () => encryptTokenProtect(ALICE.id, BOB.id, broken),
    () => encryptSealWithPassphrase(ALICE.id, BOB.id, broken),
    () => encryptMessage(privateKey, publicKey, BOB.id, broken),
    () => comparator.begin(),
    () => loaded.wrap(ALICE.id, NOW_SECONDS),
    () => poolRandomBytes(broken)(4)
  ]) {
    expect(call).toThrow(TypeError)
  }
  await expect(encryptSealWithPassphraseAsync(ALICE.id, BOB.id, broken)).rejects.toThrow(TypeError)
})
