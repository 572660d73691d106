import { describe, expect, it } from 'vitest'
import type { DurableRun } from '../../../src/delivery/port.ts'
import { EPOCH, faultOf, Host, LANE } from './durable-support.ts'
import { KiB, subscribe } from './support.ts'

describe('a durable run', () => {
  it('is given and receipted only once it is on disk', async () => {
    const host = await Host.start()
    const { reading } = await subscribe(host.inbox)
    const session = host.session()
    session.run(1, 40)
    expect([reading.indexes, session.receipts, host.inbox.marks('alice')]).toEqual([[], [], []])
    await host.settle()
    expect(reading.indexes).toEqual(Array.from({ length: 40 }, (_, n) => n + 1))
    expect(session.receipts).toEqual([`stored ${LANE}:1-40`])
    expect(host.inbox.marks('alice')).toEqual([
      { epoch: EPOCH, lane: LANE, stored: 40, tag: new Uint8Array(8).fill(1) }
    ])
  })

  it('is there after a crash, under the same index and ID, and marked as redelivered', async () => {
    const host = await Host.start()
    const first = await subscribe(host.inbox)
    host.session().run(1, 3, { maybeDuplicate: true })
    await host.settle()
    await host.crash()
    const again = await subscribe(host.inbox)
    expect(again.reading.indexes).toEqual([1, 2, 3])
    expect(again.reading.runs[0]).toEqual({ ...first.reading.runs[0], redelivered: true })
    expect(first.reading.runs[0]?.maybeDuplicate).toBe(true)
  })

  it('that was in nobody’s hands is not marked as redelivered after an orderly restart', async () => {
    const host = await Host.start()
    const first = await subscribe(host.inbox, { creditMessages: 1 })
    host.session().run(1, 3)
    await host.settle()
    first.close()
    await host.restart()
    const { reading } = await subscribe(host.inbox)
    expect(reading.runs.map(({ first: index, redelivered }) => [index, redelivered])).toEqual([
      [1, true],
      [2, false]
    ])
  })

  it('waits in order with what is not durable', async () => {
    const host = await Host.start()
    const { reading } = await subscribe(host.inbox)
    const grants: number[] = []
    const origin = { contact: 'bob', from: 'bob@host', fromName: () => 'bob', channel: 'chat', idPrefix: 'e.1.' }
    const lane = host.inbox.openLane({ ...origin, grant: messages => grants.push(messages) })
    host.session().run(1, 2)
    lane.deliver(1, 5, [new Uint8Array(1)])
    expect(reading.indexes).toEqual([])
    await host.settle()
    expect(reading.indexes).toEqual([1, 2, 3])
    expect(reading.runs.map(run => run.contact)).toEqual(['alice', 'bob'])
  })

  it('that comes again is dropped and receipted again', async () => {
    const host = await Host.start()
    const { reading } = await subscribe(host.inbox)
    const session = host.session()
    session.run(1, 3)
    session.run(1, 3)
    await host.settle()
    session.run(1, 3)
    expect(session.receipts).toEqual([`stored ${LANE}:1-3`, `stored ${LANE}:1-3`])
    expect(reading.indexes).toEqual([1, 2, 3])
  })

  it('that would leave a gap ends the session, and so does one in other parts', async () => {
    const host = await Host.start()
    const session = host.session()
    session.run(1, 3)
    expect(faultOf(() => session.run(5, 1))).toBe('LANE_GAP')
    expect(faultOf(() => session.run(3, 2))).toBe('PROTOCOL_VIOLATION')
    await host.settle()
    expect(faultOf(() => session.run(5, 1))).toBe('LANE_GAP')
  })

  it('that breaks a rule is its sender’s fault', async () => {
    const host = await Host.start()
    const { attachment } = host.session()
    const good: DurableRun = {
      ...{ lane: LANE, first: 1, acceptedAt: 1, ttlLeftMs: 1, tag: new Uint8Array(8), maybeDuplicate: false },
      bodies: [new Uint8Array(1)]
    }
    const bad: Partial<DurableRun>[] = [
      { lane: LANE + 1 },
      { bodies: [] },
      { bodies: [new Uint8Array(16 * KiB + 1)] },
      { first: 0 },
      { first: 1.5 },
      { first: Number.MAX_SAFE_INTEGER },
      { acceptedAt: 2 ** 60 },
      { tag: new Uint8Array(7) }
    ]
    for (const part of bad) expect(faultOf(() => attachment.run({ ...good, ...part }))).toBe('PROTOCOL_VIOLATION')
    attachment.run(good)
    expect(faultOf(() => attachment.skip({ lane: LANE, from: 3, to: 2 }))).toBe('PROTOCOL_VIOLATION')
  })

  it('is stored all the same when its session ends at once', async () => {
    const host = await Host.start()
    const session = host.session()
    session.run(1, 3)
    session.attachment.detach()
    await host.settle()
    expect(session.receipts).toEqual([])
    expect(host.inbox.marks('alice')).toMatchObject([{ stored: 3 }])
    expect(host.session().receipts).toEqual([`stored ${LANE}:1-3`])
  })

  it('shares its batch with what comes while another is in flight', async () => {
    const host = await Host.start()
    const session = host.session()
    let batches = 0
    const { store } = host
    const batch = store.batch.bind(store)
    store.batch = async (writes, options) => {
      batches++
      await batch(writes, options)
    }
    for (let first = 1; first <= 9; first += 3) session.run(first, 3)
    await host.settle()
    expect(batches).toBe(1)
    expect(session.receipts).toEqual([`stored ${LANE}:1-9`])
  })
})

