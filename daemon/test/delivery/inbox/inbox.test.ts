import { describe, expect, it } from 'vitest'
import { EVERYTHING, fetchRuns, indexesOf, KiB, makeInbox, OPTIONS, subscribe } from './support.ts'

const sizes = (count: number, size = 10) => Array.from({ length: count }, () => size)

describe('an inbox', () => {
  it('gives a run to a subscription as it came, with index, ID and origin', () => {
    const { inbox, openLane, clock } = makeInbox()
    const { reading } = subscribe(inbox)
    openLane('alice', 'chat').send([1, 2, 3])
    expect(reading.runs).toEqual([
      {
        ...{ first: 1, contact: 'alice', from: 'alice@host', fromName: 'alice', channel: 'chat', id: 'e.1.1' },
        ...{
          sentAt: clock.wallMs(),
          redelivered: false,
          bodies: [new Uint8Array(1), new Uint8Array(2), new Uint8Array(3)]
        }
      }
    ])
  })

  it('splits a run only where the flow credit ends, and numbers the rest on', () => {
    const { inbox, openLane } = makeInbox()
    const { reading, addCredit } = subscribe(inbox, { creditMessages: 2, creditBytes: 1000 })
    openLane().send(sizes(5))
    expect(reading.runs.map(({ first, id, bodies }) => [first, id, bodies.length])).toEqual([[1, 'e.1.1', 2]])
    addCredit(100, 0)
    expect(reading.runs.map(({ first, id, bodies }) => [first, id, bodies.length])).toEqual([
      [1, 'e.1.1', 2],
      [3, 'e.1.3', 3]
    ])
  })

  it('waits with a message that the byte credit does not cover', () => {
    const { inbox, openLane } = makeInbox()
    const { reading, addCredit } = subscribe(inbox, { creditBytes: 25 })
    openLane().send(sizes(3))
    expect(reading.indexes).toEqual([1, 2])
    addCredit(0, 4)
    expect(reading.indexes).toEqual([1, 2])
    addCredit(0, 1)
    expect(reading.indexes).toEqual([1, 2, 3])
  })

  it('gives no more after the taker said no, until it is resumed', () => {
    const { inbox, openLane } = makeInbox()
    const { reading, resume } = subscribe(inbox)
    reading.isWanting = false
    const lane = openLane()
    lane.send([1])
    lane.send([2])
    expect(reading.indexes).toEqual([1])
    reading.isWanting = true
    resume()
    expect(reading.indexes).toEqual([1, 2])
  })

  it('filters by contact and channel', () => {
    const { inbox, openLane } = makeInbox()
    const filter = { contacts: new Set(['alice']), channels: new Set(['chat', 'news']) }
    const { reading } = subscribe(inbox, { filter })
    const everything = subscribe(inbox, { consumer: 'all' }).reading
    openLane('alice', 'chat').send([1])
    openLane('bob', 'chat').send([1])
    openLane('alice', 'other').send([1])
    openLane('alice', 'news').send([1])
    expect(reading.indexes).toEqual([1, 4])
    expect(everything.indexes).toEqual([1, 2, 3, 4])
  })

  it('begins at the start, now, or after an index, and only when the consumer is new', () => {
    const { inbox, openLane } = makeInbox()
    const look = subscribe(inbox, { consumer: null })
    const lane = openLane()
    lane.send([1, 1, 1])
    expect(subscribe(inbox, { consumer: 'a' }).reading.indexes).toEqual([1, 2, 3])
    expect(subscribe(inbox, { consumer: 'b', from: 'now' }).reading.indexes).toEqual([])
    const after = subscribe(inbox, { consumer: 'c', from: { after: 1 } })
    expect([after.next, after.reading.indexes]).toEqual([2, [2, 3]])
    after.close()
    expect(subscribe(inbox, { consumer: 'c', from: 'now' }).reading.indexes).toEqual([2, 3])
    expect(look.reading.indexes).toEqual([1, 2, 3])
  })

  it('refuses to begin after what is gone, or after what has not come', () => {
    const { inbox, openLane } = makeInbox()
    subscribe(inbox, { consumer: 'a' })
    const lane = openLane()
    lane.send([1, 1])
    inbox.ack('a', 2)
    lane.send([1, 1])
    expect(() => subscribe(inbox, { consumer: 'b', from: { after: 1 } })).toThrow(
      expect.objectContaining({ code: 'CURSOR_GONE' })
    )
    expect(() => subscribe(inbox, { consumer: 'b', from: { after: 5 } })).toThrow(
      expect.objectContaining({ code: 'CURSOR_GONE' })
    )
    expect(subscribe(inbox, { consumer: 'b', from: { after: 2 } }).reading.indexes).toEqual([3, 4])
    const other = { contacts: null, channels: new Set(['other']) }
    expect(subscribe(inbox, { consumer: null, from: { after: 1 }, filter: other }).next).toBe(2)
  })
})

