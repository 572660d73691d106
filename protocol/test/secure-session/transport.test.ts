import { describe, expect, test } from 'vitest'
import { type ProtocolError, themisStatus } from '../../src/errors.ts'
import type { GetPublicKey, SessionDriverOptions, SessionEvent } from '../../src/secure-session/driver.ts'
import { SecureSession } from '../../src/secure-session/session.ts'
import { type SessionTransport, TransportSession } from '../../src/secure-session/transport.ts'
import { ALICE, BOB, establishedPair, type Identity, MALLORY, NOW_SECONDS, openSession } from '../support/peers.ts'
import { flipped, seededBytes } from '../support/random.ts'
import { codeOfRejection } from '../support/refusal.ts'

const HELLO = new TextEncoder().encode('hello')

/** Knows the three of the tests, as a directory would: later. */
const getPublicKey: GetPublicKey = async id =>
  [ALICE, BOB].find(known => Buffer.compare(known.id, id) === 0)?.keys.publicKey

/** One direction in memory. A receiver waits for what is not there yet. */
class Mailbox {
  readonly messages: Uint8Array[] = []
  #waiting: ((bytes: Uint8Array) => void) | undefined

  put(bytes: Uint8Array): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting === undefined) this.messages.push(bytes)
    else waiting(bytes)
  }

  take(): Promise<Uint8Array> {
    const bytes = this.messages.shift()
    if (bytes !== undefined) return Promise.resolve(bytes)
    return new Promise(resolve => {
      this.#waiting = resolve
    })
  }
}

interface Extra extends Partial<SessionDriverOptions> {
  readonly transport?: SessionTransport
  /** Before a message is carried: it may throw, or take its time. */
  readonly beforeSend?: () => unknown
}

/** Two sessions, each other's transport. */
function linked(ofClient: Extra = {}, ofServer: Extra = {}) {
  const [toServer, toClient] = [new Mailbox(), new Mailbox()]
  const make = (session: SecureSession, out: Mailbox, incoming: Mailbox, { beforeSend, ...extra }: Extra) =>
    new TransportSession({
      session,
      getPublicKey,
      nowSeconds: () => NOW_SECONDS,
      transport: {
        async send(bytes) {
          await beforeSend?.()
          out.put(bytes)
        },
        receive: () => incoming.take()
      },
      ...extra
    })
  return {
    client: make(openSession('client', ALICE), toServer, toClient, ofClient),
    server: make(openSession('server', BOB), toClient, toServer, ofServer),
    toServer,
    toClient
  }
}

async function established(ofClient: Extra = {}, ofServer: Extra = {}) {
  const pair = linked(ofClient, ofServer)
  await pair.client.connect()
  await Promise.all([pair.server.receive(), pair.client.receive(), pair.server.receive(), pair.client.receive()])
  return pair
}

describe('a session over callbacks', () => {
  test('is established by connect and receive, and carries data both ways', async () => {
    const { client, server } = await established()
    expect([client.established, server.established]).toEqual([true, true])
    expect([client.remoteId, server.remoteId]).toEqual([BOB.id, ALICE.id])
    await client.send(HELLO)
    expect(await server.receive()).toEqual(HELLO)
    await server.send(HELLO)
    expect(await client.receive()).toEqual(HELLO)
  })

  test('gives nothing for a handshake message', async () => {
    const { client, server } = linked()
    await client.connect()
    expect(await server.receive()).toBeUndefined()
    expect([client.established, server.established]).toEqual([false, false])
  })

  test('tells what becomes of it, each once and in order', async () => {
    const events: [string, SessionEvent][] = []
    const { client, server } = await established(
      { onEvent: event => events.push(['client', event]) },
      { onEvent: event => events.push(['server', event]) }
    )
    expect(events).toEqual([
      ['client', 'negotiating'],
      ['server', 'negotiating'],
      ['server', 'established'],
      ['client', 'established']
    ])
    client.close()
    client.close()
    server[Symbol.dispose]()
    expect(events.slice(4)).toEqual([
      ['client', 'closed'],
      ['server', 'closed']
    ])
  })

  test('sends no data before it is established: Themis status 19', async () => {
    const { client } = linked()
    const error = await client.send(HELLO).catch((thrown: unknown) => thrown)
    expect((error as ProtocolError).code).toBe('NOT_ESTABLISHED')
    expect(themisStatus(error)).toBe(19)
  })

  test('cannot connect or receive without a transport: Themis status 20', async () => {
    const { client } = linked({ transport: {} })
    for (const call of [client.connect(), client.receive()]) {
      const error = await call.catch((thrown: unknown) => thrown)
      expect((error as ProtocolError).code).toBe('TRANSPORT_FAILED')
      expect(themisStatus(error, 'handshake')).toBe(20)
    }
  })

  test('goes on with data sent behind the last handshake message', async () => {
    const { client, server } = linked()
    await client.connect()
    await Promise.all([server.receive(), client.receive()])
    await server.receive()
    await server.send(HELLO)
    expect(await client.receive()).toBeUndefined()
    expect(await client.receive()).toEqual(HELLO)
  })

  test('receives while a send waits: two that both send a lot come to no standstill', async () => {
    const gate = Promise.withResolvers<void>()
    let isHeld = false
    const { client, server } = await established({ beforeSend: () => (isHeld ? gate.promise : undefined) })
    isHeld = true
    const sending = client.send(HELLO)
    await server.send(HELLO)
    expect(await client.receive()).toEqual(HELLO)
    gate.resolve()
    await sending
    expect(await server.receive()).toEqual(HELLO)
  })

  test('keeps the order of sends that were not awaited', async () => {
    const { client, server } = await established()
    const sends = [1, 2, 3].map(byte => client.send(Uint8Array.of(byte)))
    for (const byte of [1, 2, 3]) expect(await server.receive()).toEqual(Uint8Array.of(byte))
    await Promise.all(sends)
  })
})

