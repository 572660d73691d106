import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AdmissionOptions } from '../../src/transport/admission.ts'
import type { ByteStream, DialRequest, Transport } from '../../src/transport/port.ts'
import { codeOf, pattern, Recorder, record, TestGate, type TransportKit, text } from './kit.ts'
import { SHIPPED_ADMISSION } from './shipped-admission.ts'

const PROTOCOL = '/parley/test/1.0.0'
const FREE_PORT = '/ip4/127.0.0.1/tcp/0'
/** Only the rates are raised: everything here comes from one address and in no time. */
const RATES_RAISED: AdmissionOptions = {
  ...SHIPPED_ADMISSION,
  connectionsPerSecondPerAddress: 1_000,
  connectionsPerSecondPerNode: 1_000
}

class World {
  readonly kit: TransportKit
  readonly transports: Transport[] = []

  constructor(kit: TransportKit) {
    this.kit = kit
  }

  async create(listen: readonly string[] = [FREE_PORT], admission = RATES_RAISED): Promise<Transport> {
    const transport = await this.kit.create({ listen, admission })
    this.transports.push(transport)
    return transport
  }

  /** Two started nodes; the second admits the first and hands over each stream that comes in. */
  async pair(admission = RATES_RAISED) {
    const [a, b] = [await this.create([]), await this.create([FREE_PORT], admission)]
    const gate = new TestGate([a.nodeId])
    await a.start(new TestGate([]))
    await b.start(gate)
    const arrived: ByteStream[] = []
    const waiting: ((stream: ByteStream) => void)[] = []
    await b.handle(PROTOCOL, stream => {
      arrived.push(stream)
      waiting.shift()?.(stream)
    })
    const request = (changes: Partial<DialRequest> = {}): DialRequest => ({
      nodeId: b.nodeId,
      address: b.listenAddresses()[0] as string,
      protocol: PROTOCOL,
      signal: new AbortController().signal,
      ...changes
    })
    const dial = (changes?: Partial<DialRequest>) => this.kit.until(a.dial(request(changes)))
    /** One stream, seen from both sides. */
    const open = async () => {
      const inbound = new Promise<ByteStream>(resolve => waiting.push(resolve))
      const outbound = await dial()
      return { outbound, inbound: await this.kit.until(inbound) }
    }
    return { a, b, gate, arrived, request, dial, open }
  }
}

/** What every transport must do. */
export function transportContract(name: string, makeKit: () => TransportKit): void {
  describe(`${name}, as a transport`, () => {
    let world: World
    const until = <T>(promise: Promise<T>) => world.kit.until(promise)

    beforeEach(() => {
      world = new World(makeKit())
    })
    afterEach(async () => {
      for (const transport of world.transports) await until(transport.stop())
      expect(world.kit.clock.timerCount).toBe(0)
    })

    streamContract(() => world)
    dialContract(() => world)
    budgetContract(() => world)

    it('binds the free port that it was asked for and says which', async () => {
      const transport = await world.create(['/ip4/127.0.0.1/tcp/0', '/ip4/0.0.0.0/tcp/0'])
      expect(transport.listenAddresses()).toEqual([])
      await transport.start(new TestGate('all'))
      const [first, second] = transport.listenAddresses()
      expect(first).toMatch(/^\/ip4\/127\.0\.0\.1\/tcp\/[1-9]\d+$/)
      expect(second).toMatch(/^\/ip4\/0\.0\.0\.0\/tcp\/[1-9]\d+$/)
    })

    it('fails to start with ADDRESS_IN_USE where an address is taken, and leaves nothing bound', async () => {
      const first = await world.create()
      await first.start(new TestGate('all'))
      const second = await world.create([FREE_PORT, first.listenAddresses()[0] as string])
      expect(await codeOf(until(second.start(new TestGate('all'))))).toBe('ADDRESS_IN_USE')
      const third = await world.create(['/dns4/nowhere.invalid/udp/1'])
      expect(await codeOf(until(third.start(new TestGate('all'))))).toBe('LISTEN_FAILED')
    })

    it('resets every stream when it stops, and takes and makes no more', async () => {
      const { a, b, open, request } = await world.pair()
      const first = await open()
      const second = await open()
      const readers = [first.outbound, second.outbound, first.inbound, second.inbound].map(record)
      const pending = codeOf(a.dial(request()))
      await until(a.stop())
      expect(await until(pending)).toBe('STOPPED')
      for (const reader of readers) expect((await until(reader.whenClosed)).kind).toBe('reset')
      expect(await codeOf(a.dial(request()))).toBe('STOPPED')
      await until(b.stop())
      const c = await world.create([])
      await c.start(new TestGate([]))
      expect(await codeOf(until(c.dial(request({ address: '/ip4/127.0.0.1/tcp/1' }))))).toBe('DIAL_FAILED')
    })

    it('closes what it has with a node that is disconnected, and nothing else', async () => {
      const { a, b, open } = await world.pair()
      const { outbound, inbound } = await open()
      const [dialler, acceptor] = [record(outbound), record(inbound)]
      b.disconnect((await world.create([])).nodeId, 'another')
      outbound.write([text('still')])
      await until(acceptor.whenBytes(5))
      b.disconnect(a.nodeId, 'blocked')
      expect(await until(acceptor.whenClosed)).toMatchObject({ kind: 'reset' })
      expect(await until(dialler.whenClosed)).toMatchObject({ kind: 'reset' })
    })
  })
}

