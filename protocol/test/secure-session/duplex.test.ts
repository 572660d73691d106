import { describe, expect, test } from 'vitest'
import { ProtocolError } from '../../src/errors.ts'
import type { GetPublicKey, SessionEvent } from '../../src/secure-session/driver.ts'
import {
  type ChunkDuplex,
  type SecureSessionPipe,
  type SecureSessionPipeOptions,
  secureSession
} from '../../src/secure-session/duplex.ts'
import { lengthPrefixed } from '../../src/secure-session/framing.ts'
import { SecureSession } from '../../src/secure-session/session.ts'
import { ALICE, BOB, establishedPair, MALLORY, NOW_SECONDS, openSession } from '../support/peers.ts'
import { flipped, seededBytes } from '../support/random.ts'
import { codeOfRejection } from '../support/refusal.ts'

const getPublicKey: GetPublicKey = async id =>
  [ALICE, BOB].find(known => Buffer.compare(known.id, id) === 0)?.keys.publicKey
const common = { getPublicKey, nowSeconds: () => NOW_SECONDS }
const bytes = (...values: number[]) => Uint8Array.from(values)

/** One direction, without a buffer, that lets every chunk be changed or cut on its way. */
function channel(carry: (chunk: Uint8Array) => readonly Uint8Array[] = chunk => [chunk]) {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const writer = writable.getWriter()
  const sink = async (source: AsyncIterable<Uint8Array>): Promise<void> => {
    try {
      for await (const chunk of source) for (const one of carry(chunk)) await writer.write(one)
      await writer.close()
    } catch (error) {
      await writer.abort(error)
      throw error
    }
  }
  return { sink, source: readable }
}

/** Both ends of a stream in memory. */
function streamPair(
  toServer?: Parameters<typeof channel>[0],
  toClient?: Parameters<typeof channel>[0]
): [ChunkDuplex, ChunkDuplex] {
  const [there, back] = [channel(toServer), channel(toClient)]
  return [
    { source: back.source, sink: there.sink },
    { source: there.source, sink: back.sink }
  ]
}

function sessionPair(
  ofClient: Partial<SecureSessionPipeOptions> = {},
  ofServer: Partial<SecureSessionPipeOptions> = {}
): [SecureSessionPipe, SecureSessionPipe] {
  return [
    secureSession({ ...common, session: openSession('client', ALICE), ...ofClient }),
    secureSession({ ...common, session: openSession('server', BOB), ...ofServer })
  ]
}

/** Messages that a program writes, and no end before it says so. */
async function* spoken(messages: readonly Uint8Array[], until?: Promise<unknown>): AsyncGenerator<Uint8Array> {
  yield* messages
  await until
}

/** Runs both sides over a stream: each says its messages, and gives what it heard. */
async function converse(
  [client, server]: readonly [SecureSessionPipe, SecureSessionPipe],
  [a, b]: readonly [ChunkDuplex, ChunkDuplex],
  clientSays: readonly Uint8Array[],
  serverSays: readonly Uint8Array[]
) {
  const [atClient, atServer] = [client.over(a), server.over(b)]
  const heard = [Array.fromAsync(atClient.source), Array.fromAsync(atServer.source)]
  await Promise.all([atClient.sink(spoken(clientSays)), atServer.sink(spoken(serverSays))])
  return Promise.all(heard)
}

