import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type AppConnection,
  type AppConnectionEnd,
  type AppHandlers,
  type HttpAnswer,
  LOW_BUFFERED_BYTES
} from '../../src/ipc/port.ts'
import { type AppSide, memorySide, REQUEST_BYTES_MAX, unixSide } from './app-ends.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (data: Uint8Array): string => new TextDecoder().decode(data)
const POST = { method: 'POST', path: '/rpc', headers: { host: 'parley', 'content-type': 'application/json' } }
const page = (path: string) => ({ method: 'GET', path, headers: { host: 'parley' } })

/** The daemon's end of a connection, with what it was told. */
interface DaemonEnd {
  readonly connection: AppConnection
  readonly messages: string[]
  readonly ended: Promise<AppConnectionEnd>
  readonly drained: Promise<void>
  /** Resolves when this many messages have come. */
  received(count: number): Promise<void>
}

function hold(connection: AppConnection): DaemonEnd {
  const messages: string[] = []
  const ended = Promise.withResolvers<AppConnectionEnd>()
  const drained = Promise.withResolvers<void>()
  let wake: () => void = () => undefined
  connection.read({
    message(data) {
      messages.push(text(data))
      wake()
    },
    drained: drained.resolve,
    closed: ended.resolve
  })
  const received = async (count: number) => {
    while (messages.length < count) {
      await new Promise<void>(resolve => {
        wake = resolve
      })
    }
  }
  return { connection, messages, received, ended: ended.promise, drained: drained.promise }
}

