import { describe, expect, it } from 'vitest'
import type { MessageState, MessageStateRange, MessageStates } from '../src/contract/types.ts'
import { codeOf, connected, failureOf } from './support/connected.ts'
import { Refusal, type StandInDaemon } from './support/stand-in-daemon.ts'

/** Answers `messages.get` from states that a test sets, and tells the subscription that follows of changes. */
class States {
  readonly of = new Map<string, MessageState>()
  readonly #daemon: StandInDaemon
  subscription = ''
  subscribedCount = 0

  constructor(daemon: StandInDaemon) {
    this.#daemon = daemon
    daemon.answers['messages.get'] = ({ id, count = 1 }) => this.#get(id, count)
    daemon.answers['events.subscribe'] = () => {
      this.subscription = `events${++this.subscribedCount}`
      return { subscription: this.subscription, cursor: 'b:0' }
    }
  }

  tell(range: MessageStateRange): void {
    const event = { kind: 'message.state', contact: 'c', channel: 'default', cursor: 'b:1', at: 1, ...range } as const
    this.#daemon.app.notify('events.event', { subscription: this.subscription, events: [event] })
  }

  #get(id: string, count: number): MessageStates {
    const [epoch, lane, seq] = id.split('.')
    const ranges = Array.from({ length: count }, (_, n) => {
      const first = `${epoch}.${lane}.${Number(seq) + n}`
      const state = this.of.get(first)
      if (state === undefined) throw new Refusal('NO_SUCH_MESSAGE')
      return { first, count: 1, state }
    })
    return { contact: 'c', channel: 'default', ranges }
  }
}

async function tracked(count: number) {
  const all = await connected()
  const states = new States(all.daemon)
  const receipts = await Promise.all(Array.from({ length: count }, (_, n) => all.parley.send('bob', `${n}`)))
  for (const { id } of receipts) states.of.set(id, 'accepted')
  const ids = receipts.map(({ id }) => id)
  return { ...all, states, receipts, first: ids[0] as string }
}

