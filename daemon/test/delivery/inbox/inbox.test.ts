import { describe, expect, it } from 'vitest'
import { EVERYTHING, fetchRuns, indexesOf, KiB, makeInbox, OPTIONS, subscribe } from './support.ts'

const sizes = (count: number, size = 10) => Array.from({ length: count }, () => size)

describe('an inbox', () => {
  it('gives a run to a subscription as it came, with index, ID and origin', async () => {
    const { inbox, openLane, clock } = await makeInbox()
    const { reading } = await subscribe(inbox)
    openLane('alice', 'chat').send([1, 2, 3])
    expect(reading.runs).toEqual([
      {
        ...{ first: 1, contact: 'alice', from: 'alice@host', fromName: 'alice', channel: 'chat', id: 'e.1.1' },
        ...{
          sentAt: clock.wallMs(),
          redelivered: false,
          maybeDuplicate: false,
          bodies: [new Uint8Array(1), new Uint8Array(2), new Uint8Array(3)]
        }
      }
    ])
  })

  it('splits a run only where the flow credit ends, and numbers the rest on', async () => {
    const { inbox, openLane } = await makeInbox()
    const { reading, addCredit } = await subscribe(inbox, { creditMessages: 2, creditBytes: 1000 })
    openLane().send(sizes(5))
    expect(reading.runs.map(({ first, id, bodies }) => [first, id, bodies.length])).toEqual([[1, 'e.1.1', 2]])
    addCredit(100, 0)
    expect(reading.runs.map(({ first, id, bodies }) => [first, id, bodies.length])).toEqual([
      [1, 'e.1.1', 2],
      [3, 'e.1.3', 3]
    ])
  })

  it('waits with a message that the byte credit does not cover', async () => {
    const { inbox, openLane } = await makeInbox()
    const { reading, addCredit } = await subscribe(inbox, { creditBytes: 25 })
    openLane().send(sizes(3))
    expect(reading.indexes).toEqual([1, 2])
    addCredit(0, 4)
    expect(reading.indexes).toEqual([1, 2])
    addCredit(0, 1)
    expect(reading.indexes).toEqual([1, 2, 3])
  })

  it('gives no more after the taker said no, until it is resumed', async () => {
    const { inbox, openLane } = await makeInbox()
    const { reading, resume } = await subscribe(inbox)
    reading.isWanting = false
    const lane = openLane()
    lane.send([1])
    lane.send([2])
    expect(reading.indexes).toEqual([1])
    reading.isWanting = true
    resume()
    expect(reading.indexes).toEqual([1, 2])
  })

  it('filters by contact and channel', async () => {
    const { inbox, openLane } = await makeInbox()
    const filter = { contacts: new Set(['alice']), channels: new Set(['chat', 'news']) }
    const { reading } = await subscribe(inbox, { filter })
    const everything = (await subscribe(inbox, { consumer: 'all' })).reading
    openLane('alice', 'chat').send([1])
    openLane('bob', 'chat').send([1])
    openLane('alice', 'other').send([1])
    openLane('alice', 'news').send([1])
    expect(reading.indexes).toEqual([1, 4])
    expect(everything.indexes).toEqual([1, 2, 3, 4])
  })

  it('begins at the start, now, or after an index, and only when the consumer is new', async () => {
    const { inbox, openLane } = await makeInbox()
    const look = await subscribe(inbox, { consumer: null })
    const lane = openLane()
    lane.send([1, 1, 1])
    expect((await subscribe(inbox, { consumer: 'a' })).reading.indexes).toEqual([1, 2, 3])
    expect((await subscribe(inbox, { consumer: 'b', from: 'now' })).reading.indexes).toEqual([])
    const after = await subscribe(inbox, { consumer: 'c', from: { after: 1 } })
    expect([after.next, after.reading.indexes]).toEqual([2, [2, 3]])
    after.close()
    expect((await subscribe(inbox, { consumer: 'c', from: 'now' })).reading.indexes).toEqual([2, 3])
    expect(look.reading.indexes).toEqual([1, 2, 3])
  })

  it('refuses to begin after what is gone, or after what has not come', async () => {
    const { inbox, openLane } = await makeInbox()
    await subscribe(inbox, { consumer: 'a' })
    const lane = openLane()
    lane.send([1, 1])
    await inbox.ack('a', 2)
    lane.send([1, 1])
    await expect(subscribe(inbox, { consumer: 'b', from: { after: 1 } })).rejects.toMatchObject({ code: 'CURSOR_GONE' })
    await expect(subscribe(inbox, { consumer: 'b', from: { after: 5 } })).rejects.toMatchObject({ code: 'CURSOR_GONE' })
    expect((await subscribe(inbox, { consumer: 'b', from: { after: 2 } })).reading.indexes).toEqual([3, 4])
    const other = { contacts: null, channels: new Set(['other']) }
    expect((await subscribe(inbox, { consumer: null, from: { after: 1 }, filter: other })).next).toBe(2)
  })
})

