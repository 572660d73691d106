import { describe, expect, it } from 'vitest'
import { connect } from '../src/connect.ts'
import type { Notifications } from '../src/contract/methods.ts'
import type { ParleyError } from '../src/errors.ts'
import { Refusal as Refused } from '../src/requests.ts'
import { codeOf, connected, failureOf } from './support/connected.ts'
import { RealServer } from './support/real-server.ts'
import { bytes, Refusal, type StandInDaemon } from './support/stand-in-daemon.ts'

const text = (body: Uint8Array | undefined) => new TextDecoder().decode(body)

function nameServings(daemon: StandInDaemon): void {
  let count = 0
  daemon.answers['requests.serve'] = () => ({ subscription: `sub${++count}` })
}

function push(daemon: StandInDaemon, request: string, more: Partial<Notifications['requests.request']> = {}): void {
  const [body = new Uint8Array(0)] = bytes('1 2')
  const who = { contact: 'c1', from: 'bob@host', fromName: 'bob' }
  daemon.app.notify('requests.request', {
    ...{ subscription: 'sub1', request, name: 'sum', body, timeLeftMs: 1_000, ...who },
    ...more
  })
}

describe('a request', () => {
  it('goes out with its options and comes back with the answer', async () => {
    const { daemon, parley } = await connected()
    daemon.answers['requests.send'] = () => ({ body: bytes('three')[0] as Uint8Array })
    expect(text(await parley.request('bob', 'sum', '1 2', { timeoutMs: 50 }))).toBe('three')
    expect(text(await parley.request('bob', 'sum', new Uint8Array(2)))).toBe('three')
    expect(daemon.callsOf('requests.send')).toEqual([
      { peer: 'bob', name: 'sum', body: bytes('1 2')[0], timeoutMs: 50, id: `${'c'.repeat(32)}-1` },
      { peer: 'bob', name: 'sum', body: new Uint8Array(2), id: `${'c'.repeat(32)}-2` }
    ])
  })

  it('tells by every error whether it may have been executed', async () => {
    const { daemon, parley, away } = await connected()
    const executedOf = async (promise: Promise<unknown>) => {
      const { code, data } = (await failureOf(promise)) as ParleyError
      return [code, data['executed']]
    }
    daemon.answers['requests.send'] = () => {
      throw new Refusal('DEADLINE', { executed: 'unknown' })
    }
    expect(await executedOf(parley.request('bob', 'sum', 'x'))).toEqual(['DEADLINE', 'unknown'])
    daemon.answers['requests.send'] = () => {
      throw new Refusal('INVALID_PARAMS')
    }
    expect(await executedOf(parley.request('bob', 'sum', 'x'))).toEqual(['INVALID_PARAMS', 'no'])
    daemon.tells = method => method !== 'requests.send'
    daemon.answers['requests.send'] = () => ({ body: new Uint8Array(0) })
    expect(await executedOf(parley.request('bob', 'sum', 'x'))).toEqual(['DAEMON_UNREACHABLE', 'unknown'])
    await away()
    expect(await executedOf(parley.request('bob', 'sum', 'x'))).toEqual(['DAEMON_UNREACHABLE', 'no'])
  })

  it('that is aborted ends at once, and in the daemon', async () => {
    const { daemon, clock, parley } = await connected()
    daemon.answers['requests.send'] = () => new Promise(() => undefined)
    const stop = new AbortController()
    const asked = parley.request('bob', 'sum', 'x', { signal: stop.signal })
    await clock.settle()
    stop.abort(new Error('enough'))
    await expect(asked).rejects.toThrow('enough')
    await clock.settle()
    expect(daemon.callsOf('requests.cancel')).toEqual([{ id: daemon.callsOf('requests.send')[0]?.id }])
    await expect(parley.request('bob', 'sum', 'x', { signal: stop.signal })).rejects.toThrow('enough')
    expect(daemon.callsOf('requests.send').length).toBe(1)
  })
})