describe('a skip', () => {
  it('is stored like a run, and confirmed before that is said', async () => {
    const host = await Host.start()
    const session = host.session()
    session.run(1, 2)
    session.attachment.skip({ lane: LANE, from: 3, to: 5 })
    session.run(6, 1)
    await host.settle()
    expect(session.receipts).toEqual([`rejected ${LANE}:3-5 SKIPPED`, `stored ${LANE}:1-6`])
    await host.crash()
    expect(host.session().receipts).toEqual([`rejected ${LANE}:3-5 SKIPPED`, `stored ${LANE}:1-6`])
    expect(host.inbox.stats().durableMessages).toBe(3)
  })

  it('of what came as messages is answered with what is true', async () => {
    const host = await Host.start()
    const session = host.session()
    session.run(1, 4)
    session.attachment.skip({ lane: LANE, from: 5, to: 5 })
    await host.settle()
    session.receipts.length = 0
    session.attachment.skip({ lane: LANE, from: 3, to: 7 })
    expect(session.receipts).toEqual([`rejected ${LANE}:5-5 SKIPPED`, `stored ${LANE}:3-5`])
    await host.settle()
    expect(session.receipts.slice(2)).toEqual([`rejected ${LANE}:6-7 SKIPPED`, `stored ${LANE}:6-7`])
    expect(host.inbox.stats().durableMessages).toBe(4)
    expect(host.inbox.marks('alice')).toMatchObject([{ stored: 7, tag: new Uint8Array(0) }])
  })

  it('that would leave a gap ends the session', async () => {
    const host = await Host.start()
    const { attachment } = host.session()
    expect(faultOf(() => attachment.skip({ lane: LANE, from: 2, to: 2 }))).toBe('LANE_GAP')
  })

  it('is rather not confirmed than taken for a message, where too many are remembered', async () => {
    const host = await Host.start({ laneCreditMessages: 10_000 })
    const session = host.session()
    for (let n = 1; n <= 2_200; n += 2) {
      session.run(n, 1, { size: 0 })
      session.attachment.skip({ lane: LANE, from: n + 1, to: n + 1 })
      if (n % 200 === 1) await host.settle()
    }
    await host.settle()
    session.receipts.length = 0
    session.attachment.skip({ lane: LANE, from: 2, to: 2 })
    expect(session.receipts).toEqual([])
    session.attachment.skip({ lane: LANE, from: 2_200, to: 2_200 })
    expect(session.receipts).toEqual([`rejected ${LANE}:2200-2200 SKIPPED`, `stored ${LANE}:2200-2200`])
  })
})

