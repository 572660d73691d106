import { describe, expect, it } from 'vitest'
import { EPOCH, Host, LANE } from './durable-support.ts'
import { subscribe } from './support.ts'

describe('a durable run', () => {
  it('is given, receipted and followed by credit only once it is on disk', async () => {
    const host = await Host.start()
    const { reading } = await subscribe(host.inbox)
    const session = host.session()
    const before = session.credits.get(LANE)
    session.run(1, 40)
    expect([reading.indexes, session.receipts, session.credits.get(LANE)]).toEqual([[], [], before])
    await host.settle()
    expect(reading.indexes).toEqual(Array.from({ length: 40 }, (_, n) => n + 1))
    expect(session.receipts).toEqual([`stored ${LANE}:1-40`])
  })

  it('is there after a crash, under the same index and ID, and marked as redelivered', async () => {
    const host = await Host.start()
    const first = await subscribe(host.inbox)
    host.session().run(1, 3)
    await host.settle()
    await host.crash()
    const again = await subscribe(host.inbox)
    expect(again.reading.indexes).toEqual([1, 2, 3])
    expect(again.reading.runs[0]).toEqual({ ...first.reading.runs[0], redelivered: true })
    expect(host.inbox.marks('alice')).toMatchObject([{ epoch: EPOCH, lane: LANE, stored: 3 }])
  })

  it('is handled, and so told, once its ack is on disk', async () => {
    const host = await Host.start()
    await subscribe(host.inbox)
    const session = host.session()
    session.run(1, 3)
    await host.settle()
    const acked = host.inbox.ack('app', 2)
    expect(session.receipts).toEqual([`stored ${LANE}:1-3`])
    await acked
    expect(session.receipts).toEqual([`stored ${LANE}:1-3`, `handled ${LANE}:1-2`])
    await host.inbox.ack('app', 3)
    expect(host.inbox.stats().durableMessages).toBe(0)
    await host.crash()
    expect(host.inbox.stats().durableMessages).toBe(0)
    expect(host.inbox.consumer('app').cursor).toBe(3)
  })

  it('is all there again when the store was lost and is back, and readers go on', async () => {
    const host = await Host.start()
    const { reading } = await subscribe(host.inbox)
    host.session().run(1, 3)
    await host.settle()
    await host.inbox.ack('app', 1)
    await host.loseStore()
    expect(reading.indexes).toEqual([1, 2, 3, 2, 3])
    const session = host.session()
    session.run(4, 1)
    await host.settle()
    expect(reading.indexes).toEqual([1, 2, 3, 2, 3, 4])
  })
})