describe('serving', () => {
  it('answers with bytes or text, several at a time', async () => {
    const { daemon, clock, parley } = await connected()
    nameServings(daemon)
    const open = new Map<string, (answer: string | Uint8Array) => void>()
    const server = parley.serve('sum', ({ name, text, fromName, from, contact }) => {
      expect({ name, fromName, from, contact }).toEqual({
        name: 'sum',
        fromName: 'bob',
        from: 'bob@host',
        contact: 'c1'
      })
      return new Promise(resolve => open.set(text(), resolve))
    })
    await server.ready()
    push(daemon, 'r1')
    push(daemon, 'r2', { body: bytes('3')[0] as Uint8Array })
    await clock.settle()
    open.get('3')?.('late')
    await clock.settle()
    open.get('1 2')?.(Uint8Array.of(3))
    await clock.settle()
    expect(daemon.callsOf('requests.respond')).toEqual([
      { subscription: 'sub1', request: 'r2', body: bytes('late')[0] },
      { subscription: 'sub1', request: 'r1', body: Uint8Array.of(3) }
    ])
  })

  it('tells the asker of a refusal, and of any other failure only that there was one', async () => {
    const { daemon, clock, parley } = await connected()
    nameServings(daemon)
    const errors: unknown[] = []
    const handler = ({ text }: { text(): string }) => {
      if (text() === 'coded') throw new Refused('not mine', 'NOT_MINE')
      if (text() === 'plain') throw new Refused('just no', 'no code')
      throw new Error('secret path /etc/x')
    }
    await parley.serve('sum', handler, { onError: error => errors.push(error) }).ready()
    for (const [request, body] of Object.entries({ r1: 'coded', r2: 'plain', r3: 'x' }))
      push(daemon, request, { body: bytes(body)[0] as Uint8Array })
    await clock.settle()
    expect(daemon.callsOf('requests.respond').map(({ error }) => error)).toEqual([
      { code: 'NOT_MINE', text: 'not mine' },
      { text: 'just no' },
      { text: 'the program that serves it failed' }
    ])
    expect(errors).toMatchObject([{ message: 'secret path /etc/x' }])
  })

  it('refuses in place of an answer that the daemon does not take', async () => {
    const { daemon, clock, parley } = await connected()
    nameServings(daemon)
    daemon.answers['requests.respond'] = ({ body }) => {
      if (body !== undefined) throw new Refusal('TOO_LARGE')
      return {}
    }
    const errors: unknown[] = []
    await parley.serve('sum', () => 'much', { onError: error => errors.push(error) }).ready()
    push(daemon, 'r1')
    await clock.settle()
    expect(daemon.callsOf('requests.respond').map(({ error }) => error !== undefined)).toEqual([false, true])
    expect(errors).toMatchObject([{ code: 'TOO_LARGE' }])
  })

  it('tells the handler when its answer is of no use any more', async () => {
    const { daemon, clock, parley } = await connected()
    nameServings(daemon)
    daemon.answers['requests.respond'] = () => {
      throw new Refusal('NO_SUCH_REQUEST')
    }
    const errors: unknown[] = []
    const reasons: unknown[] = []
    const handler = ({ signal }: { signal: AbortSignal }) =>
      new Promise<string>((_, reject) => {
        signal.addEventListener('abort', () => {
          reasons.push((signal.reason as ParleyError).code)
          reject(signal.reason)
        })
      })
    const server = parley.serve('sum', handler, { onError: error => errors.push(error) })
    await server.ready()
    push(daemon, 'r1', { timeLeftMs: 500 })
    await clock.advance(500)
    expect(reasons).toEqual(['DEADLINE'])
    await clock.settle()
    expect(errors).toEqual([])
  })

  it('goes on after a lost connection, and ends when it is taken over', async () => {
    const { daemon, clock, parley, away, back } = await connected()
    nameServings(daemon)
    const server = parley.serve('sum', ({ text }) => text(), { takeover: true })
    await server.ready()
    await away()
    await back()
    expect(daemon.callsOf('requests.serve')).toEqual([
      { name: 'sum', takeover: true },
      { name: 'sum', takeover: true }
    ])
    push(daemon, 'r1', { subscription: 'sub2' })
    await clock.settle()
    expect(daemon.callsOf('requests.respond').length).toBe(1)
    daemon.app.notify('requests.ended', { subscription: 'sub2', code: 'SHUTTING_DOWN' })
    await clock.settle()
    expect(server.isOver).toBe(false)
    await away()
    await back()
    daemon.app.notify('requests.ended', { subscription: 'sub3', code: 'TAKEN_OVER' })
    expect(await codeOf(server.ended)).toBe('TAKEN_OVER')
    expect(server.isOver).toBe(true)
  })

  it('is refused where another program serves the name', async () => {
    const { daemon, parley } = await connected()
    daemon.answers['requests.serve'] = () => {
      throw new Refusal('RESPONDER_BUSY', { by: 'other' })
    }
    const server = parley.serve('sum', () => '')
    expect(await codeOf(server.ready())).toBe('RESPONDER_BUSY')
    expect(await codeOf(server.ended)).toBe('RESPONDER_BUSY')
  })

  it('ends by its signal, by close after what is in hand, and with the client', async () => {
    const { daemon, clock, parley } = await connected()
    nameServings(daemon)
    const stop = new AbortController()
    const first = parley.serve('a', () => '', { signal: stop.signal })
    await first.ready()
    stop.abort()
    await first.ended
    expect(await codeOf(parley.serve('a', () => '', { signal: stop.signal }).ready())).toBe('CLOSED')

    let answer: ((text: string) => void) | undefined
    const second = parley.serve('b', () => new Promise<string>(resolve => (answer = resolve)))
    await second.ready()
    push(daemon, 'r1', { subscription: 'sub2' })
    await clock.settle()
    const closed = second.close()
    answer?.('done')
    await closed
    const last = daemon.calls.map(({ method }) => method).filter(method => method.startsWith('requests.'))
    await clock.settle()
    expect(last.slice(-1)).toEqual(['requests.respond'])
    expect(daemon.callsOf('requests.unserve')).toEqual([{ subscription: 'sub1' }, { subscription: 'sub2' }])

    const third = parley.serve('c', () => '')
    await third.ready()
    await parley.close()
    await third.ended
    expect(await codeOf(parley.serve('d', () => '').ready())).toBe('CLOSED')
  })
})

