import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { encodeContainer } from '../../src/soter/container.ts'
import { KeyPair, PrivateKey, PublicKey, SecureSession } from '../../src/themis.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const TEXT = bytes('some content')
const errorCode = (code: number) => expect.objectContaining({ errorCode: code })

const clientPair = new KeyPair()
const serverPair = new KeyPair()

function established(): { client: SecureSession; server: SecureSession } {
  const client = new SecureSession(bytes('client'), clientPair.privateKey, () => serverPair.publicKey)
  const server = new SecureSession(bytes('server'), serverPair.privateKey, () => clientPair.publicKey)
  client.negotiateReply(server.negotiateReply(client.negotiateReply(server.negotiateReply(client.connectionRequest()))))
  return { client, server }
}

describe('a session, beyond what wasm-themis has', () => {
  test('each side knows the ID of the other once it was proved', () => {
    const unborn = new SecureSession(bytes('x'), clientPair.privateKey, () => null)
    const { client, server } = established()
    expect(unborn.remoteID()).toEqual(new Uint8Array(0))
    expect(client.remoteID()).toEqual(bytes('server'))
    expect(server.remoteID()).toEqual(bytes('client'))
  })

  test('is saved, and goes on in another object', () => {
    const { client, server } = established()
    server.unwrap(client.wrap(TEXT))
    const again = new SecureSession(bytes('client'), clientPair.privateKey, () => null)
    again.load(client.save())
    expect(again.established()).toBe(true)
    expect(server.unwrap(again.wrap(TEXT))).toEqual(TEXT)
    expect(again.unwrap(server.wrap(TEXT))).toEqual(TEXT)
  })

  test('cannot be saved before it is established, nor loaded from anything', () => {
    const session = new SecureSession(bytes('x'), clientPair.privateKey, () => null)
    expect(() => session.save()).toThrow(errorCode(12))
    expect(() => session.load(new Uint8Array(60))).toThrow(errorCode(12))
    expect(() => session.load('state' as unknown as Uint8Array)).toThrow(TypeError)
    expect(session.established()).toBe(false)
  })

  test('that is begun anew forgets what it was, and can be established again', () => {
    const { client } = established()
    const server = new SecureSession(bytes('server'), serverPair.privateKey, () => clientPair.publicKey)
    const request = client.connectionRequest()
    expect(client.established()).toBe(false)
    client.negotiateReply(server.negotiateReply(client.negotiateReply(server.negotiateReply(request))))
    expect(server.unwrap(client.wrap(TEXT))).toEqual(TEXT)
  })

  test('is destroyed at the end of its block, and may have been before', () => {
    const kept: SecureSession[] = []
    {
      using session = established().client
      using destroyed = established().server
      destroyed.destroy()
      kept.push(session)
    }
    expect(() => kept[0]?.wrap(TEXT)).toThrow(errorCode(12))
  })

  test('has no use for RSA keys, its own or the peer’s', () => {
    const rsa = KeyPair.generateRSA()
    const request = new SecureSession(bytes('x'), clientPair.privateKey, () => null).connectionRequest()
    const server = new SecureSession(bytes('y'), serverPair.privateKey, () => rsa.publicKey)
    expect(() => new SecureSession(bytes('x'), rsa.privateKey, () => null)).toThrow(errorCode(13))
    expect(() => server.negotiateReply(request)).toThrow(errorCode(12))
  })

  test('refuses a key that is none when it is made, and of a peer when that is looked up', () => {
    const zero = encodeContainer('REC2', new Uint8Array(33))
    const nowhere = encodeContainer('UEC2', Uint8Array.of(2, ...new Uint8Array(32).fill(255)))
    expect(() => new SecureSession(bytes('x'), new PrivateKey(zero), () => null)).toThrow(errorCode(12))
    const request = new SecureSession(bytes('x'), clientPair.privateKey, () => null).connectionRequest()
    let key = new PublicKey(nowhere)
    const server = new SecureSession(bytes('y'), serverPair.privateKey, () => key)
    expect(() => server.negotiateReply(request)).toThrow(errorCode(12))
    key = clientPair.publicKey
    expect(server.negotiateReply(request).length).toBeGreaterThan(100)
  })

  test('shows no secret', () => {
    const { client } = established()
    const master = Buffer.from(client.save()).subarray(20, 52)
    for (const shown of [inspect(client, { depth: 9, showHidden: true }), JSON.stringify(client)]) {
      expect(shown).not.toContain(`${master[0]}, ${master[1]}`)
      expect(shown.length).toBeLessThan(300)
    }
  })
})
