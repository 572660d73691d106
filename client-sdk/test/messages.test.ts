import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { Message } from '../src/message.ts'
import { codeOf, connected, failureOf } from './support/connected.ts'
import { bytes, LIMITS, Refusal } from './support/stand-in-daemon.ts'
import { nameSubscriptions, takeTexts } from './support/subscriptions.ts'

describe('messages', () => {
  it('asks for what the options say and gives each message of a run', async () => {
    const { daemon, parley } = await connected()
    nameSubscriptions(daemon)
    const messages = parley.messages({
      channel: 'chat',
      peers: ['bob'],
      consumer: 'app',
      from: 'start',
      takeover: true
    })
    await messages.ready()
    expect(daemon.callsOf('messages.subscribe')[0]).toMatchObject({
      consumer: 'app',
      filter: { channels: ['chat'], peers: ['bob'] },
      from: 'start',
      takeover: true
    })
    daemon.deliver('sub1', { first: 7, id: 'e.3.9', bodies: bytes('{"a":1}', 'zwei'), redelivered: true })
    const first = (await messages.next()).value as Message
    const second = (await messages.next()).value as Message
    expect(first.json()).toEqual({ a: 1 })
    expect(second.toJSON()).toEqual({
      index: 8,
      id: 'e.3.10',
      from: 'bob@host',
      fromName: 'bob',
      contact: 'c1',
      channel: 'chat',
      sentAt: 1_700_000_000_000,
      redelivered: true,
      maybeDuplicate: false
    })
    expect(second.text()).toBe('zwei')
    const copy = second.bytes()
    copy[0] = 0
    expect(second.body[0]).toBe('z'.charCodeAt(0))
    expect(() => second.json()).toThrow(SyntaxError)
  })

  it('does not show a body to inspect or JSON', async () => {
    const { daemon, parley } = await connected()
    nameSubscriptions(daemon)
    const messages = parley.messages({ consumer: null })
    await messages.ready()
    daemon.deliver('sub1', { first: 1, bodies: bytes('top secret') })
    const { value } = await messages.next()
    expect(`${inspect(value, { depth: 9 })}${JSON.stringify(value)}`).not.toMatch(/secret|116, ?111/)
    expect(inspect(value)).toContain('bodyBytes: 10')
  })

  it('gives an empty body, and text with a byte order mark, as they are', async () => {
    const { daemon, parley } = await connected()
    nameSubscriptions(daemon)
    const messages = parley.messages({ consumer: null })
    await messages.ready()
    daemon.deliver('sub1', { first: 1, bodies: bytes('', '\uFEFFx') })
    expect(await takeTexts(messages, 2)).toEqual(['', '\uFEFFx'])
  })

  it('returns credit in halves of the window, when the app takes messages and not before', async () => {
    const { daemon, parley, clock } = await connected()
    nameSubscriptions(daemon)
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    const { credit } = daemon.callsOf('messages.subscribe')[0] ?? { credit: { messages: 0, bytes: 0 } }
    for (let first = 1; first <= credit.messages; first += 1_024) {
      daemon.deliver('sub1', { first, bodies: Array.from({ length: 1_024 }, () => new Uint8Array(16)) })
    }
    await clock.settle()
    expect(daemon.callsOf('messages.credit')).toEqual([])
    await takeTexts(messages, credit.messages / 2 - 1)
    await clock.settle()
    expect(daemon.callsOf('messages.credit')).toEqual([])
    await takeTexts(messages, 1)
    await clock.settle()
    expect(daemon.callsOf('messages.credit')).toEqual([
      { subscription: 'sub1', messages: credit.messages / 2, bytes: credit.messages * 8 }
    ])
  })

  it('asks for room for two of the largest messages at least', async () => {
    const { daemon, parley, away, back } = await connected()
    await away()
    daemon.limits = { ...LIMITS, messageBytesMax: 5 * 1024 * 1024 }
    await back()
    await parley.messages({ consumer: 'app' }).ready()
    expect(daemon.callsOf('messages.subscribe')[0]?.credit.bytes).toBe(10 * 1024 * 1024)
  })

  it('counts bytes as well as messages', async () => {
    const { daemon, parley, clock } = await connected()
    nameSubscriptions(daemon)
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    for (let first = 1; first <= 3; first++) daemon.deliver('sub1', { first, bodies: [new Uint8Array(1024 * 1024)] })
    await messages.next()
    await messages.next()
    await clock.settle()
    expect(daemon.callsOf('messages.credit')).toMatchObject([{ messages: 2, bytes: 2 * 1024 * 1024 }])
  })

  it('ends with INTERNAL when the daemon sends far more than it has credit for', async () => {
    const { daemon, parley, clock } = await connected()
    nameSubscriptions(daemon)
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    for (let first = 1; first <= 8; first++) daemon.deliver('sub1', { first, bodies: [new Uint8Array(1024 * 1024)] })
    await clock.settle()
    expect(await codeOf(messages.next())).toBe('INTERNAL')
    expect(await messages.next()).toEqual({ done: true, value: undefined })
    expect(daemon.callsOf('messages.unsubscribe')).toEqual([{ subscription: 'sub1' }])
  })

  it('answers several open reads in order', async () => {
    const { daemon, parley } = await connected()
    nameSubscriptions(daemon)
    const messages = parley.messages({ consumer: 'app' })
    const reads = [messages.next(), messages.next()]
    await messages.ready()
    daemon.deliver('sub1', { first: 1, bodies: bytes('a', 'b') })
    expect((await Promise.all(reads)).map(read => read.value?.text())).toEqual(['a', 'b'])
  })
})