describe('a receipt', () => {
  it('asks for nothing until it is asked', async () => {
    const { daemon, clock } = await tracked(3)
    await clock.settle()
    expect(daemon.calls.map(({ method }) => method)).toEqual(['node.hello', 'messages.send'])
  })

  it('tells when the message is stored, and when it is handled, by what the daemon pushes', async () => {
    const { states, receipts, first, clock } = await tracked(3)
    const stored = receipts.map(receipt => receipt.stored())
    const handled = receipts.map(receipt => receipt.handled())
    await clock.settle()
    states.tell({ first, count: 2, state: 'sent' })
    states.tell({ first, count: 3, state: 'stored' })
    expect(await Promise.all(stored)).toEqual(['stored', 'stored', 'stored'])
    states.tell({ first, count: 3, state: 'handled' })
    expect(await Promise.all(handled)).toEqual(['handled', 'handled', 'handled'])
  })

  it('tells at once what is so already, and asks once for neighbours', async () => {
    const { daemon, states, receipts, clock } = await tracked(100)
    for (const { id } of receipts) states.of.set(id, 'handled')
    const all = Promise.all(receipts.map(receipt => receipt.stored()))
    await clock.settle()
    expect(new Set(await all)).toEqual(new Set(['handled']))
    expect(daemon.callsOf('messages.get').map(({ count }) => count)).toEqual([100])
    expect(states.subscribedCount).toBe(1)
  })

  it('says why the message does not get there', async () => {
    const { states, receipts, first, clock } = await tracked(3)
    const failures = receipts.map(receipt => failureOf(receipt.handled()))
    await clock.settle()
    const [, , third] = receipts
    const second = receipts[1]?.id as string
    states.tell({ first, count: 1, state: 'expired', reached: 'maybe' })
    states.tell({ first: second, count: 1, state: 'rejected', reason: 'NOT_HANDLED' })
    states.tell({ first: third?.id as string, count: 1, state: 'cancelled' })
    expect(await Promise.all(failures)).toMatchObject([
      { code: 'MESSAGE_EXPIRED', data: { id: first, reached: 'maybe' } },
      { code: 'MESSAGE_REJECTED', data: { id: second, reason: 'NOT_HANDLED' } },
      { code: 'MESSAGE_CANCELLED' }
    ])
  })

  it('looks again after a lost connection, and where events are missing', async () => {
    const { daemon, states, receipts, first, clock, away, back } = await tracked(1)
    const [receipt] = receipts
    const stored = receipt?.stored()
    const handled = receipt?.handled()
    await clock.settle()
    await away()
    states.of.set(first, 'stored')
    await back()
    expect(await stored).toBe('stored')
    states.of.set(first, 'handled')
    daemon.app.notify('events.ended', { subscription: states.subscription, code: 'CURSOR_GONE' })
    expect(await handled).toBe('handled')
  })

  it('waits no longer than its signal, nor than its client', async () => {
    const { parley, receipts, clock } = await tracked(1)
    const [receipt] = receipts
    const stop = new AbortController()
    const stored = failureOf(receipt?.stored({ signal: stop.signal }) as Promise<unknown>)
    const handled = codeOf(receipt?.handled() as Promise<unknown>)
    await clock.settle()
    stop.abort()
    expect(await stored).toBe(stop.signal.reason)
    await parley.close()
    expect(await handled).toBe('CLOSED')
    expect(await codeOf(receipt?.stored() as Promise<unknown>)).toBe('CLOSED')
  })

  it('fails alone where the daemon knows one of several no more', async () => {
    const { states, receipts, first } = await tracked(2)
    states.of.delete(first)
    states.of.set(receipts[1]?.id as string, 'stored')
    const [one, other] = receipts.map(receipt => receipt.stored())
    expect(await codeOf(one as Promise<unknown>)).toBe('NO_SUCH_MESSAGE')
    expect(await other).toBe('stored')
  })

  it('knows nothing of a message that is not durable', async () => {
    const { parley } = await connected()
    const receipt = await parley.send('bob', 'x', { durable: false })
    expect(receipt.expiresAt).toBe(undefined)
    for (const promise of [receipt.stored(), receipt.handled(), receipt.state()])
      expect(await codeOf(promise)).toBe('NO_SUCH_MESSAGE')
  })

  it('of a run waits for all of it, and names the first that fails', async () => {
    const { daemon, parley, clock } = await connected()
    const states = new States(daemon)
    const run = await parley.sendRun('bob', ['a', 'b', 'c', 'd'])
    for (const at of [0, 1, 2, 3]) states.of.set(run.idAt(at), 'accepted')
    expect((await run.state()).map(({ state }) => state)).toEqual(Array(4).fill('accepted'))
    let isStored = false
    const stored = run.stored().then(state => {
      isStored = true
      return state
    })
    const handled = failureOf(run.handled())
    await clock.settle()
    states.tell({ first: run.idAt(1), count: 1, state: 'stored' })
    states.tell({ first: run.idAt(2), count: 2, state: 'handled' })
    await clock.settle()
    expect(isStored).toBe(false)
    states.tell({ first: run.idAt(0), count: 1, state: 'handled' })
    expect(await stored).toBe('stored')
    states.tell({ first: run.idAt(1), count: 1, state: 'rejected', reason: 'no' })
    expect(await handled).toMatchObject({ code: 'MESSAGE_REJECTED', data: { id: run.idAt(1), reason: 'no' } })
  })
})

describe('messageState and cancel', () => {
  it('ask the daemon', async () => {
    const { daemon, parley, receipts, first } = await tracked(1)
    expect(await parley.messageState(first)).toEqual({ first, count: 1, state: 'accepted' })
    expect(await receipts[0]?.state()).toEqual({ first, count: 1, state: 'accepted' })
    expect(await codeOf(parley.messageState('e.1.99'))).toBe('NO_SUCH_MESSAGE')
    await parley.cancel(first)
    await parley.cancel(first, { count: 3 })
    expect(daemon.callsOf('messages.cancel')).toEqual([{ id: first }, { id: first, count: 3 }])
  })
})

describe('consumers', () => {
  it('are listed, read, moved and forgotten', async () => {
    const { daemon, parley } = await connected()
    const info = { consumer: 'app', owner: 'local', filter: {}, cursor: 3, lag: 0, unacknowledged: 0, stalled: false }
    daemon.answers['consumers.list'] = () => ({ consumers: [info] })
    daemon.answers['consumers.get'] = () => info
    daemon.answers['consumers.seek'] = () => info
    expect(await parley.consumers.list()).toEqual([info])
    expect(await parley.consumers.get('app')).toEqual(info)
    expect(await parley.consumers.seek('app', { after: 3 })).toEqual(info)
    await parley.consumers.remove('app')
    expect(daemon.callsOf('consumers.seek')).toEqual([{ consumer: 'app', to: { after: 3 } }])
    expect(daemon.callsOf('consumers.remove')).toEqual([{ consumer: 'app' }])
  })
})