describe('channels without end', () => {
  it('are forgotten when nothing of them is kept, and so are their cursors', async () => {
    const { inbox, openLane } = await makeInbox()
    await subscribe(inbox)
    for (let n = 1; n <= 5_000; n++) {
      const lane = openLane('alice', `channel ${n}`)
      lane.send([1])
      await inbox.ack('app', n)
      lane.close()
    }
    const first = { contacts: null, channels: new Set(['channel 1']) }
    const afterFirst = () => subscribe(inbox, { consumer: null, filter: first, from: { after: 1 } })
    await expect(afterFirst()).rejects.toMatchObject({ code: 'CURSOR_GONE' })
    expect((await subscribe(inbox, { consumer: null, filter: first, from: { after: 5_000 } })).next).toBe(5_001)
    expect(inbox.stats()).toMatchObject({ messages: 0, bytes: 0 })
  })
})

describe('a consumer', () => {
  it('is one subscription at a time; another is told who has it', async () => {
    const { inbox } = await makeInbox()
    await subscribe(inbox, { by: 'first' })
    const second = () => subscribe(inbox, { by: 'second' })
    await expect(second()).rejects.toMatchObject({ code: 'CONSUMER_BUSY', data: { by: 'first' } })
  })

  it('is taken over when that is asked for, and gives again what was not acknowledged', async () => {
    const { inbox, openLane, events } = await makeInbox()
    const first = await subscribe(inbox)
    openLane().send([1, 1, 1])
    await inbox.ack('app', 1)
    const second = await subscribe(inbox, { takeover: true })
    expect(first.reading.endings).toEqual(['TAKEN_OVER'])
    expect(second.reading.indexes).toEqual([2, 3])
    expect(second.reading.runs.every(run => run.redelivered)).toBe(true)
    expect(events).toEqual([{ kind: 'consumer.taken-over', consumer: 'app' }])
  })

  it('marks only what was given before as redelivered', async () => {
    const { inbox, openLane } = await makeInbox()
    const first = await subscribe(inbox, { creditMessages: 2 })
    openLane().send([1, 1, 1, 1])
    first.close()
    const { reading } = await subscribe(inbox)
    expect(reading.runs.map(({ first, redelivered, bodies }) => [first, redelivered, bodies.length])).toEqual([
      [1, true, 2],
      [3, false, 2]
    ])
  })

  it('keeps its filter', async () => {
    const { inbox } = await makeInbox()
    const filter = { contacts: null, channels: new Set(['a', 'b']) }
    const first = await subscribe(inbox, { filter })
    first.close()
    const second = await subscribe(inbox, { filter: { contacts: null, channels: new Set(['b', 'a']) } })
    second.close()
    const asOther = () => subscribe(inbox, { filter: EVERYTHING })
    await expect(asOther()).rejects.toMatchObject({ code: 'CONSUMER_MISMATCH' })
  })

  it('stops at its bound of unacknowledged messages, says so once, and goes on with the acks', async () => {
    const { inbox, openLane, events } = await makeInbox({ consumerUnackedCountMax: 3 })
    const { reading } = await subscribe(inbox)
    const lane = openLane()
    lane.send(sizes(5))
    lane.send(sizes(5))
    expect(reading.indexes).toEqual([1, 2, 3])
    expect(events).toEqual([{ kind: 'consumer.stalled', consumer: 'app' }])
    await inbox.ack('app', 2)
    expect(reading.indexes).toEqual([1, 2, 3, 4, 5])
  })

  it('stops at its bound of unacknowledged bytes, but takes one message of any size', async () => {
    const { inbox, openLane } = await makeInbox({ consumerUnackedBytesMax: 100 })
    const { reading } = await subscribe(inbox)
    openLane().send([500, 10, 80, 20])
    expect(reading.indexes).toEqual([1])
    await inbox.ack('app', 1)
    expect(reading.indexes).toEqual([1, 2, 3])
    await inbox.ack('app', 2)
    expect(reading.indexes).toEqual([1, 2, 3, 4])
  })

  it('cannot acknowledge what it was not given, and nothing happens below the cursor', async () => {
    const { inbox, openLane } = await makeInbox()
    await subscribe(inbox, { creditMessages: 2 })
    openLane().send([1, 1, 1])
    await expect(inbox.ack('app', 3)).rejects.toMatchObject({ code: 'INVALID_PARAMS' })
    await expect(inbox.ack('nobody', 1)).rejects.toMatchObject({ code: 'NO_SUCH_CONSUMER' })
    await inbox.ack('app', 2)
    await inbox.ack('app', 1)
    expect(inbox.stats().messages).toBe(3)
  })

  it('is refused beyond the count of consumers', async () => {
    const { inbox } = await makeInbox({ consumerCountMax: 1 })
    await subscribe(inbox, { consumer: 'a' })
    await expect(subscribe(inbox, { consumer: 'b' })).rejects.toMatchObject({ code: 'QUEUE_FULL' })
  })
})