function streamContract(world: () => World): void {
  const until = <T>(promise: Promise<T>) => world().kit.until(promise)

  it('carries bytes both ways between the nodes that Noise reported', async () => {
    const { a, b, open } = await world().pair()
    const { outbound, inbound } = await open()
    expect(outbound).toMatchObject({
      nodeId: b.nodeId,
      direction: 'outbound',
      address: b.listenAddresses()[0],
      unsentBytes: 0
    })
    expect(inbound).toMatchObject({ nodeId: a.nodeId, direction: 'inbound' })
    expect(inbound.address).toMatch(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+$/)
    const [dialler, acceptor] = [record(outbound), record(inbound)]
    expect(outbound.write([text('to '), text(''), text('bob')])).toBe(true)
    expect(inbound.write([text('to alice')])).toBe(true)
    await until(Promise.all([acceptor.whenBytes(6), dialler.whenBytes(8)]))
    expect([acceptor.text(), dialler.text()]).toEqual(['to bob', 'to alice'])
  })

  it('keeps the order of parts and of writes', async () => {
    const { open } = await world().pair()
    const { outbound, inbound } = await open()
    const acceptor = record(inbound)
    const sent = pattern(700_000)
    let at = 0
    for (let step = 1; at < sent.byteLength; step += 1) {
      const parts: Uint8Array[] = []
      for (const length of [1, step * 7, step * step]) {
        parts.push(sent.subarray(at, at + length))
        at += length
      }
      outbound.write(parts)
    }
    await until(acceptor.whenBytes(sent.byteLength))
    expect(Buffer.compare(acceptor.bytes(), sent)).toBe(0)
  })

  it('carries many mebibytes in bounded memory for one who waits for drained', async () => {
    const { open } = await world().pair()
    const { outbound, inbound } = await open()
    const [dialler, acceptor] = [record(outbound), record(inbound)]
    const sent = pattern(24 * 1024 * 1024)
    let unsentBytesMax = 0
    let waits = 0
    for (let at = 0; at < sent.byteLength; at += 65_536) {
      const mayGoOn = outbound.write([sent.subarray(at, at + 65_536)])
      unsentBytesMax = Math.max(unsentBytesMax, outbound.unsentBytes)
      if (mayGoOn) continue
      waits += 1
      await until(dialler.whenDrained())
    }
    outbound.end()
    await until(acceptor.whenEnded)
    expect(Buffer.compare(acceptor.bytes(), sent)).toBe(0)
    expect(waits).toBeGreaterThan(0)
    expect(unsentBytesMax).toBeLessThan(512 * 1024)
    expect([dialler.faults, acceptor.faults]).toEqual([[], []])
  })

  it('sends all that is queued before it ends a direction, and lets the other one go on', async () => {
    const { open } = await world().pair()
    const { outbound, inbound } = await open()
    const [dialler, acceptor] = [record(outbound), record(inbound)]
    const sent = pattern(3 * 1024 * 1024)
    expect(outbound.write([sent])).toBe(false)
    expect(outbound.unsentBytes).toBeGreaterThan(0)
    outbound.end()
    expect(outbound.write([text('too late')])).toBe(false)
    await until(acceptor.whenEnded)
    expect(Buffer.compare(acceptor.bytes(), sent)).toBe(0)
    inbound.write([text('still '), text('open')])
    await until(dialler.whenBytes(10))
    expect(dialler.text()).toBe('still open')
    inbound.end()
    expect((await until(dialler.whenClosed)).kind).toBe('closed')
    expect((await until(acceptor.whenClosed)).kind).toBe('closed')
    expect(dialler.calls.slice(-2)).toEqual(['ended', 'closed'])
    expect([dialler.faults, acceptor.faults]).toEqual([[], []])
    expect(outbound.write([text('x')])).toBe(false)
  })

  it('tells the end after the bytes that came with it, also to a reader that comes late', async () => {
    const { open } = await world().pair()
    const { outbound, inbound } = await open()
    const dialler = record(outbound)
    outbound.write([text('one breath')])
    outbound.end()
    inbound.write([text('seen')])
    inbound.end()
    expect((await until(dialler.whenClosed)).kind).toBe('closed')
    const acceptor = record(inbound)
    expect(acceptor.calls).toEqual([])
    expect((await until(acceptor.whenClosed)).kind).toBe('closed')
    expect(acceptor.text()).toBe('one breath')
    expect(acceptor.calls).toEqual(['data', 'ended', 'closed'])
    expect(dialler.text()).toBe('seen')
  })

  it('shows a reset to both sides as a reset', async () => {
    const { open } = await world().pair()
    for (const side of ['outbound', 'inbound'] as const) {
      const streams = await open()
      const readers = { outbound: record(streams.outbound), inbound: record(streams.inbound) }
      streams[side].reset('enough')
      streams[side].reset('twice is once')
      expect(streams[side].unsentBytes).toBe(0)
      expect(streams[side].write([text('x')])).toBe(false)
      expect(await until(readers[side].whenClosed)).toEqual({ kind: 'reset', reason: 'enough' })
      const other = side === 'outbound' ? 'inbound' : 'outbound'
      expect((await until(readers[other].whenClosed)).kind).toBe('reset')
      expect([readers.inbound.calls, readers.outbound.calls]).toEqual([['closed'], ['closed']])
    }
  })

  it('never calls a reader from inside a call to its stream', async () => {
    const { open } = await world().pair()
    const { outbound, inbound } = await open()
    record(outbound)
    const acceptor = new Recorder()
    acceptor.onData = () => {
      inbound.write([text('answer')])
      inbound.end()
      inbound.reset('from inside')
    }
    acceptor.outside(() => inbound.read(acceptor))
    outbound.write([text('question')])
    expect(await until(acceptor.whenClosed)).toEqual({ kind: 'reset', reason: 'from inside' })

    const second = await open()
    const reader = new Recorder()
    reader.outside(() => {
      second.outbound.read(reader)
      second.outbound.write([text('x')])
      second.outbound.reset('at once')
    })
    expect((await until(reader.whenClosed)).kind).toBe('reset')
    expect([acceptor.faults, reader.faults]).toEqual([[], []])
  })

  it('resets a stream that nobody reads when more comes than it keeps', async () => {
    const { open } = await world().pair()
    const { outbound, inbound } = await open()
    const dialler = record(outbound)
    outbound.write([pattern(2 * 1024 * 1024)])
    expect((await until(dialler.whenClosed)).kind).toBe('reset')
    const acceptor = record(inbound)
    expect((await until(acceptor.whenClosed)).kind).toBe('reset')
    expect(acceptor.calls).toEqual(['closed'])
  })

  it('gives each dial a connection of its own, also side by side', async () => {
    const { a, request, arrived } = await world().pair()
    const streams = await until(Promise.all(Array.from({ length: 6 }, () => a.dial(request()))))
    const readers = arrived.map(record)
    expect(new Set(arrived.map(({ address }) => address)).size).toBe(6)
    streams[0]?.reset('one of them')
    await until(Promise.race(readers.map(reader => reader.whenClosed)))
    streams.slice(1).forEach((stream, index) => {
      stream.write([text(`stream ${index}`)])
      stream.end()
    })
    const left = readers.filter(reader => !reader.calls.includes('closed'))
    await until(Promise.all(left.map(reader => reader.whenEnded)))
    expect(left.map(reader => reader.text()).sort()).toEqual([0, 1, 2, 3, 4].map(index => `stream ${index}`))
  })
}

