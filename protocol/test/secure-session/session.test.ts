import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { decodePrivateKey } from '../../src/keys.ts'
import { SecureSession } from '../../src/secure-session/session.ts'
import { decodeContainer, encodeContainer } from '../../src/soter/container.ts'
import { ALICE, BOB, establishedPair, MALLORY, NOW_SECONDS, openSession, receiveFrom } from '../support/peers.ts'
import { flipped, seededBytes } from '../support/random.ts'
import { codeOf } from '../support/refusal.ts'

const HELLO = new TextEncoder().encode('hello')

describe('a session', () => {
  test('establishes both sides, which then know each other and share an ID', () => {
    const { client, server, messages } = establishedPair()
    expect([client.established, server.established]).toEqual([true, true])
    expect([client.remoteId, server.remoteId]).toEqual([BOB.id, ALICE.id])
    expect(client.sessionId).toBe(server.sessionId)
    expect(client.handshakeMessages).toEqual(messages)
    expect(server.handshakeMessages).toEqual(messages)
  })

  test('carries data both ways and counts it', () => {
    const { client, server } = establishedPair()
    for (let i = 0; i < 3; i++) expect(server.unwrap(client.wrap(HELLO, NOW_SECONDS), 0).message).toEqual(HELLO)
    expect(client.unwrap(server.wrap(HELLO, NOW_SECONDS), 0)).toEqual({ message: HELLO, sentAtSeconds: NOW_SECONDS })
    expect(client.counts).toEqual({ wrapped: 3, unwrapped: 1 })
    expect(server.counts).toEqual({ wrapped: 1, unwrapped: 3 })
  })

  test('tells the server who speaks after message 1, and the client after message 2', () => {
    const client = openSession('client', ALICE)
    const server = openSession('server', BOB)
    const { needPeerKey } = server.receive(client.connectRequest())
    expect(needPeerKey).toEqual(ALICE.id)
    expect(server.remoteId).toBeUndefined()
    const message2 = server.peerKey(ALICE.keys.publicKey).reply as Uint8Array
    expect(server.remoteId).toEqual(ALICE.id)
    expect(client.remoteId).toBeUndefined()
    receiveFrom(client, BOB, message2)
    expect(client.remoteId).toEqual(BOB.id)
  })

  test('lets the server send before the client has message 4, which opens it afterwards', () => {
    const client = openSession('client', ALICE)
    const server = openSession('server', BOB)
    const message2 = receiveFrom(server, ALICE, client.connectRequest()).reply as Uint8Array
    const message3 = receiveFrom(client, BOB, message2).reply as Uint8Array
    const last = server.receive(message3)
    expect(last.established).toBe(true)
    const early = server.wrap(HELLO, NOW_SECONDS)
    expect(codeOf(() => client.unwrap(early, NOW_SECONDS))).toBe('NOT_ESTABLISHED')
    client.receive(last.reply as Uint8Array)
    expect(client.unwrap(early, NOW_SECONDS).message).toEqual(HELLO)
  })

  test('gives no data, ID or saved state before it is established', () => {
    const client = openSession('client', ALICE)
    for (const call of [
      () => client.wrap(HELLO, NOW_SECONDS),
      () => client.unwrap(HELLO, NOW_SECONDS),
      () => client.save(),
      () => client.sessionId
    ]) {
      expect(codeOf(call)).toBe('NOT_ESTABLISHED')
    }
    expect(client.counts).toEqual({ wrapped: 0, unwrapped: 0 })
    expect(client.handshakeMessages).toEqual([])
  })

  test('ends with the code of what was wrong, and takes the genuine message afterwards', () => {
    const client = openSession('client', ALICE)
    const server = openSession('server', BOB)
    const message1 = client.connectRequest()
    expect(codeOf(() => server.receive(flipped(message1, 30)))).toBe('DATA_CORRUPT')
    expect(codeOf(() => receiveFrom(server, MALLORY, message1))).toBe('PEER_UNKNOWN')
    server.receive(message1)
    expect(codeOf(() => server.peerKey(MALLORY.keys.publicKey))).toBe('AUTHENTICATION_FAILED')
    expect(receiveFrom(server, ALICE, message1).reply).toBeDefined()
  })

  test('refuses calls out of turn', () => {
    const { client, server, messages } = establishedPair()
    expect(codeOf(() => client.connectRequest())).toBe('INVALID_STATE')
    expect(codeOf(() => server.connectRequest())).toBe('INVALID_STATE')
    expect(codeOf(() => server.peerKey(ALICE.keys.publicKey))).toBe('INVALID_STATE')
    expect(codeOf(() => server.receive(messages[0] as Uint8Array))).toBe('UNEXPECTED_MESSAGE')
    expect(server.unwrap(client.wrap(HELLO, NOW_SECONDS), NOW_SECONDS).message).toEqual(HELLO)
  })

  test('needs an ID', () => {
    expect(() => openSession('client', { ...ALICE, id: new Uint8Array(0) })).toThrow(RangeError)
  })

  test('hands out copies: nobody outside can change what it holds', () => {
    const id = Uint8Array.from(ALICE.id)
    const client = openSession('client', { ...ALICE, id })
    id.fill(0)
    const server = openSession('server', BOB)
    receiveFrom(server, ALICE, client.connectRequest())
    server.remoteId?.fill(0)
    server.handshakeMessages[0]?.fill(0)
    expect(server.remoteId).toEqual(ALICE.id)
    expect(server.handshakeMessages[0]?.[0]).toBe(0x54)
  })

  test('holds nothing that it handed out in a handshake', () => {
    const client = openSession('client', ALICE)
    const server = openSession('server', BOB)
    const messages: Uint8Array[] = []
    const carry = (message: Uint8Array | undefined) => {
      const copy = Uint8Array.from(message as Uint8Array)
      message?.fill(0)
      messages.push(copy)
      return copy
    }
    server.receive(carry(client.connectRequest())).needPeerKey?.reverse()
    client.receive(carry(server.peerKey(ALICE.keys.publicKey).reply)).needPeerKey?.reverse()
    client.receive(carry(server.receive(carry(client.peerKey(BOB.keys.publicKey).reply)).reply))
    for (const side of [client, server]) expect(side.handshakeMessages).toEqual(messages)
    expect([client.remoteId, server.remoteId]).toEqual([BOB.id, ALICE.id])
  })

  test('two sessions of the same peers share nothing', () => {
    const make = (seed: string) => {
      const session = SecureSession.create({
        role: 'client',
        id: ALICE.id,
        privateKey: ALICE.keys.privateKey,
        randomBytes: seededBytes(seed),
        receivePolicy: 'ordered'
      })
      const server = openSession('server', BOB)
      const message2 = receiveFrom(server, ALICE, session.connectRequest()).reply as Uint8Array
      server.receive(receiveFrom(session, BOB, message2).reply as Uint8Array)
      return server
    }
    const [first, second] = [make('one'), make('two')]
    const wrapped = first.wrap(HELLO, NOW_SECONDS)
    expect(codeOf(() => second.unwrap(wrapped, NOW_SECONDS))).toBe('AUTHENTICATION_FAILED')
  })
})