describe('what is kept', () => {
  it('goes when every consumer that matches has acknowledged it and every look has passed it', async () => {
    const { inbox, openLane } = await makeInbox()
    await subscribe(inbox, { consumer: 'a' })
    await subscribe(inbox, { consumer: 'b' })
    const look = await subscribe(inbox, { consumer: null, creditMessages: 0 })
    openLane().send([1, 1])
    await inbox.ack('a', 2)
    await inbox.ack('b', 2)
    expect(inbox.stats().messages).toBe(2)
    look.addCredit(2, 100)
    expect(look.reading.indexes).toEqual([1, 2])
    expect(inbox.stats()).toMatchObject({ messages: 0, bytes: 0 })
  })

  it('goes when the look that had not read it leaves', async () => {
    const { inbox, openLane } = await makeInbox()
    await subscribe(inbox)
    const look = await subscribe(inbox, { consumer: null, creditMessages: 0 })
    openLane().send([1])
    await inbox.ack('app', 1)
    look.close()
    expect(inbox.stats().messages).toBe(0)
  })

  it('is bounded for what no consumer has named: the oldest goes', async () => {
    const { inbox, openLane } = await makeInbox({ keptBytesMax: 32 * KiB })
    await subscribe(inbox, { consumer: null })
    const lane = openLane()
    for (let n = 0; n < 100; n++) expect(lane.send([KiB])).toBe(1)
    expect(inbox.stats().bytes).toBeLessThan(40 * KiB)
    const kept = (await subscribe(inbox)).reading.indexes
    expect(kept.at(-1)).toBe(100)
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, n) => 101 - kept.length + n))
    expect(inbox.stats().evicted).toBe(100 - kept.length)
  })

  it('keeps nothing of a frame but its messages, where they are little of it', async () => {
    const { inbox, openLane } = await makeInbox()
    const { reading } = await subscribe(inbox)
    const frame = new Uint8Array(16 * KiB).fill(7)
    openLane().deliver(1, 0, [frame.subarray(100, 110), frame.subarray(200, 200)])
    const bodies = reading.runs.flatMap(run => run.bodies)
    expect(bodies).toEqual([new Uint8Array(10).fill(7), new Uint8Array(0)])
    expect(bodies.map(({ buffer }) => buffer.byteLength)).toEqual([10, 0])
  })

  it('copies no message that is most of its frame', async () => {
    const { inbox, openLane } = await makeInbox()
    const { reading } = await subscribe(inbox)
    const frame = new Uint8Array(16 * KiB)
    openLane().deliver(1, 0, [frame.subarray(100)])
    expect(reading.runs[0]?.bodies[0]?.buffer).toBe(frame.buffer)
  })

  it('gives way, where another has handled it, of a consumer that nobody reads as', async () => {
    const { inbox, openLane } = await makeInbox({ keptBytesMax: 32 * KiB })
    const other = await subscribe(inbox, { consumer: 'gone' })
    other.close()
    await subscribe(inbox, { consumer: 'app' })
    const lane = openLane()
    for (let n = 1; n <= 100; n++) {
      expect(lane.send([KiB])).toBe(1)
      await inbox.ack('app', n)
    }
    expect(inbox.stats().bytes).toBeLessThan(40 * KiB)
    const late = (await subscribe(inbox, { consumer: 'gone' })).reading.indexes
    expect(late.at(-1)).toBe(100)
    expect(late.length).toBeGreaterThan(20)
  })

  it('stays, whatever its size, while a consumer that has not acknowledged it is the only one', async () => {
    const { inbox, openLane } = await makeInbox({ keptBytesMax: KiB, laneCreditBytes: 64 * KiB })
    const { reading, close } = await subscribe(inbox, { creditMessages: 0 })
    const lane = openLane()
    expect(lane.send(sizes(60, KiB))).toBe(60)
    close()
    expect(reading.indexes).toEqual([])
    expect((await subscribe(inbox)).reading.indexes.length).toBe(OPTIONS.consumerUnackedCountMax)
    expect(inbox.stats().evicted).toBe(0)
  })
})

