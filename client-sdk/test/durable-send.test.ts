import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SendOptions } from '../src/send-options.ts'
import { codeOf, connected, failureOf } from './support/connected.ts'
import { type App, EXPIRES_AT, Refusal } from './support/stand-in-daemon.ts'

const LANE = 'bob/default'

describe('a durable send', () => {
  it('is numbered from 1, names the one before it that has no answer, and says what needs none', async () => {
    const { daemon, parley, clock } = await connected()
    const first = await parley.send('bob', 'a')
    expect(first.expiresAt).toEqual(new Date(EXPIRES_AT))
    expect(JSON.stringify(first)).toBe(`{"id":"e.1.1","expiresAt":${EXPIRES_AT}}`)
    const gate = Promise.withResolvers<void>()
    daemon.answers['messages.send'] = async (params, app) => {
      await gate.promise
      return daemon.accept(params, app)
    }
    const sends = ['b', 'c'].map(text => parley.sendRun('bob', [text]))
    sends.push(parley.sendRun('carol', ['d']))
    await clock.settle()
    gate.resolve()
    await Promise.all(sends)
    const numbers = daemon.callsOf('messages.send').map(call => [call.number, call.previous, call.answeredThrough])
    expect(numbers.sort()).toEqual([
      [1, undefined, 0],
      [2, undefined, 1],
      [3, undefined, 1],
      [4, 2, 1]
    ])
  })

  it('has its time to live, and the daemon hears nothing of its timeout', async () => {
    const { daemon, parley } = await connected()
    await parley.send('bob', 'a', { ttlMs: 60_000, timeoutMs: 1_000 })
    expect(daemon.callsOf('messages.send')[0]).toEqual({
      ...{ peer: 'bob', bodies: [expect.anything()], ttlMs: 60_000, number: 1, answeredThrough: 0 }
    })
  })

  it('is accepted once where the call was lost', async () => {
    const { daemon, parley, clock } = await connected()
    daemon.hears = method => method !== 'messages.send'
    const send = parley.send('bob', 'a')
    await clock.settle()
    daemon.hears = () => true
    await clock.advance(2_000)
    expect((await send).id).toBe('e.1.1')
    expect(daemon.accepted.get(LANE)).toEqual(['a'])
  })

  it('is accepted once where the answer was lost, also with a new daemon, and not sent again', async () => {
    const { daemon, parley, clock, back } = await connected()
    daemon.tells = method => method !== 'messages.send'
    const sends = [parley.send('bob', 'a'), parley.send('bob', 'b')]
    await clock.settle()
    daemon.goAway()
    await back({ bootId: 'boot-2' })
    expect((await Promise.all(sends)).map(({ id }) => id)).toEqual(['e.1.1', 'e.1.2'])
    expect((await sends[0])?.expiresAt).toBe(undefined)
    expect(daemon.callsOf('messages.send')).toHaveLength(1)
    expect(daemon.accepted.get(LANE)).toEqual(['a', 'b'])
  })

  it('is sent again under its number where the daemon cannot tell what it accepted', async () => {
    const { daemon, parley, clock, away, back } = await connected()
    daemon.tells = method => method !== 'messages.send'
    const sends = [parley.send('bob', 'a')]
    await clock.settle()
    await away()
    daemon.tells = () => true
    daemon.canRead = false
    sends.push(parley.send('bob', 'b'))
    await back()
    expect((await Promise.all(sends)).map(({ id }) => id)).toEqual(['e.1.1', 'e.1.2'])
    expect(daemon.callsOf('messages.send').map(({ number }) => number)).toEqual([1, 1, 2])
    expect(daemon.accepted.get(LANE)).toEqual(['a', 'b'])
  })

  it('goes on behind one whose answer was lost, in order', async () => {
    const { daemon, parley, clock, away, back } = await connected()
    daemon.tells = method => method !== 'messages.send'
    const sends = [parley.send('bob', '1')]
    await clock.settle()
    await away()
    sends.push(parley.send('bob', '2'))
    daemon.tells = () => true
    await back()
    await Promise.all(sends)
    expect(daemon.accepted.get(LANE)).toEqual(['1', '2'])
  })

  it('waits out a daemon that is stopping', async () => {
    const { daemon, parley, clock, away, back } = await connected()
    daemon.answers['messages.send'] = () => {
      throw new Refusal('SHUTTING_DOWN', { retryable: true })
    }
    const send = parley.send('bob', 'a', { whenFull: 'fail' })
    await clock.settle()
    await away()
    daemon.answers = {}
    await back()
    await send
    expect(daemon.accepted.get(LANE)).toEqual(['a'])
  })

  it('that was aborted after it was written is not sent again', async () => {
    const { daemon, parley, clock, back } = await connected()
    const stop = new AbortController()
    daemon.hears = method => method !== 'messages.send'
    const aborted = failureOf(parley.send('bob', 'a', { signal: stop.signal }))
    const other = parley.send('bob', 'b')
    await clock.settle()
    daemon.goAway()
    await clock.settle()
    stop.abort()
    expect(await aborted).toMatchObject({ code: 'DAEMON_UNREACHABLE', data: { accepted: 'unknown' } })
    daemon.hears = () => true
    await back()
    await other
    expect(daemon.accepted.get(LANE)).toEqual(['b'])
  })

  it('ends by its time, and tells whether it may have been accepted', async () => {
    const { daemon, parley, clock, away } = await connected()
    daemon.tells = method => method !== 'messages.send'
    const written = failureOf(parley.send('bob', 'a', { timeoutMs: 3_000 }))
    await clock.settle()
    await away()
    const waiting = failureOf(parley.send('bob', 'b', { timeoutMs: 3_000 }))
    await clock.advance(3_000)
    expect(await written).toMatchObject({ code: 'DAEMON_UNREACHABLE', data: { accepted: 'unknown' } })
    expect(await waiting).toMatchObject({ code: 'DAEMON_UNREACHABLE', data: { accepted: 'no' } })
  })

  it('fails with what the daemon says where trying again is of no use, and lets the next one go', async () => {
    const { daemon, parley } = await connected()
    daemon.answers['messages.send'] = () => {
      throw new Refusal('BLOCKED')
    }
    expect(await codeOf(parley.send('bob', 'a'))).toBe('BLOCKED')
    daemon.answers = {}
    await parley.send('bob', 'b')
    expect(daemon.callsOf('messages.send').map(call => [call.number, call.answeredThrough])).toEqual([
      [1, 0],
      [2, 1]
    ])
  })
})