describe('the end of messages', () => {
  it('comes without an error when the signal is aborted, and frees the consumer', async () => {
    const { daemon, parley, clock } = await connected()
    nameSubscriptions(daemon)
    const stop = new AbortController()
    const messages = parley.messages({ consumer: 'app', signal: stop.signal })
    await messages.ready()
    const read = messages.next()
    stop.abort()
    expect(await read).toEqual({ done: true, value: undefined })
    await clock.settle()
    expect(daemon.callsOf('messages.unsubscribe')).toEqual([{ subscription: 'sub1' }])
  })

  it('frees the consumer also when the daemon has not answered yet', async () => {
    const { daemon, parley, clock } = await connected()
    const gate = Promise.withResolvers<void>()
    daemon.answers['messages.subscribe'] = async () => {
      await gate.promise
      return { subscription: 'late', next: 1 }
    }
    const messages = parley.messages({ consumer: 'app' })
    await clock.settle()
    await messages.return()
    expect(await codeOf(messages.ready())).toBe('CLOSED')
    gate.resolve()
    await clock.settle()
    expect(daemon.callsOf('messages.unsubscribe')).toEqual([{ subscription: 'late' }])
  })

  it('comes at once when the signal was aborted before, without a call', async () => {
    const { daemon, parley } = await connected()
    const messages = parley.messages({ consumer: 'app', signal: AbortSignal.abort() })
    expect(await messages.next()).toEqual({ done: true, value: undefined })
    expect(daemon.callsOf('messages.subscribe')).toEqual([])
  })

  it('comes on close', async () => {
    const { parley } = await connected()
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    const read = messages.next()
    await parley.close()
    expect(await read).toEqual({ done: true, value: undefined })
    expect(await parley.messages({ consumer: 'app' }).next()).toEqual({ done: true, value: undefined })
  })

  it('is an error with the code when another program takes over, and what was waiting is not given', async () => {
    const { daemon, parley, clock } = await connected()
    nameSubscriptions(daemon)
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    daemon.deliver('sub1', { first: 1, bodies: bytes('a', 'b') })
    expect(await takeTexts(messages, 1)).toEqual(['a'])
    daemon.app.notify('messages.ended', { subscription: 'sub1', code: 'TAKEN_OVER' })
    await clock.settle()
    expect(await codeOf(messages.next())).toBe('TAKEN_OVER')
    expect(await messages.next()).toEqual({ done: true, value: undefined })
  })

  it('is the refusal of the daemon, for ready and for the reader alike', async () => {
    const { daemon, parley } = await connected()
    daemon.answers['messages.subscribe'] = () => {
      throw new Refusal('CONSUMER_BUSY', { holder: 'other app' })
    }
    const messages = parley.messages({ consumer: 'app' })
    expect(await failureOf(messages.ready())).toMatchObject({ code: 'CONSUMER_BUSY', data: { holder: 'other app' } })
    expect(await codeOf(messages.next())).toBe('CONSUMER_BUSY')
  })

  it('says what was acknowledged before it frees the consumer, when the app leaves its loop', async () => {
    const { daemon, parley } = await connected()
    nameSubscriptions(daemon)
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    daemon.deliver('sub1', { first: 1, bodies: bytes('a', 'b') })
    for await (const message of messages) {
      void message.ack()
      break
    }
    const methods = daemon.calls.map(call => call.method)
    expect(methods.slice(-2)).toEqual(['messages.ack', 'messages.unsubscribe'])
  })
})

