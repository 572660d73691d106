import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import {
  generateKeyPair,
  lengthPrefixed,
  poolRandomBytes,
  SecureSession,
  type SecureSessionPipe,
  type SecureSessionPipeOptions,
  type SessionRole,
  secureSession
} from '@parley/protocol'
import { pipe } from 'it-pipe'
import { expect, test } from 'vitest'

const random = poolRandomBytes(length => new Uint8Array(randomBytes(length)))
const identities = {
  client: { id: new TextEncoder().encode('client'), keys: generateKeyPair(random) },
  server: { id: new TextEncoder().encode('server'), keys: generateKeyPair(random) }
}

function sessionOf(role: SessionRole, options: Partial<SecureSessionPipeOptions> = {}): SecureSessionPipe {
  const own = identities[role]
  const peer = identities[role === 'client' ? 'server' : 'client']
  return secureSession({
    session: SecureSession.create({
      role,
      id: own.id,
      privateKey: own.keys.privateKey,
      randomBytes: random,
      receivePolicy: 'ordered'
    }),
    getPublicKey: async id => (Buffer.from(id).equals(peer.id) ? peer.keys.publicKey : undefined),
    nowSeconds: () => Math.floor(Date.now() / 1000),
    framing: lengthPrefixed,
    ...options
  })
}

/** A socket as it-pipe wants its duplexes. */
function streamOf(socket: Socket) {
  return {
    source: socket as AsyncIterable<Uint8Array>,
    async sink(source: AsyncIterable<Uint8Array>): Promise<void> {
      for await (const chunk of source) if (!socket.write(chunk)) await once(socket, 'drain')
      socket.end()
    }
  }
}

/** Two ends of a TCP connection within this host. */
async function socketPair(): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
  const [accepted] = (await once(server, 'connection')) as [Socket]
  server.close()
  return [client, accepted]
}

test('a session lies in a pipe between a socket and a program, in both directions', async () => {
  const [client, server] = [sessionOf('client'), sessionOf('server')]
  const streams = (await socketPair()).map(streamOf) as [ReturnType<typeof streamOf>, ReturnType<typeof streamOf>]
  const reversed = async function* (messages: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const message of messages) yield message.toReversed()
  }
  const serving = pipe(streams[1], server, reversed, server.outgoing, streams[1])
  const messages = [1, 1000, 65_536, 1_048_576].map(length => new Uint8Array(randomBytes(length)))
  const [heard] = await Promise.all([
    pipe(streams[0], client, source => Array.fromAsync(source)),
    pipe(messages, client.outgoing, streams[0]),
    serving
  ])
  expect(heard.map(message => message.length)).toEqual(messages.map(message => message.length))
  for (const [i, message] of messages.entries()) {
    expect(Buffer.compare(heard[i] as Uint8Array, message.toReversed())).toBe(0)
  }
  expect(await client.established).toEqual(identities.server.id)
  expect(await server.established).toEqual(identities.client.id)
})

test('a session laid over a socket is a duplex of its own', async () => {
  const [client, server] = [sessionOf('client'), sessionOf('server')]
  const [a, b] = (await socketPair()).map(streamOf) as [ReturnType<typeof streamOf>, ReturnType<typeof streamOf>]
  const [atClient, atServer] = [client.over(a), server.over(b)]
  const doubled = async function* (messages: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const [byte = 0] of messages) yield Uint8Array.of(2 * byte)
  }
  const [heard] = await Promise.all([
    pipe(atClient, source => Array.fromAsync(source)),
    pipe([Uint8Array.of(1), Uint8Array.of(2)], atClient),
    pipe(atServer, doubled, atServer)
  ])
  expect(heard).toEqual([Uint8Array.of(2), Uint8Array.of(4)])
})

test('a session that was told where its own direction goes makes a pipe that ends in the program', async () => {
  const [client, server] = (await socketPair()).map(streamOf) as [
    ReturnType<typeof streamOf>,
    ReturnType<typeof streamOf>
  ]
  const reverse = new TransformStream<Uint8Array, Uint8Array>({
    transform: (message, controller) => controller.enqueue(message.toReversed())
  })
  const program = {
    source: reverse.readable as AsyncIterable<Uint8Array>,
    sink: (source: AsyncIterable<Uint8Array>) => ReadableStream.from(source).pipeTo(reverse.writable)
  }
  const atServer = sessionOf('server', { outgoing: { messages: program.source, stream: server } })
  const atClient = sessionOf('client', {
    outgoing: { messages: [Uint8Array.of(1, 2), Uint8Array.of(3, 4)], stream: client }
  })
  const [heard] = await Promise.all([
    pipe(client, atClient, source => Array.fromAsync(source)),
    pipe(server, atServer, program),
    atClient.sent,
    atServer.sent
  ])
  expect(heard).toEqual([Uint8Array.of(2, 1), Uint8Array.of(4, 3)])
})
