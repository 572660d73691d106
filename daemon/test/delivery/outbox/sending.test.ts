import { describe, expect, it } from 'vitest'
import { crash, KiB, openOutbox, request, send, states, TestSession, text, told } from './support.ts'

async function attached(test: Awaited<ReturnType<typeof openOutbox>>, ...args: [start?: never] | []) {
  const session = new TestSession(test.outbox, ...args)
  await test.clock.settle()
  return session
}

describe('Outbox sending', () => {
  it('opens a lane in each session before its first run', async () => {
    const test = await openOutbox()
    await send(test, ['a'])
    const first = await attached(test)
    first.takeAll()
    expect(first.taken.map(({ envelope }) => Object.keys(envelope)[0])).toEqual(['laneOpen', 'run'])
    first.attachment.detach()
    const second = await attached(test)
    second.drain()
    expect(second.taken.map(({ envelope }) => Object.keys(envelope)[0])).toEqual(['laneOpen', 'run'])
  })

  it('sends 64 KiB of a new lane at once, and of any other what it is granted', async () => {
    const test = await openOutbox()
    await test.outbox.accept(request({ bodies: [1, 2, 3].map(() => new Uint8Array(40 * KiB)) }))
    const first = await attached(test)
    first.takeAll()
    expect(first.runs()).toHaveLength(1)
    first.attachment.credit({ lane: 1_025, messages: 2, bytes: 80 * KiB })
    first.takeAll()
    expect(first.runs()).toHaveLength(2)
    first.attachment.detach()
    const second = await attached(test)
    second.takeAll()
    expect(second.openings()).toHaveLength(1)
    expect(second.runs()).toHaveLength(0)
    second.grantAll()
    second.takeAll()
    expect(second.runs().map(({ first: number }) => number)).toEqual([1, 2, 3])
  })

  it('sends a run again in the same parts', async () => {
    const test = await openOutbox()
    await test.outbox.accept(request({ bodies: [1, 2, 3, 4].map(index => new Uint8Array(30 * KiB).fill(index)) }))
    const before = await attached(test)
    before.drain()
    const restarted = await crash(test)
    const after = await attached(restarted)
    after.drain()
    const shape = (session: TestSession) => session.runs().map(({ first, tag, bodies }) => ({ first, tag, bodies }))
    expect(shape(after)).toEqual(shape(before))
  })

  it('takes turns of 64 KiB, and a lane without credit stops no other', async () => {
    const test = await openOutbox()
    const big = () => new Uint8Array(60 * KiB)
    await test.outbox.accept(request({ channel: 'stalled', bodies: [new Uint8Array(100 * KiB)] }))
    for (const channel of ['one', 'two']) {
      for (let round = 0; round < 3; round++) await test.outbox.accept(request({ channel, bodies: [big()] }))
    }
    const session = await attached(test)
    session.takeAll()
    for (const lane of [1_026, 1_027]) session.attachment.credit({ lane, messages: 100, bytes: 1_000 * KiB })
    session.takeAll()
    const lanes = session.runs().map(({ lane }) => lane)
    expect(lanes.filter(lane => lane === 1_025)).toEqual([])
    expect(lanes.slice(2, 6)).toEqual([1_026, 1_026, 1_027, 1_027])
    session.attachment.credit({ lane: 1_025, messages: 1, bytes: 100 * KiB })
    expect(session.takeAll()).toHaveLength(1)
  })

  it('gives a run whole or not at all', async () => {
    const test = await openOutbox()
    await test.outbox.accept(request({ bodies: [new Uint8Array(500), new Uint8Array(500)] }))
    const session = await attached(test)
    expect(session.attachment.take(900, false)?.envelope).toHaveProperty('laneOpen')
    expect(session.attachment.take(900, false)).toBeUndefined()
    expect(session.attachment.take(900, true)).toMatchObject({ bytes: 1_000 })
  })

  it('goes on at what receipts told where the session before died', async () => {
    const test = await openOutbox()
    await send(test, ['a'])
    await send(test, ['b'])
    const old = await attached(test)
    old.drain()
    old.stored(1, 1)
    const young = new TestSession(test.outbox, 'stored')
    young.drain()
    expect(young.bodies()).toEqual(['b'])
  })

  it('moves states forward only, and tells each step once', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a', 'b', 'c'])
    const session = await attached(test)
    session.drain()
    session.stored(1, 3)
    session.handled(1, 1)
    session.handled(1, 2)
    session.stored(1, 3)
    session.rejected(2, 3, 'no\u0007 \u202ethanks '.repeat(40))
    expect(states(test, id, 3).slice(0, 2)).toEqual(['handled', 'handled'])
    const [range] = test.outbox.get(id, 3).ranges.slice(-1)
    expect(range).toMatchObject({ state: 'rejected' })
    expect(range?.reason).toHaveLength(200)
    expect(range?.reason).toMatch(/^(no thanks ?)+/)
    expect(told(test).map(line => line.replace(/\/.* /, ' '))).toEqual([
      'sent 1025.1+3',
      'stored 1025.1+3',
      'handled 1025.1+1',
      'handled 1025.2+1',
      'rejected 1025.3+1'
    ])
    expect(test.outbox.queue()).toEqual({ messages: 0, bytes: 0 })
  })

  it('keeps states over a crash once they are on disk, and none of what was stored', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a', 'b', 'c'])
    const session = await attached(test)
    session.drain()
    session.stored(1, 3)
    session.handled(1, 2)
    await test.clock.advance(1_000)
    const after = await crash(test)
    expect(states(after, id, 3)).toEqual(['handled', 'handled', 'stored'])
    expect(after.outbox.queue().messages).toBe(0)
    const again = new TestSession(after.outbox, { marks: session.marks() })
    again.drain()
    expect(again.taken).toEqual([])
  })

  it.each([
    ['of what was never sent', (session: TestSession) => session.stored(1, 3)],
    ['of a part of a run', (session: TestSession) => session.stored(1, 1)],
    ['of no range', (session: TestSession) => session.handled(2, 1)]
  ])('calls a receipt %s a fault of the peer, and changes nothing', async (_what, wrong) => {
    const test = await openOutbox()
    const id = await send(test, ['a', 'b'])
    const session = await attached(test)
    session.drain()
    expect(() => wrong(session)).toThrow(expect.objectContaining({ code: 'PROTOCOL_VIOLATION' }))
    expect(states(test, id, 2)).toEqual(['sent', 'sent'])
  })

  it('calls credit that falls, or for a lane that is not open, a fault of the peer', async () => {
    const test = await openOutbox()
    await send(test, ['a'])
    const session = await attached(test)
    session.drain()
    const violation = expect.objectContaining({ code: 'PROTOCOL_VIOLATION' })
    expect(() => session.attachment.credit({ lane: 1_025, messages: 5, bytes: 5 })).toThrow(violation)
    expect(() => session.attachment.credit({ lane: 2_000, messages: 5, bytes: 5 })).toThrow(violation)
  })

  it('skips a message that is larger than the peer takes, and sends the others', async () => {
    const test = await openOutbox()
    const id = await send(test, ['small', 'x'.repeat(2_000), 'tiny'])
    const session = new TestSession(test.outbox, { marks: [] }, 'bob', 1_000)
    await test.clock.settle()
    session.drain()
    await test.clock.settle()
    session.drain()
    expect(session.bodies()).toEqual(['small', 'tiny'])
    expect(session.skips()).toEqual([{ lane: 1_025, from: 2, to: 2 }])
    expect(states(test, id, 3)).toEqual(['sent', 'rejected/TOO_LARGE', 'sent'])
    session.stored(1, 3)
    expect(states(test, id, 3)).toEqual(['stored', 'rejected/TOO_LARGE', 'stored'])
  })

  it('reads bodies from the disk where the cache has no room for them', async () => {
    const test = await openOutbox({ options: { bodyCacheBytesMax: 1_000 } })
    await test.outbox.accept(request({ bodies: [new Uint8Array(900).fill(1)] }))
    await test.outbox.accept(request({ bodies: [new Uint8Array(900).fill(2)] }))
    const before = test.store.getCount
    const session = await attached(test)
    session.drain()
    expect(session.runs().map(({ bodies }) => bodies[0]?.[0])).toEqual([1, 2])
    expect(test.store.getCount - before).toBe(1)
  })

  it('sets a damaged run aside, skips its messages and says so', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a'])
    await send(test, ['b'])
    for await (const { key, value } of test.store.range('outbox', { limit: 1 })) {
      await test.store.batch([{ type: 'put', sublevel: 'outbox', key, value: value.fill(0, 20) }], { sync: true })
    }
    const after = await crash(test)
    expect(states(after, id, 2)).toEqual(['rejected/RECORD_DAMAGED', 'accepted'])
    expect(after.events).toContainEqual(
      expect.objectContaining({ kind: 'store.damaged', ids: { first: id, count: 1 } })
    )
    expect(after.health.get('outbox')).toMatchObject({ state: 'degraded', code: 'RECORD_DAMAGED' })
    const session = await attached(after)
    session.drain()
    expect(session.bodies()).toEqual(['b'])
    expect(session.skips()).toEqual([{ lane: 1_025, from: 1, to: 1 }])
    const again = await crash(after)
    expect(states(again, id, 1)).toEqual(['rejected/RECORD_DAMAGED'])
  })

  it('refuses to start with a damaged record of a lane', async () => {
    const test = await openOutbox()
    await send(test, ['a'])
    for await (const { key, value } of test.store.range('lanes')) {
      await test.store.batch([{ type: 'put', sublevel: 'lanes', key, value: value.fill(0, 20) }], { sync: true })
    }
    await expect(crash(test)).rejects.toMatchObject({ code: 'RECORD_DAMAGED', data: { sublevel: 'lanes' } })
  })

  it('says what a message waits for', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a'])
    expect(test.outbox.describe(id)).toMatchObject({ state: 'accepted', channel: 'chat', waitsFor: 'session' })
    const session = await attached(test)
    expect(test.outbox.describe(id)).toMatchObject({ state: 'accepted', waitsFor: 'turn' })
    await test.outbox.accept(request({ bodies: [new Uint8Array(100 * KiB)] }))
    session.takeAll()
    expect(test.outbox.describe(id)).not.toHaveProperty('waitsFor')
    expect(test.outbox.describe(id.replace(/1$/, '2'))).toMatchObject({ waitsFor: 'credit' })
    expect(() => test.outbox.describe(id.replace(/1$/, '3'))).toThrow(
      expect.objectContaining({ code: 'NO_SUCH_MESSAGE' })
    )
  })

  it('drops what waits for a contact that is removed, and tells each message', async () => {
    const test = await openOutbox()
    await send(test, ['a', 'b'])
    test.outbox.forgetContact('bob')
    await test.clock.settle()
    expect(told(test)).toEqual(['cancelled/REMOVED 1025.1+2'])
    expect(test.outbox.queue().messages).toBe(0)
    const after = await crash(test)
    expect(after.outbox.queue().messages).toBe(0)
    const session = await attached(after)
    session.drain()
    expect(session.taken).toEqual([])
    await after.outbox.accept(request({ bodies: [text('new')] }))
  })
})
