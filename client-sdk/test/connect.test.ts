import { encode } from 'cborg'
import { describe, expect, it } from 'vitest'
import { connect } from '../src/connect.ts'
import type { ParleyError } from '../src/errors.ts'
import { SDK_VERSION } from '../src/version.ts'
import { codeOf, connected, failureOf } from './support/connected.ts'
import { ManualClock } from './support/manual-clock.ts'
import { LIMITS, Refusal, StandInDaemon } from './support/stand-in-daemon.ts'

describe('connect', () => {
  it('says hello first, with its name and versions', async () => {
    const { daemon, parley } = await connected({ name: 'chat', version: '2.0.0' })
    await parley.status()
    expect(daemon.calls.map(call => call.method)).toEqual(['node.hello', 'node.status'])
    expect(daemon.calls[0]?.params).toEqual({ client: { name: 'chat', version: '2.0.0' }, apiMajor: 1, apiMinor: 0 })
    expect(parley.id).toBe('alice')
    expect(parley.isConnected).toBe(true)
  })

  it('fails at once when no daemon answers, and names the socket', async () => {
    const daemon = new StandInDaemon()
    daemon.isUp = false
    const error = (await failureOf(connect({ socket: 'memory', open: daemon.open }))) as ParleyError
    expect(error).toMatchObject({ code: 'DAEMON_UNREACHABLE', retryable: true, data: { sockets: ['memory'] } })
    expect(error.cause).toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('tries the places in order, and later only the one that answered', async () => {
    const daemon = new StandInDaemon()
    const clock = new ManualClock()
    const tried: string[] = []
    const parley = await connect({
      env: { XDG_RUNTIME_DIR: '/run/user/7' },
      clock,
      random: () => 0,
      open: (path, signal) => {
        tried.push(path)
        return path.startsWith('/run/user') ? Promise.reject(new Error('ENOENT')) : daemon.open(path, signal)
      }
    })
    daemon.goAway()
    daemon.comeBack()
    await clock.advance(100)
    expect(tried).toEqual(['/run/user/7/parley/parley.sock', '/run/parley/parley.sock', '/run/parley/parley.sock'])
    await parley.close({ drain: false })
  })

  it('with wait goes on until a daemon answers', async () => {
    const daemon = new StandInDaemon()
    const clock = new ManualClock()
    daemon.isUp = false
    const connecting = connect({ socket: 'memory', open: daemon.open, clock, wait: true })
    await clock.advance(30_000)
    daemon.isUp = true
    await clock.advance(1_000)
    const parley = await connecting
    expect(daemon.connectCount).toBe(1)
    await parley.close()
  })

  it('with wait ends with the reason of its signal', async () => {
    const daemon = new StandInDaemon()
    const clock = new ManualClock()
    daemon.isUp = false
    const stop = new AbortController()
    const connecting = failureOf(
      connect({ socket: 'memory', open: daemon.open, clock, wait: true, signal: stop.signal })
    )
    await clock.advance(500)
    stop.abort(new Error('enough'))
    expect(await connecting).toBe(stop.signal.reason)
    expect(clock.timerCount).toBe(0)
  })

  it('gives an attempt 10 seconds', async () => {
    const daemon = new StandInDaemon()
    const clock = new ManualClock()
    daemon.answers['node.hello'] = () => Promise.withResolvers<never>().promise
    const connecting = codeOf(connect({ socket: 'memory', open: daemon.open, clock }))
    await clock.advance(10_000)
    expect(await connecting).toBe('DAEMON_UNREACHABLE')
    expect(daemon.apps.size).toBe(0)
  })

  it('does not talk to a daemon of another major version, nor wait for one', async () => {
    const daemon = new StandInDaemon()
    const hello = {
      clientId: 'c',
      id: 'a',
      version: '2',
      apiMinor: 0,
      features: [],
      bootId: 'b',
      inbox: 'i',
      limits: LIMITS,
      accepted: []
    }
    daemon.answers['node.hello'] = () => ({ ...hello, apiMajor: 2 })
    expect(await codeOf(connect({ socket: 'memory', open: daemon.open, wait: true }))).toBe('VERSION_MISMATCH')
    daemon.answers['node.hello'] = () => {
      throw new Refusal('VERSION_MISMATCH')
    }
    expect(await codeOf(connect({ socket: 'memory', open: daemon.open, wait: true }))).toBe('VERSION_MISMATCH')
  })

  it('names its own version as the package does', async () => {
    const { default: manifest } = await import('../package.json', { with: { type: 'json' } })
    expect(SDK_VERSION).toBe(manifest.version)
  })
})

describe('a lost daemon', () => {
  it('is found again as the same client', async () => {
    const { daemon, parley, away, back } = await connected()
    await away()
    expect(parley.isConnected).toBe(false)
    expect(await failureOf(parley.status())).toMatchObject({ code: 'DAEMON_UNREACHABLE', data: { accepted: 'no' } })
    await back()
    expect(parley.isConnected).toBe(true)
    await parley.status()
    expect(daemon.callsOf('node.hello')[1]).toMatchObject({ clientId: 'c'.repeat(32) })
  })

  it('fails calls that had no answer yet', async () => {
    const { daemon, parley, clock, away } = await connected()
    daemon.answers['node.status'] = () => Promise.withResolvers<never>().promise
    const status = failureOf(parley.status())
    await clock.settle()
    await away()
    expect(await status).toMatchObject({ code: 'DAEMON_UNREACHABLE', data: { accepted: 'unknown' } })
  })

  it('is tried more and more slowly, down to once a second', async () => {
    const daemon = new StandInDaemon()
    const clock = new ManualClock()
    const attemptsMs: number[] = []
    const parley = await connect({
      socket: 'memory',
      clock,
      random: () => 1,
      open: (path, signal) => {
        attemptsMs.push(Math.round(clock.monotonicMs()))
        return daemon.open(path, signal)
      }
    })
    daemon.goAway()
    await clock.advance(4_000)
    const pausesMs = attemptsMs.slice(1).map((atMs, n) => atMs - (attemptsMs[n] as number))
    expect(pausesMs).toEqual([50, 100, 200, 400, 800, 1_000, 1_000])
    await parley.close({ drain: false })
    await clock.advance(4_000)
    expect(attemptsMs).toHaveLength(8)
  })

  it('that comes back with another major version ends everything with that code', async () => {
    const { daemon, parley, away, back } = await connected()
    const messages = parley.messages({ consumer: 'app' })
    await messages.ready()
    const read = codeOf(messages.next())
    await away()
    const send = codeOf(parley.send('bob', 'x'))
    daemon.answers['node.hello'] = () => {
      throw new Refusal('VERSION_MISMATCH')
    }
    await back()
    expect(await Promise.all([read, send, codeOf(parley.status())])).toEqual(Array(3).fill('VERSION_MISMATCH'))
  })
})

/** A notification that would be ignored, but that a key of it comes twice. */
function withDoubleKey(): Uint8Array {
  const bytes = encode({ jsonrpc: '2.0', method: 'weather.changed', params: { k1: 1, k2: 2 } })
  bytes[Buffer.from(bytes).indexOf('k2') + 1] = '1'.charCodeAt(0)
  return bytes
}

describe('a connection', () => {
  it('lets calls over the limits of the daemon wait their turn', async () => {
    const { daemon, parley, clock, away, back } = await connected()
    await away()
    daemon.limits = { ...LIMITS, callCountMax: 2 }
    await back()
    const gate = Promise.withResolvers<void>()
    daemon.answers['identity.card'] = async () => {
      await gate.promise
      return { card: 'c' }
    }
    const calls = [1, 2, 3, 4, 5].map(() => parley.card())
    await clock.settle()
    expect(daemon.callsOf('identity.card')).toHaveLength(2)
    gate.resolve()
    await Promise.all(calls)
    expect(daemon.callsOf('identity.card')).toHaveLength(5)
  })

  it('keeps to the limit of unanswered bytes too', async () => {
    const { daemon, parley, clock, away, back } = await connected()
    await away()
    daemon.limits = { ...LIMITS, callBytesMax: 100_000 }
    await back()
    daemon.answers['peers.add'] = () => Promise.withResolvers<never>().promise
    for (let n = 0; n < 3; n++) parley.peers.add('x'.repeat(60_000)).catch(() => undefined) // they end with the client
    await clock.settle()
    expect(daemon.callsOf('peers.add')).toHaveLength(1)
    expect(await codeOf(parley.peers.add('x'.repeat(100_000)))).toBe('TOO_LARGE')
  })

  it.each([
    ['no CBOR', Uint8Array.of(0xff)],
    ['no object', encode([1])],
    ['a double key', withDoubleKey()],
    ['another version', encode({ jsonrpc: '1.0', id: 1, result: {} })],
    ['an answer to no call', encode({ jsonrpc: '2.0', id: 99, result: {} })],
    ['a call that could not be read', encode({ jsonrpc: '2.0', id: null, error: { code: -32700, message: 'no' } })],
    ['a notification without parameters', encode({ jsonrpc: '2.0', method: 'messages.deliver' })]
  ])('is given up when the daemon sends %s, and made anew', async (_what, data) => {
    const { daemon, parley, clock } = await connected()
    daemon.app.sendRaw(data)
    await clock.settle()
    expect(parley.isConnected).toBe(false)
    await clock.advance(100)
    expect(parley.isConnected).toBe(true)
    expect(daemon.connectCount).toBe(2)
  })

  it('ignores notifications that it does not know', async () => {
    const { daemon, parley, clock } = await connected()
    daemon.app.sendRaw(
      encode({ jsonrpc: '2.0', method: 'weather.changed', params: { subscription: 's', sky: 'blue' } })
    )
    await clock.settle()
    expect(parley.isConnected).toBe(true)
  })

  it('does not send numbers that the contract forbids', async () => {
    const { daemon, parley } = await connected()
    await expect(parley.fetch({ consumer: null, waitMs: 1.5 })).rejects.toThrow(RangeError)
    expect(daemon.callsOf('messages.fetch')).toEqual([])
  })

  it('ends a call with the reason of its signal, and drops the answer', async () => {
    const { daemon, parley, clock } = await connected()
    const gate = Promise.withResolvers<void>()
    daemon.answers['identity.card'] = async () => {
      await gate.promise
      return { card: 'c' }
    }
    const stop = new AbortController()
    const call = parley.card({ signal: stop.signal })
    await clock.settle()
    stop.abort(new Error('enough'))
    await expect(call).rejects.toBe(stop.signal.reason)
    gate.resolve()
    expect(await parley.card()).toBe('c')
  })
})

describe('close', () => {
  it('waits for what is under way', async () => {
    const { daemon, parley, clock } = await connected()
    const gate = Promise.withResolvers<void>()
    daemon.answers['messages.send'] = async () => {
      await gate.promise
      return { ids: [{ first: 'e.1.1', count: 1 }] }
    }
    const send = parley.send('bob', 'x')
    const closing = parley.close()
    expect(await codeOf(parley.send('bob', 'y'))).toBe('CLOSED')
    await clock.settle()
    expect(parley.isConnected).toBe(true)
    gate.resolve()
    expect((await send).id).toBe('e.1.1')
    await closing
    expect(parley.isConnected).toBe(false)
    expect(await codeOf(parley.status())).toBe('CLOSED')
    expect(clock.timerCount).toBe(0)
  })

  it('waits 5 seconds at the most; what is left fails with CLOSED', async () => {
    const { daemon, parley, clock } = await connected()
    daemon.answers['messages.send'] = () => Promise.withResolvers<never>().promise
    const written = failureOf(parley.send('bob', 'x'))
    await clock.settle()
    const closing = parley.close()
    await clock.advance(5_000)
    await closing
    expect(await written).toMatchObject({ code: 'CLOSED', data: { accepted: 'unknown' } })

    const other = await connected()
    await other.away()
    const waiting = failureOf(other.parley.send('bob', 'x'))
    const closingOther = other.parley.close()
    await other.clock.advance(5_000)
    await closingOther
    expect(await waiting).toMatchObject({ code: 'CLOSED', data: { accepted: 'no' } })
  })

  it('without drain does not wait', async () => {
    const { daemon, parley } = await connected()
    daemon.answers['messages.send'] = () => Promise.withResolvers<never>().promise
    const send = codeOf(parley.send('bob', 'x'))
    await parley.close({ drain: false })
    expect(await send).toBe('CLOSED')
  })

  it('comes with the end of an await using block', async () => {
    const daemon = new StandInDaemon()
    {
      await using parley = await connect({ socket: 'memory', open: daemon.open })
      expect(parley.isConnected).toBe(true)
    }
    await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
    expect(daemon.apps.size).toBe(0)
  })
})

describe('the other methods', () => {
  it('call what they are named after', async () => {
    const { daemon, parley } = await connected()
    daemon.answers['peers.list'] = () => ({ peers: [] })
    daemon.answers['identity.card'] = () => ({ card: 'parley:card:x' })
    expect(await parley.peers.list()).toEqual([])
    expect(await parley.card()).toBe('parley:card:x')
    await parley.peers.get('bob')
    await parley.peers.add('parley:card:y', { name: 'bob' })
    await parley.peers.add('parley:card:y')
    await parley.peers.update('bob', ['/ip4/127.0.0.1/tcp/1'])
    await parley.peers.update('bob', null)
    await parley.peers.rename('bob', 'rob')
    await parley.peers.block('rob')
    await parley.peers.block('rob', { blocked: false })
    await parley.peers.remove('rob')
    await parley.health()
    await parley.identity()
    await parley.shutdown()
    expect(daemon.calls.slice(3).map(call => [call.method, call.params])).toEqual([
      ['peers.get', { peer: 'bob' }],
      ['peers.add', { card: 'parley:card:y', name: 'bob' }],
      ['peers.add', { card: 'parley:card:y' }],
      ['peers.update', { peer: 'bob', addresses: ['/ip4/127.0.0.1/tcp/1'] }],
      ['peers.update', { peer: 'bob', addresses: null }],
      ['peers.rename', { peer: 'bob', name: 'rob' }],
      ['peers.block', { peer: 'rob', blocked: true }],
      ['peers.block', { peer: 'rob', blocked: false }],
      ['peers.remove', { peer: 'rob' }],
      ['node.health', {}],
      ['identity.show', {}],
      ['node.shutdown', {}]
    ])
  })
})