describe('a session over a stream', () => {
  test('carries messages both ways, each as it was, and ends when both have ended', async () => {
    const events: SessionEvent[] = []
    const pair = sessionPair({ onEvent: event => events.push(event) })
    const says = [[bytes(1), bytes(2, 3)], [bytes(4)]] as const
    expect(await converse(pair, streamPair(), ...says)).toEqual([says[1], says[0]])
    expect(await Promise.all(pair.map(({ established }) => established))).toEqual([BOB.id, ALICE.id])
    expect(events).toEqual(['negotiating', 'established', 'closed'])
  })

  test('lays itself around a program that is a transform', async () => {
    const [client, server] = sessionPair()
    const [a, b] = streamPair()
    const echoTwice = async function* (heard: AsyncIterable<Uint8Array>) {
      for await (const message of heard) yield bytes(...message, ...message)
    }
    b.sink(server.outgoing(echoTwice(server(b.source))))
    const secure = client.over(a)
    const [heard] = await Promise.all([Array.fromAsync(secure.source), secure.sink(spoken([bytes(1), bytes(2)]))])
    expect(heard).toEqual([bytes(1, 1), bytes(2, 2)])
  })

  test.each([1, 3, 1000])(
    'keeps messages apart on a stream of bytes, cut into chunks of %i, with a framing',
    async length => {
      const cut = (chunk: Uint8Array) =>
        Array.from({ length: Math.ceil(chunk.length / length) }, (_, i) => chunk.subarray(i * length, (i + 1) * length))
      const framing = lengthPrefixed
      const says = [[bytes(1), new Uint8Array(500).fill(2)], [new Uint8Array(70_000).fill(3)]] as const
      const heard = await converse(sessionPair({ framing }, { framing }), streamPair(cut, cut), ...says)
      expect(heard).toEqual([says[1], says[0]])
    }
  )

  test('reads chunk lists, such as Uint8ArrayList', async () => {
    const [client, server] = sessionPair()
    const [a, b] = streamPair()
    const lists = async function* () {
      for await (const chunk of a.source) yield { subarray: () => chunk as Uint8Array }
    }
    const says = [[bytes(1)], [bytes(2)]] as const
    const heard = await converse([client, server], [{ source: lists(), sink: a.sink }, b], ...says)
    expect(heard).toEqual([says[1], says[0]])
  })

  test('reads nothing ahead: neither of the stream nor of the program', async () => {
    const [client, server] = sessionPair()
    let carried = 0
    let said = 0
    const [a, b] = streamPair(chunk => {
      carried++
      return [chunk]
    })
    const chatter = async function* () {
      for (;;) yield bytes(++said)
    }
    const forever = new Promise(() => undefined)
    const sinks = [a.sink(client.outgoing(chatter())), b.sink(server.outgoing(spoken([], forever)))]
    const silent = client(a.source)
    const heard = server(b.source)
    const first = silent.next()
    for (let i = 1; i <= 5; i++) {
      expect((await heard.next()).value).toEqual(bytes(i))
      expect(carried).toBe(2 + i)
      expect(said).toBeLessThanOrEqual(i + 1)
    }
    const reason = new Error('done')
    for (const session of [client, server]) session.close(reason)
    await expect(first).rejects.toBe(reason)
    const rejected = { status: 'rejected', reason }
    expect(await Promise.allSettled(sinks)).toEqual([rejected, rejected])
  })

  test('writes its own direction where it was told to, once it is laid over a stream', async () => {
    const [a, b] = streamPair()
    const [client, server] = sessionPair(
      { outgoing: { messages: [bytes(1), bytes(2)], stream: a } },
      { outgoing: { messages: spoken([bytes(3)]), stream: b } }
    )
    const heard = await Promise.all([client(a.source), server(b.source)].map(source => Array.fromAsync(source)))
    expect(heard).toEqual([[bytes(3)], [bytes(1), bytes(2)]])
    expect(await Promise.all([client.sent, server.sent])).toEqual([undefined, undefined])
    expect(() => client.outgoing([])).toThrow(ProtocolError)
  })

  test('goes on with a session that was saved', async () => {
    const saved = establishedPair('themis')
    const [first, second] = [saved.client, saved.server].map((one, i) =>
      SecureSession.load(one.save(), seededBytes(`${i}`))
    )
    const pair = sessionPair({ session: first as SecureSession }, { session: second as SecureSession })
    expect(await converse(pair, streamPair(), [bytes(1)], [bytes(2)])).toEqual([[bytes(2)], [bytes(1)]])
    expect(await pair[0].established).toBeUndefined()
  })
})

