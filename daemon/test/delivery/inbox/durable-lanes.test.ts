import { describe, expect, it } from 'vitest'
import { EPOCH, EPOCH_2, faultOf, Host, LANE } from './durable-support.ts'
import { KiB, MiB, subscribe } from './support.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

describe('durable lanes', () => {
  it('may be opened again, but not for another channel once something came', async () => {
    const host = await Host.start()
    const { attachment, run } = host.session({ lanes: { [LANE]: 'former' } })
    attachment.open({ lane: LANE, channel: 'chat', epoch: EPOCH })
    run(1, 1)
    attachment.open({ lane: LANE, channel: 'chat', epoch: EPOCH })
    const other = () => attachment.open({ lane: LANE, channel: 'news', epoch: EPOCH })
    expect(faultOf(other)).toBe('PROTOCOL_VIOLATION')
    const low = () => attachment.open({ lane: 1, channel: 'news', epoch: EPOCH })
    expect(faultOf(low)).toBe('PROTOCOL_VIOLATION')
  })

  it('are bounded in number', async () => {
    const host = await Host.start({ laneCountMax: 3 })
    const { attachment } = host.session({ lanes: { 1025: 'a', 1026: 'b', 1027: 'c' } })
    expect(faultOf(() => attachment.open({ lane: 1028, channel: 'd', epoch: EPOCH }))).toBe('CHANNEL_LIMIT')
    attachment.closeLane(1025)
    attachment.open({ lane: 1028, channel: 'd', epoch: EPOCH })
    // Another lane for the same channel: the one before is over.
    attachment.open({ lane: 1029, channel: 'd', epoch: EPOCH })
  })

  it('begin anew with a new epoch; what came before stays, and is told when it is handled', async () => {
    const host = await Host.start()
    const { reading } = await subscribe(host.inbox)
    const old = host.session()
    old.run(1, 2)
    await host.settle()
    const session = host.session({ epoch: EPOCH_2 })
    session.run(1, 1)
    old.run(3, 1)
    await host.settle()
    expect(reading.indexes).toEqual([1, 2, 3])
    expect(host.inbox.marks('alice')).toMatchObject([{ epoch: EPOCH_2, stored: 1 }])
    await host.inbox.ack('app', 3)
    expect(session.receipts.slice(-2)).toEqual([`handled ${LANE}:1-2`, `handled e2:${LANE}:1-1`])
    expect(faultOf(() => host.session({ epoch: EPOCH }))).toBe('PROTOCOL_VIOLATION')
    await host.crash()
    const after = host.session({ epoch: EPOCH_2 })
    expect(after.receipts).toContain(`handled ${LANE}:1-2`)
  })

  it('tell of a sender that begins epoch after epoch, once', async () => {
    const host = await Host.start()
    for (let n = 0; n < 6; n++) host.session({ epoch: new Uint8Array(16).fill(n) })
    expect(host.events).toEqual([{ kind: 'identity.cloned', contact: 'alice', name: 'alice' }])
    const slow = await Host.start()
    for (let n = 0; n < 6; n++) {
      slow.session({ epoch: new Uint8Array(16).fill(n) })
      await slow.clock.advance(HOUR_MS / 2)
    }
    expect(slow.events).toEqual([])
  })

  it('that their sender closed are forgotten with their last message', async () => {
    const host = await Host.start()
    await subscribe(host.inbox)
    const session = host.session()
    session.run(1, 2)
    await host.settle()
    session.attachment.closeLane(LANE)
    await host.restart()
    expect(host.inbox.marks('alice')).toMatchObject([{ lane: LANE, stored: 0 }])
    const { reading } = await subscribe(host.inbox)
    expect(reading.indexes).toEqual([1, 2])
    await host.inbox.ack('app', 2)
    await host.restart()
    expect(host.inbox.stats().durableMessages).toBe(0)
    const again = host.session()
    again.run(1, 1)
    await host.settle()
    expect(again.receipts).toEqual([`stored ${LANE}:1-1`])
  })

  it('of a contact that is no more are forgotten, and what came by them stays for programs', async () => {
    const host = await Host.start()
    host.session().run(1, 2)
    host.session({ contact: 'bob' }).run(1, 2)
    await host.settle()
    host.inbox.forgetContact('alice')
    await host.settle()
    await host.crash()
    expect(host.inbox.marks('alice')).toEqual([])
    expect(host.inbox.marks('bob')).toMatchObject([{ stored: 2 }])
    const { reading } = await subscribe(host.inbox)
    expect(reading.runs.map(run => run.contact)).toEqual(['alice', 'bob'])
    await host.inbox.ack('app', 4)
    await host.crash()
    expect(host.inbox.stats().durableMessages).toBe(0)
    expect(host.session().receipts).toEqual([])
  })

  it('of a contact that was removed while nobody could be told are forgotten at the start', async () => {
    const host = await Host.start()
    host.session().run(1, 2)
    await host.settle()
    host.strangers.add('alice')
    await host.loseStore()
    expect(host.inbox.marks('alice')).toEqual([])
    expect((await subscribe(host.inbox)).reading.indexes).toEqual([1, 2])
    host.strangers.clear()
    await host.crash()
    expect(host.inbox.marks('alice')).toEqual([])
  })
})

/** Sends what the credit of a lane allows until there is none; returns the bytes. */
async function fill(host: Host, session: ReturnType<Host['session']>, lane: number): Promise<number> {
  const state = session.sent.get(lane) ?? { messages: 0, bytes: 0 }
  session.sent.set(lane, state)
  const size = 8 * KiB
  let sentBytes = 0
  for (;;) {
    const credit = session.credits.get(lane) ?? { messages: 1_024, bytes: 64 * KiB }
    if (state.messages + 1 > credit.messages || state.bytes + size > credit.bytes) return sentBytes
    session.run(state.messages + 1, 1, { lane, size })
    state.messages++
    state.bytes += size
    sentBytes += size
    await host.settle()
  }
}

