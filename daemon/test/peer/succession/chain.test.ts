import { generateKeyPair } from '@parley/protocol'
import { describe, expect, it } from 'vitest'
import type { Keyring } from '../../../src/identity/keyring.ts'
import { decodeSuccession, makeSuccession, readSuccession, successionHash } from '../../../src/identity/succession.ts'
import { type HeldChain, heldSerial, readChain } from '../../../src/peer/succession/chain.ts'
import { decodePrelude, encodePrelude, SuccessionPreludes } from '../../../src/peer/succession/prelude.ts'
import { seededRandomBytes } from '../../../src/random.ts'
import { codeOf, identityNamed } from '../../identity/identities.ts'
import { lineage, rotated } from './lineage.ts'

const bob = identityNamed('bob')
const line = lineage(bob, 5)
const at = (serial: number): Keyring => line[serial] as Keyring
const chain = at(5).chain

/** What somebody holds who has followed `serial` statements, of which the newest `kept` are there. */
function heldAt(serial: number, kept = 32): HeldChain {
  const { fingerprint, chain } = at(serial)
  return { lineage: bob.lineage, fingerprint, chain: chain.map(readSuccession).slice(-kept || chain.length) }
}

const withoutChain = (held: HeldChain): HeldChain => ({ ...held, chain: [] })

describe('a succession statement', () => {
  const [first, second] = chain.map(decodeSuccession)

  it('names both keys, its place and its parent, and holds only as it was signed', () => {
    if (first === undefined || second === undefined) throw new TypeError('there are two')
    expect(first).toMatchObject({ serial: 1, lineage: bob.lineage, oldKeyBytes: bob.publicKeyBytes, time: 1_000 })
    expect(first.parent).toEqual(new Uint8Array(32))
    expect(second).toMatchObject({ serial: 2, parent: successionHash(first), oldKeyBytes: at(1).publicKeyBytes })
    for (let index = 0; index < first.bytes.length; index += 3) {
      const bytes = first.bytes.slice()
      bytes[index] = (bytes[index] ?? 0) ^ 1
      expect(() => decodeSuccession(bytes)).toThrow(expect.objectContaining({ code: 'CHAIN_FOREIGN' }))
    }
    for (const bytes of [first.bytes.slice(1), first.bytes.slice(0, -1), new Uint8Array(0), new Uint8Array(2_000)]) {
      expect(() => decodeSuccession(bytes)).toThrow(expect.objectContaining({ code: 'CHAIN_FOREIGN' }))
    }
  })

  it('is none without the signature of the new key: nobody is made the successor of another', () => {
    const carol = identityNamed('carol')
    const honest = makeSuccession(bob, carol.identityKey(), 1)
    const { privateKey } = generateKeyPair(seededRandomBytes('other'))
    const other = makeSuccession(bob, privateKey, 1)
    const signedLength = new DataView(honest.buffer).getUint32(0)
    const tail = other.slice(4 + new DataView(other.buffer).getUint32(0))
    const mixed = Uint8Array.from([...honest.slice(0, 4 + signedLength), ...tail])
    expect(decodeSuccession(honest).newKeyBytes).toEqual(carol.publicKeyBytes)
    expect(() => decodeSuccession(mixed)).toThrow(expect.objectContaining({ code: 'CHAIN_FOREIGN' }))
  })
})