describe('a durable send to a full queue', () => {
  it('waits for room, in order, and stops no other lane', async () => {
    const { daemon, parley, clock } = await connected()
    daemon.room.set(LANE, 2)
    const sends = ['1', '2', '3', '4', '5'].map(text => parley.sendRun('bob', [text]))
    await Promise.all([sends[0], sends[1]])
    await parley.send('carol', 'x')
    await parley.send('bob', 'y', { channel: 'other' })
    await clock.advance(1_000)
    expect(daemon.accepted.get(LANE)).toEqual(['1', '2'])
    daemon.room.delete(LANE)
    await clock.advance(2_000)
    await Promise.all(sends)
    expect(daemon.accepted.get(LANE)).toEqual(['1', '2', '3', '4', '5'])
    // A number that was refused stands for nothing, and holds up no other.
    await parley.send('carol', 'z')
    const [last] = daemon.callsOf('messages.send').slice(-1)
    expect(last?.answeredThrough).toBe((last?.number ?? 0) - 1)
  })

  it('is tried less and less often, and at once when messages of that contact were stored', async () => {
    const { daemon, parley, clock } = await connected()
    await parley.send('bob', 'first')
    daemon.room.set(LANE, 0)
    const send = parley.send('bob', 'second')
    await clock.advance(20_000)
    const tries = daemon.callsOf('messages.send').length
    expect(tries).toBeGreaterThan(10)
    expect(tries).toBeLessThan(18)
    daemon.room.set(LANE, 1)
    const [subscribed] = daemon.calls.filter(({ method }) => method === 'events.subscribe')
    const subscription = `s${daemon.calls.indexOf(subscribed as never) + 1}`
    const stored = {
      kind: 'message.state',
      contact: 'c',
      channel: 'default',
      first: 'e.1.1',
      count: 1,
      state: 'stored'
    }
    daemon.app.notify('events.event', { subscription, events: [{ ...stored, cursor: 'b:1', at: 1 } as never] })
    await clock.advance(50)
    expect((await send).id).toBe('e.1.2')
  })

  it('fails at once where that is asked for, also behind others that wait, which go on waiting', async () => {
    const { daemon, parley, clock } = await connected()
    daemon.room.set(LANE, 0)
    expect(await failureOf(parley.send('bob', 'a', { whenFull: 'fail' }))).toMatchObject({
      code: 'QUEUE_FULL',
      retryable: true,
      data: { scope: 'lane', freeBytes: 0 }
    })
    const waiting = parley.send('bob', 'b')
    await clock.settle()
    const behind = await failureOf(parley.send('bob', 'c', { whenFull: 'fail' }))
    expect(behind).toMatchObject({ code: 'QUEUE_FULL', data: { accepted: 'no' } })
    daemon.room.delete(LANE)
    await clock.advance(100)
    await waiting
    expect(daemon.accepted.get(LANE)).toEqual(['b'])
    expect(await codeOf(parley.send('bob', 'd', { whenFull: 'never' as never }))).toBe('INVALID_PARAMS')
  })

  it('waits no longer than its time and its signal, and says why', async () => {
    const { daemon, parley, clock } = await connected()
    daemon.room.set(LANE, 0)
    const stop = new AbortController()
    const late = failureOf(parley.send('bob', 'a', { timeoutMs: 5_000 }))
    const given = failureOf(parley.send('bob', 'b', { signal: stop.signal }))
    await clock.advance(1_000)
    stop.abort()
    expect(await given).toBe(stop.signal.reason)
    await clock.advance(4_000)
    expect(await late).toMatchObject({ code: 'QUEUE_FULL', data: { accepted: 'no' } })
    daemon.room.delete(LANE)
    await parley.send('bob', 'c')
    expect(daemon.accepted.get(LANE)).toEqual(['c'])
  })

  it('waits for a store that cannot be written, and is accepted once where it had been written after all', async () => {
    const { daemon, parley, clock } = await connected()
    daemon.answers['messages.send'] = (params, app) => {
      daemon.accept(params, app)
      throw new Refusal('STORE_UNAVAILABLE', { accepted: 'unknown', retryable: true })
    }
    const send = parley.send('bob', 'a')
    const behind = parley.sendRun('bob', ['b', 'c'])
    await clock.settle()
    expect(await failureOf(parley.send('carol', 'x', { whenFull: 'fail' }))).toMatchObject({
      code: 'STORE_UNAVAILABLE',
      data: { accepted: 'unknown' }
    })
    daemon.answers = {}
    await clock.advance(1_000)
    await Promise.all([send, behind])
    expect(daemon.accepted.get(LANE)).toEqual(['a', 'b', 'c'])
  })

  it('is told of what was not accepted when the client ends', async () => {
    const { daemon, parley, clock } = await connected()
    daemon.room.set(LANE, 0)
    const send = failureOf(parley.send('bob', 'a'))
    await clock.settle()
    await parley.close({ drain: false })
    expect(await send).toMatchObject({ code: 'CLOSED', data: { accepted: 'no' } })
    expect(clock.timerCount).toBe(0)
  })
})

