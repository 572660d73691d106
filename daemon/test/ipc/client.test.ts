import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Clock } from '../../src/actor/clock.ts'
import { VirtualClock } from '../../src/actor/virtual-clock.ts'
import { decodeMessage, encodeMessage } from '../../src/ipc/codec.ts'
import { memorySide, unixSide } from './app-ends.ts'
import { HELLO, LIMITS, MiB, makeRig, type Rig, type RpcClient, webSocketClient } from './rig.ts'

const LOTS = { messages: 1_000_000, bytes: 1_000_000_000 }
const text = (body: unknown): string => new TextDecoder().decode(body as Uint8Array)
const texts = (params: Record<string, unknown>): string[] => (params['bodies'] as unknown[]).map(text)

describe.each([
  ['in memory', memorySide],
  ['on a Unix socket', unixSide]
])('an app connected %s', (_name, makeSide) => {
  let rig: Rig

  beforeEach(async () => {
    rig = await makeRig(makeSide)
  })

  afterEach(() => rig[Symbol.asyncDispose]())

  const connect = () => webSocketClient(rig, 'cbor')
  const codeOf = async (answer: ReturnType<RpcClient['call']>) => (await answer).error?.data['code']

  const subscribe = async (client: RpcClient, params: object = {}) => {
    const { result, error } = await client.call('messages.subscribe', { consumer: 'app', credit: LOTS, ...params })
    if (error !== undefined)
      throw Object.assign(new Error(error.message), { code: error.data['code'], data: error.data })
    return result?.['subscription'] as string
  }

  it('must say hello first, and is told what holds here', async () => {
    const client = await webSocketClient(rig, 'json', false)
    expect(await codeOf(client.call('node.status'))).toBe('HELLO_REQUIRED')
    const { result } = await client.call('node.hello', HELLO)
    const { messageBytesMax, requestBytesMax, callCountMax, callBytesMax } = LIMITS
    expect(result).toEqual({
      ...{ id: 'me@host', version: '0.1.0', apiMajor: 1, apiMinor: 0, bootId: 'boot', inbox: rig.inbox.id },
      ...{ features: ['durable', 'requests', 'transfers'], accepted: [] },
      limits: { messageBytesMax, requestBytesMax, callCountMax, callBytesMax, channelBytesMax: 64 },
      clientId: expect.stringMatching(/^[0-9a-f]{32}$/)
    })
    expect((await client.call('node.status')).result).toBeDefined()
    expect(await codeOf(client.call('node.hello', HELLO))).toBe('INVALID_REQUEST')
  })

  it('keeps its client ID over connections', async () => {
    const client = await webSocketClient(rig, 'cbor', false)
    const { result } = await client.call('node.hello', { ...HELLO, clientId: 'ab'.repeat(16) })
    expect(result?.['clientId']).toBe('ab'.repeat(16))
  })

  it('is told when the versions or features do not fit, and may try again', async () => {
    const client = await webSocketClient(rig, 'cbor', false)
    const wrong = await client.call('node.hello', { ...HELLO, apiMajor: 2 })
    expect(wrong.error?.data).toMatchObject({ code: 'VERSION_MISMATCH', apiMajor: 1 })
    const lacking = await client.call('node.hello', { ...HELLO, requires: ['telepathy'] })
    expect(lacking.error?.data).toMatchObject({ code: 'VERSION_MISMATCH', missing: ['telepathy'] })
    expect((await client.call('node.hello', { ...HELLO, apiMinor: 7, requires: [] })).result).toBeDefined()
  })

  it('is pushed runs while there is credit, after the answer to its subscription', async () => {
    const client = await connect()
    const lane = rig.openLane()
    const subscription = await subscribe(client, { credit: { messages: 2, bytes: 100 } })
    lane.deliver('one', 'two', 'three')
    const first = await client.notified()
    expect(first).toMatchObject({
      method: 'messages.deliver',
      params: { subscription, first: 1, contact: 'contact-alice' }
    })
    expect(texts(first.params)).toEqual(['one', 'two'])
    expect((await client.call('messages.credit', { subscription, messages: 1, bytes: 0 })).result).toEqual({})
    expect(texts((await client.notified()).params)).toEqual(['three'])
    expect((await client.call('messages.ack', { consumer: 'app', index: 3 })).result).toEqual({})
    expect(rig.inbox.stats().messages).toBe(0)
  })

  it('is given what waited, in the order of the index', async () => {
    const reader = await connect()
    await subscribe(reader, { consumer: null })
    const lane = rig.openLane()
    lane.deliver('one')
    lane.deliver('two')
    const client = await connect()
    const params = { consumer: 'app', credit: LOTS, from: 'start' }
    client.end?.send(encodeMessage('cbor', { jsonrpc: '2.0', id: 'a', method: 'messages.subscribe', params }))
    // On the wire the answer comes before the first run.
    const answer = decodeMessage('cbor', (await client.end?.next()) as Uint8Array)
    expect(answer).toEqual({ jsonrpc: '2.0', id: 'a', result: { subscription: 's1', next: 1 } })
    expect(texts((await client.notified()).params)).toEqual(['one'])
    expect(texts((await client.notified()).params)).toEqual(['two'])
  })

  it('learns who has its consumer, can take it over, and the other is told', async () => {
    const first = await connect()
    const subscription = await subscribe(first)
    const second = await connect()
    await expect(subscribe(second)).rejects.toMatchObject({ code: 'CONSUMER_BUSY', data: { by: 'tester' } })
    await subscribe(second, { takeover: true })
    expect(await first.notified()).toEqual({
      method: 'messages.ended',
      jsonrpc: '2.0',
      params: { subscription, code: 'TAKEN_OVER' }
    })
    expect(await codeOf(first.call('messages.credit', { subscription, messages: 1, bytes: 1 }))).toBe(
      'NO_SUCH_SUBSCRIPTION'
    )
  })

  it('frees its consumer when it unsubscribes', async () => {
    const client = await connect()
    const subscription = await subscribe(client)
    expect((await client.call('messages.unsubscribe', { subscription })).result).toEqual({})
    expect(await codeOf(client.call('messages.unsubscribe', { subscription }))).toBe('NO_SUCH_SUBSCRIPTION')
    await subscribe(client)
  })

  it('frees all it had when it leaves', async () => {
    const leaving = await connect()
    await subscribe(leaving)
    leaving.end?.close()
    await leaving.end?.closed
    const client = await connect()
    for (;;) {
      const code = await subscribe(client).then(
        () => 'free',
        error => error.code
      )
      if (code === 'free') break
      expect(code).toBe('CONSUMER_BUSY')
    }
    expect(rig.inbox.stats().readers).toBe(1)
  })

  it('that does not read is pushed no more than its buffer, stops nobody else, and is given the rest when it reads again', async () => {
    const slow = await connect()
    await subscribe(slow, { consumer: 'slow' })
    const fast = await connect()
    await subscribe(fast, { consumer: null })
    slow.end?.pause()
    const lane = rig.openLane()
    const body = 'x'.repeat(256 * 1024)
    for (let n = 0; n < 12; n++) {
      lane.deliver(`${n}${body}`)
      expect(texts((await fast.notified()).params)[0]?.startsWith(`${n}x`)).toBe(true)
    }
    // The last one waits in the inbox, not in the socket.
    expect(await codeOf(fast.call('messages.ack', { consumer: 'slow', index: 12 }))).toBe('INVALID_PARAMS')
    slow.end?.resume()
    for (let n = 0; n < 12; n++) expect(texts((await slow.notified()).params)[0]?.startsWith(`${n}x`)).toBe(true)
  })

  it('is refused a call beyond its count, and answered the others', async () => {
    const gate = Promise.withResolvers<void>()
    rig.peers.sendGate = gate.promise
    const client = await connect()
    const params = { peer: 'bob', bodies: [new Uint8Array(1)], durable: false }
    const calls = Array.from({ length: 9 }, () => client.call('messages.send', params))
    expect((await Promise.race(calls)).error?.data).toMatchObject({
      code: 'TOO_MANY_CALLS',
      retryable: true,
      callCountMax: 8
    })
    gate.resolve()
    const codes = await Promise.all(calls.map(codeOf))
    expect(codes.filter(code => code === undefined).length).toBe(8)
    expect(await codeOf(client.call('messages.send', params))).toBeUndefined()
  })

  it('is refused an ID that is in hand', async () => {
    const gate = Promise.withResolvers<void>()
    rig.peers.sendGate = gate.promise
    const client = await connect()
    const params = { peer: 'bob', bodies: [new Uint8Array(1)], durable: false }
    const call = { jsonrpc: '2.0', id: 'same', method: 'messages.send', params }
    const both = [client.raw(call), client.raw(call)]
    expect((await Promise.race(both)).error?.data['code']).toBe('INVALID_REQUEST')
    gate.resolve()
    expect((await Promise.all(both)).filter(answer => answer.result !== undefined).length).toBe(1)
    expect(rig.peers.sent.length).toBe(1)
  })

  it('has its sends begun in the order in which they were called', async () => {
    const client = await connect()
    const channels = Array.from({ length: 8 }, (_, n) => `c${n}`)
    await Promise.all(
      channels.map(channel =>
        client.call('messages.send', { peer: 'bob', channel, bodies: [new Uint8Array(1)], durable: false })
      )
    )
    expect(rig.peers.sent.map(({ channel }) => channel)).toEqual(channels)
  })

  it('has a bounded number of subscriptions', async () => {
    const client = await connect()
    for (let n = 0; n < LIMITS.subscriptionCountMax; n++) await client.call('events.subscribe')
    expect(await codeOf(client.call('events.subscribe'))).toBe('TOO_MANY_CALLS')
    await expect(subscribe(client)).rejects.toMatchObject({ code: 'TOO_MANY_CALLS' })
    await client.call('events.unsubscribe', { subscription: 's1' })
    await subscribe(client)
  })

  it('follows events from a cursor, those of one turn together', async () => {
    const stalled = (consumer: string) => rig.events.emit({ kind: 'consumer.stalled', consumer })
    stalled('before')
    const client = await connect()
    const { result } = await client.call('events.subscribe', { after: 'start' })
    expect(result).toEqual({ subscription: 's1', cursor: 'boot:0' })
    expect(await client.notified()).toMatchObject({
      method: 'events.event',
      params: { events: [{ consumer: 'before' }] }
    })
    stalled('a')
    stalled('b')
    const { params } = await client.notified()
    expect(params).toMatchObject({
      subscription: 's1',
      events: [{ consumer: 'a' }, { consumer: 'b', cursor: 'boot:3' }]
    })
    expect((await client.call('events.unsubscribe', { subscription: 's1' })).result).toEqual({})
    stalled('c')
    expect(await codeOf(client.call('events.unsubscribe', { subscription: 's1' }))).toBe('NO_SUCH_SUBSCRIPTION')
  })

  it('that is too slow for the events is told that its cursor is gone', async () => {
    const client = await connect()
    await subscribe(client, { consumer: null })
    const { result } = await client.call('events.subscribe')
    client.end?.pause()
    const lane = rig.openLane()
    const body = 'x'.repeat(MiB - 1)
    for (let n = 0; n < 3; n++) lane.deliver(body)
    for (let n = 0; n < 200; n++) rig.events.emit({ kind: 'consumer.stalled', consumer: `c${n}` })
    await new Promise(resolve => setImmediate(resolve))
    client.end?.resume()
    for (;;) {
      const { method, params } = await client.notified()
      if (method !== 'events.ended') continue
      expect(params).toEqual({ subscription: result?.['subscription'], code: 'CURSOR_GONE' })
      break
    }
  })

  it('to whom something cannot be written is cut off alone', async () => {
    const unlucky = await webSocketClient(rig, 'json')
    await subscribe(unlucky, { consumer: null })
    const other = await connect()
    await subscribe(other, { consumer: null })
    // JSON has no way to write this, CBOR has: no contact of ours is called so, but whatever fails must stay where it fails.
    rig.openLane(1n as unknown as string).deliver('fine')
    expect((await unlucky.end?.closed)?.code).toBe(1011)
    expect(texts((await other.notified()).params)).toEqual(['fine'])
    expect((await other.call('identity.card')).result).toBeDefined()
    expect(rig.logged).toMatchObject([{ message: 'an app was cut off by an error' }])
  })

  it('that calls and reads no answer is hung up on', { timeout: 30_000 }, async () => {
    const client = await connect()
    const card = 'x'.repeat(MiB)
    rig.peers.list = () => [{ ...rig.peers.get('bob'), id: card }]
    client.end?.pause()
    const request = encodeMessage('cbor', { jsonrpc: '2.0', id: 'x'.repeat(128), method: 'peers.list' })
    for (let n = 0; rig.server.clientCount > 0; n++) {
      client.end?.send(request)
      // The daemon must have its turns too.
      if (n % 500 === 0) await new Promise(resolve => setImmediate(resolve))
    }
    client.end?.resume()
    expect((await client.end?.closed)?.code).toBe(1008)
  })

  it('is told that the daemon stops, after its calls in hand were answered', async () => {
    const gate = Promise.withResolvers<void>()
    rig.peers.sendGate = gate.promise
    const client = await connect()
    const subscription = await subscribe(client)
    await client.call('events.subscribe')
    const sent = client.call('messages.send', { peer: 'bob', bodies: [new Uint8Array(1)], durable: false })
    const waiting = client.call('messages.fetch', { consumer: 'other', waitMs: 60_000 })
    const following = client.call('events.fetch', { after: 'now', waitMs: 60_000 })
    await client.call('identity.card')
    const stopped = rig.server.stop()
    expect(await client.notified()).toMatchObject({
      method: 'messages.ended',
      params: { subscription, code: 'SHUTTING_DOWN' }
    })
    expect(await client.notified()).toMatchObject({ method: 'events.ended', params: { code: 'SHUTTING_DOWN' } })
    expect(await codeOf(waiting)).toBe('SHUTTING_DOWN')
    expect((await following).result).toEqual({ events: [], cursor: 'boot:0' })
    expect(await codeOf(client.call('identity.card'))).toBe('SHUTTING_DOWN')
    gate.resolve()
    expect((await sent).result).toBeDefined()
    await stopped
    expect((await client.end?.closed)?.code).toBe(1001)
  })
})

