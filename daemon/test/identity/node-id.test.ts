import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ed25519PublicKey,
  nodeIdBytes,
  nodeIdOfBytes,
  nodeIdOfPublicKey,
  publicKeyOfNodeId,
  signEd25519,
  verifyEd25519
} from '../../src/identity/node-id.ts'
import { seededRandomBytes } from '../../src/random.ts'

const seedOf = (name: string) => seededRandomBytes(name)(32)
const keyBytes = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('node IDs', () => {
  it('are those that libp2p makes of the same seed, as text and as multihash', async () => {
    for (const name of ['ada', 'grace', 'mary']) {
      const peerId = peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', seedOf(name)))
      const nodeId = nodeIdOfPublicKey(ed25519PublicKey(seedOf(name)))
      expect(nodeId).toBe(peerId.toString())
      expect(nodeIdBytes(nodeId)).toEqual(peerId.toMultihash().bytes)
    }
  })

  it('keep the key: text, multihash and key lead to one another', () => {
    fc.assert(
      fc.property(keyBytes, key => {
        const nodeId = nodeIdOfPublicKey(key)
        expect(publicKeyOfNodeId(nodeId)).toEqual(key)
        expect(nodeIdOfBytes(nodeIdBytes(nodeId))).toBe(nodeId)
        expect(peerIdFromString(nodeId).toString()).toBe(nodeId)
      })
    )
  })

  it('of another kind of key, or damaged, are not read', () => {
    const nodeId = nodeIdOfPublicKey(seedOf('key'))
    const multihash = nodeIdBytes(nodeId)
    for (let position = 0; position < 6; position++) {
      const other = multihash.slice()
      other[position] = (other[position] ?? 0) ^ 1
      expect(nodeIdOfBytes(other)).toBeUndefined()
    }
    expect(nodeIdOfBytes(multihash.slice(1))).toBeUndefined()
  })
})

describe('Ed25519 from raw bytes', () => {
  it('signs and verifies like libp2p', async () => {
    const seed = seedOf('signer')
    const message = seededRandomBytes('message')(100)
    const libp2pKey = await generateKeyPairFromSeed('Ed25519', seed)
    expect(ed25519PublicKey(seed)).toEqual(libp2pKey.publicKey.raw)
    expect(signEd25519(seed, message)).toEqual(new Uint8Array(await libp2pKey.sign(message)))
    expect(verifyEd25519(ed25519PublicKey(seed), message, signEd25519(seed, message))).toBe(true)
  })

  it('gives the signature of RFC 8032, section 7.1, test 2', () => {
    const seed = Buffer.from('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb', 'hex')
    const signature =
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'
    expect(Buffer.from(signEd25519(seed, Uint8Array.of(0x72))).toString('hex')).toBe(signature)
  })

  it('answers false, and no error, to any key and signature that do not belong together', () => {
    const anySignature = fc.uint8Array({ minLength: 0, maxLength: 80 })
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 40 }), anySignature, (key, signature) => {
        expect(verifyEd25519(key, Uint8Array.of(1), signature)).toBe(false)
      })
    )
    const signature = signEd25519(seedOf('a'), Uint8Array.of(1))
    expect(verifyEd25519(new Uint8Array(32).fill(0xff), Uint8Array.of(1), signature)).toBe(false)
    expect(verifyEd25519(ed25519PublicKey(seedOf('b')), Uint8Array.of(1), signature)).toBe(false)
    expect(verifyEd25519(ed25519PublicKey(seedOf('a')), Uint8Array.of(2), signature)).toBe(false)
  })

  it('takes seeds of 32 bytes only', () => {
    expect(() => signEd25519(new Uint8Array(31), Uint8Array.of(1))).toThrow(RangeError)
    expect(() => nodeIdOfPublicKey(new Uint8Array(33))).toThrow(RangeError)
  })
})