describe('an ack', () => {
  it('is on disk before it is answered, and before handled is said', async () => {
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
    await host.crash()
    expect(host.inbox.stats()).toMatchObject({ durableMessages: 0, durableBytes: 0 })
    expect(host.inbox.consumer('app').cursor).toBe(3)
    expect(host.session().receipts).toEqual([`stored ${LANE}:1-3`, `handled ${LANE}:1-3`])
  })

  it('by the first consumer is what its sender hears of; the message stays for the others', async () => {
    const host = await Host.start()
    await subscribe(host.inbox, { consumer: 'a' })
    await subscribe(host.inbox, { consumer: 'b' })
    const session = host.session()
    session.run(1, 2)
    await host.settle()
    await host.inbox.ack('a', 1)
    await host.inbox.ack('b', 2)
    await host.inbox.ack('a', 2)
    expect(session.receipts).toEqual([`stored ${LANE}:1-2`, `handled ${LANE}:1-1`, `handled ${LANE}:2-2`])
    expect(host.inbox.stats().durableMessages).toBe(0)
  })

  it('of what is not durable needs no disk, even while the store is lost', async () => {
    const host = await Host.start()
    const { reading } = await subscribe(host.inbox)
    const origin = { contact: 'bob', from: 'bob@host', fromName: () => 'bob', channel: 'chat', idPrefix: 'e.1.' }
    const lane = host.inbox.openLane({ ...origin, grant: () => undefined })
    host.inbox.storeLost()
    lane.deliver(1, 5, [new Uint8Array(1), new Uint8Array(1)])
    expect(reading.indexes).toEqual([1, 2])
    await host.inbox.ack('app', 2)
    expect(host.inbox.stats().messages).toBe(0)
  })

  it('of what is not durable does not answer for one of something durable that was lost with the store', async () => {
    const host = await Host.start()
    await subscribe(host.inbox)
    host.session().run(1, 1)
    const origin = { contact: 'bob', from: 'bob@host', fromName: () => 'bob', channel: 'chat', idPrefix: 'e.1.' }
    const lane = host.inbox.openLane({ ...origin, grant: () => undefined })
    await host.settle()
    lane.deliver(1, 5, [new Uint8Array(1)])
    const lost = host.inbox.ack('app', 1)
    host.inbox.storeLost()
    await expect(lost).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await expect(host.inbox.ack('app', 2)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await host.inbox.reload()
    expect(host.inbox.consumer('app').cursor).toBe(0)
  })

  it('of what was never given is refused', async () => {
    const host = await Host.start()
    await subscribe(host.inbox, { creditMessages: 2 })
    host.session().run(1, 3)
    await host.settle()
    await expect(host.inbox.ack('app', 3)).rejects.toMatchObject({ code: 'INVALID_PARAMS' })
  })
})

describe('a rejection', () => {
  it('acknowledges what is before, tells the reason, and leaves the message to others', async () => {
    const host = await Host.start()
    await subscribe(host.inbox, { consumer: 'a' })
    const other = await subscribe(host.inbox, { consumer: 'b', creditMessages: 0 })
    const session = host.session()
    session.run(1, 4)
    await host.settle()
    await host.inbox.reject('a', 3, `no\u202e\nroom${'x'.repeat(300)}`)
    const said = `no  room${'x'.repeat(192)}`
    expect(session.receipts.slice(1)).toEqual([`handled ${LANE}:1-2`, `rejected ${LANE}:3-3 ${said}`])
    expect(host.inbox.consumer('a').cursor).toBe(3)
    for (const index of [2, 3]) {
      await expect(host.inbox.reject('a', index, 'late')).rejects.toMatchObject({ code: 'INVALID_PARAMS' })
    }
    expect(session.receipts.length).toBe(3)
    other.addCredit(10, 1_000)
    expect(other.reading.indexes).toEqual([1, 2, 3, 4])
    await host.inbox.ack('b', 4)
    expect(session.receipts.slice(3)).toEqual([`handled ${LANE}:4-4`])
    expect(host.session().receipts).toEqual([
      ...[`stored ${LANE}:1-4`, `handled ${LANE}:1-2`, `handled ${LANE}:4-4`, `rejected ${LANE}:3-3 ${said}`]
    ])
  })
})
