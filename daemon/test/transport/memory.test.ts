import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/actor/virtual-clock.ts'
import { MemoryNetwork, type MemoryNetworkOptions } from '../../src/transport/memory.ts'
import type { ByteStream, NodeId } from '../../src/transport/port.ts'
import { transportContract } from './contract.ts'
import { codeOf, pattern, record, TestGate, type TransportKit, text } from './kit.ts'
import { SHIPPED_ADMISSION } from './shipped-admission.ts'

async function until<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let isSettled = false
  const settled = () => {
    isSettled = true
  }
  promise.then(settled, settled)
  for (let waitedMs = 0; !isSettled && waitedMs < 60_000; waitedMs += 1) await clock.advance(1)
  if (!isSettled) throw new Error('nothing more happens on the network')
  return promise
}

function memoryKit(): TransportKit {
  const clock = new VirtualClock()
  const network = new MemoryNetwork({ clock })
  let count = 0
  return {
    clock,
    create: async options => {
      count += 1
      return network.transport({ nodeId: `node-${count}` as NodeId, ...options })
    },
    until: promise => until(clock, promise)
  }
}

transportContract('the memory network', memoryKit)

describe('the memory network', () => {
  const [alice, bob] = ['alice', 'bob'] as [NodeId, NodeId]

  async function world(options: Partial<MemoryNetworkOptions> = {}) {
    const clock = new VirtualClock()
    const network = new MemoryNetwork({ clock, ...options })
    const a = network.transport({ nodeId: alice, listen: ['/ip4/10.0.0.1/tcp/7390'], admission: SHIPPED_ADMISSION })
    const b = network.transport({ nodeId: bob, listen: ['/ip4/10.0.0.2/tcp/7390'], admission: SHIPPED_ADMISSION })
    await a.start(new TestGate('all'))
    await b.start(new TestGate('all'))
    const inbound: ByteStream[] = []
    await b.handle('/x', stream => {
      stream.proven()
      inbound.push(stream)
    })
    const dial = (signal = new AbortController().signal) =>
      a.dial({ nodeId: bob, address: '/ip4/10.0.0.2/tcp/7390', protocol: '/x', signal })
    const open = async () => {
      const outbound = await until(clock, dial())
      return { outbound, inbound: inbound.at(-1) as ByteStream }
    }
    return { clock, network, a, b, dial, open, inbound }
  }

  it('takes as long as its latency says, in order, also when the latency falls', async () => {
    const { clock, network, open } = await world({ latencyMs: 5 })
    const { outbound, inbound } = await open()
    const reader = record(inbound)
    network.delay(alice, bob, 200)
    outbound.write([text('slow ')])
    network.delay(alice, bob, 10)
    outbound.write([text('fast')])
    await clock.advance(199)
    expect(reader.text()).toBe('')
    await clock.advance(1)
    expect(reader.text()).toBe('slow fast')
    expect(inbound.address).toMatch(/^\/ip4\/10\.0\.0\.1\/tcp\/\d+$/)
  })

  it('resets both sides at once in a loud cut, refuses dials, and carries new ones when it is healed', async () => {
    const { clock, network, dial, open } = await world()
    const { outbound, inbound } = await open()
    const [near, far] = [record(outbound), record(inbound)]
    outbound.write([text('on its way')])
    network.cut(alice, bob)
    await clock.advance(0)
    expect([near.calls, far.calls]).toEqual([['closed'], ['closed']])
    expect((await near.whenClosed).kind).toBe('reset')
    expect(await codeOf(until(clock, dial()))).toBe('DIAL_FAILED')
    network.heal(bob, alice)
    await open()
  })

  it('says nothing in a silent cut, and resets what lost bytes when it is healed', async () => {
    const { clock, network, dial, open } = await world()
    const [lossy, quiet] = [await open(), await open()]
    const readers = [lossy.outbound, lossy.inbound, quiet.outbound, quiet.inbound].map(record)
    lossy.outbound.write([text('in flight')])
    network.cut(alice, bob, { silent: true })
    const controller = new AbortController()
    const dialling = dial(controller.signal).catch(error => error)
    const chunk = pattern(64 * 1024)
    while (lossy.inbound.write([chunk]));
    await clock.advance(3_600_000)
    expect(readers.map(reader => reader.calls)).toEqual([[], [], [], []])
    expect(lossy.inbound.unsentBytes).toBeGreaterThanOrEqual(256 * 1024)
    expect(network.counters(alice, bob)).toMatchObject({ dialCount: 3, deliveredBytes: 0, swallowedBytes: 9 })
    controller.abort(new Error('given up'))
    expect(await dialling).toBe(controller.signal.reason)
    network.heal()
    for (const reader of readers.slice(0, 2)) expect((await until(clock, reader.whenClosed)).kind).toBe('reset')
    quiet.outbound.write([text('whole')])
    await until(clock, readers[3]?.whenBytes(5) as Promise<void>)
    expect(network.counters(alice, bob)).toEqual({ dialCount: 3, sentBytes: 14, deliveredBytes: 5, swallowedBytes: 9 })
  })

  it('does not show in a silent cut that the other side has stopped', async () => {
    const { clock, network, b, dial, open } = await world()
    const near = record((await open()).outbound)
    network.cut(alice, bob, { silent: true })
    await b.stop()
    const dialling = codeOf(dial())
    await clock.advance(3_600_000)
    expect(near.calls).toEqual([])
    network.heal()
    expect((await until(clock, near.whenClosed)).kind).toBe('reset')
    expect(await until(clock, dialling)).toBe('DIAL_FAILED')
    expect(await codeOf(until(clock, dial()))).toBe('DIAL_FAILED')
  })

  it('takes nothing from who came after, when it is stopped again', async () => {
    const { clock, network, b, dial } = await world()
    await b.stop()
    const after = network.transport({ nodeId: bob, listen: ['/ip4/10.0.0.2/tcp/7390'], admission: SHIPPED_ADMISSION })
    await after.start(new TestGate('all'))
    await after.handle('/x', stream => stream.proven())
    const near = record(await until(clock, dial()))
    await b.stop()
    await until(clock, dial())
    expect(near.calls).toEqual([])
  })

  it('cuts one link and no other', async () => {
    const { clock, network, open } = await world()
    const { outbound, inbound } = await open()
    network.cut(alice, 'carol' as NodeId)
    const reader = record(inbound)
    outbound.write([text('through')])
    await until(clock, reader.whenBytes(7))
  })

  it('is the same in every run of one seed, and differs between seeds', async () => {
    const run = async (seed: number) => {
      let state = seed
      const random = (length: number) => {
        const hash = createHash('sha256').update(`${state}`).digest()
        state += 1_000
        return new Uint8Array(hash.subarray(0, length))
      }
      const { clock, open } = await world({ random })
      const { outbound, inbound } = await open()
      const reader = record(inbound)
      const log: string[] = []
      reader.onData = chunk => log.push(`${clock.monotonicMs()} ${chunk.byteLength}`)
      const sent = pattern(500_000)
      outbound.write([sent.subarray(0, 100), sent.subarray(100)])
      outbound.end()
      await until(clock, reader.whenEnded)
      expect(Buffer.compare(reader.bytes(), sent)).toBe(0)
      return log
    }
    const [first, again, other] = [await run(1), await run(1), await run(2)]
    expect(first.length).toBeGreaterThan(8)
    expect(again).toEqual(first)
    expect(other).not.toEqual(first)
  })
})
