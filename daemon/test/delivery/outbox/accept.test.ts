import { describe, expect, it } from 'vitest'
import { crash, openOutbox, request, send, states, TestSession, text } from './support.ts'

describe('Outbox accepting', () => {
  it('answers only once the batch with the message is on disk', async () => {
    const test = await openOutbox()
    test.store.hold()
    let isAccepted = false
    const accepting = test.outbox.accept(request()).then(() => {
      isAccepted = true
    })
    await test.clock.settle()
    expect(isAccepted).toBe(false)
    test.store.letGo()
    await accepting
    const after = await crash(test)
    const session = new TestSession(after.outbox)
    await after.clock.settle()
    session.drain()
    expect(session.bodies()).toEqual(['hello'])
  })

  it('numbers the messages of a lane from 1 without a gap, and counts lanes from 1,025', async () => {
    const test = await openOutbox()
    const first = await send(test, ['a', 'b'])
    const second = await send(test, ['c'])
    const other = await send(test, ['d'], { channel: 'other' })
    expect(first).toMatch(/^[0-9a-f]{32}\.1025\.1$/)
    expect(second).toBe(first.replace(/1$/, '3'))
    expect(other).toBe(first.replace(/1025\.1$/, '1026.1'))
  })

  it('writes sends of one turn, and those that come while a batch is in flight, together', async () => {
    const test = await openOutbox()
    const before = test.store.batchCount
    const sends = Array.from({ length: 50 }, (_, index) => send(test, [`m${index}`]))
    await Promise.resolve()
    await Promise.all(sends)
    expect(test.store.batchCount - before).toBe(1)
    const session = new TestSession(test.outbox)
    await test.clock.settle()
    session.drain()
    expect(session.runs()).toHaveLength(1)
    expect(session.bodies()).toHaveLength(50)
  })

  it('makes runs of at most 64 KiB or one message', async () => {
    const test = await openOutbox()
    await test.outbox.accept(
      request({ bodies: [30_000, 30_000, 30_000, 200_000, 10].map(size => new Uint8Array(size)) })
    )
    const session = new TestSession(test.outbox)
    await test.clock.settle()
    session.drain()
    expect(session.runs().map(({ first, bodies }) => [first, bodies.length])).toEqual([
      [1, 2],
      [3, 1],
      [4, 1],
      [5, 1]
    ])
  })

  it('says unknown for what was in a batch that failed, and no while the store is lost', async () => {
    const test = await openOutbox()
    await send(test, ['kept'])
    test.store.isFailing = true
    const failing = test.outbox.accept(request())
    await expect(failing).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', data: { accepted: 'unknown' } })
    const refused = () => test.outbox.accept(request())
    expect(refused).toThrow(expect.objectContaining({ code: 'STORE_UNAVAILABLE', data: { accepted: 'no' } }))
    test.store.isFailing = false
    await test.outbox.reload()
    await send(test, ['after'])
    const session = new TestSession(test.outbox)
    await test.clock.settle()
    session.drain()
    expect(session.bodies()).toEqual(['kept', 'after'])
  })

  it('takes a call whole or not at all, and says which bound and how much is free', async () => {
    const test = await openOutbox({
      options: { outboxLaneBytesMax: 1_000, outboxContactBytesMax: 1_500, outboxBytesMax: 1_700 }
    })
    const body = new Uint8Array(272)
    await test.outbox.accept(request({ bodies: [body, body] }))
    const full = (more: object) => () => test.outbox.accept(request({ bodies: [body], ...more }))
    expect(full({})).toThrow(expect.objectContaining({ code: 'QUEUE_FULL', data: { scope: 'lane', freeBytes: 200 } }))
    await test.outbox.accept(request({ channel: 'two', bodies: [body] }))
    expect(full({ channel: 'two' })).toThrow(
      expect.objectContaining({ code: 'QUEUE_FULL', data: { scope: 'contact', freeBytes: 300 } })
    )
    await test.outbox.accept(request({ contact: 'carol', bodies: [new Uint8Array(72)] }))
    expect(full({ contact: 'carol' })).toThrow(
      expect.objectContaining({ code: 'QUEUE_FULL', data: { scope: 'all', freeBytes: 300 } })
    )
    expect(test.outbox.queue()).toMatchObject({ messages: 4, bytes: 3 * 272 + 72 })
    expect(test.outbox.queue('carol')).toMatchObject({ messages: 1, bytes: 72 })
  })

  it('says of a call that can never fit that it is too large, and not that it may wait', async () => {
    const test = await openOutbox({ options: { outboxLaneMessageCountMax: 2, outboxLaneBytesMax: 1_000 } })
    const refused = (bodies: Uint8Array[]) => () => test.outbox.accept(request({ bodies }))
    const small = new Uint8Array(1)
    expect(refused([small, small, small])).toThrow(expect.objectContaining({ code: 'TOO_LARGE' }))
    expect(refused([new Uint8Array(873)])).toThrow(expect.objectContaining({ code: 'TOO_LARGE' }))
    await test.outbox.accept(request({ bodies: [small, small] }))
    expect(refused([small])).toThrow(expect.objectContaining({ code: 'QUEUE_FULL' }))
  })

  it('opens no more lanes than there may be', async () => {
    const test = await openOutbox({ options: { laneCountMax: 2 } })
    await send(test, ['a'], { channel: 'one' })
    await send(test, ['a'], { channel: 'two' })
    expect(() => test.outbox.accept(request({ channel: 'three' }))).toThrow(
      expect.objectContaining({ code: 'CHANNEL_LIMIT' })
    )
  })

  it('gives the same IDs to the same number, in flight, afterwards and after a crash', async () => {
    const test = await openOutbox()
    const key = { client: 'c1', number: 7, answeredThrough: 0 }
    const [one, two] = await Promise.all([test.outbox.accept(request({ key })), test.outbox.accept(request({ key }))])
    expect(two.ids).toEqual(one.ids)
    const after = await crash(test)
    const three = await after.outbox.accept(request({ key }))
    expect(three.ids).toEqual(one.ids)
    expect(await after.outbox.acceptedOf('c1')).toEqual([{ number: 7, ids: one.ids }])
    expect(after.outbox.queue().messages).toBe(1)
    await after.outbox.accept(request({ key: { client: 'c1', number: 8, answeredThrough: 7 } }))
    expect((await after.outbox.acceptedOf('c1')).map(({ number }) => number)).toEqual([8])
  })

  it('answers an idempotency key as before, and refuses it for another call', async () => {
    const test = await openOutbox()
    const key = { owner: 'app', idempotencyKey: 'k' }
    const one = await test.outbox.accept(request({ key }))
    const after = await crash(test)
    expect((await after.outbox.accept(request({ key }))).ids).toEqual(one.ids)
    expect(() => after.outbox.accept(request({ key, bodies: [text('other')] }))).toThrow(
      expect.objectContaining({ code: 'IDEMPOTENCY_CONFLICT' })
    )
  })

  it('lets nothing be taken before its batch has synced', async () => {
    const test = await openOutbox()
    const session = new TestSession(test.outbox)
    test.store.hold()
    const accepting = send(test, ['early'])
    await test.clock.settle()
    session.drain()
    expect(session.taken).toEqual([])
    test.store.letGo()
    const id = await accepting
    session.drain()
    expect(session.bodies()).toEqual(['early'])
    expect(states(test, id, 1)).toEqual(['sent'])
  })

  it('lets nothing from before a session be taken before it is noted on disk that it may have been', async () => {
    const test = await openOutbox()
    await send(test, ['waited'])
    test.store.hold()
    const session = new TestSession(test.outbox)
    await test.clock.settle()
    session.drain()
    expect(session.taken).toEqual([])
    test.store.letGo()
    await test.clock.settle()
    session.drain()
    expect(session.bodies()).toEqual(['waited'])
  })
})