describe('a chain that is shown', () => {
  it('leads on from the key that is held, however much of it is shown', () => {
    for (const held of [0, 1, 3]) {
      for (const from of [0, held]) {
        const reading = readChain(chain.slice(from), heldAt(held))
        expect(reading.kind).toBe('ahead')
        expect(reading.kind === 'ahead' && reading.links.map(({ serial }) => serial)).toEqual(
          [1, 2, 3, 4, 5].filter(serial => serial > held)
        )
      }
    }
    const unknown = withoutChain(heldAt(2))
    expect(heldSerial(unknown)).toBe(undefined)
    expect(readChain(chain, unknown)).toMatchObject({
      kind: 'ahead',
      links: [{ serial: 3 }, { serial: 4 }, { serial: 5 }]
    })
  })

  it('may say nothing new', () => {
    expect(readChain([], heldAt(3))).toEqual({ kind: 'same' })
    expect(readChain(chain, heldAt(5))).toEqual({ kind: 'same' })
    expect(readChain(chain.slice(4), heldAt(5))).toEqual({ kind: 'same' })
    expect(readChain(chain, withoutChain(heldAt(5)))).toEqual({ kind: 'same' })
  })

  it('that ends before the key that is held is replayed', async () => {
    expect(await codeOf(() => readChain(chain.slice(0, 3), heldAt(5)))).toBe('CHAIN_REPLAYED')
    expect(await codeOf(() => readChain(chain.slice(0, 1), heldAt(5, 1)))).toBe('CHAIN_REPLAYED')
  })

  it('with statements missing has a gap', async () => {
    expect(await codeOf(() => readChain(chain.slice(2), heldAt(0)))).toBe('CHAIN_GAP')
    expect(await codeOf(() => readChain([chain[0], chain[2]] as Uint8Array[], heldAt(0)))).toBe('CHAIN_GAP')
    expect(await codeOf(() => readChain(chain.slice(4), withoutChain(heldAt(3))))).toBe('CHAIN_GAP')
  })

  it('of somebody else is foreign', async () => {
    const carol = lineage(identityNamed('carol'), 2).at(-1) as Keyring
    const stranger = lineage(bob, 3, 'stranger').at(-1) as Keyring
    expect(await codeOf(() => readChain(carol.chain, heldAt(0)))).toBe('CHAIN_FOREIGN')
    expect(await codeOf(() => readChain([chain[0], stranger.chain[1]] as Uint8Array[], heldAt(0)))).toBe(
      'CHAIN_FOREIGN'
    )
    expect(await codeOf(() => readChain(stranger.chain.slice(1), heldAt(1)))).toBe('CHAIN_FOREIGN')
    expect(
      await codeOf(() =>
        readChain(
          Array.from({ length: 33 }, () => chain[0] as Uint8Array),
          heldAt(0)
        )
      )
    ).toBe('CHAIN_FOREIGN')
  })

  it('with a second successor of a key that was followed is a fork, wherever it begins', () => {
    const thief = lineage(at(2), 2, 'thief').at(-1) as Keyring
    const held = heldAt(5)
    for (const shown of [thief.chain, thief.chain.slice(2)]) {
      expect(readChain(shown, held)).toMatchObject({
        kind: 'fork',
        held: { serial: 3, content: held.chain[2]?.content },
        shown: [{ serial: 3 }, { serial: 4 }]
      })
    }
  })

  it('is followed by whoever sees it first, thief or not', () => {
    const thief = rotated(at(2), 'thief')
    expect(readChain(thief.chain, heldAt(2))).toMatchObject({ kind: 'ahead', links: [{ serial: 3 }] })
  })
})

describe('preludes', () => {
  const never = () => {
    throw new TypeError('no fork')
  }

  it('are empty where nobody ever had another key', () => {
    expect(encodePrelude({ held: 0, statements: [] })).toEqual(new Uint8Array(0))
    expect(decodePrelude(new Uint8Array(0))).toEqual({ held: 0, statements: [] })
  })

  it('read as they were written, and bound what they take', async () => {
    for (const prelude of [
      { held: undefined, statements: [] },
      { held: 7, statements: [...chain] },
      { held: 0, statements: [chain[0] as Uint8Array] }
    ]) {
      expect(decodePrelude(encodePrelude(prelude))).toEqual(prelude)
    }
    const tooMany = encodePrelude({ held: 1, statements: Array.from({ length: 33 }, () => new Uint8Array(1)) })
    const wrong = [
      Uint8Array.of(1),
      Uint8Array.of(0, 0, 0, 9, ...new Uint8Array(9)),
      Uint8Array.of(0, 0, 0, 3, 1, 1, 1),
      tooMany
    ]
    for (const bytes of wrong) expect(await codeOf(() => decodePrelude(bytes))).toBe('PROTOCOL_VIOLATION')
  })

  it('with 32 statements fit into a frame', () => {
    const long = lineage(bob, 32).at(-1) as Keyring
    const preludes = new SuccessionPreludes({ own: long.chain, followed: 0, held: heldAt(0), forked: never })
    expect(preludes.opening().length).toBeLessThanOrEqual(16_384)
  })

  it('tell the other side what it lacks, by what it says it holds', () => {
    const ours = new SuccessionPreludes({ own: chain, followed: 4, held: heldAt(0), forked: never })
    expect(decodePrelude(ours.opening()).statements).toEqual(chain.slice(4))
    ours.read(encodePrelude({ held: 2, statements: [] }))
    expect(decodePrelude(ours.answer()).statements).toEqual(chain.slice(2))
    ours.read(encodePrelude({ held: 9, statements: [] }))
    expect(decodePrelude(ours.answer()).statements).toEqual(chain)
    ours.read(encodePrelude({ held: undefined, statements: [] }))
    expect(decodePrelude(ours.answer()).statements).toEqual(chain)
  })

  it('of 40 successions show the newest 32, which who holds an older key cannot follow', async () => {
    const long = lineage(bob, 40).at(-1) as Keyring
    const preludes = new SuccessionPreludes({ own: long.chain, followed: 0, held: heldAt(0), forked: never })
    const { statements } = decodePrelude(preludes.opening())
    expect(statements).toEqual(long.chain.slice(8))
    expect(await codeOf(() => readChain(statements, heldAt(0)))).toBe('CHAIN_GAP')
  })

  it('say which key the peer has to prove', () => {
    const preludes = new SuccessionPreludes({ own: [], followed: 0, held: heldAt(3), forked: never })
    const key = preludes.read(encodePrelude({ held: 0, statements: [...chain] }))
    expect(key?.fingerprint).toEqual(at(5).fingerprint)
    expect(preludes.links).toHaveLength(2)
  })
})