describe('what ends it', () => {
  /** Runs both sides, and gives the codes with which the server ended: reading, writing, and for who waits for it. */
  async function codesOfServer(
    [client, server]: readonly [SecureSessionPipe, SecureSessionPipe],
    [a, b]: readonly [ChunkDuplex, ChunkDuplex],
    clientSays: readonly Uint8Array[] = []
  ): Promise<unknown[]> {
    const [atClient, atServer] = [client.over(a), server.over(b)]
    const forever = new Promise(() => undefined)
    const ofServer = [Array.fromAsync(atServer.source), atServer.sink(spoken([], forever)), server.established]
    await Promise.allSettled([
      ...ofServer,
      atClient.sink(spoken(clientSays, forever)),
      Array.fromAsync(atClient.source)
    ])
    return Promise.all(
      ofServer.map(pending =>
        pending.then(
          () => 'none',
          (error: ProtocolError) => error.code
        )
      )
    )
  }

  test('a peer with another key: both directions, and who waits for it to be established', async () => {
    const pair = sessionPair({ session: openSession('client', { ...ALICE, keys: MALLORY.keys }) })
    expect(await codesOfServer(pair, streamPair())).toEqual(Array(3).fill('AUTHENTICATION_FAILED'))
  })

  test('a lookup that knows no key', async () => {
    const pair = sessionPair({}, { getPublicKey: () => undefined })
    expect(await codesOfServer(pair, streamPair())).toEqual(Array(3).fill('PEER_UNKNOWN'))
  })

  test('a stream that ends during the handshake', async () => {
    const pair = sessionPair()
    const [a, b] = streamPair()
    await (b.source as ReadableStream<Uint8Array>).cancel()
    const codes = await codesOfServer(pair, [a, { source: [], sink: b.sink }])
    expect(codes).toEqual(Array(3).fill('TRANSPORT_FAILED'))
  })

  test('a handshake message over the limit, before it is held', async () => {
    const framing = lengthPrefixed
    const pair = sessionPair({ framing }, { framing })
    const [a, b] = streamPair(() => [bytes(0, 1, 0, 0)])
    expect(await codesOfServer(pair, [a, b])).toEqual(Array(3).fill('INVALID_MESSAGE'))
  })

  test('a message over the limit', async () => {
    const pair = sessionPair({}, { messageBytesMax: 3 })
    expect(await codesOfServer(pair, streamPair(), [bytes(1, 2, 3, 4)])).toEqual([
      'INVALID_MESSAGE',
      'INVALID_MESSAGE',
      'none'
    ])
  })

  test('a message that was changed', async () => {
    const forge = (chunk: Uint8Array) => [chunk.length === 56 ? flipped(chunk, 55) : chunk]
    const codes = await codesOfServer(sessionPair(), streamPair(forge), [bytes(1, 2, 3, 4)])
    expect(codes).toEqual(['AUTHENTICATION_FAILED', 'AUTHENTICATION_FAILED', 'none'])
  })

  test('a failure of the program, which the other direction then has too', async () => {
    const failure = new Error('the program failed')
    const [client, server] = sessionPair()
    const [a, b] = streamPair()
    const [atClient, atServer] = [client.over(a), server.over(b)]
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield bytes(1)
      throw failure
    }
    const outcomes = await Promise.allSettled([
      Array.fromAsync(atClient.source),
      atClient.sink(failing()),
      Array.fromAsync(atServer.source),
      atServer.sink(spoken([], new Promise(() => undefined)))
    ])
    expect(outcomes.slice(0, 2)).toEqual(Array(2).fill({ status: 'rejected', reason: failure }))
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true)
  })

  test('a stream that cannot be written, for a session that writes by itself', async () => {
    const failure = new Error('broken')
    const stream = {
      sink: async () => {
        throw failure
      }
    }
    const [client] = sessionPair({ outgoing: { messages: [], stream } })
    const heard = Array.fromAsync(client(streamPair()[0].source))
    for (const one of [heard, client.sent, client.established]) await expect(one).rejects.toBe(failure)
  })

  test('being closed before it is laid over a stream: then nothing is sent', async () => {
    const reason = new Error('enough')
    const [client] = sessionPair({ outgoing: { messages: [], stream: streamPair()[0] } })
    client.close(reason)
    await expect(client.sent).rejects.toBe(reason)
  })

  test('its signal and close, with their reason, wherever it waits', async () => {
    const reason = new Error('enough')
    const controller = new AbortController()
    const [client, server] = sessionPair({ signal: controller.signal })
    let isLeft = false
    const silence: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise(() => undefined),
        return: async () => {
          isLeft = true
          return { done: true, value: undefined }
        }
      })
    }
    const waiting = [client(silence).next(), client.established]
    const outgoing = client.outgoing([])
    expect((await outgoing.next()).value?.length).toBeGreaterThan(100)
    waiting.push(outgoing.next())
    controller.abort(reason)
    for (const one of waiting) await expect(one).rejects.toBe(reason)
    expect(isLeft).toBe(true)
    server.close(reason)
    await expect(server.outgoing([]).next()).rejects.toBe(reason)
  })

  test('its signal, though nobody reads it yet', async () => {
    const reason = new Error('enough')
    const controller = new AbortController()
    const [client, server] = sessionPair({ signal: controller.signal }, { signal: AbortSignal.abort(reason) })
    controller.abort(reason)
    for (const session of [client, server]) await expect(session.established).rejects.toBe(reason)
  })

  test('a direction that is left during the handshake', async () => {
    const [client] = sessionPair()
    const outgoing = client.outgoing([])
    await outgoing.next()
    const heard = client(streamPair()[0].source).next()
    await outgoing.return()
    expect(await codeOfRejection(heard)).toBe('TRANSPORT_FAILED')
  })

  test('nothing but itself: it can be read and written once', () => {
    const [client] = sessionPair()
    client([])
    client.outgoing([])
    expect(() => client([])).toThrow(ProtocolError)
    expect(() => client.outgoing([])).toThrow(ProtocolError)
    client[Symbol.dispose]()
  })
})