describe('what fails', () => {
  test('sends what a message was when it was given, though it is overwritten at once', async () => {
    const { client, server } = await established()
    const secret = Uint8Array.from(HELLO)
    const sent = client.send(secret)
    secret.fill(0)
    await sent
    expect(await server.receive()).toEqual(HELLO)
    await expect(client.send('text' as unknown as Uint8Array)).rejects.toThrow(TypeError)
  })

  test('a refused message changes nothing: the next receive takes the genuine one', async () => {
    const { client, server, toServer } = linked()
    await client.connect()
    const message1 = toServer.messages[0] as Uint8Array
    toServer.messages.unshift(flipped(message1, 30))
    expect(await codeOfRejection(server.receive())).toBe('DATA_CORRUPT')
    await Promise.all([server.receive(), client.receive(), server.receive(), client.receive()])
    await client.send(HELLO)
    const wrapped = toServer.messages[0] as Uint8Array
    toServer.messages.unshift(flipped(wrapped, 30))
    expect(await codeOfRejection(server.receive())).toBe('AUTHENTICATION_FAILED')
    expect(await server.receive()).toEqual(HELLO)
  })

  test('a handshake message that could not be sent goes first at the next call', async () => {
    const cause = new Error('no network')
    const failing = (outcomes: boolean[]) => ({
      beforeSend: () => {
        if (outcomes.shift() === false) throw cause
      }
    })
    // Message 1; then message 2, and message 4 twice.
    const { client, server } = linked(failing([false]), failing([false, true, false, false]))
    const error = await client.connect().catch((thrown: unknown) => thrown)
    expect([(error as ProtocolError).code, (error as ProtocolError).cause]).toEqual(['TRANSPORT_FAILED', cause])
    await client.connect()
    expect(await codeOfRejection(client.connect())).toBe('INVALID_STATE')
    expect(await codeOfRejection(server.receive())).toBe('TRANSPORT_FAILED')
    const third = codeOfRejection(server.receive())
    await client.receive()
    expect(await third).toBe('TRANSPORT_FAILED')
    expect(server.established).toBe(false)
    expect(await codeOfRejection(server.receive())).toBe('TRANSPORT_FAILED')
    await server.send(HELLO)
    expect(server.established).toBe(true)
    expect(await client.receive()).toBeUndefined()
    expect(await client.receive()).toEqual(HELLO)
  })

  test('a receive that failed may be tried again', async () => {
    const { server, client, toServer } = linked(
      {},
      { transport: { send: () => undefined, receive: () => Promise.reject(new Error('reset')) } }
    )
    await client.connect()
    expect(await codeOfRejection(server.receive())).toBe('TRANSPORT_FAILED')
    expect(toServer.messages.length).toBe(1)
  })

  test.each<[string, GetPublicKey, Identity]>([
    ['an ID that is not known', () => undefined, MALLORY],
    ['a lookup that rejects', () => Promise.reject(new Error('no directory')), ALICE],
    [
      'a lookup that throws',
      () => {
        throw new Error('no directory')
      },
      ALICE
    ]
  ])('%s refuses the peer, Themis status 21, and leaves the session as it was', async (_, lookUp, caller) => {
    let answer = lookUp
    const { client, server, toServer } = linked(
      { session: openSession('client', caller) },
      { getPublicKey: id => answer(id) }
    )
    await client.connect()
    toServer.messages.push(toServer.messages[0] as Uint8Array)
    const error = await server.receive().catch((thrown: unknown) => thrown)
    expect((error as ProtocolError).code).toBe('PEER_UNKNOWN')
    expect(themisStatus(error, 'handshake')).toBe(21)
    answer = () => caller.keys.publicKey
    expect(await server.receive()).toBeUndefined()
    expect(server.remoteId).toEqual(caller.id)
  })

  test('two that both connect refuse each other: Themis status 16', async () => {
    const { client, server } = linked({}, { session: openSession('client', BOB) })
    await Promise.all([client.connect(), server.connect()])
    for (const session of [client, server]) {
      const error = await session.receive().catch((thrown: unknown) => thrown)
      expect(themisStatus(error, 'handshake')).toBe(16)
    }
  })
})

