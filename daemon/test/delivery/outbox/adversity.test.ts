import { describe, expect, it } from 'vitest'
import { REJECTED } from '../../../src/delivery/port.ts'
import { crash, DAY, HOUR, openOutbox, request, send, states, TestSession, told } from './support.ts'

describe('Outbox and contacts that are no more', () => {
  it('drops at the start what is queued for one that was removed while nobody could be told', async () => {
    const test = await openOutbox()
    await send(test, ['a', 'b'])
    await send(test, ['c'], { contact: 'carol' })
    const after = await crash(test, { isContact: contact => contact !== 'bob' })
    await after.clock.settle()
    expect(told(after)).toEqual(['cancelled/REMOVED 1025.1+2'])
    expect(after.outbox.queue()).toMatchObject({ messages: 1 })
    const last = await crash(after)
    expect([last.outbox.queue('bob').messages, last.outbox.queue('carol').messages]).toEqual([0, 1])
  })
})

describe('Outbox that has crashed', () => {
  it('stops all the same', async () => {
    const test = await openOutbox()
    test.store.hold()
    const accepted = test.outbox.accept(request())
    const refused = expect(accepted).rejects.toMatchObject({ data: { accepted: 'unknown' } })
    await test.clock.settle()
    const broken = { start: { marks: [null as never] }, messageBytesMax: 1, wake: () => {} }
    expect(() => test.outbox.attach('bob', broken)).toThrow(TypeError)
    await test.outbox.stop()
    await refused
    expect((await test.outbox.actor.exited).type).toBe('crashed')
  })
})

describe('Outbox and what a peer says of messages', () => {
  it('knows by the ack of a part of a run that all of it is stored', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a', 'b', 'c'])
    const session = new TestSession(test.outbox)
    await test.clock.settle()
    session.drain()
    session.handled(1, 2)
    expect(states(test, id, 3)).toEqual(['handled', 'handled', 'stored'])
    expect(test.outbox.queue().messages).toBe(0)
  })

  it('remembers no more reasons of a peer that refuses each message apart than there is room for', async () => {
    const test = await openOutbox()
    for (let n = 0; n < 1_000; n++) {
      void test.outbox.accept(request({ ttlMs: 7 * DAY + (n % 2) }))
    }
    const session = new TestSession(test.outbox)
    await test.clock.settle()
    session.drain()
    const [opening] = session.openings()
    if (opening === undefined) throw new Error('no lane was opened')
    const { epoch, lane } = opening.laneOpen
    for (let seq = 2; seq <= 1_000; seq += 2) {
      test.outbox.receipt('bob', { epoch, lane, state: REJECTED, from: seq, to: seq, reason: `reason ${seq}` })
    }
    const name = `${Buffer.from(epoch).toString('hex')}.${lane}`
    expect(() => test.outbox.get(`${name}.2`, 1)).toThrow(expect.objectContaining({ code: 'NO_SUCH_MESSAGE' }))
    expect(test.outbox.get(`${name}.1000`, 1).ranges).toMatchObject([{ state: 'rejected', reason: 'reason 1000' }])
  })

  it('hears that nobody handled a message, long after the lane was last used', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a'])
    const session = new TestSession(test.outbox)
    await test.clock.settle()
    session.drain()
    session.stored(1, 1)
    await test.clock.advance(30 * DAY)
    session.rejected(1, 1, 'NOT_HANDLED')
    expect(states(test, id, 1)).toEqual(['rejected/NOT_HANDLED'])
    await test.clock.advance(HOUR)
    expect(() => states(test, id, 1)).toThrow(expect.objectContaining({ code: 'NO_SUCH_MESSAGE' }))
  })

  it('forgets a lane of which it never hears a last word', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a'])
    const session = new TestSession(test.outbox)
    await test.clock.settle()
    session.drain()
    session.stored(1, 1)
    await test.clock.advance(36 * DAY)
    expect(states(test, id, 1)).toEqual(['stored'])
    await test.clock.advance(2 * DAY)
    expect(() => states(test, id, 1)).toThrow(expect.objectContaining({ code: 'NO_SUCH_MESSAGE' }))
  })

  it('gives up on a message of which a peer that is there says nothing more', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a'], { ttlMs: DAY })
    const session = new TestSession(test.outbox)
    await test.clock.settle()
    session.drain()
    session.attachment.detach()
    await test.clock.advance(DAY + HOUR)
    expect(states(test, id, 1)).toEqual(['expiring'])
    new TestSession(test.outbox, { marks: session.marks() })
    await test.clock.advance(29 * DAY)
    expect(states(test, id, 1)).toEqual(['expiring'])
    await test.clock.advance(2 * DAY)
    expect(states(test, id, 1)).toEqual(['expired/maybe'])
  })
})
