import { describe, expect, it } from 'vitest'
import { DurableLane } from '../../../src/delivery/inbox/durable-lane.ts'
import { Source } from '../../../src/delivery/inbox/source.ts'
import { EPOCH, faultOf, Host, LANE } from './durable-support.ts'
import { KiB, MiB, subscribe } from './support.ts'

/** What the store holds of lanes. */
async function laneRecordCount(host: Host): Promise<number> {
  let count = 0
  for await (const _ of host.store.range('lanes')) count++
  return count
}

describe('credit for whole runs', () => {
  it('always comes to a run of the most messages, however little room there is', async () => {
    const host = await Host.start({ laneCreditMessages: 16, inboxLaneBytesMax: 2 * MiB })
    const session = host.session()
    const sentBefore = { messages: 0 }
    const send = async (count: number, size: number) => {
      const { messages, bytes } = session.credits.get(LANE) ?? { messages: 1_024, bytes: 64 * KiB }
      sentBytes += count * size
      expect(messages).toBeGreaterThanOrEqual(sentBefore.messages + count)
      expect(bytes).toBeGreaterThanOrEqual(sentBytes)
      session.run(sentBefore.messages + 1, count, { size })
      sentBefore.messages += count
      await host.settle()
    }
    let sentBytes = 0
    await send(224, 1)
    await send(1_024, 64)
    // More than half of the lane's room is taken now.
    for (let n = 0; n < 60; n++) await send(1, 16 * KiB)
    await send(1_024, 64)
    await send(200, 1)
    await send(1_024, 64)
  })

  it('is told for a lane that a sender who was restarted takes for an old one', async () => {
    const host = await Host.start({ laneCreditMessages: 1_024, laneCreditBytes: 64 * KiB })
    expect(host.session().credits.get(LANE)).toEqual({ lane: LANE, messages: 1_024, bytes: 64 * KiB })
  })
})

describe('a peer that opens lane after lane', () => {
  it('for one channel is promised no more than for one lane', async () => {
    const host = await Host.start({ inboxContactBytesMax: 4 * MiB })
    const { attachment } = host.session()
    const { durablePromisedBytes } = host.inbox.stats()
    for (let n = 1; n <= 3_000; n++) attachment.open({ lane: LANE + n, channel: 'chat', epoch: EPOCH })
    expect(host.inbox.stats().durablePromisedBytes).toBe(durablePromisedBytes)
  })

  it('in epoch after epoch leaves nothing behind where nothing came', async () => {
    const host = await Host.start()
    const { attachment } = host.session()
    for (let n = 1; n <= 500; n++) {
      const epoch = new Uint8Array(16)
      new DataView(epoch.buffer).setUint32(0, n)
      attachment.open({ lane: LANE, channel: `channel ${n}`, epoch })
    }
    await host.settle()
    expect(await laneRecordCount(host)).toBeLessThanOrEqual(2)
  })

  it('and leaves a message in each is refused at a bound', async () => {
    const host = await Host.start({ laneCountMax: 4 })
    const session = host.session()
    const fault = faultOf(() => {
      for (let n = 1; n <= 100; n++) {
        const epoch = new Uint8Array(16).fill(n)
        session.attachment.open({ lane: LANE, channel: 'chat', epoch })
        session.run(1, 1)
      }
    })
    expect(fault).toBe('CHANNEL_LIMIT')
    await host.settle()
    const { reading } = await subscribe(host.inbox)
    expect(reading.indexes.length).toBeGreaterThanOrEqual(16)
    await host.inbox.ack('app', reading.indexes.at(-1) ?? 0)
    expect(faultOf(() => host.session({ epoch: new Uint8Array(16).fill(0xaa) }))).toBe('none')
  })
})

describe('what hello says of lanes', () => {
  it('names the last lane of the epoch, also when it is over: a sender that does not know it was restored', async () => {
    const host = await Host.start()
    const session = host.session({ lanes: { [LANE]: 'chat', [LANE + 1]: 'news' } })
    session.run(1, 1, { lane: LANE + 1 })
    await host.settle()
    session.attachment.closeLane(LANE + 1)
    session.attachment.closeLane(LANE)
    await host.settle()
    await host.crash()
    expect(host.inbox.marks('alice')).toEqual([{ epoch: EPOCH, lane: LANE + 1, stored: 0, tag: new Uint8Array(0) }])
  })
})

describe('a program that refuses every second message', () => {
  it('makes a lane remember as much as its record does', () => {
    const source = new Source('alice', 'chat')
    const lane = new DurableLane('alice', { lane: LANE, channel: 'chat', epoch: EPOCH }, source)
    for (let n = 2; n <= 6_000; n += 2) lane.reject(n, n, 'no')
    const again = DurableLane.of(lane.toRecord(), source)
    const settled = (which: DurableLane) => [2, 1_000, 5_998, 6_000].map(n => which.isSettled(n, n))
    expect(settled(lane)).toEqual(settled(again))
    expect(settled(lane)).toEqual([false, false, true, true])
  })
})