describe("with the daemon's own server", () => {
  it('a request is answered, refused, timed out, and taken over, by one program and the other', async () => {
    const { server, clock, open } = RealServer.inMemory()
    await server.start()
    const options = { socket: 'memory', open, clock, random: () => 0.5 }
    await using asker = await connect(options)
    await using first = await connect({ ...options, name: 'first' })
    expect(await codeOf(asker.request('me', 'sum', '1 2'))).toBe('NO_RESPONDER')
    const serving = first.serve('sum', ({ text, contact, fromName }) => {
      if (text() === 'no') throw new Refused('just no', 'NO')
      return text() === 'never' ? new Promise<string>(() => undefined) : `${text()} for ${fromName} (${contact})`
    })
    await serving.ready()
    expect(text(await asker.request('me', 'sum', '1 2'))).toBe('1 2 for me (c-me)')
    expect(await failureOf(asker.request('me', 'sum', 'no'))).toMatchObject({
      ...{ code: 'REQUEST_REFUSED', message: 'just no' },
      data: { refusal: 'NO', executed: 'unknown' }
    })
    const late = failureOf(asker.request('me', 'sum', 'never', { timeoutMs: 500 }))
    await clock.advance(500)
    expect(await late).toMatchObject({ code: 'DEADLINE', data: { executed: 'unknown' } })
    expect(await codeOf(asker.serve('sum', () => '').ready())).toBe('RESPONDER_BUSY')

    const stop = new AbortController()
    const aborted = asker.request('me', 'sum', 'never', { signal: stop.signal })
    await clock.settle()
    stop.abort(new Error('enough'))
    await expect(aborted).rejects.toThrow('enough')

    await asker.serve('sum', () => 'taken', { takeover: true }).ready()
    expect(await codeOf(serving.ended)).toBe('TAKEN_OVER')
    expect(text(await first.request('me', 'sum', 'x'))).toBe('taken')
    await server.stop()
  })
})
