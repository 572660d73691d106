import { getEventListeners } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { ParleyError } from '../src/errors.ts'
import { codeOf, connected, failureOf } from './support/connected.ts'
import { bytes, LIMITS, Refusal, texts } from './support/stand-in-daemon.ts'

describe('send', () => {
  it('gathers what is sent in one turn into one call, and gives each message its own ID', async () => {
    const { daemon, parley } = await connected()
    const receipts = await Promise.all(
      ['a', 'b', 'c'].map(text => parley.send('bob', text, { channel: 'chat', durable: false }))
    )
    expect(receipts.map(receipt => receipt.id)).toEqual(['e.1.1', 'e.1.2', 'e.1.3'])
    const [call, ...others] = daemon.callsOf('messages.send')
    expect(others).toEqual([])
    expect(texts(call?.bodies ?? [])).toEqual(['a', 'b', 'c'])
    expect(call).toMatchObject({ peer: 'bob', channel: 'chat', durable: false })
  })

  it('leaves out what the caller left out, so that the daemon decides', async () => {
    const { daemon, parley } = await connected()
    await parley.send('bob', 'hello')
    await parley.send('bob', 'hello', { durable: false })
    expect(daemon.callsOf('messages.send').map(call => Object.keys(call).sort())).toEqual([
      ['answeredThrough', 'bodies', 'number', 'peer'],
      ['bodies', 'durable', 'peer']
    ])
  })

  it('keeps apart what differs in peer, channel or options', async () => {
    const { daemon, parley } = await connected()
    await Promise.all([
      parley.send('bob', '1'),
      parley.send('carol', '2'),
      parley.send('bob', '3', { channel: 'x' }),
      parley.send('bob', '4', { durable: false }),
      parley.send('bob', '5', { timeoutMs: 50 })
    ])
    expect(
      daemon
        .callsOf('messages.send')
        .map(call => texts(call.bodies))
        .sort()
    ).toEqual([['1'], ['2'], ['3'], ['4'], ['5']])
  })

  it('puts at most 1 MiB of bodies into a call', async () => {
    const { daemon, parley } = await connected()
    const body = new Uint8Array(400 * 1024)
    await Promise.all([1, 2, 3, 4, 5].map(() => parley.send('bob', body)))
    expect(daemon.callsOf('messages.send').map(call => call.bodies.length)).toEqual([2, 2, 1])
  })

  it('refuses a body over the limit without calling, and takes one of exactly the limit and an empty one', async () => {
    const { daemon, parley } = await connected()
    expect(await codeOf(parley.send('bob', new Uint8Array(LIMITS.messageBytesMax + 1)))).toBe('TOO_LARGE')
    expect(daemon.callsOf('messages.send')).toEqual([])
    await parley.send('bob', new Uint8Array(LIMITS.messageBytesMax))
    await parley.send('bob', '')
    expect(daemon.callsOf('messages.send').map(call => call.bodies[0]?.length)).toEqual([LIMITS.messageBytesMax, 0])
  })

  it('refuses what is neither bytes nor text, and what names no peer, and goes on sending', async () => {
    const { daemon, parley } = await connected()
    for (const body of [5, undefined, null, new ArrayBuffer(3), new Uint16Array(3)] as unknown as string[]) {
      expect(await codeOf(parley.send('bob', body))).toBe('INVALID_PARAMS')
      expect(await codeOf(parley.sendRun('bob', ['a', body]))).toBe('INVALID_PARAMS')
    }
    expect(await codeOf(parley.send(undefined as unknown as string, 'a'))).toBe('INVALID_PARAMS')
    await parley.send('bob', 'b')
    expect(daemon.callsOf('messages.send').map(call => texts(call.bodies))).toEqual([['b']])
  })

  it('has at most four calls of a lane in flight, and does not let one lane stop another', async () => {
    const { daemon, parley, clock } = await connected()
    const gate = Promise.withResolvers<void>()
    daemon.answers['messages.send'] = async ({ peer }) => {
      if (peer === 'slow') await gate.promise
      return { ids: [{ first: 'e.1.1', count: 1 }] }
    }
    const slow: Promise<unknown>[] = []
    for (let n = 0; n < 6; n++) {
      slow.push(parley.send('slow', `${n}`))
      await clock.advance(30)
    }
    await parley.send('quick', 'x')
    expect(daemon.callsOf('messages.send').filter(call => call.peer === 'slow')).toHaveLength(4)
    gate.resolve()
    await Promise.all(slow)
    expect(
      daemon
        .callsOf('messages.send')
        .filter(call => call.peer === 'slow')
        .flatMap(call => texts(call.bodies))
    ).toEqual(['0', '1', '2', '3', '4', '5'])
  })

  it('has several calls of a lane in flight without waiting for answers', async () => {
    const { daemon, parley, clock } = await connected()
    daemon.answers['messages.send'] = () => Promise.withResolvers<never>().promise
    const body = new Uint8Array(1024 * 1024)
    for (let n = 0; n < 5; n++) parley.send('bob', body).catch(() => undefined) // they end with the client
    await clock.settle()
    expect(daemon.callsOf('messages.send')).toHaveLength(4)
  })

  it('has at most 64 calls in flight, fewer where the daemon allows fewer', async () => {
    const { daemon, parley, clock, back, away } = await connected()
    const gate = Promise.withResolvers<void>()
    daemon.answers['messages.send'] = async () => {
      await gate.promise
      return { ids: [{ first: 'e.1.1', count: 1 }] }
    }
    const peers = Array.from({ length: 100 }, (_, n) => `peer${n}`)
    const first = peers.map(peer => parley.send(peer, 'x').catch(error => error))
    await clock.settle()
    expect(daemon.callsOf('messages.send')).toHaveLength(64)
    await away()
    daemon.limits = { ...LIMITS, callCountMax: 10 }
    daemon.calls.length = 0
    await back()
    expect(daemon.callsOf('messages.send')).toHaveLength(5)
    gate.resolve()
    await Promise.all(first)
  })

  it('rejects each message of a failed run with the code of the daemon', async () => {
    const { daemon, parley } = await connected()
    daemon.answers['messages.send'] = () => {
      throw new Refusal('PEER_OFFLINE', { retryable: true })
    }
    const errors = await Promise.all(['a', 'b'].map(text => failureOf(parley.send('bob', text))))
    expect(errors).toMatchObject([
      { code: 'PEER_OFFLINE', retryable: true },
      { code: 'PEER_OFFLINE', retryable: true }
    ])
  })

  it('resolves those of a failed run that went, where the daemon tells their IDs', async () => {
    const { daemon, parley } = await connected()
    daemon.answers['messages.send'] = () => {
      throw new Refusal('TIMED_OUT', { sent: 2, ids: [{ first: 'e.7.4', count: 2 }] })
    }
    const outcomes = await Promise.allSettled(['a', 'b', 'c'].map(text => parley.send('bob', text)))
    expect(outcomes.map(outcome => (outcome.status === 'fulfilled' ? outcome.value.id : outcome.reason.code))).toEqual([
      'e.7.4',
      'e.7.5',
      'TIMED_OUT'
    ])
  })

  it('ends with the reason of its signal while the daemon is there', async () => {
    const { daemon, parley } = await connected()
    daemon.answers['messages.send'] = () => Promise.withResolvers<never>().promise
    const stop = new AbortController()
    const send = parley.send('bob', 'x', { signal: stop.signal })
    stop.abort(new Error('enough'))
    await expect(send).rejects.toBe(stop.signal.reason)
    await expect(parley.send('bob', 'x', { signal: stop.signal })).rejects.toBe(stop.signal.reason)
  })

  it('takes an aborted message out of a run that has not left', async () => {
    const { daemon, parley } = await connected()
    const stop = new AbortController()
    const sends = [
      parley.send('bob', 'a'),
      failureOf(parley.send('bob', 'b', { signal: stop.signal })),
      parley.send('bob', 'c')
    ]
    stop.abort()
    await Promise.all(sends)
    expect(texts(daemon.callsOf('messages.send')[0]?.bodies ?? [])).toEqual(['a', 'c'])
  })

  it('takes one signal for many sends without a warning, and forgets it when they are done', async () => {
    const { daemon, parley } = await connected()
    const warnings: unknown[] = []
    const warned = (warning: unknown) => warnings.push(warning)
    process.on('warning', warned)
    onTestFinished(() => void process.off('warning', warned))
    const stop = new AbortController()
    const { signal } = stop
    await Promise.all(Array.from({ length: 50 }, () => parley.send('bob', 'x', { signal })))
    await Promise.all(Array.from({ length: 50 }, () => parley.health({ signal })))
    expect(getEventListeners(signal, 'abort')).toEqual([])
    daemon.answers['messages.send'] = () => Promise.withResolvers<never>().promise
    const ends = Array.from({ length: 50 }, () => failureOf(parley.send('bob', 'x', { signal })))
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    stop.abort()
    expect(new Set(await Promise.all(ends))).toEqual(new Set([signal.reason]))
    await new Promise(resolve => setImmediate(resolve))
    expect(warnings).toEqual([])
  })

  it('gives the daemon what is left of its time, and gives up a second after that', async () => {
    const { daemon, parley, clock } = await connected()
    daemon.answers['messages.send'] = () => Promise.withResolvers<never>().promise
    const send = failureOf(parley.send('bob', 'x', { durable: false, timeoutMs: 500 }))
    await clock.settle()
    expect(daemon.callsOf('messages.send')[0]?.timeoutMs).toBe(500)
    await clock.advance(1_500)
    expect(await send).toMatchObject({ code: 'DAEMON_UNREACHABLE', data: { accepted: 'unknown' } })
  })
})

