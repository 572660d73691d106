import { describe, expect, it } from 'vitest'
import { Host, LANE } from './durable-support.ts'
import { fetchRuns, indexesOf, makeInbox, subscribe } from './support.ts'

describe('a consumer', () => {
  it('is on disk, with owner, filter and cursor, before its subscription is answered', async () => {
    const host = await Host.start()
    const filter = { contacts: new Set(['alice']), channels: new Set(['chat', 'news']) }
    await subscribe(host.inbox, { filter, owner: 'mary' })
    await host.crash()
    expect(host.inbox.consumers()).toEqual([
      {
        ...{ consumer: 'app', owner: 'mary', cursor: 0, lag: 0, unacknowledged: 0, stalled: false },
        filter: { peers: ['alice'], channels: ['chat', 'news'] }
      }
    ])
    await expect(subscribe(host.inbox)).rejects.toMatchObject({ code: 'CONSUMER_MISMATCH' })
  })

  it('tells how far it is, since when the oldest waits, and who reads', async () => {
    const host = await Host.start({ consumerUnackedCountMax: 2 })
    host.session().run(1, 5)
    await host.settle()
    const receivedAt = host.clock.wallMs()
    await host.clock.advance(5_000)
    host.clock.stepWall(7_000)
    await subscribe(host.inbox, { by: 'listen' })
    await host.inbox.ack('app', 1)
    expect(host.inbox.consumer('app')).toEqual({
      ...{ consumer: 'app', owner: 'local', filter: {}, cursor: 1, lag: 4, oldestAt: receivedAt + 7_000 },
      ...{ unacknowledged: 2, stalled: true, by: 'listen' }
    })
    expect(host.events.filter(({ kind }) => kind === 'consumer.stalled')).not.toEqual([])
    expect(() => host.inbox.consumer('nobody')).toThrow(expect.objectContaining({ code: 'NO_SUCH_CONSUMER' }))
  })

  it('is taken over with what was not acknowledged, marked as redelivered', async () => {
    const host = await Host.start()
    const first = await subscribe(host.inbox)
    host.session().run(1, 3)
    await host.settle()
    await host.inbox.ack('app', 1)
    const second = await subscribe(host.inbox, { takeover: true })
    expect(first.reading.endings).toEqual(['TAKEN_OVER'])
    expect(second.reading.runs.map(({ first: index, id, redelivered }) => [index, id, redelivered])).toEqual([
      [2, `${'e1'.repeat(16)}.${LANE}.2`, true]
    ])
  })

  it('takes an ack of a program that was taken over for what that was given, and goes on behind it', async () => {
    const host = await Host.start()
    await subscribe(host.inbox)
    host.session().run(1, 6)
    await host.settle()
    const second = await subscribe(host.inbox, { takeover: true, creditMessages: 2 })
    await host.inbox.ack('app', 4)
    expect(host.inbox.consumer('app').cursor).toBe(4)
    await host.inbox.ack('app', 2)
    expect(host.inbox.consumer('app').cursor).toBe(4)
    second.addCredit(10, 10_000)
    expect(second.reading.indexes).toEqual([1, 2, 5, 6])
  })

  it('is one reader at a time, also while its opening is on its way to the disk', async () => {
    const host = await Host.start()
    const opening = subscribe(host.inbox, { by: 'first' })
    await expect(subscribe(host.inbox, { by: 'second' })).rejects.toMatchObject({
      code: 'CONSUMER_BUSY',
      data: { by: 'first' }
    })
    await expect(fetchRuns(host.inbox)).rejects.toMatchObject({ code: 'CONSUMER_BUSY' })
    await opening
  })

  it('by fetch gets again after a crash what it had not acknowledged', async () => {
    const host = await Host.start()
    host.session().run(1, 3)
    await host.settle()
    expect(indexesOf((await fetchRuns(host.inbox, { countMax: 2 })).runs)).toEqual([1, 2])
    await host.inbox.ack('app', 1)
    await host.crash()
    const { runs } = await fetchRuns(host.inbox)
    expect([indexesOf(runs), runs[0]?.redelivered]).toEqual([[2, 3], true])
  })
})

