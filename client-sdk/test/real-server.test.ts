import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Client } from '../src/client.ts'
import { type ConnectOptions, connect } from '../src/connect.ts'
import type { Message } from '../src/message.ts'
import { codeOf, failureOf } from './support/connected.ts'
import { RealServer } from './support/real-server.ts'

const LOOP = { channel: 'loop', durable: false } as const

interface Simulated {
  readonly server: RealServer
  readonly parley: Client
  /** Lets the daemon stop and another one, on the same disk, take its place. */
  restart(): Promise<void>
  connect(options?: ConnectOptions): Promise<Client>
}

/** The SDK and the daemon's socket server in one process, on one virtual clock. */
async function simulated(): Promise<Simulated> {
  const { server, clock, open } = RealServer.inMemory()
  await server.start()
  const connectTo = async (options: ConnectOptions = {}) => {
    const client = await connect({ socket: 'memory', open, clock, random: () => 0.5, ...options })
    onTestFinished(() => client.close({ drain: false }))
    return client
  }
  return {
    server,
    parley: await connectTo(),
    connect: connectTo,
    async restart() {
      await server.stop()
      await server.start()
      await clock.advance(5_000)
    }
  }
}

async function take(messages: AsyncIterator<Message, undefined>, count: number): Promise<Message[]> {
  const taken: Message[] = []
  while (taken.length < count) {
    const { value } = await messages.next()
    if (value === undefined) throw new Error('the end came early')
    taken.push(value)
  }
  return taken
}

const textsOf = (messages: readonly Message[]) => messages.map(message => message.text())

