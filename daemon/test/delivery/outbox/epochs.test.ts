import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ContactLanes } from '../../../src/delivery/outbox/contact-lanes.ts'
import { judgeMarks } from '../../../src/delivery/outbox/reconcile.ts'
import type { LaneMark } from '../../../src/delivery/port.ts'
import { seededRandomBytes } from '../../../src/random.ts'
import { MemoryDisk, MemoryStore } from '../../../src/store/memory.ts'
import { crash, HOUR, openOutbox, send, states, type TestOutbox, TestSession, text, told } from './support.ts'

async function session(test: TestOutbox, marks: readonly LaneMark[] = []): Promise<TestSession> {
  const made = new TestSession(test.outbox, { marks })
  await test.clock.settle()
  made.drain()
  return made
}

/** Another disk with what is on this one now, as a backup has it. */
async function backUp(test: TestOutbox): Promise<MemoryDisk> {
  const disk = new MemoryDisk()
  const copy = new MemoryStore(disk)
  await copy.open()
  for (const sublevel of ['meta', 'lanes', 'outbox', 'clients'] as const) {
    for await (const { key, value } of test.store.range(sublevel)) {
      await copy.batch([{ type: 'put', sublevel, key, value }], { sync: true })
    }
  }
  await copy.close()
  return disk
}

const restore = (test: TestOutbox, disk: MemoryDisk) =>
  openOutbox({ disk, clock: test.clock, keys: test.keys, seed: 'restored' })

const kinds = (test: TestOutbox) => test.events.map(({ kind }) => kind).filter(kind => kind !== 'message.state')