describe('a saved session', () => {
  test('goes on where it was, without identities', () => {
    const { client, server } = establishedPair('themis')
    server.unwrap(client.wrap(HELLO, NOW_SECONDS), NOW_SECONDS)
    const loaded = [client, server].map((session, i) => SecureSession.load(session.save(), seededBytes(`loaded ${i}`)))
    const [client2, server2] = loaded as [SecureSession, SecureSession]
    expect(server2.unwrap(client2.wrap(HELLO, NOW_SECONDS), NOW_SECONDS).message).toEqual(HELLO)
    expect(client2.unwrap(server2.wrap(HELLO, NOW_SECONDS), NOW_SECONDS).message).toEqual(HELLO)
    expect([client2.remoteId, client2.handshakeMessages]).toEqual([undefined, []])
    expect(client2.sessionId).toBe(client.sessionId)
    expect(codeOf(() => client2.connectRequest())).toBe('INVALID_STATE')
  })

  test('is read only as a whole: any changed bit, cut or addition is refused', () => {
    const saved = establishedPair('themis').client.save()
    const load = (bytes: Uint8Array) => codeOf(() => SecureSession.load(bytes, seededBytes('load')))
    for (let offset = 0; offset < saved.length; offset++) {
      expect(load(flipped(saved, offset))).toBe(offset < 8 ? 'INVALID_MESSAGE' : 'DATA_CORRUPT')
      expect(load(saved.subarray(0, offset))).toBe('INVALID_MESSAGE')
    }
    expect(load(new Uint8Array([...saved, 0]))).toBe('INVALID_MESSAGE')
  })

  test('with a role that is neither, another tag or another size is refused, though the checksum is right', () => {
    const payload = decodeContainer(establishedPair('themis').client.save(), 'TSSC')
    const strangers = [
      encodeContainer('TSSX', payload),
      encodeContainer('TSSC', payload, new Uint8Array(4)),
      encodeContainer('TSSC', payload.subarray(4)),
      encodeContainer('TSSC', flipped(payload, 7, 1))
    ]
    for (const saved of strangers) {
      expect(codeOf(() => SecureSession.load(saved, seededBytes('load')))).toBe('INVALID_MESSAGE')
    }
  })

  test('cannot be had of an ordered session', () => {
    expect(codeOf(() => establishedPair('ordered').client.save())).toBe('NOT_SUPPORTED')
  })
})

