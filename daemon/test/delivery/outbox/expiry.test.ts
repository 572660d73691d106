import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../../src/actor/virtual-clock.ts'
import { ElapsedClock } from '../../../src/delivery/outbox/elapsed-clock.ts'
import { Entry } from '../../../src/delivery/outbox/entry.ts'
import { Expiry } from '../../../src/delivery/outbox/expiry.ts'
import { Lane } from '../../../src/delivery/outbox/lane.ts'
import { crash, DAY, HOUR, openOutbox, send, states, TestSession, told } from './support.ts'

const SECOND = 1_000

describe('Outbox cancelling and expiring', () => {
  it('cancels what no session has taken, exactly', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a', 'b', 'c', 'd'])
    const second = id.replace(/1$/, '2')
    await test.outbox.cancel(second, 2)
    expect(states(test, id, 4)).toEqual(['accepted', 'cancelled', 'cancelled', 'accepted'])
    await test.outbox.cancel(second, 1)
    const session = new TestSession(test.outbox)
    await test.clock.settle()
    session.drain()
    expect(session.bodies()).toEqual(['a', 'd'])
    expect(session.skips()).toEqual([{ lane: 1_025, from: 2, to: 3 }])
    await expect(test.outbox.cancel(id, 1)).rejects.toMatchObject({ code: 'ALREADY_SENT' })
    expect(told(test)[0]).toBe('cancelled 1025.2+2')
  })

  it('cancels all or nothing', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a'])
    const session = new TestSession(test.outbox)
    await test.clock.settle()
    session.drain()
    await send(test, ['b'])
    await expect(test.outbox.cancel(id, 2)).rejects.toMatchObject({ code: 'ALREADY_SENT' })
    expect(states(test, id, 2)).toEqual(['sent', 'accepted'])
    await expect(test.outbox.cancel(id, 3)).rejects.toMatchObject({ code: 'NO_SUCH_MESSAGE' })
  })

  it('keeps a cancelled message cancelled over a crash, and frees its room', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a', 'b'])
    await test.outbox.cancel(id, 1)
    expect(test.outbox.queue()).toMatchObject({ messages: 1, bytes: 1 })
    const after = await crash(test)
    expect(states(after, id, 2)).toEqual(['cancelled', 'accepted'])
    expect(after.outbox.queue()).toMatchObject({ messages: 1, bytes: 1 })
    const session = new TestSession(after.outbox)
    await after.clock.settle()
    session.drain()
    expect(session.bodies()).toEqual(['b'])
  })

  it('forgets nothing that waits, however many others are cancelled', async () => {
    const test = await openOutbox()
    const id = await send(
      test,
      Array.from({ length: 1_400 }, () => 'a')
    )
    for (let number = 2; number <= 1_400; number += 2) await test.outbox.cancel(id.replace(/1$/, `${number}`), 1)
    expect(states(test, id, 3)).toEqual(['accepted', 'cancelled', 'accepted'])
    const session = new TestSession(test.outbox)
    await test.clock.settle()
    session.drain()
    session.stored(1, 1_400)
    expect(told(test).filter(line => line.startsWith('stored'))).toHaveLength(700)
    session.handled(1, 1)
    expect(() => test.outbox.get(id, 1)).toThrow(expect.objectContaining({ code: 'NO_SUCH_MESSAGE' }))
    expect(states(test, id.replace(/1$/, '1399'), 2)).toEqual(['stored', 'cancelled'])
  })

  it('joins skips that touch', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a'])
    for (let round = 0; round < 5; round++) await send(test, ['b'])
    for (const number of [2, 4, 3, 1]) await test.outbox.cancel(id.replace(/1$/, `${number}`), 1)
    await test.clock.advance(SECOND)
    let count = 0
    for await (const _ of test.store.range('outbox')) count++
    expect(count).toBe(3)
    const after = await crash(test)
    expect(states(after, id, 6)).toEqual(['cancelled', 'cancelled', 'cancelled', 'cancelled', 'accepted', 'accepted'])
  })

  it('expires what was never on a wire at once, for good', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a'], { ttlMs: 10 * SECOND })
    await test.clock.advance(9 * SECOND)
    expect(states(test, id, 1)).toEqual(['accepted'])
    await test.clock.advance(2 * SECOND)
    expect(states(test, id, 1)).toEqual(['expired/no'])
    expect(told(test)).toEqual(['expired/no 1025.1+1'])
    const session = new TestSession(test.outbox)
    await test.clock.settle()
    session.drain()
    expect(session.runs()).toEqual([])
    expect(session.skips()).toEqual([{ lane: 1_025, from: 1, to: 1 }])
  })

  it('asks the peer about what was on a wire: it was skipped', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a'], { ttlMs: 10 * SECOND })
    const session = new TestSession(test.outbox)
    await test.clock.settle()
    session.drain()
    session.attachment.detach()
    await test.clock.advance(11 * SECOND)
    expect(states(test, id, 1)).toEqual(['expiring'])
    const after = await crash(test)
    expect(states(after, id, 1)).toEqual(['expiring'])
    const next = new TestSession(after.outbox)
    await after.clock.settle()
    next.drain()
    expect(next.skips()).toEqual([{ lane: 1_025, from: 1, to: 1 }])
    next.rejected(1, 1, 'SKIPPED')
    next.stored(1, 1)
    expect(states(after, id, 1)).toEqual(['expired/no'])
    expect(told(after)).toEqual(['expired/no 1025.1+1'])
  })

  it('asks the peer about what was on a wire: it had arrived', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a'], { ttlMs: 10 * SECOND })
    const session = new TestSession(test.outbox)
    await test.clock.settle()
    session.drain()
    session.attachment.detach()
    await test.clock.advance(11 * SECOND)
    const next = new TestSession(test.outbox, { marks: session.marks() })
    await test.clock.settle()
    expect(states(test, id, 1)).toEqual(['expiring'])
    const restarted = await crash(test)
    expect(states(restarted, id, 1)).toEqual(['expiring'])
    const last = new TestSession(restarted.outbox, { marks: session.marks() })
    await send(restarted, ['b'])
    last.drain()
    last.stored(1, 1)
    expect(states(restarted, id, 1)).toEqual(['stored'])
    expect(next.skips()).toEqual([])
  })

  it('does not take a skip that the peer has stored for a message that arrived', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a'], { ttlMs: 10 * SECOND })
    const session = new TestSession(test.outbox)
    await test.clock.settle()
    session.drain()
    session.attachment.detach()
    await test.clock.advance(11 * SECOND)
    const next = new TestSession(test.outbox)
    await test.clock.settle()
    next.drain()
    const last = new TestSession(test.outbox, { marks: next.marks() })
    expect(states(test, id, 1)).toEqual(['expiring'])
    await send(test, ['b'])
    last.drain()
    last.rejected(1, 1, 'SKIPPED')
    last.stored(1, 2)
    expect(states(test, id, 2)).toEqual(['expired/no', 'stored'])
  })

  it('gives up after long silence, and only then', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a'], { ttlMs: 10 * SECOND })
    const session = new TestSession(test.outbox)
    await test.clock.settle()
    session.drain()
    await test.clock.advance(20 * DAY)
    session.attachment.detach()
    await test.clock.advance(29 * DAY)
    expect(states(test, id, 1)).toEqual(['expiring'])
    await test.clock.advance(2 * DAY)
    expect(states(test, id, 1)).toEqual(['expired/maybe'])
    const next = new TestSession(test.outbox)
    await test.clock.settle()
    next.drain()
    expect(next.runs()).toEqual([])
    expect(next.skips()).toEqual([{ lane: 1_025, from: 1, to: 1 }])
  })

  it('counts no leap of the wall clock, tells it, and expires nothing for a while', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a'], { ttlMs: 2 * 60 * SECOND })
    test.clock.stepWall(DAY)
    await test.clock.advance(61 * SECOND)
    expect(test.events).toContainEqual({ kind: 'clock.stepped', byMs: DAY })
    expect(states(test, id, 1)).toEqual(['accepted'])
    await test.clock.advance(9 * 60 * SECOND)
    expect(states(test, id, 1)).toEqual(['accepted'])
    await test.clock.advance(2 * 60 * SECOND)
    expect(states(test, id, 1)).toEqual(['expired/no'])
  })

  it('closes a lane that was idle for long, once, and the next message has another', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a'])
    const session = new TestSession(test.outbox)
    await test.clock.settle()
    session.drain()
    session.stored(1, 1)
    session.handled(1, 1)
    await test.clock.advance(8 * DAY)
    session.takeAll()
    expect(session.taken.at(-1)?.envelope).toMatchObject({ reject: { lane: 1_025, code: 'LANE_CLOSED' } })
    expect(() => test.outbox.get(id, 1)).toThrow(expect.objectContaining({ code: 'NO_SUCH_MESSAGE' }))
    const after = await crash(test)
    expect(await send(after, ['b'])).toMatch(/\.1026\.1$/)
    const next = new TestSession(after.outbox, { marks: session.marks() })
    next.takeAll()
    expect(next.taken[0]?.envelope).toMatchObject({ reject: { lane: 1_025 } })
    expect(after.events.filter(({ kind }) => kind !== 'message.state')).toEqual([])
  })
})