describe('Outbox after a restore', () => {
  it('finds itself restored by a number that it never sent, renumbers what waits, and loses nothing new', async () => {
    const test = await openOutbox()
    const waiting = await send(test, ['before'])
    const disk = await backUp(test)
    await send(test, ['lost to the backup'])
    const peer = await session(test)
    const restored = await restore(test, disk)
    const fresh = await send(restored, ['after'])
    const next = await session(restored, peer.marks())
    await restored.clock.settle()
    next.drain()
    expect(kinds(restored)).toEqual(['store.rolled-back'])
    expect(next.bodies()).toEqual(['before', 'after'])
    expect(next.runs().map(({ first, maybeDuplicate }) => [first, maybeDuplicate])).toEqual([
      [1, true],
      [2, true]
    ])
    expect(next.openings()[0]?.laneOpen.epoch).not.toEqual(peer.openings()[0]?.laneOpen.epoch)
    next.stored(1, 2)
    expect([states(restored, waiting, 1), states(restored, fresh, 1)]).toEqual([['stored'], ['stored']])
    expect(told(restored).filter(line => line.startsWith('stored'))).toEqual(['stored 1025.1+2'])
  })

  it('finds itself restored by another tag', async () => {
    const test = await openOutbox()
    const disk = await backUp(test)
    await send(test, ['one'])
    const peer = await session(test)
    const restored = await restore(test, disk)
    const other = await session(restored)
    await send(restored, ['another'])
    other.drain()
    other.stored(1, 1)
    const [mark] = other.marks()
    const [old] = peer.marks()
    if (mark === undefined || old === undefined) throw new Error('no marks')
    await session(restored, [{ ...mark, tag: old.tag }])
    await restored.clock.settle()
    expect(kinds(restored)).toEqual(['store.rolled-back'])
  })

  it('finds itself restored by an epoch that it never had, once', async () => {
    const test = await openOutbox()
    const foreign = { epoch: new Uint8Array(16).fill(9), lane: 1_025, stored: 3, tag: new Uint8Array(8) }
    await session(test).then(made => made.attachment.detach())
    const id = await send(test, ['a'])
    const first = await session(test, [foreign])
    await test.clock.settle()
    first.drain()
    expect(first.bodies()).toEqual(['a'])
    const after = await crash(test)
    await session(after, [foreign, ...first.marks()])
    expect([...kinds(test), ...kinds(after)]).toEqual(['store.rolled-back'])
    expect(states(after, id, 1)).toEqual(['stored'])
  })

  it('finds nothing where the first session with a contact tells of epochs before: it was removed and added again', async () => {
    const test = await openOutbox()
    await send(test, ['before'])
    const old = await session(test)
    test.outbox.forgetContact('bob')
    await test.clock.settle()
    const id = await send(test, ['again'])
    const next = await session(test, old.marks())
    await test.clock.settle()
    next.drain()
    expect(kinds(test)).toEqual([])
    expect(next.runs().map(({ maybeDuplicate, bodies }) => [maybeDuplicate, bodies.length])).toEqual([[false, 1]])
    expect(next.bodies()).toEqual(['again'])
    next.stored(1, 1)
    expect(states(test, id, 1)).toEqual(['stored'])
    const foreign = { epoch: new Uint8Array(16).fill(9), lane: 1_025, stored: 3, tag: new Uint8Array(8) }
    await session(test, [foreign, ...next.marks()])
    await test.clock.settle()
    expect(kinds(test)).toEqual(['store.rolled-back'])
  })

  it('finds itself restored by a lane that is over at the peer, and that it never had', async () => {
    const test = await openOutbox()
    await send(test, ['a'])
    const first = await session(test)
    const [mark] = first.marks()
    if (mark === undefined) throw new Error('no mark')
    first.attachment.detach()
    await session(test, [mark, { ...mark, lane: 1_026, stored: 0, tag: new Uint8Array(0) }])
    await test.clock.settle()
    expect(kinds(test)).toEqual(['store.rolled-back'])
  })

  it('keeps the state of messages of former epochs over a restart, and what waits under its old IDs', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a', 'b'])
    const first = await session(test)
    first.stored(1, 2)
    first.handled(1, 1)
    const third = await send(test, ['c'])
    first.attachment.detach()
    await session(test, [{ epoch: new Uint8Array(16), lane: 1_025, stored: 1, tag: new Uint8Array(8) }])
    await test.clock.settle()
    const after = await crash(test)
    expect(states(after, id, 3)).toEqual(['handled', 'stored', 'sent'])
    expect(after.outbox.queue()).toMatchObject({ messages: 1 })
    expect(() => after.outbox.get(third, 2)).toThrow(expect.objectContaining({ code: 'NO_SUCH_MESSAGE' }))
    const last = await session(after)
    expect(last.bodies()).toEqual(['c'])
    expect(states(after, third, 1)).toEqual(['sent'])
    await after.outbox.accept({ ...baseRequest, bodies: [text('d')] })
    last.drain()
    expect(last.runs().map(({ first: number }) => number)).toEqual([1, 2])
  })

  it('cancels nothing that may have arrived before', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a'])
    await session(test, [{ epoch: new Uint8Array(16), lane: 1_025, stored: 1, tag: new Uint8Array(8) }]).then(made =>
      made.attachment.detach()
    )
    const after = await crash(test)
    await expect(after.outbox.cancel(id, 1)).rejects.toMatchObject({ code: 'ALREADY_SENT' })
  })

  it('rests after too many epochs in an hour, says that the identity was cloned, and goes on after it', async () => {
    const test = await openOutbox()
    const met = new TestSession(test.outbox)
    met.attachment.detach()
    await send(test, ['a'])
    for (let round = 1; round <= 5; round++) {
      const marks = [{ epoch: new Uint8Array(16).fill(round), lane: 1_025, stored: 1, tag: new Uint8Array(8) }]
      const made = await session(test, marks)
      if (round < 5) made.attachment.detach()
      if (round > 3) expect(made.taken).toEqual([])
    }
    await test.clock.settle()
    expect(kinds(test)).toEqual([...Array.from({ length: 4 }, () => 'store.rolled-back'), 'identity.cloned'])
    expect([...test.health.values()]).toEqual([expect.objectContaining({ code: 'IDENTITY_CLONED' })])
    const last = new TestSession(test.outbox)
    last.takeAll()
    expect(last.taken).toEqual([])
    await test.clock.advance(HOUR + 120_000)
    last.drain()
    expect(last.bodies()).toEqual(['a'])
    expect(test.health.size).toBe(0)
  })
})