describe('seeking', () => {
  it('goes back to what is kept: its subscription ends by that, and the next goes on from there', async () => {
    const host = await Host.start()
    await subscribe(host.inbox, { consumer: 'other', creditMessages: 0 })
    const { reading } = await subscribe(host.inbox)
    host.session().run(1, 4)
    await host.settle()
    await host.inbox.ack('app', 3)
    expect((await host.inbox.seek('app', { after: 1 })).cursor).toBe(1)
    expect([reading.indexes, reading.endings]).toEqual([[1, 2, 3, 4], ['CURSOR_MOVED']])
    const second = await subscribe(host.inbox)
    expect(second.reading.indexes).toEqual([2, 3, 4])
    expect((await host.inbox.seek('app', 'start')).cursor).toBe(0)
    expect(second.reading.endings).toEqual(['CURSOR_MOVED'])
    const third = await subscribe(host.inbox)
    expect(third.reading.indexes).toEqual([1, 2, 3, 4])
    await host.crash()
    expect(host.inbox.consumer('app').cursor).toBe(0)
  })

  it('makes an ack of what was given before it do nothing, and a refusal of that fail, until it is given again', async () => {
    const host = await Host.start()
    await subscribe(host.inbox, { consumer: 'other', creditMessages: 0 })
    await subscribe(host.inbox)
    host.session().run(1, 6)
    await host.settle()
    await host.inbox.ack('app', 4)
    await host.inbox.seek('app', 'start')
    await host.inbox.ack('app', 5)
    expect(host.inbox.consumer('app').cursor).toBe(0)
    await expect(host.inbox.reject('app', 5, 'no')).rejects.toMatchObject({ code: 'INVALID_PARAMS' })
    await subscribe(host.inbox, { creditMessages: 3 })
    await host.inbox.ack('app', 5)
    expect(host.inbox.consumer('app').cursor).toBe(0)
    await host.inbox.ack('app', 3)
    expect(host.inbox.consumer('app').cursor).toBe(3)
    await expect(host.inbox.ack('app', 7)).rejects.toMatchObject({ code: 'INVALID_PARAMS' })
  })

  it('is what a fetch over POST goes on from, whatever it says that it has', async () => {
    const host = await Host.start()
    await subscribe(host.inbox, { consumer: 'other', creditMessages: 0 })
    host.session().run(1, 4)
    await host.settle()
    const request = { connection: undefined, countMax: 2 }
    await fetchRuns(host.inbox, request)
    await host.inbox.ack('app', 2)
    await fetchRuns(host.inbox, { ...request, from: { after: 2 } })
    await host.inbox.seek('app', 'start')
    expect(indexesOf((await fetchRuns(host.inbox, { ...request, from: { after: 3 } })).runs)).toEqual([1, 2])
    expect(indexesOf((await fetchRuns(host.inbox, { ...request, from: { after: 2 } })).runs)).toEqual([3, 4])
  })

  it('forwards leaves out what is passed over: it is not handled by it, and owed by it no more', async () => {
    const host = await Host.start()
    const { reading } = await subscribe(host.inbox, { creditMessages: 1 })
    const session = host.session()
    session.run(1, 4)
    await host.settle()
    expect(await host.inbox.seek('app', { after: 3 })).toMatchObject({ cursor: 3, lag: 1 })
    await host.inbox.seek('app', 'now')
    expect(host.inbox.consumer('app')).toMatchObject({ cursor: 4, lag: 0 })
    expect([session.receipts, host.inbox.stats().durableMessages]).toEqual([[`stored ${LANE}:1-4`], 4])
    session.run(5, 1)
    await host.settle()
    expect([reading.indexes, reading.endings]).toEqual([[1], ['CURSOR_MOVED']])
    expect((await subscribe(host.inbox)).reading.indexes).toEqual([5])
  })

  it('forwards past what another has handled lets it go', async () => {
    const host = await Host.start()
    const slow = await subscribe(host.inbox, { consumer: 'slow' })
    slow.close()
    await subscribe(host.inbox)
    host.session().run(1, 4)
    await host.settle()
    await host.inbox.ack('app', 4)
    expect(host.inbox.stats().durableMessages).toBe(4)
    await host.inbox.seek('slow', 'now')
    expect(host.inbox.stats().durableMessages).toBe(0)
  })

  it('is refused to where nothing is kept', async () => {
    const host = await Host.start()
    await subscribe(host.inbox)
    host.session().run(1, 4)
    await host.settle()
    await host.inbox.ack('app', 4)
    for (const after of [2, 9]) {
      await expect(host.inbox.seek('app', { after })).rejects.toMatchObject({ code: 'CURSOR_GONE' })
    }
    await host.crash()
    await expect(host.inbox.seek('app', { after: 2 })).rejects.toMatchObject({ code: 'CURSOR_GONE' })
    await expect(host.inbox.seek('nobody', 'now')).rejects.toMatchObject({ code: 'NO_SUCH_CONSUMER' })
  })
})

describe('removing a consumer', () => {
  it('is refused while something reads as it, and then is for good', async () => {
    const host = await Host.start()
    const { close } = await subscribe(host.inbox, { by: 'listen' })
    await expect(host.inbox.removeConsumer('app')).rejects.toMatchObject({
      code: 'CONSUMER_BUSY',
      data: { by: 'listen' }
    })
    close()
    await host.inbox.removeConsumer('app')
    expect(host.events).toEqual([{ kind: 'consumer.removed', consumer: 'app' }])
    await host.crash()
    expect(host.inbox.consumers()).toEqual([])
    await expect(host.inbox.removeConsumer('app')).rejects.toMatchObject({ code: 'NO_SUCH_CONSUMER' })
  })

  it('lets go what only it waited for, where another has handled it', async () => {
    const host = await Host.start()
    const { close } = await subscribe(host.inbox, { consumer: 'gone' })
    await subscribe(host.inbox)
    host.session().run(1, 2)
    await host.settle()
    await host.inbox.ack('app', 2)
    close()
    expect(host.inbox.stats().durableMessages).toBe(2)
    await host.inbox.removeConsumer('gone')
    expect(host.inbox.stats().durableMessages).toBe(0)
  })
})

describe('the state of an inbox', () => {
  it('counts what is in memory and on disk', async () => {
    const host = await Host.start()
    host.session().run(1, 3)
    await host.settle()
    expect(host.inbox.info()).toEqual({
      ...{ messages: 3, bytes: 3 * 138, durableMessages: 3, durableBytes: 3 * 138 },
      oldestAt: host.clock.wallMs()
    })
    const { inbox } = await makeInbox()
    expect(inbox.info()).toEqual({ messages: 0, bytes: 0, durableMessages: 0, durableBytes: 0 })
  })
})