describe('channels without end', () => {
  it('are forgotten when nothing of them is kept, and so are their cursors', () => {
    const { inbox, openLane } = makeInbox()
    subscribe(inbox)
    for (let n = 1; n <= 5_000; n++) {
      const lane = openLane('alice', `channel ${n}`)
      lane.send([1])
      inbox.ack('app', n)
      lane.close()
    }
    const first = { contacts: null, channels: new Set(['channel 1']) }
    const afterFirst = () => subscribe(inbox, { consumer: null, filter: first, from: { after: 1 } })
    expect(afterFirst).toThrow(expect.objectContaining({ code: 'CURSOR_GONE' }))
    expect(subscribe(inbox, { consumer: null, filter: first, from: { after: 5_000 } }).next).toBe(5_001)
    expect(inbox.stats()).toMatchObject({ messages: 0, bytes: 0 })
  })
})

describe('a consumer', () => {
  it('is one subscription at a time; another is told who has it', () => {
    const { inbox } = makeInbox()
    subscribe(inbox, { by: 'first' })
    const second = () => subscribe(inbox, { by: 'second' })
    expect(second).toThrow(expect.objectContaining({ code: 'CONSUMER_BUSY', data: { by: 'first' } }))
  })

  it('is taken over when that is asked for, and gives again what was not acknowledged', () => {
    const { inbox, openLane, events } = makeInbox()
    const first = subscribe(inbox)
    openLane().send([1, 1, 1])
    inbox.ack('app', 1)
    const second = subscribe(inbox, { takeover: true })
    expect(first.reading.endings).toEqual(['TAKEN_OVER'])
    expect(second.reading.indexes).toEqual([2, 3])
    expect(second.reading.runs.every(run => run.redelivered)).toBe(true)
    expect(events).toEqual([{ kind: 'consumer.taken-over', consumer: 'app' }])
  })

  it('marks only what was given before as redelivered', () => {
    const { inbox, openLane } = makeInbox()
    const first = subscribe(inbox, { creditMessages: 2 })
    openLane().send([1, 1, 1, 1])
    first.close()
    const { reading } = subscribe(inbox)
    expect(reading.runs.map(({ first, redelivered, bodies }) => [first, redelivered, bodies.length])).toEqual([
      [1, true, 2],
      [3, false, 2]
    ])
  })

  it('keeps its filter', () => {
    const { inbox } = makeInbox()
    const filter = { contacts: null, channels: new Set(['a', 'b']) }
    subscribe(inbox, { filter }).close()
    subscribe(inbox, { filter: { contacts: null, channels: new Set(['b', 'a']) } }).close()
    const asOther = () => subscribe(inbox, { filter: EVERYTHING })
    expect(asOther).toThrow(expect.objectContaining({ code: 'CONSUMER_MISMATCH' }))
  })

  it('stops at its bound of unacknowledged messages, says so once, and goes on with the acks', () => {
    const { inbox, openLane, events } = makeInbox({ consumerUnackedCountMax: 3 })
    const { reading } = subscribe(inbox)
    const lane = openLane()
    lane.send(sizes(5))
    lane.send(sizes(5))
    expect(reading.indexes).toEqual([1, 2, 3])
    expect(events).toEqual([{ kind: 'consumer.stalled', consumer: 'app' }])
    inbox.ack('app', 2)
    expect(reading.indexes).toEqual([1, 2, 3, 4, 5])
  })

  it('stops at its bound of unacknowledged bytes, but takes one message of any size', () => {
    const { inbox, openLane } = makeInbox({ consumerUnackedBytesMax: 100 })
    const { reading } = subscribe(inbox)
    openLane().send([500, 10, 80, 20])
    expect(reading.indexes).toEqual([1])
    inbox.ack('app', 1)
    expect(reading.indexes).toEqual([1, 2, 3])
    inbox.ack('app', 2)
    expect(reading.indexes).toEqual([1, 2, 3, 4])
  })

  it('cannot acknowledge what it was not given, and nothing happens below the cursor', () => {
    const { inbox, openLane } = makeInbox()
    subscribe(inbox, { creditMessages: 2 })
    openLane().send([1, 1, 1])
    expect(() => inbox.ack('app', 3)).toThrow(expect.objectContaining({ code: 'INVALID_PARAMS' }))
    expect(() => inbox.ack('nobody', 1)).toThrow(expect.objectContaining({ code: 'NO_SUCH_CONSUMER' }))
    inbox.ack('app', 2)
    inbox.ack('app', 1)
    expect(inbox.stats().messages).toBe(3)
  })

  it('is refused beyond the count of consumers', () => {
    const { inbox } = makeInbox({ consumerCountMax: 1 })
    subscribe(inbox, { consumer: 'a' })
    expect(() => subscribe(inbox, { consumer: 'b' })).toThrow(expect.objectContaining({ code: 'QUEUE_FULL' }))
  })
})

