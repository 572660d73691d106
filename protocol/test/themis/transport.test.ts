import { describe, expect, test } from 'vitest'
import { KeyPair, type PublicKey, type SecureSessionTransport, TransportSession } from '../../src/themis.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const TEXT = bytes('some content')
const errorCode = (code: number) => expect.objectContaining({ errorCode: code })

const clientPair = new KeyPair()
const serverPair = new KeyPair()

/** Whole messages on their way: who takes one waits until there is one. */
class Mailbox {
  readonly #messages: Uint8Array[] = []
  readonly #waiting: ((message: Uint8Array) => void)[] = []

  put(message: Uint8Array): void {
    const waiter = this.#waiting.shift()
    if (waiter === undefined) this.#messages.push(message)
    else waiter(message)
  }

  take(): Promise<Uint8Array> {
    const message = this.#messages.shift()
    return message ? Promise.resolve(message) : new Promise(resolve => this.#waiting.push(resolve))
  }
}

interface Ends {
  readonly client: TransportSession
  readonly server: TransportSession
  readonly toServer: Mailbox
  readonly states: string[]
}

function openEnds(more: Partial<SecureSessionTransport> = {}): Ends {
  const [toServer, toClient] = [new Mailbox(), new Mailbox()]
  const states: string[] = []
  const client = new TransportSession(bytes('client'), clientPair.privateKey, {
    getPublicKeyForId: () => serverPair.publicKey,
    send: message => toServer.put(message),
    receive: () => toClient.take(),
    stateChanged: state => states.push(state)
  })
  const server = new TransportSession(bytes('server'), serverPair.privateKey, {
    getPublicKeyForId: async () => clientPair.publicKey,
    send: async message => toClient.put(message),
    receive: () => toServer.take(),
    ...more
  })
  return { client, server, toServer, states }
}

async function establish({ client, server }: Ends): Promise<void> {
  await client.connect()
  for (const side of [server, client, server, client]) expect(await side.receive()).toBeUndefined()
}

describe('a session over callbacks', () => {
  test('is established, carries messages both ways, and tells of its states', async () => {
    const ends = openEnds()
    const { client, server, states } = ends
    await establish(ends)
    expect([client.established(), server.established()]).toEqual([true, true])
    expect([client.remoteID(), server.remoteID()]).toEqual([bytes('server'), bytes('client')])
    await client.send(TEXT)
    await server.send(TEXT)
    expect([await server.receive(), await client.receive()]).toEqual([TEXT, TEXT])
    client.destroy()
    expect(states).toEqual(['negotiating', 'established', 'closed'])
    expect(client.established()).toBe(false)
  })

  test('sends nothing before it is established, and may be connected after that was tried', async () => {
    const ends = openEnds()
    await expect(ends.client.send(TEXT)).rejects.toEqual(errorCode(19))
    await expect(ends.client.send(new Uint8Array(0))).rejects.toEqual(errorCode(12))
    await expect(ends.client.send('text' as unknown as Uint8Array)).rejects.toBeInstanceOf(TypeError)
    await establish(ends)
    expect(ends.client.established()).toBe(true)
  })

  test('refuses a damaged message, and takes the next one', async () => {
    const ends = openEnds()
    await establish(ends)
    ends.toServer.put(new Uint8Array(80))
    await ends.client.send(TEXT)
    await expect(ends.server.receive()).rejects.toEqual(errorCode(11))
    expect(await ends.server.receive()).toEqual(TEXT)
  })

  test.each<[string, () => PublicKey | null, number]>([
    ['no key', () => null, 21],
    ['another key', () => new KeyPair().publicKey, 16],
    ['no key but bytes', () => new Uint8Array(clientPair.publicKey) as PublicKey, 21],
    [
      'an error',
      () => {
        throw new Error('the directory is away')
      },
      21
    ]
  ])('refuses a peer for whom the program has %s', async (_what, getPublicKeyForId, code) => {
    const { client, server } = openEnds({ getPublicKeyForId })
    await client.connect()
    await expect(server.receive()).rejects.toEqual(errorCode(code))
  })

  test('says so when the transport fails', async () => {
    const away = () => {
      throw new Error('unplugged')
    }
    const { client, server } = openEnds({ receive: away })
    const silent = new TransportSession(bytes('x'), clientPair.privateKey, { getPublicKeyForId: () => null })
    await client.connect()
    await expect(server.receive()).rejects.toEqual(errorCode(20))
    await expect(silent.connect()).rejects.toEqual(errorCode(20))
    await expect(silent.receive()).rejects.toEqual(errorCode(20))
  })

  test('that is destroyed lets go of what waits, and does nothing any more', async () => {
    const { client, server } = openEnds()
    await client.connect()
    const waiting = client.receive()
    client.destroy()
    await expect(waiting).rejects.toEqual(errorCode(12))
    await expect(client.receive()).rejects.toEqual(errorCode(12))
    expect(() => client.destroy()).toThrow(errorCode(12))
    {
      using disposed = server
      expect(disposed.established()).toBe(false)
    }
    await expect(server.receive()).rejects.toEqual(errorCode(12))
  })

  test('is not made of wrong things', () => {
    const transport = { getPublicKeyForId: () => null }
    const make = (...args: unknown[]) => Reflect.construct(TransportSession, args)
    expect(() => make('id', clientPair.privateKey, transport)).toThrow(TypeError)
    expect(() => make(new Uint8Array(0), clientPair.privateKey, transport)).toThrow(errorCode(12))
    expect(() => make(TEXT, clientPair.publicKey, transport)).toThrow(errorCode(12))
    expect(() => make(TEXT, clientPair.privateKey, {})).toThrow(errorCode(12))
    expect(() => make(TEXT, clientPair.privateKey)).toThrow(errorCode(12))
    expect(() => make(TEXT, KeyPair.generateRSA().privateKey, transport)).toThrow(errorCode(12))
  })
})