describe('Outbox and a peer that has forgotten', () => {
  it('tells the hole once, skips it, and goes on after it', async () => {
    const test = await openOutbox()
    const id = await send(test, ['a'])
    await send(test, ['b'])
    const first = await session(test)
    const early = first.marks()
    await send(test, ['c'])
    first.drain()
    first.stored(1, 3)
    await send(test, ['d'])
    const forgetful = [{ ...(early[0] as LaneMark), stored: 1 }]
    const second = await session(test, forgetful)
    expect(second.skips()).toEqual([{ lane: 1_025, from: 2, to: 3 }])
    expect(second.bodies()).toEqual(['d'])
    await test.clock.advance(1_000)
    const after = await crash(test)
    const third = await session(after, forgetful)
    expect(third.skips()).toEqual([{ lane: 1_025, from: 2, to: 3 }])
    third.rejected(2, 3, 'SKIPPED')
    third.stored(2, 4)
    expect(states(after, id, 4)).toEqual(['stored', 'stored', 'stored', 'stored'])
    const holes = [...test.events, ...after.events].filter(({ kind }) => kind === 'peer.lost-state')
    expect(holes).toEqual([expect.objectContaining({ first: id.replace(/1$/, '2'), count: 2 })])
    const fourth = await session(after, third.marks())
    expect(fourth.taken).toEqual([])
  })

  it('has done with the hole once the peer says that it has skipped it', async () => {
    const test = await openOutbox()
    await send(test, ['a'])
    const first = await session(test)
    first.stored(1, 1)
    const second = await session(test)
    second.rejected(1, 1, 'SKIPPED')
    second.stored(1, 1)
    const third = new TestSession(test.outbox, 'stored')
    third.drain()
    expect(third.skips()).toEqual([])
  })

  it('takes a lane that the peer does not know at all as forgotten from its start', async () => {
    const test = await openOutbox()
    await send(test, ['a'])
    const first = await session(test)
    first.stored(1, 1)
    await send(test, ['b'])
    const second = await session(test)
    expect(second.skips()).toEqual([{ lane: 1_025, from: 1, to: 1 }])
    expect(second.bodies()).toEqual(['b'])
    expect(kinds(test)).toEqual(['peer.lost-state'])
    await session(test, second.marks())
    expect(kinds(test)).toEqual(['peer.lost-state'])
  })
})

describe('judgeMarks', () => {
  it('finds nothing wrong with any mark at the end of what was sent', () => {
    fc.assert(
      fc.property(fc.nat(20), fc.nat(20), (stored, more) => {
        const contact = new ContactLanes('bob', new Uint8Array(16))
        contact.epoch = '0b'.repeat(16)
        const lane = contact.openLane('chat', 0)
        lane.stored = stored
        lane.storedTag = stored === 0 ? '' : '0a'.repeat(8)
        lane.next = stored + more + 1
        lane.sentThrough = stored
        const mark = (at: number): LaneMark => ({
          epoch: new Uint8Array(16).fill(0x0b),
          lane: lane.number,
          stored: at,
          tag: new Uint8Array(at === 0 ? 0 : 8).fill(0x0a)
        })
        expect(judgeMarks(contact, [mark(stored)]).isRestored).toBe(false)
        expect(judgeMarks(contact, [mark(stored + 1)]).isRestored).toBe(true)
        const isBehind = stored > 0 ? 'behind' : 'stored'
        expect(judgeMarks(contact, []).lanes.get(lane)?.type).toBe(isBehind)
      }),
      { seed: 4 }
    )
  })
})

const baseRequest = {
  contact: 'bob',
  fingerprint: seededRandomBytes('key')(32),
  channel: 'chat',
  ttlMs: HOUR,
  key: undefined
}