describe('limits', () => {
  test('a message over the limit is neither sent nor opened', async () => {
    const { client, server } = await established({ messageBytesMax: 10 }, { messageBytesMax: 5 })
    await expect(client.send(new Uint8Array(11))).rejects.toThrow(RangeError)
    await expect(client.send(new Uint8Array(0))).rejects.toThrow(RangeError)
    await client.send(new Uint8Array(6))
    expect(await codeOfRejection(server.receive())).toBe('INVALID_MESSAGE')
    await client.send(new Uint8Array(5))
    expect(await codeOfRejection(server.receive())).toBe('SEQUENCE_OUT_OF_RANGE')
  })

  test('a handshake message has its own limit', async () => {
    const { server, toServer } = linked({}, { messageBytesMax: 1 })
    toServer.put(new Uint8Array(65_536))
    expect(await codeOfRejection(server.receive())).toBe('INVALID_MESSAGE')
    const { client } = await established({ messageBytesMax: 1 }, { messageBytesMax: 1 })
    expect(client.established).toBe(true)
  })

  test('a limit out of range is a wrong call', () => {
    for (const messageBytesMax of [0, -1, 1.5, Number.NaN, 2 ** 31]) {
      expect(() => linked({ messageBytesMax })).toThrow(RangeError)
    }
  })
})

describe('the end', () => {
  test('fails what waits with the reason, wherever it waits', async () => {
    const reason = new Error('enough')
    const never = () => new Promise<never>(() => undefined)
    const atKey = new AbortController()
    const waiting = linked({}, { getPublicKey: never, signal: atKey.signal })
    await waiting.client.connect()
    const key = waiting.server.receive()
    const receive = waiting.client.receive()
    const sends = linked({ beforeSend: never })
    const send = sends.client.connect()
    await Promise.resolve()
    atKey.abort(reason)
    waiting.client.close(reason)
    sends.client.close(reason)
    for (const call of [key, receive, send]) await expect(call).rejects.toBe(reason)
    await expect(waiting.server.send(HELLO)).rejects.toBe(reason)
    await expect(waiting.server.connect()).rejects.toBe(reason)
  })

  test('is there from the start when the signal was aborted before', async () => {
    const { client } = linked({ signal: AbortSignal.abort(new Error('late')) })
    await expect(client.connect()).rejects.toThrow('late')
  })

  test('overwrites the secrets of the session', () => {
    const { client: session } = establishedPair()
    const { client } = linked({ session })
    client.close()
    expect(session.established).toBe(false)
  })
})

test('a saved session goes on over callbacks', async () => {
  const pair = establishedPair('themis')
  const [session, other] = [pair.client, pair.server].map((one, i) =>
    SecureSession.load(one.save(), seededBytes(`${i}`))
  )
  const { client, server } = linked({ session: session as SecureSession }, { session: other as SecureSession })
  expect(client.established).toBe(true)
  await client.send(HELLO)
  expect(await server.receive()).toEqual(HELLO)
  expect(client.remoteId).toBeUndefined()
})