describe('ack', () => {
  it('is cumulative: the acks of a turn share a call with the highest index', async () => {
    const { daemon, parley } = await connected()
    nameSubscriptions(daemon)
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    daemon.deliver('sub1', { first: 4, bodies: bytes('a', 'b', 'c') })
    const taken = [await messages.next(), await messages.next(), await messages.next()]
    await Promise.all(taken.map(({ value }) => value?.ack()))
    expect(daemon.callsOf('messages.ack')).toEqual([{ consumer: 'app', index: 6 }])
  })

  it('waits for the answer that is under way and then says the highest', async () => {
    const { daemon, parley, clock } = await connected()
    nameSubscriptions(daemon)
    const gate = Promise.withResolvers<void>()
    daemon.answers['messages.ack'] = async () => {
      await gate.promise
      return {}
    }
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    daemon.deliver('sub1', { first: 1, bodies: bytes('a', 'b', 'c') })
    const acks: (Promise<void> | undefined)[] = []
    for (let n = 0; n < 3; n++) {
      acks.push((await messages.next()).value?.ack())
      await clock.settle()
    }
    expect(daemon.callsOf('messages.ack')).toHaveLength(1)
    gate.resolve()
    await Promise.all(acks)
    expect(daemon.callsOf('messages.ack').map(call => call.index)).toEqual([1, 3])
  })

  it('that was not answered is said again with the later ones when the connection was lost', async () => {
    const { daemon, parley, clock, away, back } = await connected()
    nameSubscriptions(daemon)
    daemon.answers['messages.ack'] = () => Promise.withResolvers<never>().promise
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    daemon.deliver('sub1', { first: 1, bodies: bytes('a', 'b', 'c') })
    const first = (await messages.next()).value?.ack()
    await clock.settle()
    const second = (await messages.next()).value?.ack()
    await away()
    delete daemon.answers['messages.ack']
    await back()
    await Promise.all([first, second])
    expect(daemon.callsOf('messages.ack').map(call => call.index)).toEqual([1, 2])
  })

  it('that the store could not take is said again, and nobody who leaves waits for that', async () => {
    const { daemon, parley, clock } = await connected()
    nameSubscriptions(daemon)
    daemon.answers['messages.ack'] = () => {
      throw new Refusal('STORE_UNAVAILABLE', { retryable: true })
    }
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    daemon.deliver('sub1', { first: 1, bodies: bytes('a', 'b') })
    const first = (await messages.next()).value?.ack()
    await clock.settle()
    const second = (await messages.next()).value?.ack()
    await messages.return()
    delete daemon.answers['messages.ack']
    await clock.advance(200)
    await Promise.all([first, second])
    expect(daemon.callsOf('messages.ack').map(call => call.index)).toEqual([1, 2])
  })

  it('keeps its place before and behind a refusal', async () => {
    const { daemon, parley } = await connected()
    nameSubscriptions(daemon)
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    daemon.deliver('sub1', { first: 1, bodies: bytes('a', 'b', 'c', 'd') })
    const taken: Message[] = []
    for (let n = 0; n < 4; n++) taken.push((await messages.next()).value as Message)
    const [a, b, c, d] = taken as [Message, Message, Message, Message]
    await Promise.all([a.ack(), b.reject('no thanks'), c.ack(), d.ack()])
    const said = daemon.calls.filter(({ method }) => /ack|reject/.test(method))
    expect(said.map(({ params }) => params)).toEqual([
      { consumer: 'app', index: 1 },
      { consumer: 'app', index: 2, reason: 'no thanks' },
      { consumer: 'app', index: 4 }
    ])
  })

  it('is refused for a look', async () => {
    const { daemon, parley } = await connected()
    nameSubscriptions(daemon)
    const messages = parley.messages({ consumer: null })
    await messages.ready()
    daemon.deliver('sub1', { first: 1, bodies: bytes('a') })
    const { value } = await messages.next()
    expect(await codeOf((value as Message).ack())).toBe('NO_SUCH_CONSUMER')
    expect(await codeOf((value as Message).reject('no'))).toBe('NO_SUCH_CONSUMER')
  })

  it('rejects with what the daemon says', async () => {
    const { daemon, parley } = await connected()
    nameSubscriptions(daemon)
    daemon.answers['messages.ack'] = () => {
      throw new Refusal('NO_SUCH_CONSUMER')
    }
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    daemon.deliver('sub1', { first: 1, bodies: bytes('a') })
    const { value } = await messages.next()
    expect(await codeOf((value as Message).ack())).toBe('NO_SUCH_CONSUMER')
  })
})