describe('a wiped session', () => {
  test('is over, in whatever state it was', () => {
    for (const session of [openSession('client', ALICE), openSession('server', BOB), establishedPair().client]) {
      session.wipe()
      session.wipe()
      expect(session.established).toBe(false)
      expect(codeOf(() => session.wrap(HELLO, NOW_SECONDS))).toBe('NOT_ESTABLISHED')
      expect(codeOf(() => session.receive(HELLO))).toBe('UNEXPECTED_MESSAGE')
      expect(codeOf(() => session.connectRequest())).toBe('INVALID_STATE')
    }
  })

  test('leaves the long-term key usable', () => {
    {
      using session = openSession('client', ALICE)
      session.connectRequest()
    }
    expect(ALICE.keys.publicKey.verify(HELLO, ALICE.keys.privateKey.sign(HELLO))).toBe(true)
  })

  test('has wiped its ephemeral key: after use on the server, on leaving the handshake on the client', () => {
    const made = [ALICE, BOB].map(({ keys }) => ({
      privateKey: decodePrivateKey(keys.privateKey.toBytes()),
      publicKey: keys.publicKey
    }))
    const [forClient, forServer] = made as [(typeof made)[0], (typeof made)[0]]
    const client = SecureSession.create({ ...optionsOf('client'), generateKeyPair: () => forClient })
    const server = SecureSession.create({ ...optionsOf('server'), generateKeyPair: () => forServer })
    const message2 = receiveFrom(server, ALICE, client.connectRequest()).reply as Uint8Array
    expect(codeOf(() => forServer.privateKey.sign(HELLO))).toBe('INVALID_STATE')
    expect(forClient.privateKey.sign(HELLO).length).toBeGreaterThan(0)
    receiveFrom(client, BOB, message2)
    expect(codeOf(() => forClient.privateKey.sign(HELLO))).toBe('INVALID_STATE')
  })
})

test('no secret shows when a session is printed or serialised', () => {
  const { client, server } = establishedPair('themis')
  for (const session of [client, server, openSession('client', ALICE)]) {
    expect(inspect(session, { depth: 9 })).toMatchInlineSnapshot(`"SecureSession {}"`)
    expect(JSON.stringify(session)).toBe('{}')
  }
})

function optionsOf(role: 'client' | 'server') {
  const own = role === 'client' ? ALICE : BOB
  return {
    role,
    id: own.id,
    privateKey: own.keys.privateKey,
    randomBytes: seededBytes(role),
    receivePolicy: 'ordered' as const
  }
}
