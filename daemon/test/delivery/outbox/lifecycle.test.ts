import { describe, expect, it } from 'vitest'
import { Counters } from '../../../src/observe/counters.ts'
import { Metrics } from '../../../src/observe/metrics.ts'
import {
  crash,
  DAY,
  HOUR,
  openOutbox,
  request,
  send,
  states,
  type TestOutbox,
  TestSession,
  text,
  told
} from './support.ts'

describe('Outbox from its start to its end', () => {
  it('puts what it was given on disk before it ends, and refuses what comes then', async () => {
    const test = await openOutbox()
    const accepting = test.outbox.accept(request({ bodies: [text('last')] }))
    const stopping = test.outbox.stop()
    expect(() => test.outbox.accept(request())).toThrow(expect.objectContaining({ code: 'SHUTTING_DOWN' }))
    const { ids } = await accepting
    await stopping
    expect(await test.outbox.actor.exited).toMatchObject({ type: 'normal' })
    const after = await crash(test)
    expect(states(after, ids[0]?.first ?? '', 1)).toEqual(['accepted'])
  })

  it('sends nothing to sessions from before a loss of the store, and goes on with those after it', async () => {
    const test = await openOutbox()
    await send(test, ['a'])
    const before = new TestSession(test.outbox)
    await test.clock.settle()
    test.outbox.storeLost()
    const during = new TestSession(test.outbox)
    before.takeAll()
    during.takeAll()
    before.attachment.credit({ lane: 1_025, messages: 1, bytes: 1 })
    expect([...before.taken, ...during.taken]).toEqual([])
    expect(() => test.outbox.get('00', 1)).toThrow(expect.objectContaining({ code: 'STORE_UNAVAILABLE' }))
    await test.outbox.reload()
    before.takeAll()
    before.attachment.detach()
    const after = new TestSession(test.outbox)
    await test.clock.settle()
    after.drain()
    expect(before.taken).toEqual([])
    expect(after.bodies()).toEqual(['a'])
  })

  it('knows a repeated call after a loss of the store during which the wall clock was set', async () => {
    const test = await openOutbox()
    const repeated = () => test.outbox.accept(request({ key: { owner: 'local', idempotencyKey: 'once' } }))
    const { ids } = await repeated()
    test.outbox.storeLost()
    test.clock.stepWall(2 * DAY)
    await test.outbox.reload()
    await test.clock.advance(120_000)
    expect((await repeated()).ids).toEqual(ids)
  })

  it('shows what waits, how old it is and how many messages share a write', async () => {
    const test = await openOutbox()
    const metrics = new Metrics(new Counters(), { hasProcessMetrics: false })
    test.outbox.register(metrics)
    await Promise.all([send(test, ['abc']), send(test, ['de'])])
    await test.clock.advance(5_000)
    const shown = await metrics.text()
    expect(shown).toContain('parley_outbox_messages 2')
    expect(shown).toContain('parley_outbox_bytes 5')
    expect(shown).toContain('parley_outbox_oldest_age_seconds 5')
    expect(shown).toContain('parley_outbox_committed_messages_total 2')
    expect(shown).toContain('parley_outbox_commits_total 1')
  })

  it('forgets the sends of programs that were not heard for long, and of the oldest where there are too many', async () => {
    const test = await openOutbox({ options: { clientCountMax: 2 } })
    const numbered = (client: string) => request({ key: { client, number: 1, answeredThrough: 0 } })
    for (const client of ['one', 'two', 'three']) await test.outbox.accept(numbered(client))
    expect(await test.outbox.acceptedOf('one')).toEqual([])
    expect(await test.outbox.acceptedOf('three')).toHaveLength(1)
    await test.clock.advance(DAY + 120_000)
    expect(await test.outbox.acceptedOf('three')).toEqual([])
    const after = await crash(test)
    expect(await after.outbox.acceptedOf('three')).toEqual([])
  })

  it('remembers which epochs a blocked contact knows', async () => {
    const test = await openOutbox()
    await send(test, ['a'])
    const session = new TestSession(test.outbox)
    await test.clock.settle()
    session.drain()
    test.outbox.forgetContact('bob', 'blocked')
    await test.clock.settle()
    const after = await crash(test)
    await send(after, ['b'])
    const next = new TestSession(after.outbox, { marks: session.marks() })
    await after.clock.settle()
    next.drain()
    expect(next.bodies()).toEqual(['b'])
    expect(after.events.filter(({ kind }) => kind === 'store.rolled-back')).toEqual([])
  })
})

describe('Outbox whose store fails with what was to be told', () => {
  const doomed = async (isWrittenAllTheSame: boolean, afterMs = 0) => {
    const test = await openOutbox()
    const id = await send(test, ['a', 'b'], { ttlMs: HOUR })
    await send(test, ['c'], { contact: 'carol', ttlMs: HOUR })
    await test.clock.advance(afterMs)
    test.events.length = 0
    Object.assign(test.store, { isFailing: true, isWrittenAllTheSame })
    return { test, id }
  }
  const comeBack = async (test: TestOutbox) => {
    expect(told(test)).toEqual([])
    test.store.isFailing = false
    await test.outbox.reload()
    await test.clock.settle()
  }

  it('tells of a cancel that is on the disk all the same', async () => {
    const { test, id } = await doomed(true)
    await expect(test.outbox.cancel(id, 1)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await comeBack(test)
    expect(told(test)).toEqual(['cancelled 1025.1+1'])
    expect(states(test, id, 2)).toEqual(['cancelled', 'accepted'])
    await test.outbox.reload()
    expect(told(test)).toHaveLength(1)
  })

  it('tells nothing of a cancel that is not', async () => {
    const { test, id } = await doomed(false)
    await expect(test.outbox.cancel(id, 1)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await comeBack(test)
    expect(told(test)).toEqual([])
    expect(states(test, id, 2)).toEqual(['accepted', 'accepted'])
  })

  it('tells of messages that have expired', async () => {
    const { test } = await doomed(true, HOUR - 1)
    await test.clock.advance(1)
    await comeBack(test)
    expect(told(test).sort()).toEqual(['expired/no 1025.1+1', 'expired/no 1025.1+2'])
  })

  it('tells of the queue of a contact that was removed', async () => {
    const { test } = await doomed(true)
    test.outbox.forgetContact('bob')
    await test.clock.settle()
    await comeBack(test)
    expect(told(test)).toEqual(['cancelled/REMOVED 1025.1+2'])
    expect(test.outbox.queue('bob').messages).toBe(0)
  })
})

describe('Outbox whose store fails while it reads', () => {
  it('is unavailable, and reads again later', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a'])
    for await (const { key, value } of test.store.range('outbox')) {
      await test.store.batch([{ type: 'put', sublevel: 'outbox', key, value: value.fill(0, 20) }], { sync: true })
    }
    test.store.isFailing = true
    await expect(test.outbox.reload()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(() => test.outbox.accept(request())).toThrow(expect.objectContaining({ code: 'STORE_UNAVAILABLE' }))
    test.store.isFailing = false
    await test.outbox.reload()
    expect(states(test, id, 1)).toEqual(['rejected/RECORD_DAMAGED'])
  })
})
