import { describe, expect, it } from 'vitest'
import type { Message } from '../src/message.ts'
import { connected } from './support/connected.ts'
import { bytes, Refusal } from './support/stand-in-daemon.ts'
import { nameSubscriptions, takeTexts } from './support/subscriptions.ts'

describe('messages after a lost daemon', () => {
  it('go on: what waits is kept, what comes again is given once, and acks are said again', async () => {
    const { daemon, parley, clock, away, back } = await connected()
    nameSubscriptions(daemon)
    daemon.answers['messages.ack'] = () => Promise.withResolvers<never>().promise
    const messages = parley.messages({ consumer: 'app', from: 'now' })
    await messages.ready()
    daemon.deliver('sub1', { first: 1, bodies: bytes('1', '2', '3') })
    const first = (await messages.next()).value as Message
    const ack = first.ack()
    await clock.settle()
    await away()
    delete daemon.answers['messages.ack']
    expect(await takeTexts(messages, 1)).toEqual(['2'])
    await back()
    await ack
    expect(daemon.callsOf('messages.ack').map(call => call.index)).toEqual([1, 1])
    expect(daemon.callsOf('messages.subscribe')[1]).toMatchObject({ consumer: 'app', from: { after: 3 } })
    daemon.deliver('sub2', { first: 2, bodies: bytes('2', '3', '4'), redelivered: true })
    expect(await takeTexts(messages, 2)).toEqual(['3', '4'])
    daemon.deliver('sub2', { first: 2, bodies: bytes('2 anew'), redelivered: true })
    expect(await takeTexts(messages, 1)).toEqual(['2 anew'])
  })

  it('give as credit what is free, and return at once what was skipped', async () => {
    const { daemon, parley, clock, away, back } = await connected()
    nameSubscriptions(daemon)
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    const run = { first: 1, bodies: Array.from({ length: 5_000 }, () => new Uint8Array(1)) }
    daemon.deliver('sub1', run)
    await clock.settle()
    await away()
    await back()
    const [before, after] = daemon.callsOf('messages.subscribe').map(call => call.credit)
    expect(after).toEqual({ messages: (before?.messages ?? 0) - 5_000, bytes: (before?.bytes ?? 0) - 5_000 })
    daemon.deliver('sub2', run)
    await clock.settle()
    expect(daemon.callsOf('messages.credit')).toEqual([{ subscription: 'sub2', messages: 5_000, bytes: 5_000 }])
  })

  it('start from the start in a new inbox, whose indexes begin again; acks of the old one need no call', async () => {
    const { daemon, parley, away, back } = await connected()
    nameSubscriptions(daemon)
    const messages = parley.messages({ consumer: 'app', from: 'now' })
    await messages.ready()
    daemon.deliver('sub1', { first: 40, bodies: bytes('old', 'held') })
    const old = (await messages.next()).value as Message
    await away()
    const early = old.ack()
    await back({ inbox: 'inbox-2' })
    expect(daemon.callsOf('messages.subscribe')[1]).toMatchObject({ from: 'start' })
    await early
    await old.ack()
    expect(daemon.callsOf('messages.ack')).toEqual([])
    daemon.deliver('sub2', { first: 1, bodies: bytes('new') })
    expect(await takeTexts(messages, 1)).toEqual(['held'])
    const fresh = (await messages.next()).value as Message
    expect(fresh.text()).toBe('new')
    await fresh.ack()
    expect(daemon.callsOf('messages.ack')).toEqual([{ consumer: 'app', index: 1 }])
  })

  it('of a look go on after the last one, or where the look began', async () => {
    const { daemon, parley, away, back } = await connected()
    nameSubscriptions(daemon, 12)
    const messages = parley.messages({ consumer: null, from: 'now' })
    await messages.ready()
    await away()
    await back()
    expect(daemon.callsOf('messages.subscribe')[1]).toMatchObject({ consumer: null, from: { after: 11 } })
    daemon.deliver('sub2', { first: 12, bodies: bytes('a') })
    await takeTexts(messages, 1)
    await away()
    await back()
    expect(daemon.callsOf('messages.subscribe')[2]).toMatchObject({ from: { after: 12 } })
  })

  it('go on when the daemon says that it is going', async () => {
    const { daemon, parley, clock, away, back } = await connected()
    nameSubscriptions(daemon)
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    daemon.app.notify('messages.ended', { subscription: 'sub1', code: 'SHUTTING_DOWN' })
    await clock.settle()
    await away()
    await back()
    daemon.deliver('sub2', { first: 1, bodies: bytes('a') })
    expect(await takeTexts(messages, 1)).toEqual(['a'])
  })

  it('that a seek left behind are dropped, and what comes from the new place is given', async () => {
    const { daemon, parley, clock } = await connected()
    nameSubscriptions(daemon)
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    daemon.deliver('sub1', { first: 1, bodies: bytes('1', '2', '3') })
    const old = (await messages.next()).value as Message
    daemon.app.notify('messages.ended', { subscription: 'sub1', code: 'CURSOR_MOVED' })
    await clock.settle()
    expect(daemon.callsOf('messages.subscribe').map(({ credit }) => credit)).toEqual(
      Array(2).fill(daemon.callsOf('messages.subscribe')[0]?.credit)
    )
    daemon.deliver('sub2', { first: 1, bodies: bytes('1', '2'), redelivered: true })
    expect(await takeTexts(messages, 1)).toEqual(['1'])
    const anew = (await messages.next()).value as Message
    expect(anew.text()).toBe('2')
    await old.ack()
    await expect(old.reject('no')).rejects.toMatchObject({ code: 'INVALID_PARAMS' })
    expect(daemon.callsOf('messages.ack')).toEqual([])
    await anew.ack()
    expect(daemon.callsOf('messages.ack')).toEqual([{ consumer: 'app', index: 2 }])
  })

  it('that wait for an ack when a seek comes are not acknowledged any more', async () => {
    const { daemon, parley, clock } = await connected()
    nameSubscriptions(daemon)
    const first = Promise.withResolvers<Record<string, never>>()
    daemon.answers['messages.ack'] = () => first.promise
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    daemon.deliver('sub1', { first: 1, bodies: bytes('1', '2', '3') })
    const [one, two, three] = [await messages.next(), await messages.next(), await messages.next()].map(
      ({ value }) => value as Message
    )
    const acks = [one?.ack()]
    await clock.settle()
    acks.push(two?.ack())
    const refusal = three?.reject('no')
    daemon.app.notify('messages.ended', { subscription: 'sub1', code: 'CURSOR_MOVED' })
    await expect(refusal).rejects.toMatchObject({ code: 'INVALID_PARAMS' })
    first.resolve({})
    await Promise.all(acks)
    expect(daemon.callsOf('messages.ack')).toEqual([{ consumer: 'app', index: 1 }])
    expect(daemon.callsOf('messages.reject')).toEqual([])
  })

  it.each([
    ['back', 1, ['1', '2', '3']],
    ['forwards', 3, ['3']]
  ])('that a seek %s left behind while the daemon was away are dropped', async (_where, next, texts) => {
    const { daemon, parley, away, back } = await connected()
    nameSubscriptions(daemon)
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    daemon.deliver('sub1', { first: 1, bodies: bytes('1', '2', '3') })
    await ((await messages.next()).value as Message).ack()
    await away()
    nameSubscriptions(daemon, next)
    await back()
    daemon.deliver('sub1', { first: next, bodies: bytes(...texts), redelivered: true })
    expect(await takeTexts(messages, texts.length)).toEqual(texts)
  })

  it('that are refused a second time, since the answer was lost, count as refused', async () => {
    const { daemon, parley, clock, away, back } = await connected()
    nameSubscriptions(daemon)
    daemon.answers['messages.reject'] = () => Promise.withResolvers<never>().promise
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    daemon.deliver('sub1', { first: 1, bodies: bytes('1') })
    const refusal = ((await messages.next()).value as Message).reject('no')
    await clock.settle()
    await away()
    daemon.answers['messages.reject'] = () => {
      throw new Refusal('INVALID_PARAMS', { retryable: false })
    }
    await back()
    await refusal
    expect(daemon.callsOf('messages.reject').length).toBe(2)
  })

  it('go on when the store of the daemon is back', async () => {
    const { daemon, parley, clock } = await connected()
    nameSubscriptions(daemon)
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    const subscribe = daemon.answers['messages.subscribe']
    daemon.answers['messages.subscribe'] = () => {
      throw new Refusal('STORE_UNAVAILABLE', { retryable: true })
    }
    daemon.app.notify('messages.ended', { subscription: 'sub1', code: 'STORE_UNAVAILABLE' })
    await clock.advance(600)
    if (subscribe !== undefined) daemon.answers['messages.subscribe'] = subscribe
    await clock.advance(600)
    daemon.deliver('sub2', { first: 1, bodies: bytes('a') })
    expect(await takeTexts(messages, 1)).toEqual(['a'])
  })

  it('subscribe once the daemon is there, when they were asked for while it was away', async () => {
    const { daemon, parley, away, back } = await connected()
    nameSubscriptions(daemon)
    await away()
    const messages = parley.messages({ consumer: 'app', from: 'start' })
    await back()
    await messages.ready()
    expect(daemon.callsOf('messages.subscribe')).toMatchObject([{ from: 'start' }])
  })

  it('can be left when the daemon goes before it has answered an ack', async () => {
    const { parley, daemon, clock, away } = await connected()
    nameSubscriptions(daemon)
    daemon.answers['messages.ack'] = () => Promise.withResolvers<never>().promise
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    daemon.deliver('sub1', { first: 1, bodies: bytes('a') })
    void (await messages.next()).value?.ack()
    const left = messages.return()
    await clock.settle()
    expect(daemon.callsOf('messages.unsubscribe')).toEqual([])
    await away()
    expect(await left).toEqual({ done: true, value: undefined })
  })

  it('can be left while the daemon is away', async () => {
    const { parley, daemon, away } = await connected()
    nameSubscriptions(daemon)
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    daemon.deliver('sub1', { first: 1, bodies: bytes('a') })
    const { value } = await messages.next()
    await away()
    void value?.ack()
    await messages.return()
    expect(await messages.next()).toEqual({ done: true, value: undefined })
  })
})