describe('durable credit', () => {
  const LIMITS = { laneCreditMessages: 1_000, laneCreditBytes: 512 * KiB }

  it('comes whatever programs do, up to the quota of the lane, and others go on', async () => {
    const host = await Host.start({ ...LIMITS, inboxLaneBytesMax: 256 * KiB })
    const session = host.session({ lanes: { [LANE]: 'chat', [LANE + 1]: 'news' } })
    const sent = await fill(host, session, LANE)
    expect(sent).toBeGreaterThan(100 * KiB)
    expect(host.inbox.stats().durableBytes).toBeLessThanOrEqual(256 * KiB)
    const before = session.credits.get(LANE + 1)
    session.run(1, 1, { lane: LANE + 1, size: 8 * KiB })
    await host.settle()
    expect(session.receipts.at(-1)).toBe(`stored ${LANE + 1}:1-1`)
    expect(before?.bytes ?? 64 * KiB).toBeGreaterThan(16 * KiB)
  })

  it('comes again with the acks', async () => {
    const host = await Host.start({ ...LIMITS, inboxLaneBytesMax: 256 * KiB, consumerUnackedBytesMax: MiB })
    const { reading } = await subscribe(host.inbox)
    const session = host.session()
    await fill(host, session, LANE)
    const before = session.credits.get(LANE)?.bytes ?? 0
    await host.inbox.ack('app', reading.indexes.at(-1) as number)
    expect(session.credits.get(LANE)?.bytes).toBeGreaterThan(before)
  })

  it('lets go what was handled first, for the sake of what comes', async () => {
    const host = await Host.start({ ...LIMITS, inboxLaneBytesMax: 512 * KiB, consumerUnackedBytesMax: MiB })
    const late = await subscribe(host.inbox, { consumer: 'late' })
    late.close()
    const { reading } = await subscribe(host.inbox)
    const session = host.session()
    let sentBytes = 0
    for (let round = 0; round < 20; round++) {
      sentBytes += await fill(host, session, LANE)
      await host.inbox.ack('app', reading.indexes.at(-1) as number)
    }
    expect(sentBytes).toBeGreaterThan(600 * KiB)
    expect(host.inbox.stats().durableBytes).toBeLessThanOrEqual(512 * KiB)
    expect(host.inbox.stats().evicted).toBeGreaterThan(0)
    expect((await subscribe(host.inbox, { consumer: 'late' })).reading.indexes.length).toBeGreaterThan(0)
  })

  it('is refused to who sends beyond it', async () => {
    const host = await Host.start({ ...LIMITS })
    const session = host.session({ isActive: false })
    for (let first = 1; first <= 4; first++) session.run(first, 1, { size: 16 * KiB })
    expect(faultOf(() => session.run(5, 1))).toBe('CREDIT_EXCEEDED')
  })

  it('is nothing on a session that does not deliver yet, for a lane that has begun', async () => {
    const host = await Host.start({ ...LIMITS })
    host.session().run(1, 1)
    await host.settle()
    const session = host.session({ isActive: false })
    expect(faultOf(() => session.run(2, 1))).toBe('CREDIT_EXCEEDED')
    session.attachment.activate()
    session.run(2, 1)
    await host.settle()
    expect(session.receipts.at(-1)).toBe(`stored ${LANE}:2-2`)
  })

  it('always covers one message of the largest size in an empty lane', async () => {
    const host = await Host.start()
    const lanes = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [LANE + n, `channel ${n}`]))
    const session = host.session({ lanes })
    for (let n = 0; n < 300; n++) session.run(1, 1, { lane: LANE + n, size: 1 })
    await host.settle()
    for (let n = 0; n < 300; n++) {
      expect(session.credits.get(LANE + n)?.bytes ?? 64 * KiB).toBeGreaterThanOrEqual(16 * KiB + 1)
    }
  })
})

describe('retention', () => {
  it('ends for what nobody handled, and its sender is told', async () => {
    const host = await Host.start({ inboxRetentionMs: 10 * DAY_MS })
    const { reading } = await subscribe(host.inbox)
    const session = host.session()
    session.run(1, 3)
    await host.settle()
    await host.inbox.ack('app', 1)
    await host.clock.advance(9 * DAY_MS)
    await host.crash()
    await host.clock.advance(DAY_MS - HOUR_MS)
    expect(host.inbox.stats().durableMessages).toBe(3)
    const again = host.session()
    await host.clock.advance(2 * HOUR_MS)
    expect(host.inbox.stats().durableMessages).toBe(0)
    expect(again.receipts.at(-1)).toBe(`rejected ${LANE}:2-3 NOT_HANDLED`)
    expect(reading.endings).toEqual([])
    await host.crash()
    expect(host.session().receipts.at(-1)).toBe(`rejected ${LANE}:2-3 NOT_HANDLED`)
  })

  it('counts elapsed time: a clock that jumps while the daemon runs changes nothing', async () => {
    const host = await Host.start({ inboxRetentionMs: 10 * DAY_MS })
    host.session().run(1, 1)
    await host.settle()
    host.clock.stepWall(20 * DAY_MS)
    await host.clock.advance(DAY_MS)
    expect(host.inbox.stats().durableMessages).toBe(1)
    await host.restart()
    await host.clock.advance(DAY_MS)
    expect(host.inbox.stats().durableMessages).toBe(1)
  })
})
