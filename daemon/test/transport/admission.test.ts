import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/actor/virtual-clock.ts'
import { Admission, type AdmissionOptions, addressSource } from '../../src/transport/admission.ts'
import type { Gate, NodeId, Refusal } from '../../src/transport/port.ts'
import { TestGate } from './kit.ts'
import { SHIPPED_ADMISSION } from './shipped-admission.ts'

function make(changes: Partial<AdmissionOptions> = {}) {
  const clock = new VirtualClock()
  const gate = new TestGate('all')
  const closed: string[] = []
  const admission = new Admission(clock, { ...SHIPPED_ADMISSION, ...changes }, gate)
  const arrive = (address: string) => admission.arrive(address, reason => closed.push(reason))
  return { clock, gate, closed, admission, arrive }
}

describe('admission', () => {
  it.each([
    ['/ip4/192.0.2.7/tcp/7390', '192.0.2.7'],
    ['/ip6/::ffff:192.0.2.7/tcp/7390', '192.0.2.7'],
    ['/ip6/::ffff:c000:207/tcp/7390', '192.0.2.7'],
    ['/ip6/2001:db8:1:2:3:4:5:6/tcp/7390', '2001:db8:1:2'],
    ['/ip6/2001:db8:1:2::9/tcp/7390', '2001:db8:1:2'],
    ['/ip6/2001:db8::/tcp/7390', '2001:db8:0:0'],
    ['/ip6/::1/tcp/7390', '0:0:0:0']
  ])('counts %s as %s', (address, source) => {
    expect(addressSource(address)).toBe(source)
  })

  it('counts each address on its own, and lets a burst of one second through again later', async () => {
    const { arrive, clock, gate } = make({ unprovenCountMax: 1_000 })
    const take = (address: string) => Array.from({ length: 20 }, () => arrive(address)).filter(Boolean).length
    expect(take('/ip4/192.0.2.1/tcp/1')).toBe(5)
    expect(take('/ip4/192.0.2.2/tcp/1')).toBe(5)
    expect(take('/ip6/2001:db8::1/tcp/1') + take('/ip6/2001:db8::2/tcp/1')).toBe(5)
    await clock.advance(400)
    expect(take('/ip4/192.0.2.1/tcp/1')).toBe(2)
    await clock.advance(9_000)
    expect(take('/ip4/192.0.2.1/tcp/1')).toBe(5)
    expect(new Set(gate.refusals.map(({ reason }) => reason))).toEqual(new Set(['address-rate']))
  })

  it('gives a place back when its connection is gone, once', () => {
    const { arrive, admission } = make({ unprovenCountMax: 2 })
    const first = arrive('/ip4/192.0.2.1/tcp/1')
    expect(arrive('/ip4/192.0.2.2/tcp/1')).toBeDefined()
    expect(arrive('/ip4/192.0.2.3/tcp/1')).toBeUndefined()
    first?.gone()
    first?.gone()
    first?.proven()
    expect(admission.unprovenCount).toBe(1)
    expect(arrive('/ip4/192.0.2.3/tcp/1')).toBeDefined()
    expect(arrive('/ip4/192.0.2.4/tcp/1')).toBeUndefined()
  })

  it('closes a connection that stays silent before Noise', async () => {
    const { arrive, clock, closed, gate } = make()
    arrive('/ip4/192.0.2.1/tcp/1')
    await clock.advance(9_999)
    expect(closed).toEqual([])
    await clock.advance(1)
    expect(closed).toHaveLength(1)
    expect(gate.refusals).toEqual([{ reason: 'unproven-deadline', address: '/ip4/192.0.2.1/tcp/1' }])
  })

  it('closes a proven connection that stays without a stream, and is not refused for it', async () => {
    const { arrive, clock, closed, gate } = make()
    const arrival = arrive('/ip4/192.0.2.1/tcp/1')
    arrival?.admit('node' as NodeId)
    arrival?.streams(1)
    arrival?.proven()
    await clock.advance(60_000)
    arrival?.streams(2)
    arrival?.streams(1)
    await clock.advance(60_000)
    expect(closed).toEqual([])
    arrival?.streams(0)
    await clock.advance(9_999)
    expect(closed).toEqual([])
    await clock.advance(1)
    expect(closed).toHaveLength(1)
    expect(gate.refusals).toEqual([])
  })

  it('forgets the oldest of many addresses and keeps no timer when it stops', () => {
    const { arrive, admission, clock } = make({ unprovenCountMax: 10_000, connectionsPerSecondPerAddress: 1 })
    arrive('/ip4/192.0.2.1/tcp/1')
    expect(arrive('/ip4/192.0.2.1/tcp/1')).toBeUndefined()
    for (let i = 0; i < 4_096; i += 1) arrive(`/ip4/10.0.${i >> 8}.${i & 0xff}/tcp/1`)
    expect(arrive('/ip4/192.0.2.1/tcp/1')).toBeDefined()
    expect(clock.timerCount).toBeGreaterThan(4_000)
    admission.stop()
    expect([clock.timerCount, admission.unprovenCount]).toEqual([0, 0])
  })

  it('has eight places for strangers who come to pair, 20 s each', async () => {
    const clock = new VirtualClock()
    const gate = new PairingGate()
    const closed: string[] = []
    const admission = new Admission(clock, { ...SHIPPED_ADMISSION, unprovenCountMax: 100 }, gate)
    const come = (n: number) => {
      const arrival = admission.arrive(`/ip4/192.0.2.${n}/tcp/1`, () => closed.push(`${n}`))
      return { arrival, isIn: arrival?.admit(`node-${n}` as NodeId) }
    }
    const strangers = Array.from({ length: 9 }, (_, n) => come(n))
    expect(strangers.map(({ isIn }) => isIn)).toEqual([...Array(8).fill(true), false])
    expect(gate.refusals).toMatchObject([{ reason: 'stranger', nodeId: 'node-8' }])
    strangers[8]?.arrival?.gone()
    strangers[0]?.arrival?.gone()
    strangers[0]?.arrival?.gone()
    expect([come(9).isIn, come(10).isIn]).toEqual([true, false])
    await clock.advance(19_999)
    expect(closed).toEqual(['10']) // it was refused, and has the deadline of all others
    await clock.advance(1)
    expect(closed.sort()).toEqual(['1', '10', '2', '3', '4', '5', '6', '7', '9'])
  })
})

/** Everybody is a stranger, and an invitation is open. */
class PairingGate implements Gate {
  readonly refusals: Refusal[] = []

  admitsNode(): 'pairing' {
    return 'pairing'
  }

  refused(refusal: Refusal): void {
    this.refusals.push(refusal)
  }
}