function dialContract(world: () => World): void {
  const until = <T>(promise: Promise<T>) => world().kit.until(promise)

  it('closes a stranger after Noise, and the stranger learns NOT_ACCEPTED', async () => {
    const { gate, arrived, request } = await world().pair()
    const stranger = await world().create([])
    await stranger.start(new TestGate([]))
    expect(await codeOf(until(stranger.dial(request())))).toBe('NOT_ACCEPTED')
    expect(gate.refusals).toEqual([
      { reason: 'stranger', nodeId: stranger.nodeId, address: expect.stringMatching(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+$/) }
    ])
    expect(arrived).toEqual([])
  })

  it('tells that another node answered, and shows itself to it in no way', async () => {
    const { a, gate, arrived, dial } = await world().pair()
    const { nodeId } = await world().create([])
    expect(await codeOf(dial({ nodeId }))).toBe('WRONG_NODE')
    expect(await codeOf(dial({ nodeId: a.nodeId }))).not.toBe('no error')
    expect([gate.refusals, arrived]).toEqual([[], []])
  })

  it('takes whoever answers where no node ID is asked for, and says who that is; but not itself', async () => {
    const { a, b } = await world().pair()
    const anyone = (address?: string) => ({
      address: address as string,
      protocol: PROTOCOL,
      signal: new AbortController().signal
    })
    const stream = await until(a.dial(anyone(b.listenAddresses()[0])))
    expect(stream.nodeId).toBe(b.nodeId)
    stream.reset('seen')
    expect(await codeOf(until(b.dial(anyone(b.listenAddresses()[0]))))).toBe('DIAL_FAILED')
  })

  it('fails with DIAL_FAILED where nobody listens, and for what is not an address', async () => {
    const { b, dial } = await world().pair()
    const address = b.listenAddresses()[0] as string
    expect(await codeOf(dial({ address: '/ip4/127.0.0.1/tcp/1' }))).toBe('DIAL_FAILED')
    expect(await codeOf(dial({ address: 'bob:7390' }))).toBe('DIAL_FAILED')
    expect(await codeOf(dial({ address: address.replace('tcp', 'udp') }))).toBe('DIAL_FAILED')
    await until(b.stop())
    expect(await codeOf(dial({ address }))).toBe('DIAL_FAILED')
  })

  it('fails with NOT_ACCEPTED for a protocol that is not handled, or no longer', async () => {
    const { b, dial } = await world().pair()
    expect(await codeOf(dial({ protocol: '/parley/other/1.0.0' }))).toBe('NOT_ACCEPTED')
    await until(b.unhandle(PROTOCOL))
    expect(await codeOf(dial())).toBe('NOT_ACCEPTED')
  })

  it("gives up a dial with its signal's reason", async () => {
    const { a, request } = await world().pair()
    const before = new AbortController()
    before.abort(new Error('before'))
    await expect(a.dial(request({ signal: before.signal }))).rejects.toBe(before.signal.reason)
    const during = new AbortController()
    const dialling = a.dial(request({ signal: during.signal })).catch(error => error)
    during.abort(new Error('during'))
    expect(await until(dialling)).toBe(during.signal.reason)
  })
}

