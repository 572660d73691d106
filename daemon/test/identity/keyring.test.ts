import { inspect } from 'node:util'
import { generateKeyPair } from '@parley/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hexOf, textBytes } from '../../src/identity/fields.ts'
import { createIdentity, decodeKeyring, type Keyring } from '../../src/identity/keyring.ts'
import { seededRandomBytes } from '../../src/random.ts'
import { codeOf, identityNamed } from './identities.ts'

const ada = identityNamed('ada')

const secretsOf = (keyring: Keyring): Uint8Array[] => [keyring.identityKey().toBytes().slice(13), keyring.nodeSeed()]

describe('a new identity', () => {
  it('has every key apart, each from random bytes of its own', () => {
    const drawn: Uint8Array[] = []
    const source = seededRandomBytes('source')
    const randomBytes = (lengthBytes: number): Uint8Array => {
      const bytes = source(lengthBytes)
      drawn.push(bytes.slice())
      return bytes
    }
    const keyring = createIdentity({ user: 'ada', host: 'lab', now: 5, randomBytes })
    // Identity, node, box; store ID, index key and store key; vault, Fernet twice, tickets, audit.
    expect(drawn.map(bytes => bytes.length)).toEqual([32, 32, 32, 16, 32, 32, 32, 32, 32, 48, 32])
    const own = [keyring.vaultSealKey(), ...keyring.vaultFernetKeys(), ...keyring.tokenFernetKeys()]
    expect([...own, ...keyring.ticketKeys(), keyring.auditKey()]).toEqual(drawn.slice(6))
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

  it('of which a part is missing is refused', () => {
    const bytes = ada.encode()
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), position => {
        expect(() => decodeKeyring(bytes.slice(0, position))).toThrow(
          expect.objectContaining({ code: 'KEYRING_INVALID' })
        )
      })
    )
  })

  it('that is succeeded keeps its lineage, its former keys and the chain, also in its bytes', () => {
    const { privateKey } = generateKeyPair(seededRandomBytes('next'))
    const next = ada.succeededBy(privateKey, textBytes('statement 1'))
    const last = next.succeededBy(generateKeyPair(seededRandomBytes('last')).privateKey, textBytes('statement 2'))
    const read = decodeKeyring(last.encode())
    expect(read.lineage).toEqual(ada.lineage)
    expect(read.chain).toEqual([textBytes('statement 1'), textBytes('statement 2')])
    expect(read.formerIdentities().map(({ publicKeyBytes }) => publicKeyBytes)).toEqual([
      next.publicKeyBytes,
      ada.publicKeyBytes
    ])
    expect([ada.chain, ada.formerIdentities()]).toEqual([[], []])
    expect(() => ada.succeededBy(privateKey, new Uint8Array(1_025))).toThrow(RangeError)
  })

  it('keeps what is changed of it, and stays what it was', () => {
    const head = new Uint8Array(32).fill(7)
    const changed = ada.with({ auditHead: { count: 3, head }, opaqueSetup: textBytes('setup') })
    const read = decodeKeyring(changed.encode())
    expect([read.auditHead, read.opaqueSetup()]).toEqual([{ count: 3, head }, textBytes('setup')])
    expect([ada.auditHead.count, ada.opaqueSetup().length]).toEqual([0, 0])
    expect(read.with({ auditHead: ada.auditHead, opaqueSetup: new Uint8Array(0) }).encode()).toEqual(ada.encode())
  })

  it('gives copies of its keys', () => {
    for (const keyOf of [() => ada.nodeSeed(), () => ada.vaultSealKey(), () => ada.auditKey(), () => ada.boxSeed()]) {
      const before = hexOf(keyOf())
      keyOf().fill(0)
      expect(hexOf(keyOf())).toBe(before)
    }
  })
})