describe('what is kept', () => {
  it('goes when every consumer that matches has acknowledged it and every look has passed it', () => {
    const { inbox, openLane } = makeInbox()
    subscribe(inbox, { consumer: 'a' })
    subscribe(inbox, { consumer: 'b' })
    const look = subscribe(inbox, { consumer: null, creditMessages: 0 })
    openLane().send([1, 1])
    inbox.ack('a', 2)
    inbox.ack('b', 2)
    expect(inbox.stats().messages).toBe(2)
    look.addCredit(2, 100)
    expect(look.reading.indexes).toEqual([1, 2])
    expect(inbox.stats()).toMatchObject({ messages: 0, bytes: 0 })
  })

  it('goes when the look that had not read it leaves', () => {
    const { inbox, openLane } = makeInbox()
    subscribe(inbox)
    const look = subscribe(inbox, { consumer: null, creditMessages: 0 })
    openLane().send([1])
    inbox.ack('app', 1)
    look.close()
    expect(inbox.stats().messages).toBe(0)
  })

  it('is bounded for what no consumer has named: the oldest goes', () => {
    const { inbox, openLane } = makeInbox({ keptBytesMax: 32 * KiB })
    subscribe(inbox, { consumer: null })
    const lane = openLane()
    for (let n = 0; n < 100; n++) expect(lane.send([KiB])).toBe(1)
    expect(inbox.stats().bytes).toBeLessThan(40 * KiB)
    const kept = subscribe(inbox).reading.indexes
    expect(kept.at(-1)).toBe(100)
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, n) => 101 - kept.length + n))
    expect(inbox.stats().evicted).toBe(100 - kept.length)
  })

  it('keeps nothing of a frame but its messages, where they are little of it', () => {
    const { inbox, openLane } = makeInbox()
    const { reading } = subscribe(inbox)
    const frame = new Uint8Array(16 * KiB).fill(7)
    openLane().deliver(1, 0, [frame.subarray(100, 110), frame.subarray(200, 200)])
    const bodies = reading.runs.flatMap(run => run.bodies)
    expect(bodies).toEqual([new Uint8Array(10).fill(7), new Uint8Array(0)])
    expect(bodies.map(({ buffer }) => buffer.byteLength)).toEqual([10, 0])
  })

  it('copies no message that is most of its frame', () => {
    const { inbox, openLane } = makeInbox()
    const { reading } = subscribe(inbox)
    const frame = new Uint8Array(16 * KiB)
    openLane().deliver(1, 0, [frame.subarray(100)])
    expect(reading.runs[0]?.bodies[0]?.buffer).toBe(frame.buffer)
  })

  it('gives way, where another has handled it, of a consumer that nobody reads as', () => {
    const { inbox, openLane } = makeInbox({ keptBytesMax: 32 * KiB })
    subscribe(inbox, { consumer: 'gone' }).close()
    subscribe(inbox, { consumer: 'app' })
    const lane = openLane()
    for (let n = 1; n <= 100; n++) {
      expect(lane.send([KiB])).toBe(1)
      inbox.ack('app', n)
    }
    expect(inbox.stats().bytes).toBeLessThan(40 * KiB)
    const late = subscribe(inbox, { consumer: 'gone' }).reading.indexes
    expect(late.at(-1)).toBe(100)
    expect(late.length).toBeGreaterThan(20)
  })

  it('stays, whatever its size, while a consumer that has not acknowledged it is the only one', () => {
    const { inbox, openLane } = makeInbox({ keptBytesMax: KiB, laneCreditBytes: 64 * KiB })
    const { reading, close } = subscribe(inbox, { creditMessages: 0 })
    const lane = openLane()
    expect(lane.send(sizes(60, KiB))).toBe(60)
    close()
    expect(reading.indexes).toEqual([])
    expect(subscribe(inbox).reading.indexes.length).toBe(OPTIONS.consumerUnackedCountMax)
    expect(inbox.stats().evicted).toBe(0)
  })
})