describe('time', () => {
  const make = async (limits = {}) => {
    const clock: Clock & VirtualClock = new VirtualClock()
    const rig = await makeRig(memorySide, { clock, limits })
    return { clock, rig }
  }

  it('is short for an app that says no hello', async () => {
    const { clock, rig } = await make()
    const silent = await rig.side.open('cbor')
    await clock.advance(LIMITS.requestTimeoutMs)
    expect((await silent.closed).code).toBe(1008)
    const polite = await webSocketClient(rig, 'cbor')
    await clock.advance(LIMITS.requestTimeoutMs * 2)
    expect((await polite.call('identity.card')).result).toBeDefined()
    await rig[Symbol.asyncDispose]()
    expect(clock.timerCount).toBe(0)
  })

  it('is bounded for the calls in hand when the daemon stops', async () => {
    const { clock, rig } = await make()
    rig.peers.sendGate = new Promise(() => undefined)
    const client = await webSocketClient(rig, 'cbor')
    const params = { peer: 'bob', bodies: [new Uint8Array(1)], durable: false }
    client.end?.send(encodeMessage('cbor', { jsonrpc: '2.0', id: 1, method: 'messages.send', params }))
    await clock.settle()
    const stopped = rig.server.stop()
    await clock.advance(LIMITS.shutdownTimeoutMs)
    await stopped
    expect((await client.end?.closed)?.code).toBe(1001)
  })

  it('is bounded for a fetch that asks for more', async () => {
    const { clock, rig } = await make()
    const client = await webSocketClient(rig, 'cbor')
    const fetched = client.call('messages.fetch', { consumer: null, waitMs: Number.MAX_SAFE_INTEGER })
    await clock.advance(60_000)
    expect((await fetched).result).toEqual({ runs: [], next: 1 })
    await rig[Symbol.asyncDispose]()
  })
})