/** What goes wrong with one call of `messages.send`. */
type Fault = 'none' | 'lose-call' | 'lose-answer' | 'full' | 'store-no' | 'store-unknown' | 'stopping'
const FAULTS: readonly Fault[] = [
  'none',
  'none',
  'none',
  'lose-call',
  'lose-answer',
  'full',
  'store-no',
  'store-unknown',
  'stopping'
]

describe('durable sends, whatever happens to calls, answers and the store,', () => {
  it('are each accepted once, in the order of each lane', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            lane: fc.nat(2),
            count: fc.integer({ min: 1, max: 3 }),
            pauseMs: fc.constantFrom(0, 0, 30, 300)
          }),
          {
            minLength: 1,
            maxLength: 25
          }
        ),
        fc.array(fc.constantFrom(...FAULTS), { maxLength: 40 }),
        async (steps, faults) => {
          const { daemon, parley, clock } = await connected()
          disturb(daemon, faults)
          const expected = new Map<string, string[]>()
          const sends: Promise<{ readonly ids: readonly { readonly count: number }[] }>[] = []
          for (const [at, { lane, count, pauseMs }] of steps.entries()) {
            const key = ['bob/default', 'bob/x', 'carol/default'][lane] as string
            const [peer = '', channel = ''] = key.split('/')
            const bodies = Array.from({ length: count }, (_, n) => `${at}.${n}`)
            expected.set(key, [...(expected.get(key) ?? []), ...bodies])
            const options: SendOptions = channel === 'default' ? {} : { channel }
            sends.push(parley.sendRun(peer, bodies, options))
            if (pauseMs > 0) await clock.advance(pauseMs)
          }
          await clock.advance(200_000)
          const receipts = await Promise.all(sends)
          expect(receipts.flatMap(({ ids }) => ids).reduce((sum, { count }) => sum + count, 0)).toBe(
            steps.reduce((sum, { count }) => sum + count, 0)
          )
          expect(Object.fromEntries(daemon.accepted)).toEqual(Object.fromEntries(expected))
          await parley.close({ drain: false })
        }
      ),
      { numRuns: 60 }
    )
  }, 60_000)
})

/** Lets each call of `messages.send` meet the next fault; once there is none left, all goes well. */
function disturb(daemon: Awaited<ReturnType<typeof connected>>['daemon'], faults: readonly Fault[]): void {
  let at = 0
  let current: Fault = 'none'
  const stopping = new Set<App>()
  daemon.hears = method => {
    if (method !== 'messages.send') return true
    current = faults[at++] ?? 'none'
    return current !== 'lose-call'
  }
  daemon.answers['messages.send'] = (params, app) => {
    const fault = current
    // A daemon that is stopping takes nothing more, and then hangs up.
    if (fault === 'stopping' || stopping.has(app)) {
      stopping.add(app)
      setImmediate(() => app.drop())
      throw new Refusal('SHUTTING_DOWN', { retryable: true })
    }
    daemon.tells = method => method !== 'messages.send' || fault !== 'lose-answer'
    if (fault === 'full') daemon.room.set(roomKey(params), 0)
    else daemon.room.delete(roomKey(params))
    if (fault === 'store-no') daemon.refuse(params, app, 'no')
    const accepted = daemon.accept(params, app)
    if (fault === 'store-unknown') daemon.refuse(params, app, 'unknown')
    return accepted
  }
}

function roomKey({ peer, channel = 'default' }: { readonly peer: string; readonly channel?: string }): string {
  return `${peer}/${channel}`
}