describe('fetch', () => {
  it('pulls messages that can be acknowledged', async () => {
    const { daemon, parley } = await connected()
    const run = {
      contact: 'c',
      from: 'b',
      fromName: 'bob',
      channel: 'chat',
      id: 'e.1.5',
      sentAt: 1,
      redelivered: false,
      maybeDuplicate: false
    }
    daemon.answers['messages.fetch'] = () => ({ runs: [{ ...run, first: 5, bodies: bytes('a', 'b') }], next: 7 })
    const { messages, next } = await parley.fetch({ consumer: 'app', channel: 'chat', max: 10, waitMs: 100 })
    expect(daemon.callsOf('messages.fetch')).toEqual([
      { consumer: 'app', filter: { channels: ['chat'] }, max: 10, waitMs: 100 }
    ])
    expect(messages.map(message => message.text())).toEqual(['a', 'b'])
    expect(next).toBe(7)
    await messages.at(-1)?.ack()
    expect(daemon.callsOf('messages.ack')).toEqual([{ consumer: 'app', index: 6 }])
  })

  it('that the app gave up is waited for by the next one, which begins again at the cursor', async () => {
    const { daemon, parley } = await connected()
    const none = { runs: [], next: 1 }
    const answer = Promise.withResolvers<typeof none>()
    daemon.answers['messages.fetch'] = async ({ consumer }) => (consumer === 'app' ? answer.promise : none)
    const giveUp = new AbortController()
    const given = parley.fetch({ consumer: 'app', waitMs: 1_000, signal: giveUp.signal })
    giveUp.abort(new Error('enough'))
    await expect(given).rejects.toThrow('enough')

    const impatient = new AbortController()
    const second = parley.fetch({ consumer: 'app', signal: impatient.signal })
    impatient.abort(new Error('at once'))
    await expect(second).rejects.toThrow('at once')
    const third = parley.fetch({ consumer: 'app' })
    await parley.fetch({ consumer: 'other' })

    answer.resolve(none)
    await third
    await parley.fetch({ consumer: 'app' })
    expect(daemon.callsOf('messages.fetch').map(({ consumer, from }) => [consumer, from])).toEqual([
      ['app', undefined],
      ['other', undefined],
      ['app', 'start'],
      ['app', undefined]
    ])
  })
})
