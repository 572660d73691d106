import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { inspect } from 'node:util'
import { noise } from '@chainsafe/libp2p-noise'
import type { StreamMuxer } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { base58btc } from 'multiformats/bases/base58'
import { identity } from 'multiformats/hashes/identity'
import { afterEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/actor/virtual-clock.ts'
import { LinkProxy } from '../../src/testnet/link.ts'
import { createLibp2pTransport } from '../../src/transport/libp2p.ts'
import type { ByteStream, Transport } from '../../src/transport/port.ts'
import { transportContract } from './contract.ts'
import { codeOf, pattern, record, TestGate, type TransportKit, text } from './kit.ts'
import { SHIPPED_ADMISSION } from './shipped-admission.ts'

function libp2pKit(): TransportKit {
  const clock = new VirtualClock()
  let count = 0
  return {
    clock,
    create: options => {
      count += 1
      return createLibp2pTransport({ privateKeySeed: new Uint8Array(32).fill(count), clock, ...options })
    },
    until: promise => promise
  }
}

transportContract('libp2p', libp2pKit)

describe('libp2p', () => {
  const toStop: Transport[] = []
  const sockets: Socket[] = []
  const links: LinkProxy[] = []
  const foreigners: Libp2p[] = []

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    for (const link of links.splice(0)) await link.close()
    for (const foreigner of foreigners.splice(0)) await foreigner.stop()
    for (const transport of toStop.splice(0)) await transport.stop()
  })

  async function start(seed: number, clock: VirtualClock, gate = new TestGate('all')): Promise<Transport> {
    const transport = await createLibp2pTransport({
      privateKeySeed: new Uint8Array(32).fill(seed),
      clock,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      admission: { ...SHIPPED_ADMISSION, connectionsPerSecondPerAddress: 1_000, connectionsPerSecondPerNode: 1_000 }
    })
    toStop.push(transport)
    await transport.start(gate)
    return transport
  }

  /** A libp2p node as anybody would make it. */
  async function startForeign(): Promise<Libp2p> {
    const foreigner = await createLibp2p({
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      connectionMonitor: { enabled: false }
    })
    foreigners.push(foreigner)
    return foreigner
  }

  async function world() {
    const clock = new VirtualClock()
    const gate = new TestGate('all')
    const [a, b] = [await start(1, clock), await start(2, clock, gate)]
    const address = b.listenAddresses()[0] as string
    const port = Number(address.split('/').at(-1))
    const waiting: ((stream: ByteStream) => void)[] = []
    await b.handle('/x', stream => waiting.shift()?.(stream))
    const nextInbound = () => new Promise<ByteStream>(resolve => waiting.push(resolve))
    const open = async (through = address) => {
      const inbound = nextInbound()
      const signal = new AbortController().signal
      const outbound = await a.dial({ nodeId: b.nodeId, address: through, protocol: '/x', signal })
      return { outbound, inbound: await inbound }
    }
    return { clock, gate, a, b, address, port, open, nextInbound }
  }

  async function proxied() {
    const parts = await world()
    const link = await LinkProxy.open({ targetHost: '127.0.0.1', targetPort: parts.port, clock: parts.clock })
    links.push(link)
    return { ...parts, link }
  }

  it('has the node ID of its key in the usual text form', async () => {
    const { privateKey } = generateKeyPairSync('ed25519')
    const seed = privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(-32)
    const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).subarray(-32)
    const transport = await createLibp2pTransport({
      privateKeySeed: seed,
      listen: [],
      admission: SHIPPED_ADMISSION,
      clock: new VirtualClock()
    })
    const multihash = identity.digest(Uint8Array.from([0x08, 0x01, 0x12, 0x20, ...publicKey])).bytes
    expect(transport.nodeId).toBe(base58btc.encode(multihash).slice(1))
    expect(transport.nodeId).toMatch(/^12D3KooW/)
  })

  it('closes a connection that says nothing, before Noise, and one that says nonsense', async () => {
    const { clock, gate, port } = await world()
    const silent = connect({ host: '127.0.0.1', port })
    sockets.push(silent)
    const closed = new Promise<void>(resolve => silent.on('error', () => undefined).on('close', () => resolve()))
    await expect.poll(() => clock.timerCount).toBe(1)
    await clock.advance(10_000)
    await closed
    expect(gate.refusals).toMatchObject([{ reason: 'unproven-deadline' }])
    expect(gate.refusals[0]).not.toHaveProperty('nodeId')

    const loud = connect({ host: '127.0.0.1', port })
    sockets.push(loud)
    const hungUp = new Promise<void>(resolve => loud.on('error', () => undefined).on('close', () => resolve()))
    loud.write(`GET / HTTP/1.1\r\nhost: parley\r\n\r\n${'x'.repeat(70_000)}`)
    await hungUp
    await expect.poll(() => clock.timerCount).toBe(0)
  })

  it('keeps what a stalled connection does not take, asks to wait, and drops it all at a reset', async () => {
    const { link, open } = await proxied()
    const { outbound, inbound } = await open(link.address)
    const [near, far] = [record(outbound), record(inbound)]
    outbound.write([text('before')])
    await far.whenBytes(6)
    // A link that neither passes nor takes: its far side stops reading.
    link.delay(3_600_000)
    let written = 0
    while (written < 64 * 1024 * 1024) {
      written += 65_536
      if (!outbound.write([pattern(65_536)])) break
      await new Promise(resolve => setImmediate(resolve))
    }
    expect(written).toBeLessThan(64 * 1024 * 1024)
    expect(outbound.unsentBytes).toBeGreaterThanOrEqual(256 * 1024)
    expect(outbound.unsentBytes).toBeLessThanOrEqual(written)
    expect(near.calls).toEqual([])
    outbound.reset('too slow')
    expect(outbound.unsentBytes).toBe(0)
    expect(await near.whenClosed).toEqual({ kind: 'reset', reason: 'too slow' })
  })

  it('sees a lost connection as a reset on both sides, whoever had ended what', async () => {
    const { link, open } = await proxied()
    const first = await open(link.address)
    const second = await open(link.address)
    const readers = [first.outbound, first.inbound, second.outbound, second.inbound].map(record)
    second.outbound.write([text('all of it')])
    second.outbound.end()
    await readers[3]?.whenEnded
    link.cut()
    for (const reader of readers) expect((await reader.whenClosed).kind).toBe('reset')
    link.heal()
    await open(link.address)
  })

  it('lets a dial into a silent link wait for its signal alone, and refuses one into a cut link', async () => {
    const { link, a, b, clock } = await proxied()
    link.cut({ silent: true })
    const controller = new AbortController()
    const request = { nodeId: b.nodeId, address: link.address, protocol: '/x', signal: controller.signal }
    const dialling = a.dial(request).catch(error => error)
    await expect.poll(() => link.counters.swallowedBytes).toBeGreaterThan(0)
    await clock.advance(3_600_000)
    controller.abort(new Error('given up'))
    expect(await dialling).toBe(controller.signal.reason)
    link.heal()
    link.cut()
    expect(await codeOf(a.dial({ ...request, signal: new AbortController().signal }))).toBe('DIAL_FAILED')
  })

  it('closes the connection of a dial when its last stream is over', async () => {
    const { open, clock } = await world()
    const { outbound, inbound } = await open()
    const [near, far] = [record(outbound), record(inbound)]
    expect(clock.timerCount).toBe(1)
    outbound.end()
    inbound.end()
    expect([(await near.whenClosed).kind, (await far.whenClosed).kind]).toEqual(['closed', 'closed'])
    // The deadline of the unproven connection goes with the connection.
    await expect.poll(() => clock.timerCount).toBe(0)
  })

  it('speaks the same Noise and Yamux as any libp2p, in small messages and large ones', async () => {
    const { b, address, nextInbound } = await world()
    const foreign = await startForeign()
    const inbound = nextInbound()
    const stream = await foreign.dialProtocol(multiaddr(`${address}/p2p/${b.nodeId}`), '/x')
    const acceptorStream = await inbound
    const acceptor = record(acceptorStream)
    const [sent, answer] = [pattern(3_000_000, 1), pattern(3_000_000, 2)]
    const got: Uint8Array[] = []
    const whenGot = new Promise<void>(resolve => {
      stream.addEventListener('message', ({ data }) => got.push(data.subarray()))
      stream.addEventListener('remoteCloseWrite', () => resolve())
    })
    for (let at = 0, length = 1; at < sent.byteLength; at += length, length = Math.ceil(length * 1.7)) {
      if (!stream.send(sent.subarray(at, at + length))) await stream.onDrain()
    }
    await acceptor.whenBytes(sent.byteLength)
    expect(Buffer.compare(acceptor.bytes(), sent)).toBe(0)
    acceptorStream.write([answer.subarray(0, 5), answer.subarray(5, 2_000), answer.subarray(2_000)])
    acceptorStream.end()
    await whenGot
    expect(Buffer.compare(Buffer.concat(got), answer)).toBe(0)
  })

  it.each([1, 400_000])('takes %i bytes that came in one breath with the name of the protocol', async length => {
    const { b, address, nextInbound } = await world()
    const foreign = await startForeign()
    const connection = await foreign.dial(multiaddr(`${address}/p2p/${b.nodeId}`))
    // libp2p in Go does so; libp2p in JavaScript waits for the answer, but for its muxer.
    const { muxer } = connection as unknown as { muxer: StreamMuxer }
    const stream = await muxer.createStream()
    const inbound = nextInbound()
    const names = ['/multistream/1.0.0\n', '/x\n'].flatMap(name => [Uint8Array.of(name.length), text(name)])
    const sent = pattern(length)
    stream.send(new Uint8Array(Buffer.concat([...names, sent])))
    const acceptorStream = await inbound
    const acceptor = record(acceptorStream)
    await stream.close()
    await acceptor.whenEnded
    expect(Buffer.compare(acceptor.bytes(), sent)).toBe(0)
    acceptorStream.end()
    expect((await acceptor.whenClosed).kind).toBe('closed')
    expect([acceptor.calls, acceptor.faults]).toEqual([['data', 'ended', 'closed'], []])
  })

  it('serves several streams of one connection, and closes it when it stays without any', async () => {
    const { b, clock, gate, address, nextInbound } = await world()
    const foreign = await startForeign()
    const connection = await foreign.dial(multiaddr(`${address}/p2p/${b.nodeId}`))
    const closed = new Promise<void>(resolve => connection.addEventListener('close', () => resolve()))
    const streams: ByteStream[] = []
    for (let i = 0; i < 3; i += 1) {
      const inbound = nextInbound()
      await connection.newStream('/x')
      streams.push(await inbound)
    }
    expect(new Set(streams.map(stream => stream.address)).size).toBe(1)
    streams[1]?.proven()
    const readers = streams.map(record)
    streams[0]?.reset('one')
    streams[1]?.reset('two')
    await clock.advance(60_000)
    expect(readers.map(reader => reader.calls)).toEqual([['closed'], ['closed'], []])
    streams[2]?.reset('three')
    await clock.advance(9_999)
    expect(connection.status).toBe('open')
    await clock.advance(1)
    await closed
    expect(gate.refusals).toEqual([])
  })

  it('leaves no socket open when it stops', async () => {
    const open = () => process.getActiveResourcesInfo().filter(name => name.startsWith('TCP')).length
    await expect.poll(open).toBe(0)
    const { a, b, open: dial } = await world()
    await Promise.all([dial(), dial(), dial()])
    expect(open()).toBeGreaterThan(6)
    await Promise.all([a.stop(), b.stop()])
    await a.stop()
    await expect.poll(open).toBe(0)
  })

  it('shows no key in what can be inspected', async () => {
    const seed = pattern(32, 7)
    const transport = await createLibp2pTransport({
      privateKeySeed: seed,
      listen: [],
      admission: SHIPPED_ADMISSION,
      clock: new VirtualClock()
    })
    const shown = inspect(transport, { depth: 20, showHidden: true }) + JSON.stringify(transport)
    expect(shown).toContain(transport.nodeId)
    expect(shown).not.toContain(`${seed[0]}, ${seed[1]}, ${seed[2]}`)
  })
})