describe('send while the daemon is away', () => {
  it('waits and goes once it is back, in order', async () => {
    const { daemon, parley, clock, away, back } = await connected()
    await away()
    const sends = [parley.send('bob', '1')]
    await clock.advance(100)
    sends.push(parley.send('bob', '2'))
    await back()
    await Promise.all(sends)
    expect(daemon.callsOf('messages.send').flatMap(call => texts(call.bodies))).toEqual(['1', '2'])
  })

  it('is never sent again once written: accepted is unknown', async () => {
    const { daemon, parley, clock, away, back } = await connected()
    daemon.answers['messages.send'] = () => Promise.withResolvers<never>().promise
    const send = failureOf(parley.send('bob', 'x', { durable: false }))
    await clock.settle()
    await away()
    expect(await send).toMatchObject({ code: 'DAEMON_UNREACHABLE', retryable: true, data: { accepted: 'unknown' } })
    await back()
    expect(daemon.callsOf('messages.send')).toHaveLength(1)
  })

  it('goes later when it was only waiting behind other calls, within its own time', async () => {
    const { daemon, parley, clock, away, back } = await connected()
    await away()
    daemon.limits = { ...LIMITS, callCountMax: 2 }
    await back()
    daemon.answers['identity.card'] = () => Promise.withResolvers<never>().promise
    const stop = new AbortController()
    const cards = [1, 2].map(() => failureOf(parley.card()))
    const timeoutMs = 60_000
    const options = { durable: false, timeoutMs }
    const sends = [parley.send('bob', '1', options), parley.send('bob', '2', options)]
    const given = failureOf(parley.send('bob', 'given up', { ...options, signal: stop.signal }))
    const late = failureOf(parley.send('carol', 'late', { timeoutMs: 5_000 }))
    await clock.settle()
    expect(daemon.callsOf('messages.send')).toEqual([])
    stop.abort()
    expect(await given).toBe(stop.signal.reason)
    await away()
    await Promise.all(cards)
    await clock.advance(5_000)
    expect(await late).toMatchObject({ code: 'DAEMON_UNREACHABLE', data: { accepted: 'no' } })
    await back()
    await Promise.all(sends)
    const [call, ...others] = daemon.callsOf('messages.send')
    expect(texts(call?.bodies ?? [])).toEqual(['1', '2'])
    expect(call?.timeoutMs).toBeLessThan(timeoutMs - 5_000)
    expect(others).toEqual([])
  })

  it('ends by its time when it was only waiting behind other calls', async () => {
    const { daemon, parley, clock, away, back } = await connected()
    await away()
    daemon.limits = { ...LIMITS, callCountMax: 2 }
    await back()
    daemon.answers['identity.card'] = () => Promise.withResolvers<never>().promise
    const cards = [1, 2].map(() => failureOf(parley.card()))
    const send = failureOf(parley.send('bob', 'x', { timeoutMs: 3_000 }))
    await clock.settle()
    await away()
    await Promise.all(cards)
    await clock.advance(3_000)
    expect(await send).toMatchObject({ code: 'DAEMON_UNREACHABLE', data: { accepted: 'no' } })
    await back()
    expect(daemon.callsOf('messages.send')).toEqual([])
  })

  it('ends by its time, and was not accepted', async () => {
    const { daemon, parley, clock, away, back } = await connected()
    await away()
    const send = failureOf(parley.send('bob', 'x', { timeoutMs: 3_000 }))
    await clock.advance(3_000)
    expect(await send).toMatchObject({ code: 'DAEMON_UNREACHABLE', data: { accepted: 'no' } })
    await back()
    expect(daemon.callsOf('messages.send')).toEqual([])
  })

  it('ends by its signal, and was not accepted', async () => {
    const { daemon, parley, away, back } = await connected()
    await away()
    const stop = new AbortController()
    const send = failureOf(parley.send('bob', 'x', { signal: stop.signal }))
    stop.abort(new Error('enough'))
    const error = (await send) as ParleyError
    expect(error).toMatchObject({ code: 'DAEMON_UNREACHABLE', data: { accepted: 'no' } })
    expect(error.cause).toBe(stop.signal.reason)
    await back()
    expect(daemon.callsOf('messages.send')).toEqual([])
  })

  it('takes 10,000 messages and lets the others wait, which go all the same and in order', async () => {
    const { daemon, parley, clock, away, back } = await connected()
    await away()
    const stop = new AbortController()
    const sends = Array.from({ length: 10_002 }, (_, n) => parley.send('bob', `${n}`))
    const late = failureOf(parley.send('bob', 'late', { timeoutMs: 10 }))
    const aborted = failureOf(parley.send('bob', 'aborted', { signal: stop.signal }))
    stop.abort()
    await clock.advance(10)
    expect(await late).toMatchObject({ code: 'DAEMON_UNREACHABLE', data: { accepted: 'no' } })
    expect(await aborted).toMatchObject({ code: 'DAEMON_UNREACHABLE', data: { accepted: 'no' } })
    await back()
    await Promise.all(sends)
    expect(daemon.callsOf('messages.send').flatMap(call => texts(call.bodies))).toEqual(
      Array.from({ length: 10_002 }, (_, n) => `${n}`)
    )
  })
})