describe.each([
  ['in memory', memorySide],
  ['on a Unix socket', unixSide]
])('an app server %s', (_name, makeSide) => {
  let side: AppSide
  let ends: DaemonEnd[]
  let post: AppHandlers['post']

  beforeEach(async () => {
    ends = []
    post = async (encoding, body): Promise<HttpAnswer> => ({
      status: 200,
      contentType: 'text/plain',
      body: bytes(`${encoding} ${text(body)}`)
    })
    side = await makeSide()
    await side.server.listen({
      connected: connection => ends.push(hold(connection)),
      post: (encoding, body, signal) => post(encoding, body, signal),
      page: async path => ({ status: 503, contentType: 'text/plain', body: bytes(path) })
    })
  })

  afterEach(() => side[Symbol.asyncDispose]())

  const connect = async () => {
    const app = await side.open('cbor')
    return { app, daemon: ends.at(-1) as DaemonEnd }
  }

  it('carries messages both ways, whole and in order', async () => {
    const { app, daemon } = await connect()
    const sent = Array.from({ length: 100 }, (_, n) => String(n).repeat(n))
    for (const message of sent) app.send(bytes(message))
    await daemon.received(100)
    expect(daemon.messages).toEqual(sent)
    for (const message of sent) daemon.connection.send(bytes(message))
    for (const message of sent) expect(text(await app.next())).toBe(message)
  })

  it('knows the encoding of each connection', async () => {
    await side.open('json')
    await side.open('cbor')
    expect(ends.map(({ connection }) => connection.encoding)).toEqual(['json', 'cbor'])
  })

  it('tells the daemon that an app has left, and stops at nothing when it sends then', async () => {
    const { app, daemon } = await connect()
    app.close()
    expect(await daemon.ended).toMatchObject({ code: 1000 })
    daemon.connection.send(bytes('too late'))
    daemon.connection.close(1000, '')
  })

  it('tells the app why the daemon ends its connection, after what was sent', async () => {
    const { app, daemon } = await connect()
    daemon.connection.send(bytes('last'))
    daemon.connection.close(1008, 'for a reason')
    expect(await app.closed).toEqual({ code: 1008, reason: 'for a reason' })
    expect(text(await app.next())).toBe('last')
    await daemon.ended
  })

  it('ends a connection that sends a message over the limit', async () => {
    const { app, daemon } = await connect()
    app.send(new Uint8Array(REQUEST_BYTES_MAX))
    await daemon.received(1)
    app.send(new Uint8Array(REQUEST_BYTES_MAX + 1))
    expect((await app.closed).code).toBe(1009)
    await daemon.ended
    expect(daemon.messages.length).toBe(1)
  })

  it('shows what an app does not read, and tells when there is room again', async () => {
    const { app, daemon } = await connect()
    app.pause()
    const chunk = new Uint8Array(LOW_BUFFERED_BYTES)
    for (let n = 0; n < 8; n++) daemon.connection.send(chunk)
    expect(daemon.connection.bufferedBytes).toBeGreaterThan(LOW_BUFFERED_BYTES)
    app.resume()
    await daemon.drained
    expect(daemon.connection.bufferedBytes).toBeLessThan(LOW_BUFFERED_BYTES)
    for (let n = 0; n < 8; n++) expect((await app.next()).length).toBe(chunk.length)
  })

  it('refuses an upgrade with an Origin or another host', async () => {
    await expect(side.open('cbor', { origin: 'http://localhost' })).rejects.toMatchObject({ code: 'FORBIDDEN' })
    await expect(side.open('cbor', { host: 'example.org' })).rejects.toMatchObject({ code: 'FORBIDDEN' })
    expect(ends).toEqual([])
  })

  it('takes a call by POST and gives back the answer', async () => {
    const answer = await side.request(POST, bytes('hello'))
    expect([answer.status, answer.contentType, text(answer.body)]).toEqual([200, 'text/plain', 'json hello'])
  })

  it('serves the pages', async () => {
    for (const path of ['/livez', '/readyz', '/metrics']) {
      const answer = await side.request(page(path))
      expect([answer.status, text(answer.body)]).toEqual([503, path])
    }
  })

  it.each([
    ['an Origin', { ...POST, headers: { ...POST.headers, origin: 'http://localhost' } }, 403],
    ['another host', { ...POST, headers: { ...POST.headers, host: 'example.org' } }, 403],
    ['a form', { ...POST, headers: { ...POST.headers, 'content-type': 'text/plain' } }, 415],
    ['another path', page('/'), 404],
    ['another method', page('/rpc'), 405]
  ])('refuses a request with %s and says so in JSON', async (_case, head, status) => {
    const answer = await side.request(head, head.method === 'POST' ? bytes('{}') : undefined)
    expect(answer.status).toBe(status)
    expect(answer.contentType).toBe('application/json')
    expect(JSON.parse(text(answer.body))).toMatchObject({
      jsonrpc: '2.0',
      id: null,
      error: { data: { retryable: false } }
    })
  })

  it('refuses a body over the limit', async () => {
    expect((await side.request(POST, new Uint8Array(REQUEST_BYTES_MAX))).status).toBe(200)
    const answer = await side.request(POST, new Uint8Array(REQUEST_BYTES_MAX + 1))
    expect(answer.status).toBe(413)
    expect(JSON.parse(text(answer.body))).toMatchObject({ error: { data: { code: 'TOO_LARGE' } } })
  })

  it('tells a call by POST that its caller is gone', async () => {
    const started = Promise.withResolvers<AbortSignal>()
    post = (_encoding, _body, signal) => {
      started.resolve(signal)
      return new Promise(resolve =>
        signal.addEventListener('abort', () => resolve({ status: 200, contentType: 'text/plain', body: bytes('') }))
      )
    }
    const gone = new AbortController()
    const answer = side.request(POST, bytes('{}'), gone.signal).catch(() => undefined)
    const signal = await started.promise
    gone.abort()
    await answer
    if (!signal.aborted) await new Promise(resolve => signal.addEventListener('abort', resolve))
    expect(signal.aborted).toBe(true)
  })

  it('when it stops, ends what is connected and takes nobody any more', async () => {
    const { app, daemon } = await connect()
    await side.server.stop()
    expect((await app.closed).code).toBe(1001)
    await daemon.ended
    await expect(side.open('cbor')).rejects.toThrow()
    await expect(side.request(page('/livez'))).rejects.toThrow()
    await side.server.stop()
  })
})
