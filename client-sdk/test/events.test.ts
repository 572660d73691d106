import { describe, expect, it } from 'vitest'
import type { NodeEvent } from '../src/contract/events.ts'
import type { EventGap } from '../src/event-stream.ts'
import { codeOf, connected } from './support/connected.ts'
import { Refusal, type StandInDaemon } from './support/stand-in-daemon.ts'

function added(index: number, epoch = 'boot-1'): NodeEvent {
  return { kind: 'peer.added', contact: `c${index}`, name: 'bob', cursor: `${epoch}:${index}`, at: 1 }
}

function nameSubscriptions(daemon: StandInDaemon): void {
  let count = 0
  daemon.answers['events.subscribe'] = () => ({ subscription: `sub${++count}`, cursor: `${daemon.bootId}:5` })
}

function push(daemon: StandInDaemon, subscription: string, ...events: NodeEvent[]): void {
  daemon.app.notify('events.event', { subscription, events })
}

async function take(events: AsyncIterator<NodeEvent | EventGap, undefined>, count: number): Promise<string[]> {
  const taken: string[] = []
  while (taken.length < count) {
    const { value } = await events.next()
    taken.push(value === undefined ? 'END' : value.kind === 'gap' ? `gap after ${value.after}` : value.cursor)
  }
  return taken
}

describe('events', () => {
  it('come from now on, unless a cursor says where to go on', async () => {
    const { daemon, parley } = await connected()
    nameSubscriptions(daemon)
    const events = parley.events()
    await events.ready()
    await parley.events({ after: 'boot-1:3' }).ready()
    expect(daemon.callsOf('events.subscribe')).toEqual([{ after: 'now' }, { after: 'boot-1:3' }])
    push(daemon, 'sub1', added(6), added(7))
    push(daemon, 'sub1', added(8))
    expect(await take(events, 3)).toEqual(['boot-1:6', 'boot-1:7', 'boot-1:8'])
  })

  it('go on after the last one when the connection was lost, or after the subscription where there was none', async () => {
    const { daemon, parley, away, back } = await connected()
    nameSubscriptions(daemon)
    const events = parley.events()
    await events.ready()
    await away()
    await back()
    push(daemon, 'sub2', added(6))
    expect(await take(events, 1)).toEqual(['boot-1:6'])
    await away()
    await back()
    expect(daemon.callsOf('events.subscribe').map(call => call.after)).toEqual(['now', 'boot-1:5', 'boot-1:6'])
  })

  it('have a gap where the daemon keeps what was missed no longer, and go on with the oldest it has', async () => {
    const { daemon, parley, clock, away, back } = await connected()
    daemon.answers['events.subscribe'] = ({ after }) => {
      if (after === 'boot-1:6') throw new Refusal('CURSOR_GONE')
      return { subscription: `sub-${after}`, cursor: 'boot-2:0' }
    }
    const events = parley.events({ after: 'boot-1:2' })
    await events.ready()
    push(daemon, 'sub-boot-1:2', added(6))
    await clock.settle()
    await away()
    await back({ bootId: 'boot-2' })
    push(daemon, 'sub-start', added(1, 'boot-2'))
    expect(await take(events, 3)).toEqual(['boot-1:6', 'gap after boot-1:6', 'boot-2:1'])
  })

  it('have a gap where this client was too slow for the daemon', async () => {
    const { daemon, parley, clock } = await connected()
    nameSubscriptions(daemon)
    const events = parley.events()
    await events.ready()
    push(daemon, 'sub1', added(6))
    daemon.app.notify('events.ended', { subscription: 'sub1', code: 'CURSOR_GONE' })
    await clock.settle()
    push(daemon, 'sub2', added(90))
    expect(await take(events, 3)).toEqual(['boot-1:6', 'gap after boot-1:6', 'boot-1:90'])
  })

  it('are left to the daemon while the app is far behind, and asked for again once it has caught up', async () => {
    const { daemon, parley, clock } = await connected()
    nameSubscriptions(daemon)
    const events = parley.events()
    await events.ready()
    push(daemon, 'sub1', ...Array.from({ length: 4_097 }, (_, n) => added(n + 6)))
    push(daemon, 'sub1', added(9_999))
    await clock.settle()
    expect(daemon.callsOf('events.unsubscribe')).toEqual([{ subscription: 'sub1' }])
    expect((await take(events, 4_097)).at(-1)).toBe('boot-1:4102')
    await clock.settle()
    expect(daemon.callsOf('events.subscribe').at(-1)).toEqual({ after: 'boot-1:4102' })
    push(daemon, 'sub2', added(4_103))
    expect(await take(events, 1)).toEqual(['boot-1:4103'])
  })

  it('end without an error on abort and on close, and with the code when the daemon ends them', async () => {
    const { daemon, parley, clock } = await connected()
    nameSubscriptions(daemon)
    const stop = new AbortController()
    const aborted = parley.events({ signal: stop.signal })
    const ended = parley.events()
    const closed = parley.events()
    await closed.ready()
    stop.abort()
    expect(await aborted.next()).toEqual({ done: true, value: undefined })
    daemon.app.notify('events.ended', { subscription: 'sub2', code: 'FORBIDDEN' })
    await clock.settle()
    expect(await codeOf(ended.next())).toBe('FORBIDDEN')
    await parley.close()
    expect(await closed.next()).toEqual({ done: true, value: undefined })
    expect(daemon.callsOf('events.unsubscribe')).toContainEqual({ subscription: 'sub1' })
  })

  it('end with the refusal of the daemon', async () => {
    const { daemon, parley } = await connected()
    daemon.answers['events.subscribe'] = () => {
      throw new Refusal('INVALID_PARAMS')
    }
    const events = parley.events({ after: 'nonsense' })
    expect(await codeOf(events.ready())).toBe('INVALID_PARAMS')
    expect(await codeOf(events.next())).toBe('INVALID_PARAMS')
  })
})