describe("with the daemon's own server, in memory", () => {
  it('carries far more than any window, in order and with the IDs of the receipts', async () => {
    const { parley } = await simulated()
    const messages = parley.messages({ channel: 'loop', consumer: 'app' })
    await messages.ready()
    const count = 30_000
    const sends = Array.from({ length: count }, (_, n) => parley.send('me', `${n}`, LOOP))
    for (let n = 0; n < count; n++) {
      const { value } = await messages.next()
      if (value?.text() !== `${n}`) throw new Error(`${value?.text()} came instead of ${n}`)
      if (n % 1_000 === 999) await value.ack()
      if (n % 5_000 === 0) expect(value.id).toBe((await sends[n])?.id)
    }
    expect((await Promise.all(sends)).at(-1)?.id).toBe(`loop.1.${count}`)
  })

  it('carries bodies from nothing to 1 MiB byte for byte', async () => {
    const { parley } = await simulated()
    const messages = parley.messages({ channel: 'loop', consumer: null })
    await messages.ready()
    const bodies = [0, 1, 65_535, 65_536, 1024 * 1024].map(size => Uint8Array.from({ length: size }, (_, n) => n % 253))
    const sending = parley.sendRun('me', bodies, LOOP)
    const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
    const received = await take(messages, bodies.length)
    expect(received.map(message => hash(message.body))).toEqual(bodies.map(hash))
    expect((await sending).count).toBe(bodies.length)
  })

  it('tells who is unknown, and which options go with which send', async () => {
    const { parley } = await simulated()
    expect(await codeOf(parley.send('you', 'x'))).toBe('NO_SUCH_PEER')
    expect(await codeOf(parley.send('you', 'x', LOOP))).toBe('NO_SUCH_PEER')
    expect(await codeOf(parley.peers.get('you'))).toBe('NO_SUCH_PEER')
    const bodies = [new Uint8Array(1)]
    for (const params of [
      { durable: false, ttlMs: 1 },
      { durable: false, number: 1 },
      { durable: false, idempotencyKey: 'k' },
      { timeoutMs: 1 },
      { previous: 1 },
      { number: 2, previous: 2 },
      { number: 2, answeredThrough: 2 },
      { number: 2, idempotencyKey: 'k' },
      { ttlMs: Number.MAX_SAFE_INTEGER }
    ])
      expect(await codeOf(parley.call('messages.send', { peer: 'me', bodies, ...params }))).toBe('INVALID_PARAMS')
  })

  it('keeps what is durable over restarts of the daemon, and tells how far it comes', async () => {
    const { server, parley, restart } = await simulated()
    server.cutLoop()
    const receipts = await Promise.all(['1', '2', '3'].map(text => parley.send('me', text, { channel: 'loop' })))
    expect((await receipts[0]?.state())?.state).toBe('accepted')
    const stored = Promise.all(receipts.map(receipt => receipt.stored()))
    const handled = receipts[1]?.handled()
    await restart()
    expect(new Set(await stored)).toEqual(new Set(['stored']))
    const messages = parley.messages({ channel: 'loop', consumer: 'app', from: 'start' })
    const taken = await take(messages, 3)
    expect(textsOf(taken)).toEqual(['1', '2', '3'])
    expect(taken.map(({ id }) => id)).toEqual(receipts.map(({ id }) => id))
    await taken[0]?.ack()
    await taken[1]?.ack()
    expect(await handled).toBe('handled')
    const refused = receipts[2]?.handled()
    await taken[2]?.reject('no use for it')
    expect(await failureOf(refused as Promise<unknown>)).toMatchObject({
      code: 'MESSAGE_REJECTED',
      data: { id: receipts[2]?.id, reason: 'no use for it' }
    })
    expect(await parley.consumers.get('app')).toMatchObject({ cursor: taken[2]?.index, lag: 0 })
  })

  it('takes back what no session has taken', async () => {
    const { server, parley } = await simulated()
    server.cutLoop()
    const [first, second] = await Promise.all(['a', 'b'].map(text => parley.send('me', text, { channel: 'loop' })))
    const cancelled = failureOf(first?.stored() as Promise<unknown>)
    await parley.cancel(first?.id as string)
    expect(await cancelled).toMatchObject({ code: 'MESSAGE_CANCELLED' })
    server.connectLoop()
    expect(await second?.stored()).toBe('stored')
    expect(await codeOf(parley.cancel(second?.id as string))).toBe('ALREADY_SENT')
    expect(textsOf(await take(parley.messages({ channel: 'loop', consumer: null, from: 'start' }), 1))).toEqual(['b'])
  })

  it('accepts each send of an app once, however often the daemon goes', async () => {
    const { server, parley, restart } = await simulated()
    const sends: Promise<unknown>[] = []
    for (let round = 0; round < 10; round++) {
      for (let n = 0; n < 20; n++) sends.push(parley.send('me', `${round}.${n}`, { channel: 'loop' }))
      if (round % 2 === 0) await server.stop()
      await restart()
    }
    await Promise.all(sends)
    const expected = Array.from({ length: 200 }, (_, n) => `${Math.floor(n / 20)}.${n % 20}`)
    const messages = parley.messages({ channel: 'loop', consumer: 'app', from: 'start' })
    expect(textsOf(await take(messages, 200))).toEqual(expected)
  })

  it('lets one program at a time read as a consumer, and another one take over', async () => {
    const { parley, connect: connectTo } = await simulated()
    const other = await connectTo({ name: 'other' })
    const first = parley.messages({ channel: 'loop', consumer: 'app' })
    await first.ready()
    expect(await codeOf(other.messages({ channel: 'loop', consumer: 'app' }).ready())).toBe('CONSUMER_BUSY')
    const second = other.messages({ channel: 'loop', consumer: 'app', takeover: true })
    await second.ready()
    expect(await codeOf(first.next())).toBe('TAKEN_OVER')
    await parley.send('me', 'x', LOOP)
    expect(textsOf(await take(second, 1))).toEqual(['x'])
  })

  it('goes on after the ack when the app comes back, with the rest marked', async () => {
    const { parley, connect: connectTo } = await simulated()
    const messages = parley.messages({ channel: 'loop', consumer: 'app' })
    await messages.ready()
    await parley.sendRun('me', ['1', '2', '3'], LOOP)
    const [first] = await take(messages, 2)
    await first?.ack()
    await parley.close()
    const later = await connectTo()
    const again = await take(later.messages({ channel: 'loop', consumer: 'app' }), 2)
    expect(textsOf(again)).toEqual(['2', '3'])
    expect(again[0]?.redelivered).toBe(true)
  })

  it('lives through a new daemon: iterators go on, and events have a gap', async () => {
    const { server, parley, restart } = await simulated()
    const messages = parley.messages({ channel: 'loop', consumer: 'app', from: 'now' })
    const look = parley.messages({ channel: 'loop', consumer: null, from: 'now' })
    const events = parley.events()
    await Promise.all([messages.ready(), look.ready(), events.ready()])
    await parley.send('me', 'before', LOOP)
    expect(textsOf([...(await take(messages, 1)), ...(await take(look, 1))])).toEqual(['before', 'before'])
    server.emit({ kind: 'peer.added', contact: 'c1', name: 'bob' })
    expect((await events.next()).value?.kind).toBe('peer.added')
    await restart()
    const sent = parley.send('me', 'after', LOOP)
    const after = [...(await take(messages, 1)), ...(await take(look, 1))]
    expect(textsOf(after)).toEqual(['after', 'after'])
    expect(after[0]?.index).toBeGreaterThan(1)
    await after[0]?.ack()
    await sent
    server.emit({ kind: 'peer.added', contact: 'c2', name: 'carol' })
    expect((await events.next()).value).toEqual({ kind: 'gap', after: 'boot-1:1' })
    expect((await events.next()).value).toMatchObject({ kind: 'peer.added', contact: 'c2' })
  })

  it('holds sends while no daemon is there', async () => {
    const { server, parley, restart } = await simulated()
    const messages = parley.messages({ channel: 'loop', consumer: 'app' })
    await messages.ready()
    await server.stop()
    const sends = ['1', '2', '3'].map(text => parley.send('me', text, LOOP))
    await restart()
    await Promise.all(sends)
    expect(textsOf(await take(messages, 3))).toEqual(['1', '2', '3'])
  })

  it('lets an app that is slow with events read on from where it was, while the daemon keeps them', async () => {
    const { server, parley } = await simulated()
    const events = parley.events()
    await events.ready()
    for (let n = 0; n < 90; n++) server.emit({ kind: 'peer.added', contact: `c${n}`, name: 'x' })
    for (let n = 0; n < 90; n++) expect((await events.next()).value).toMatchObject({ contact: `c${n}` })
  })

  it('pulls messages and acknowledges them', async () => {
    const { parley } = await simulated()
    const fetching = parley.fetch({ channel: 'loop', consumer: 'app', waitMs: 1_000 })
    await parley.sendRun('me', ['1', '2'], LOOP)
    const { messages, next } = await fetching
    expect(textsOf(messages)).toEqual(['1', '2'])
    expect(next).toBe(3)
    await messages.at(-1)?.ack()
  })
})

describe("with the daemon's own server, on a real socket", () => {
  it('sends, receives, survives a restart, and leaves nothing behind', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'parley-sdk-'))
    onTestFinished(() => rm(directory, { recursive: true, force: true }))
    const socket = join(directory, 'parley.sock')
    const server = RealServer.onSocket(socket)
    await server.start()
    onTestFinished(() => server.stop())
    const parley = await connect({ socket })
    const messages = parley.messages({ channel: 'loop', consumer: 'app' })
    await messages.ready()
    const body = new Uint8Array(1024 * 1024).fill(7)
    const first = parley.sendRun('me', [body, body, 'end'], LOOP)
    const received = await take(messages, 3)
    expect(received.map(message => message.body.length)).toEqual([body.length, body.length, 3])
    await first
    await server.stop()
    await server.start()
    await parley.send('me', 'again', { ...LOOP, timeoutMs: 10_000 })
    expect(textsOf(await take(messages, 1))).toEqual(['again'])
    await parley.close()
    await expect.poll(() => server.clientCount).toBe(0)
  })
})