describe('ElapsedClock', () => {
  const options = { clockStepMs: HOUR, clockStepHoldMs: 10 * 60 * SECOND }

  it('counts what the wall says has passed over a restart, and never less than nothing', async () => {
    const clock = new VirtualClock({ wallMs: 1_000_000 })
    const kept = new ElapsedClock(clock, options, undefined).kept()
    clock.stepWall(5_000)
    expect(new ElapsedClock(clock, options, kept).nowMs()).toBe(5_000)
    clock.stepWall(-9_000)
    const back = new ElapsedClock(clock, options, kept)
    expect(back.nowMs()).toBe(0)
    expect(back.holdUntilMs).toBe(0)
    clock.stepWall(2 * HOUR)
    expect(new ElapsedClock(clock, options, kept).holdUntilMs).toBeGreaterThan(0)
  })
})

describe('Expiry', () => {
  it('always knows what is soonest', () => {
    const lane = new Lane({ contact: 'bob', channel: 'chat', epoch: '00', number: 1_025 })
    const entryAt = (ttlMs: number, index: number) =>
      new Entry(lane, {
        ...{ kind: 'run', first: index + 1, count: 1, bytes: 0, largestBytes: 0, acceptedAt: 0, acceptedMs: 0, ttlMs },
        ...{ tag: '', fingerprint: new Uint8Array(), maybeDuplicate: false, home: lane, homeFirst: index + 1 }
      })
    fc.assert(
      fc.property(fc.array(fc.nat(50), { maxLength: 60 }), fc.array(fc.nat(60)), (times, removals) => {
        const expiry = new Expiry()
        const entries = times.map(entryAt)
        for (const entry of entries) expiry.add(entry)
        const left = new Set(entries)
        for (const index of removals) {
          const entry = entries[index]
          if (entry === undefined) continue
          expiry.remove(entry)
          left.delete(entry)
          const soonest = Math.min(...[...left].map(({ expiresMs }) => expiresMs))
          expect(expiry.soonest?.expiresMs ?? Number.POSITIVE_INFINITY).toBe(soonest)
        }
        expect(expiry.size).toBe(left.size)
      })
    )
  })
})
