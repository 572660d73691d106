import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hexOf, textBytes } from '../../src/identity/fields.ts'
import { createIdentity, decodeKeyring, type Keyring } from '../../src/identity/keyring.ts'
import { seededRandomBytes } from '../../src/random.ts'
import { codeOf, identityNamed } from './identities.ts'

const ada = identityNamed('ada')

const secretsOf = (keyring: Keyring): Uint8Array[] => [keyring.identityKey().toBytes().slice(13), keyring.nodeSeed()]

describe('a new identity', () => {
  it('has three keys, each from random bytes of its own', () => {
    const drawn: Uint8Array[] = []
    const source = seededRandomBytes('source')
    const randomBytes = (lengthBytes: number): Uint8Array => {
      const bytes = source(lengthBytes)
      drawn.push(bytes.slice())
      return bytes
    }
    const keyring = createIdentity({ user: 'ada', host: 'lab', now: 5, randomBytes })
    expect(drawn.map(bytes => bytes.length)).toEqual([32, 32, 32])
    expect(secretsOf(keyring)).toEqual(drawn.slice(0, 2))
    expect(new Set([keyring.nodeId, hexOf(keyring.boxKey), hexOf(keyring.fingerprint)]).size).toBe(3)
    expect(keyring.createdAt).toBe(5)
    expect(keyring.lineage).toEqual(keyring.fingerprint)
  })

  it('is named after user, host and key unless a name is given', async () => {
    const randomBytes = seededRandomBytes('named')
    const options = { user: 'ada', host: 'lab', now: 5, randomBytes }
    expect(createIdentity(options).id).toMatch(/^ada@lab-[a-z2-7]{5}$/)
    expect(createIdentity(options).id).not.toBe(createIdentity(options).id)
    expect(createIdentity({ ...options, id: ' Ada ' }).id).toBe('Ada')
    expect(await codeOf(() => createIdentity({ ...options, id: 'a\u0000' }))).toBe('NAME_INVALID')
  })
})

describe('a keyring', () => {
  it('shows nothing secret to inspect, JSON and text', () => {
    const shown = [
      inspect(ada, { depth: 9, showHidden: true, getters: true }),
      inspect({ nested: [ada] }, { depth: 9 }),
      JSON.stringify({ ada }),
      String(ada),
      JSON.stringify(Object.entries(ada)),
      JSON.stringify(structuredClone({ ...ada }))
    ].join('\n')
    for (const secret of secretsOf(ada)) {
      const spellings = [hexOf(secret), Buffer.from(secret).toString('base64'), secret.join(','), secret.join(', ')]
      for (const spelling of spellings) expect(shown).not.toContain(spelling.slice(0, 24))
    }
    expect(JSON.parse(JSON.stringify(ada))).toEqual({
      id: 'ada',
      nodeId: ada.nodeId,
      fingerprint: hexOf(ada.fingerprint),
      createdAt: 1_000
    })
  })

  it('comes back from its bytes with every key', () => {
    const read = decodeKeyring(ada.encode())
    expect(read.encode()).toEqual(ada.encode())
    expect(secretsOf(read)).toEqual(secretsOf(ada))
    for (const member of ['id', 'createdAt', 'nodeId', 'publicKeyBytes', 'fingerprint', 'lineage', 'boxKey'] as const) {
      expect(read[member]).toEqual(ada[member])
    }
  })

  it('of which any bit is flipped, or a part is missing, is refused', () => {
    const bytes = ada.encode()
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(7), (position, bit) => {
        const flipped = bytes.slice()
        flipped[position] = (flipped[position] ?? 0) ^ (1 << bit)
        expect(() => decodeKeyring(flipped)).toThrow(expect.objectContaining({ code: 'KEYRING_INVALID' }))
        expect(() => decodeKeyring(bytes.slice(0, position))).toThrow(
          expect.objectContaining({ code: 'KEYRING_INVALID' })
        )
      })
    )
  })

  it('of an unknown version is refused', async () => {
    const bytes = ada.encode()
    bytes.set(textBytes('parley/keyring/v2\0'))
    expect(await codeOf(() => decodeKeyring(bytes))).toBe('KEYRING_INVALID')
  })
})