describe('sendRun', () => {
  it('cuts a long run into calls and gives all IDs', async () => {
    const { daemon, parley } = await connected()
    const receipt = await parley.sendRun(
      'bob',
      Array.from({ length: 3_000 }, (_, n) => `${n}`)
    )
    expect(daemon.callsOf('messages.send').map(call => call.bodies.length)).toEqual([1_024, 1_024, 952])
    expect(receipt.count).toBe(3_000)
    expect(receipt.idAt(2_999)).toBe('e.1.3000')
    expect(() => receipt.idAt(3_000)).toThrow(RangeError)
  })

  it('resolves at once when it is empty', async () => {
    const { parley } = await connected()
    expect((await parley.sendRun('bob', [])).count).toBe(0)
  })

  it('stops at the part that fails, counts what went, and lets later messages follow', async () => {
    const { daemon, parley } = await connected()
    daemon.answers['messages.send'] = ({ bodies }) => {
      if (daemon.callsOf('messages.send').length === 2) throw new Refusal('TIMED_OUT', { sent: 10 })
      return { ids: [{ first: 'e.1.1', count: bodies.length }] }
    }
    const run = failureOf(
      parley.sendRun(
        'bob',
        Array.from({ length: 3_000 }, () => 'x')
      )
    )
    const after = parley.send('bob', 'after')
    expect(await run).toMatchObject({
      code: 'TIMED_OUT',
      data: { sent: 1_034, ids: [{ first: 'e.1.1', count: 1_024 }] }
    })
    await after
    expect(daemon.callsOf('messages.send').map(call => call.bodies.length)).toEqual([1_024, 1_024, 1])
  })

  it('keeps its place before what is sent after it', async () => {
    const { daemon, parley } = await connected()
    const bodies = Array.from({ length: 2_000 }, (_, n) => `${n}`)
    await Promise.all([parley.sendRun('bob', bodies), parley.send('bob', 'last')])
    expect(daemon.callsOf('messages.send').flatMap(call => texts(call.bodies))).toEqual([...bodies, 'last'])
  })

  it('sends bytes as they are', async () => {
    const { daemon, parley } = await connected()
    await parley.sendRun('bob', bytes('a', 'b'))
    expect(texts(daemon.callsOf('messages.send')[0]?.bodies ?? [])).toEqual(['a', 'b'])
  })
})