function budgetContract(world: () => World): void {
  const until = <T>(promise: Promise<T>) => world().kit.until(promise)

  it('closes a connection that is not proven in time, and only that', async () => {
    const { gate, open, a } = await world().pair()
    const [silent, good] = [await open(), await open()]
    good.inbound.proven()
    const [silentEnd, goodEnd] = [record(silent.outbound), record(good.inbound)]
    await world().kit.clock.advance(9_900)
    expect([silentEnd.calls, gate.refusals]).toEqual([[], []])
    await world().kit.clock.advance(200)
    expect((await until(silentEnd.whenClosed)).kind).toBe('reset')
    expect(gate.refusals).toMatchObject([{ reason: 'unproven-deadline', nodeId: a.nodeId }])
    await world().kit.clock.advance(60_000)
    good.outbound.write([text('still here')])
    await until(goodEnd.whenBytes(10))
    expect(goodEnd.calls).toEqual(['data'])
  })

  it('takes five connections a second from one address, and reports the others', async () => {
    const { a, request, gate, open } = await world().pair({ ...RATES_RAISED, connectionsPerSecondPerAddress: 5 })
    const results = await until(Promise.all(Array.from({ length: 9 }, () => codeOf(a.dial(request())))))
    expect(results.filter(code => code === 'no error')).toHaveLength(5)
    expect(results.filter(code => code === 'DIAL_FAILED')).toHaveLength(4)
    expect(gate.refusals).toHaveLength(4)
    for (const refusal of gate.refusals) {
      expect(refusal).toEqual({ reason: 'address-rate', address: expect.stringContaining('/ip4/127.0.0.1/tcp/') })
    }
    await world().kit.clock.advance(200)
    await open()
  })

  it('takes five connections a second from one node, whatever its addresses', async () => {
    const { a, request, gate } = await world().pair({ ...RATES_RAISED, connectionsPerSecondPerNode: 5 })
    const results = await until(Promise.all(Array.from({ length: 7 }, () => codeOf(a.dial(request())))))
    expect(results.filter(code => code === 'NOT_ACCEPTED')).toHaveLength(2)
    expect(gate.refusals).toMatchObject([
      { reason: 'node-rate', nodeId: a.nodeId },
      { reason: 'node-rate', nodeId: a.nodeId }
    ])
  })

  it('keeps at most 32 unproven connections, and has room again when one is proven or gone', async () => {
    const { gate, arrived, dial } = await world().pair()
    const streams: ByteStream[] = []
    for (let i = 0; i < 32; i += 1) streams.push(await dial())
    expect(await codeOf(dial())).toBe('DIAL_FAILED')
    expect(gate.refusals).toMatchObject([{ reason: 'unproven-limit' }])
    arrived[0]?.proven()
    arrived[0]?.proven()
    await dial()
    expect(await codeOf(dial())).toBe('DIAL_FAILED')
    const gone = record(arrived[1] as ByteStream)
    streams[1]?.reset('gone')
    await until(gone.whenClosed)
    await world().kit.clock.settle()
    await dial()
    expect(await codeOf(dial())).toBe('DIAL_FAILED')
  })
}