describe('lane credit', () => {
  it('is nothing while nobody reads the lane', () => {
    const { inbox, openLane } = makeInbox()
    subscribe(inbox, { filter: { contacts: null, channels: new Set(['other']) } })
    const lane = openLane('alice', 'chat')
    expect([lane.grantedMessages, lane.grantedBytes]).toEqual([0, 0])
    subscribe(inbox, { consumer: null })
    expect([lane.grantedMessages, lane.grantedBytes]).toEqual([100, 64 * KiB])
  })

  it('is refused to whoever sends without it', () => {
    const { openLane } = makeInbox()
    const lane = openLane()
    expect(() => lane.deliver(1, 0, [new Uint8Array(1)])).toThrow(RangeError)
  })

  it('does not help a sender whose clock no message can carry', () => {
    const { inbox, openLane } = makeInbox()
    const { reading } = subscribe(inbox)
    expect(() => openLane().deliver(1, 2 ** 60, [new Uint8Array(1)])).toThrow(RangeError)
    expect(reading.runs).toEqual([])
  })

  it('comes back as the slowest live subscription takes messages', () => {
    const { inbox, openLane } = makeInbox({ consumerUnackedCountMax: 1_000 })
    subscribe(inbox, { consumer: 'fast' })
    const slow = subscribe(inbox, { consumer: 'slow', creditMessages: 0 })
    const lane = openLane()
    expect(lane.send(sizes(200))).toBe(100)
    expect(lane.grantedMessages).toBe(100)
    slow.addCredit(40, 1e6)
    // Runs that are not passed whole count when they are.
    expect(lane.grantedMessages).toBe(100)
    slow.close()
    expect(lane.grantedMessages).toBeGreaterThan(100)
  })

  it('stops when the last reader leaves and goes on with the next', () => {
    const { inbox, openLane } = makeInbox()
    const first = subscribe(inbox)
    const lane = openLane()
    lane.send(sizes(10))
    first.close()
    expect(lane.send(sizes(200))).toBe(90)
    expect(lane.grantedMessages).toBe(100)
    const { reading } = subscribe(inbox, { consumer: 'late', from: 'now' })
    expect(reading.indexes).toEqual([])
    expect(lane.grantedMessages).toBe(200)
  })

  it('always leaves room for one of the largest messages once all was taken', () => {
    const { inbox, openLane } = makeInbox({ laneCreditBytes: 16 * KiB })
    const { reading } = subscribe(inbox)
    const lane = openLane()
    expect(lane.send([KiB])).toBe(1)
    expect(lane.send([16 * KiB])).toBe(1)
    expect(reading.indexes).toEqual([1, 2])
  })

  it('ends for all when the inbox is full, and comes back with the acks', () => {
    const { inbox, openLane } = makeInbox({ inboxBytesMax: 64 * KiB, consumerUnackedCountMax: 5 })
    subscribe(inbox)
    const lanes = ['a', 'b', 'c', 'd', 'e', 'f'].map(contact => openLane(contact))
    for (let round = 0; round < 20; round++) for (const lane of lanes) lane.send([4 * KiB, 4 * KiB])
    const { bytes, promisedBytes } = inbox.stats()
    expect(bytes).toBeGreaterThan(64 * KiB)
    expect(lanes.every(lane => lane.send([4 * KiB]) === 0 || lane.grantedBytes - lane.sentBytes < 16 * KiB)).toBe(true)
    expect(bytes + promisedBytes).toBeLessThan(64 * KiB * 17)
    const before = lanes.map(lane => lane.grantedBytes)
    for (let index = 5; index <= inbox.next - 1; index += 5) inbox.ack('app', index)
    expect(lanes.some((lane, n) => lane.grantedBytes > (before[n] as number))).toBe(true)
  })

  it('ends for all when a consumer that nobody reads as fills the inbox, and an event names it', () => {
    const { inbox, openLane, events } = makeInbox({ inboxBytesMax: 64 * KiB })
    subscribe(inbox, { consumer: 'forgotten' }).close()
    const look = subscribe(inbox, { consumer: null })
    const lane = openLane()
    for (let n = 0; n < 200; n++) lane.send([KiB])
    expect(look.reading.indexes.length).toBeLessThan(200)
    expect(events).toEqual([{ kind: 'consumer.stalled', consumer: 'forgotten' }])
    const late = subscribe(inbox, { consumer: 'forgotten' })
    expect(late.reading.indexes[0]).toBe(1)
    for (let n = 0; n < 100; n++) inbox.ack('forgotten', late.reading.indexes.at(-1) as number)
    expect(lane.send([KiB])).toBe(1)
  })

  it('reaches as many channels of one contact as fit with a message of the largest size each', () => {
    const { inbox, openLane } = makeInbox({ inboxBytesMax: 256 * KiB })
    const { reading } = subscribe(inbox)
    const lanes = Array.from({ length: 40 }, (_, n) => openLane('talkative', `channel ${n}`))
    for (const lane of lanes) expect(lane.send([1])).toBe(1)
    expect(reading.indexes).toHaveLength(40)
  })

  it('keeps one contact from taking what the others need', () => {
    const { inbox, openLane } = makeInbox({ inboxBytesMax: 256 * KiB })
    subscribe(inbox)
    const greedy = Array.from({ length: 400 }, (_, n) => openLane('greedy', `channel ${n}`))
    const promised = greedy.reduce((sum, lane) => sum + lane.grantedBytes, 0)
    expect(promised).toBeLessThanOrEqual(8 * 256 * KiB)
    expect(inbox.stats().lanesWaiting).toBeGreaterThan(0)
    expect(openLane('modest', 'chat').grantedBytes).toBeGreaterThanOrEqual(16 * KiB)
    greedy[0]?.close()
    expect(greedy.reduce((sum, lane) => sum + lane.grantedBytes, 0)).toBeGreaterThan(promised)
  })
})

