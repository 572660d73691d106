import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/actor/virtual-clock.ts'
import { Events } from '../../src/observe/events.ts'

const NEVER = new AbortController().signal

function makeEvents(eventCountMax = 10, eventBytesMax = 1_000_000) {
  const clock = new VirtualClock()
  return { clock, events: new Events({ clock, epoch: 'e1', options: { eventCountMax, eventBytesMax } }) }
}

const stalled = (consumer: string) => ({ kind: 'consumer.stalled', consumer }) as const

function emit(events: Events, count: number): void {
  for (let n = 1; n <= count; n++) events.emit(stalled(`c${n}`))
}

describe('events', () => {
  it('carry a cursor that counts from 1, and the time', () => {
    const { events, clock } = makeEvents()
    emit(events, 2)
    expect(events.read('start', 10)).toEqual({
      events: [
        { kind: 'consumer.stalled', consumer: 'c1', cursor: 'e1:1', at: clock.wallMs() },
        { kind: 'consumer.stalled', consumer: 'c2', cursor: 'e1:2', at: clock.wallMs() }
      ],
      cursor: 'e1:2'
    })
  })

  it('are read on from a cursor, page by page, and from now', () => {
    const { events } = makeEvents()
    emit(events, 5)
    const page = events.read('e1:1', 2)
    expect(page.events.map(event => event.cursor)).toEqual(['e1:2', 'e1:3'])
    expect(events.read(page.cursor, 10).events.map(event => event.cursor)).toEqual(['e1:4', 'e1:5'])
    expect(events.read('now', 10)).toEqual({ events: [], cursor: 'e1:5' })
    expect(events.read('e1:5', 10)).toEqual({ events: [], cursor: 'e1:5' })
  })

  it.each([
    ['that is no longer kept', 'e1:4'],
    ['that has not come', 'e1:16'],
    ['of another start of the daemon', 'e0:14']
  ])('have nothing to read after a cursor %s', (_case, after) => {
    const { events } = makeEvents()
    emit(events, 15)
    expect(() => events.read(after, 10)).toThrow(expect.objectContaining({ code: 'CURSOR_GONE' }))
    expect(events.read('e1:5', 1).events[0]?.cursor).toBe('e1:6')
    expect(events.read('start', 1).events[0]?.cursor).toBe('e1:6')
  })

  it('refuse what is no cursor', () => {
    const { events } = makeEvents()
    for (const after of ['', 'e1', 'e1:', 'e1:-1', 'e1:01', 'e1:1x', '1']) {
      expect(() => events.read(after, 1)).toThrow(expect.objectContaining({ code: 'INVALID_PARAMS' }))
    }
  })

  it('are bounded in bytes too', () => {
    const { events } = makeEvents(1_000, 10_000)
    for (let n = 0; n < 100; n++) events.emit(stalled('x'.repeat(500)))
    const { events: kept } = events.read('start', 1_000)
    expect(kept.length).toBeGreaterThan(3)
    expect(kept.length).toBeLessThan(10)
    expect(kept.at(-1)?.cursor).toBe('e1:100')
  })

  it('keep the newest, whatever was emitted and read', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.nat(200), (countMax, count) => {
        const { events } = makeEvents(countMax)
        emit(events, count)
        const kept = events.read('start', 1_000).events.map(event => event.cursor)
        const expected = Array.from({ length: Math.min(count, countMax) }, (_, n) => `e1:${count - n}`).reverse()
        expect(kept).toEqual(expected)
      })
    )
  })

  it('wake a fetch that waits', async () => {
    const { events, clock } = makeEvents()
    const fetched = events.fetch('now', 10, 1_000, NEVER)
    emit(events, 1)
    expect((await fetched).events.map(event => event.cursor)).toEqual(['e1:1'])
    expect(clock.timerCount).toBe(0)
  })

  it('let a fetch end empty when its time is over or its caller gone', async () => {
    const { events, clock } = makeEvents()
    const timed = events.fetch('now', 10, 1_000, NEVER)
    await clock.advance(1_000)
    expect(await timed).toEqual({ events: [], cursor: 'e1:0' })
    const gone = new AbortController()
    const left = events.fetch('now', 10, 1_000, gone.signal)
    gone.abort()
    expect(await left).toEqual({ events: [], cursor: 'e1:0' })
    expect(clock.timerCount).toBe(0)
  })

  it('tell listeners until they have had enough', () => {
    const { events } = makeEvents()
    let count = 0
    const unlisten = events.listen(() => count++)
    emit(events, 2)
    unlisten()
    emit(events, 1)
    expect(count).toBe(2)
  })
})
