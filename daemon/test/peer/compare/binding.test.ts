import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { bindingOf, type CompareBinding, comparedSecret } from '../../../src/peer/compare/binding.ts'

const bytes = (length: number, fill: number) => new Uint8Array(length).fill(fill)
const secret = new TextEncoder().encode('secret')

const BINDING: CompareBinding = {
  compareId: bytes(16, 1),
  initiator: { publicKey: bytes(45, 2), id: 'alice', nonce: bytes(32, 3) },
  responder: { publicKey: bytes(45, 4), id: 'bob', nonce: bytes(32, 5) },
  channel: bytes(32, 6)
}
const hexOf = (binding: CompareBinding) => Buffer.from(comparedSecret(binding, secret)).toString('hex')

describe('what is compared', () => {
  it('is the label, the hash over both sides in order, and the secret', () => {
    const lp = (content: Uint8Array) => Buffer.concat([Buffer.from([0, 0, 0, content.length]), content])
    const label = Buffer.from('parley/compare/v1\0')
    const B = createHash('sha256')
      .update(
        Buffer.concat([
          ...[
            label,
            bytes(16, 1),
            lp(bytes(45, 2)),
            lp(bytes(45, 4)),
            lp(Buffer.from('alice')),
            lp(Buffer.from('bob'))
          ],
          ...[bytes(32, 3), bytes(32, 5), lp(bytes(32, 6))]
        ])
      )
      .digest()
    expect(hexOf(BINDING)).toBe(Buffer.concat([label, B, secret]).toString('hex'))
  })

  it('is other for another comparison, session, key, ID, nonce, and with the roles changed about', () => {
    const { initiator, responder } = BINDING
    const others: CompareBinding[] = [
      { ...BINDING, compareId: bytes(16, 9) },
      { ...BINDING, channel: bytes(32, 9) },
      { ...BINDING, initiator: { ...initiator, publicKey: bytes(45, 9) } },
      { ...BINDING, initiator: { ...initiator, id: 'alic' } },
      { ...BINDING, initiator: { ...initiator, nonce: bytes(32, 9) } },
      { ...BINDING, responder: { ...responder, publicKey: bytes(45, 9) } },
      { ...BINDING, responder: { ...responder, id: 'ebob' } },
      { ...BINDING, responder: { ...responder, nonce: bytes(32, 9) } },
      { ...BINDING, initiator: responder, responder: initiator }
    ]
    expect(new Set([BINDING, ...others].map(hexOf)).size).toBe(others.length + 1)
  })

  it('is the same on both sides of a session', () => {
    const alice = { ownPublicKey: bytes(45, 2), peerPublicKey: bytes(45, 4), ownId: 'alice', peerId: 'bob' }
    const bob = { ownPublicKey: bytes(45, 4), peerPublicKey: bytes(45, 2), ownId: 'bob', peerId: 'alice' }
    const nonces = [bytes(32, 3), bytes(32, 5)] as const
    const { compareId, channel: transcript } = BINDING
    const ours = bindingOf(compareId, { ...alice, transcript }, { own: nonces[0], peer: nonces[1] }, true)
    const theirs = bindingOf(compareId, { ...bob, transcript }, { own: nonces[1], peer: nonces[0] }, false)
    expect(ours).toEqual(BINDING)
    expect(theirs).toEqual(BINDING)
  })
})