describe('a fetch', () => {
  it('takes what is there, at most what it asks for, and goes on behind it', async () => {
    const { inbox, openLane } = makeInbox()
    const opened = fetchRuns(inbox)
    openLane().send([1, 1, 1, 1, 1])
    expect((await opened).runs).toEqual([])
    const first = await fetchRuns(inbox, { countMax: 2 })
    expect([indexesOf(first.runs), first.next]).toEqual([[1, 2], 3])
    expect(indexesOf((await fetchRuns(inbox)).runs)).toEqual([3, 4, 5])
    expect((await fetchRuns(inbox)).runs).toEqual([])
  })

  it('begins again at the cursor when it asks from the start', async () => {
    const { inbox, openLane } = makeInbox()
    await fetchRuns(inbox)
    openLane().send([1, 1, 1])
    await fetchRuns(inbox)
    inbox.ack('app', 1)
    const again = await fetchRuns(inbox, { from: 'start' })
    expect(indexesOf(again.runs)).toEqual([2, 3])
    expect(again.runs.every(run => run.redelivered)).toBe(true)
  })

  it('waits for the first message and takes what comes in the same turn', async () => {
    const { inbox, openLane } = makeInbox()
    const fetched = fetchRuns(inbox, { waitMs: 60_000 })
    const lane = openLane()
    lane.send([1])
    lane.send([1])
    expect(indexesOf((await fetched).runs)).toEqual([1, 2])
  })

  it('ends empty when its time is over or its caller gone', async () => {
    const { inbox, clock } = makeInbox()
    const timed = fetchRuns(inbox, { waitMs: 1_000 })
    await clock.advance(1_000)
    expect(await timed).toEqual({ runs: [], next: 1 })
    const gone = new AbortController()
    const left = fetchRuns(inbox, { waitMs: 1_000 }, gone.signal)
    gone.abort()
    expect(await left).toEqual({ runs: [], next: 1 })
  })

  it('gives again what was taken for a caller who is gone', async () => {
    const { inbox, openLane } = makeInbox()
    const gone = new AbortController()
    const lost = fetchRuns(inbox, { waitMs: 1_000 }, gone.signal)
    openLane().send([1, 1])
    gone.abort()
    await lost
    expect(indexesOf((await fetchRuns(inbox)).runs)).toEqual([1, 2])
  })

  it('lingers as a look for a bounded number of filters', async () => {
    const { inbox } = makeInbox()
    for (let n = 0; n < 300; n++) {
      await fetchRuns(inbox, { consumer: null, filter: { contacts: null, channels: new Set([`c${n}`]) } })
      await fetchRuns(inbox, { consumer: null, filter: { contacts: null, channels: new Set([`c${n}`]) } })
    }
    expect(inbox.stats().readers).toBe(256)
  })

  it('gives at least one message, whatever its bytes, and not many more than asked for', async () => {
    const { inbox, openLane } = makeInbox()
    await fetchRuns(inbox)
    const lane = openLane()
    lane.send([10_000])
    lane.send([10_000])
    expect(indexesOf((await fetchRuns(inbox, { bytesMax: 100 })).runs)).toEqual([1])
    expect(indexesOf((await fetchRuns(inbox, { bytesMax: 100 })).runs)).toEqual([2])
  })

  it('counts as a reader of its lanes for 30 s after it was answered', async () => {
    const { inbox, openLane, clock } = makeInbox()
    await fetchRuns(inbox)
    await clock.advance(29_999)
    const early = openLane('alice', 'early')
    expect(early.grantedMessages).toBe(100)
    await clock.advance(1)
    expect(openLane('alice', 'late').grantedMessages).toBe(0)
  })

  it('does not slow down live readers while it lingers as a look', async () => {
    const { inbox, openLane } = makeInbox()
    await fetchRuns(inbox, { consumer: null })
    subscribe(inbox)
    const lane = openLane()
    let sent = 0
    for (let n = 0; n < 10; n++) {
      sent += lane.send(sizes(40))
      inbox.ack('app', inbox.next - 1)
    }
    expect(sent).toBe(400)
  })

  it('finds a consumer busy that a subscription reads, and gives way to one that asks for it', async () => {
    const { inbox } = makeInbox()
    const live = subscribe(inbox)
    await expect(fetchRuns(inbox)).rejects.toMatchObject({ code: 'CONSUMER_BUSY' })
    live.close()
    const waiting = fetchRuns(inbox, { waitMs: 10_000 })
    await expect(fetchRuns(inbox)).rejects.toMatchObject({ code: 'CONSUMER_BUSY' })
    expect(() => subscribe(inbox)).toThrow(expect.objectContaining({ code: 'CONSUMER_BUSY', data: { by: 'curl' } }))
    subscribe(inbox, { takeover: true })
    await expect(waiting).rejects.toMatchObject({ code: 'TAKEN_OVER' })
  })

  it('that has been answered stands in nobody’s way', async () => {
    const { inbox, openLane } = makeInbox()
    await fetchRuns(inbox)
    openLane().send([1])
    await fetchRuns(inbox)
    expect(subscribe(inbox).reading.indexes).toEqual([1])
  })
})

describe('stopping', () => {
  it('ends subscriptions and waiting fetches, and takes no more', async () => {
    const { inbox } = makeInbox()
    const { reading } = subscribe(inbox)
    const waiting = fetchRuns(inbox, { consumer: null, waitMs: 10_000 })
    inbox.stop()
    expect(reading.endings).toEqual(['SHUTTING_DOWN'])
    await expect(waiting).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
    expect(() => subscribe(inbox)).toThrow(expect.objectContaining({ code: 'SHUTTING_DOWN' }))
  })
})