describe('bytes', () => {
  it('of unanswered calls are bounded', async () => {
    const rig = await makeRig(memorySide, { limits: { callBytesMax: 10_000 } })
    rig.peers.sendGate = new Promise(() => undefined)
    const client = await webSocketClient(rig, 'cbor')
    const send = (size: number) =>
      client.call('messages.send', { peer: 'bob', bodies: [new Uint8Array(size)], durable: false })
    void send(6_000)
    expect((await send(6_000)).error?.data).toMatchObject({ code: 'TOO_MANY_CALLS', callBytesMax: 10_000 })
    expect((await client.call('identity.card')).result).toBeDefined()
    expect(rig.peers.sent.length).toBe(1)
    client.end?.close()
    await rig[Symbol.asyncDispose]()
  })
})

describe('the pages', () => {
  const get = (rig: Rig, path: string) => rig.side.request({ method: 'GET', path, headers: { host: 'localhost' } })

  it('tell that the daemon lives, whether it is ready, and its metrics', async () => {
    const rig = await makeRig(unixSide)
    const client = await webSocketClient(rig, 'json')
    expect((await get(rig, '/livez')).status).toBe(200)
    const unready = await get(rig, '/readyz')
    expect([unready.status, unready.contentType]).toEqual([503, 'application/json'])
    expect(JSON.parse(text(unready.body))).toMatchObject({ ready: false, components: { store: { state: 'down' } } })
    rig.health.report('store', { state: 'ok' })
    const ready = await get(rig, '/readyz')
    expect([ready.status, JSON.parse(text(ready.body)).ready]).toEqual([200, true])
    const metrics = await get(rig, '/metrics')
    expect(metrics.contentType).toContain('text/plain')
    expect(text(metrics.body)).toContain('\nparley_apps 1\n')
    expect(text(metrics.body)).toContain('\nparley_inbox_messages 0\n')
    client.end?.close()
    await rig[Symbol.asyncDispose]()
  })
})