describe('lane credit', () => {
  it('is nothing while nobody reads the lane', async () => {
    const { inbox, openLane } = await makeInbox()
    await subscribe(inbox, { filter: { contacts: null, channels: new Set(['other']) } })
    const lane = openLane('alice', 'chat')
    expect([lane.grantedMessages, lane.grantedBytes]).toEqual([0, 0])
    await subscribe(inbox, { consumer: null })
    expect([lane.grantedMessages, lane.grantedBytes]).toEqual([100, 64 * KiB])
  })

  it('is refused to whoever sends without it', async () => {
    const { openLane } = await makeInbox()
    const lane = openLane()
    expect(() => lane.deliver(1, 0, [new Uint8Array(1)])).toThrow(RangeError)
  })

  it('does not help a sender whose clock no message can carry', async () => {
    const { inbox, openLane } = await makeInbox()
    const { reading } = await subscribe(inbox)
    expect(() => openLane().deliver(1, 2 ** 60, [new Uint8Array(1)])).toThrow(RangeError)
    expect(reading.runs).toEqual([])
  })

  it('comes back as the slowest live subscription takes messages', async () => {
    const { inbox, openLane } = await makeInbox({ consumerUnackedCountMax: 1_000 })
    await subscribe(inbox, { consumer: 'fast' })
    const slow = await subscribe(inbox, { consumer: 'slow', creditMessages: 0 })
    const lane = openLane()
    expect(lane.send(sizes(200))).toBe(100)
    expect(lane.grantedMessages).toBe(100)
    slow.addCredit(40, 1e6)
    // Runs that are not passed whole count when they are.
    expect(lane.grantedMessages).toBe(100)
    slow.close()
    expect(lane.grantedMessages).toBeGreaterThan(100)
  })

  it('stops when the last reader leaves and goes on with the next', async () => {
    const { inbox, openLane } = await makeInbox()
    const first = await subscribe(inbox)
    const lane = openLane()
    lane.send(sizes(10))
    first.close()
    expect(lane.send(sizes(200))).toBe(90)
    expect(lane.grantedMessages).toBe(100)
    const { reading } = await subscribe(inbox, { consumer: 'late', from: 'now' })
    expect(reading.indexes).toEqual([])
    expect(lane.grantedMessages).toBe(200)
  })

  it('always leaves room for one of the largest messages once all was taken', async () => {
    const { inbox, openLane } = await makeInbox({ laneCreditBytes: 16 * KiB })
    const { reading } = await subscribe(inbox)
    const lane = openLane()
    expect(lane.send([KiB])).toBe(1)
    expect(lane.send([16 * KiB])).toBe(1)
    expect(reading.indexes).toEqual([1, 2])
  })

  it('ends for all when the inbox is full, and comes back with the acks', async () => {
    const { inbox, openLane } = await makeInbox({ inboxBytesMax: 64 * KiB, consumerUnackedCountMax: 5 })
    await subscribe(inbox)
    const lanes = ['a', 'b', 'c', 'd', 'e', 'f'].map(contact => openLane(contact))
    for (let round = 0; round < 20; round++) for (const lane of lanes) lane.send([4 * KiB, 4 * KiB])
    const { bytes, promisedBytes } = inbox.stats()
    expect(bytes).toBeGreaterThan(64 * KiB)
    expect(lanes.every(lane => lane.send([4 * KiB]) === 0 || lane.grantedBytes - lane.sentBytes < 16 * KiB)).toBe(true)
    expect(bytes + promisedBytes).toBeLessThan(64 * KiB * 17)
    const before = lanes.map(lane => lane.grantedBytes)
    for (let index = 5; index <= inbox.next - 1; index += 5) await inbox.ack('app', index)
    expect(lanes.some((lane, n) => lane.grantedBytes > (before[n] as number))).toBe(true)
  })

  it('ends for all when a consumer that nobody reads as fills the inbox, and an event names it', async () => {
    const { inbox, openLane, events } = await makeInbox({ inboxBytesMax: 64 * KiB })
    const other = await subscribe(inbox, { consumer: 'forgotten' })
    other.close()
    const look = await subscribe(inbox, { consumer: null })
    const lane = openLane()
    for (let n = 0; n < 200; n++) lane.send([KiB])
    expect(look.reading.indexes.length).toBeLessThan(200)
    expect(events).toEqual([{ kind: 'consumer.stalled', consumer: 'forgotten' }])
    const late = await subscribe(inbox, { consumer: 'forgotten' })
    expect(late.reading.indexes[0]).toBe(1)
    for (let n = 0; n < 100; n++) await inbox.ack('forgotten', late.reading.indexes.at(-1) as number)
    expect(lane.send([KiB])).toBe(1)
  })

  it('reaches as many channels of one contact as fit with a message of the largest size each', async () => {
    const { inbox, openLane } = await makeInbox({ inboxBytesMax: 256 * KiB })
    const { reading } = await subscribe(inbox)
    const lanes = Array.from({ length: 40 }, (_, n) => openLane('talkative', `channel ${n}`))
    for (const lane of lanes) expect(lane.send([1])).toBe(1)
    expect(reading.indexes).toHaveLength(40)
  })

  it('keeps one contact from taking what the others need', async () => {
    const { inbox, openLane } = await makeInbox({ inboxBytesMax: 256 * KiB })
    await subscribe(inbox)
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
    const { inbox, openLane } = await makeInbox()
    expect((await fetchRuns(inbox)).runs).toEqual([])
    openLane().send([1, 1, 1, 1, 1])
    const first = await fetchRuns(inbox, { countMax: 2 })
    expect([indexesOf(first.runs), first.next]).toEqual([[1, 2], 3])
    expect(indexesOf((await fetchRuns(inbox)).runs)).toEqual([3, 4, 5])
    expect((await fetchRuns(inbox)).runs).toEqual([])
  })

  it('begins at the cursor where the answer before was for another connection, or for none', async () => {
    const { inbox, openLane } = await makeInbox()
    await fetchRuns(inbox)
    openLane().send([1, 1, 1])
    await fetchRuns(inbox, { countMax: 2 })
    for (const connection of [{}, undefined, undefined]) {
      const again = await fetchRuns(inbox, { countMax: 2, connection })
      expect([indexesOf(again.runs), again.runs.every(run => run.redelivered)]).toEqual([[1, 2], true])
    }
    expect(indexesOf((await fetchRuns(inbox)).runs)).toEqual([1, 2, 3])
  })

  it('goes on behind what its caller says that it has', async () => {
    const { inbox, openLane } = await makeInbox()
    await fetchRuns(inbox)
    openLane().send([1, 1, 1])
    const unheard = { connection: undefined }
    await fetchRuns(inbox, { ...unheard, countMax: 2 })
    expect(indexesOf((await fetchRuns(inbox, { ...unheard, from: { after: 1 } })).runs)).toEqual([2, 3])
    await inbox.ack('app', 2)
    expect(indexesOf((await fetchRuns(inbox, { ...unheard, from: { after: 1 } })).runs)).toEqual([3])
    await expect(fetchRuns(inbox, { ...unheard, from: { after: 9 } })).rejects.toMatchObject({ code: 'INVALID_PARAMS' })
  })

  it('begins again at the cursor when it asks from the start', async () => {
    const { inbox, openLane } = await makeInbox()
    await fetchRuns(inbox)
    openLane().send([1, 1, 1])
    await fetchRuns(inbox)
    await inbox.ack('app', 1)
    const again = await fetchRuns(inbox, { from: 'start' })
    expect(indexesOf(again.runs)).toEqual([2, 3])
    expect(again.runs.every(run => run.redelivered)).toBe(true)
  })

  it('waits for the first message and takes what comes in the same turn', async () => {
    const { inbox, openLane } = await makeInbox()
    const fetched = fetchRuns(inbox, { waitMs: 60_000 })
    const lane = openLane()
    lane.send([1])
    lane.send([1])
    expect(indexesOf((await fetched).runs)).toEqual([1, 2])
  })

  it('ends empty when its time is over or its caller gone', async () => {
    const { inbox, clock } = await makeInbox()
    const timed = fetchRuns(inbox, { waitMs: 1_000 })
    await clock.advance(1_000)
    expect(await timed).toEqual({ runs: [], next: 1 })
    const gone = new AbortController()
    const left = fetchRuns(inbox, { waitMs: 1_000 }, gone.signal)
    gone.abort()
    expect(await left).toEqual({ runs: [], next: 1 })
  })

  it('gives again what was taken for a caller who is gone', async () => {
    const { inbox, openLane } = await makeInbox()
    const gone = new AbortController()
    const lost = fetchRuns(inbox, { waitMs: 1_000 }, gone.signal)
    openLane().send([1, 1])
    gone.abort()
    await lost
    expect(indexesOf((await fetchRuns(inbox)).runs)).toEqual([1, 2])
  })

  it('lingers as a look for a bounded number of filters', async () => {
    const { inbox } = await makeInbox()
    for (let n = 0; n < 300; n++) {
      await fetchRuns(inbox, { consumer: null, filter: { contacts: null, channels: new Set([`c${n}`]) } })
      await fetchRuns(inbox, { consumer: null, filter: { contacts: null, channels: new Set([`c${n}`]) } })
    }
    expect(inbox.stats().readers).toBe(256)
  })

  it('gives at least one message, whatever its bytes, and not many more than asked for', async () => {
    const { inbox, openLane } = await makeInbox()
    await fetchRuns(inbox)
    const lane = openLane()
    lane.send([10_000])
    lane.send([10_000])
    expect(indexesOf((await fetchRuns(inbox, { bytesMax: 100 })).runs)).toEqual([1])
    expect(indexesOf((await fetchRuns(inbox, { bytesMax: 100 })).runs)).toEqual([2])
  })

  it('counts as a reader of its lanes for 30 s after it was answered', async () => {
    const { inbox, openLane, clock } = await makeInbox()
    await fetchRuns(inbox)
    await clock.advance(29_999)
    const early = openLane('alice', 'early')
    expect(early.grantedMessages).toBe(100)
    await clock.advance(1)
    expect(openLane('alice', 'late').grantedMessages).toBe(0)
  })

  it('does not slow down live readers while it lingers as a look', async () => {
    const { inbox, openLane } = await makeInbox()
    await fetchRuns(inbox, { consumer: null })
    await subscribe(inbox)
    const lane = openLane()
    let sent = 0
    for (let n = 0; n < 10; n++) {
      sent += lane.send(sizes(40))
      await inbox.ack('app', inbox.next - 1)
    }
    expect(sent).toBe(400)
  })

  it('finds a consumer busy that a subscription reads, and gives way to one that asks for it', async () => {
    const { inbox } = await makeInbox()
    const live = await subscribe(inbox)
    await expect(fetchRuns(inbox)).rejects.toMatchObject({ code: 'CONSUMER_BUSY' })
    live.close()
    const waiting = fetchRuns(inbox, { waitMs: 10_000 })
    await expect(fetchRuns(inbox)).rejects.toMatchObject({ code: 'CONSUMER_BUSY' })
    await expect(subscribe(inbox)).rejects.toMatchObject({ code: 'CONSUMER_BUSY', data: { by: 'curl' } })
    await subscribe(inbox, { takeover: true })
    await expect(waiting).rejects.toMatchObject({ code: 'TAKEN_OVER' })
  })

  it('that has been answered stands in nobody’s way', async () => {
    const { inbox, openLane } = await makeInbox()
    await fetchRuns(inbox)
    openLane().send([1])
    await fetchRuns(inbox)
    expect((await subscribe(inbox)).reading.indexes).toEqual([1])
  })
})

describe('stopping', () => {
  it('happens once, whoever asks, and also with a store that is lost', async () => {
    const { inbox } = await makeInbox()
    await Promise.all([inbox.stop(), inbox.stop()])
    expect(await inbox.exited).toMatchObject({ type: 'normal' })
    const lost = (await makeInbox()).inbox
    lost.storeLost()
    await lost.stop()
    expect(await lost.exited).toMatchObject({ type: 'normal' })
  })

  it('ends subscriptions and waiting fetches, and takes no more', async () => {
    const { inbox } = await makeInbox()
    const { reading } = await subscribe(inbox)
    const waiting = fetchRuns(inbox, { consumer: null, waitMs: 10_000 })
    inbox.endReaders()
    expect(reading.endings).toEqual(['SHUTTING_DOWN'])
    await expect(waiting).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
    await expect(subscribe(inbox)).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
  })
})
