import { ERRORS, type ErrorCode } from '@parley/client-sdk/contract'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Encoding } from '../../src/ipc/codec.ts'
import { memorySide, unixSide } from './app-ends.ts'
import {
  IDENTITY,
  MiB,
  makeRig,
  peerInfo,
  postClient,
  type Rig,
  type RpcAnswer,
  type RpcClient,
  STATUS,
  STORE_KEYS,
  webSocketClient
} from './rig.ts'

const WAYS = (['json', 'cbor'] as const).flatMap(encoding =>
  (
    [
      ['memory', memorySide],
      ['a Unix socket', unixSide]
    ] as const
  ).flatMap(([place, makeSide]) =>
    (
      [
        ['a WebSocket', webSocketClient],
        ['POST', postClient]
      ] as const
    ).map(
      ([way, makeClient]) =>
        [`${encoding} over ${way} in ${place}`, { encoding, makeSide, makeClient, isPost: way === 'POST' }] as const
    )
  )
)

describe.each(WAYS)('calls as %s', (_name, { encoding, makeSide, makeClient, isPost }) => {
  let rig: Rig
  let client: RpcClient

  beforeEach(async () => {
    rig = await makeRig(makeSide)
    client = await makeClient(rig, encoding)
  })

  afterEach(() => rig[Symbol.asyncDispose]())

  const body = (text: string) => bodyIn(encoding, text)
  const errorOf = (answer: RpcAnswer) => answer.error?.data['code']

  const SAME: readonly (readonly [string, object, object])[] = [
    ['node.status', {}, STATUS],
    ['identity.show', {}, IDENTITY],
    ['identity.rotate', {}, IDENTITY],
    ['keys.show', {}, STORE_KEYS],
    ['keys.rotate-store', {}, STORE_KEYS],
    ['identity.card', {}, { card: 'parley:card:own' }],
    ['peers.list', {}, { peers: [peerInfo('alice'), peerInfo('bob')] }],
    ['peers.get', { peer: 'bob' }, peerInfo('bob')],
    ['peers.add', { card: 'parley:card:x', name: 'dave' }, { peer: peerInfo('dave'), added: true }],
    ['peers.add', { card: 'parley:card:x' }, { peer: peerInfo('carol'), added: true }],
    ['peers.update', { peer: 'bob', addresses: ['/ip4/1.2.3.4/tcp/1'] }, { addressOverride: ['/ip4/1.2.3.4/tcp/1'] }],
    ['peers.update', { peer: 'bob', addresses: null }, { addressOverride: null }],
    ['peers.rename', { peer: 'bob', name: 'robert' }, { name: 'robert', contact: 'contact-bob' }],
    ['peers.block', { peer: 'bob' }, { trust: 'blocked' }],
    ['peers.trust', { peer: 'bob', trust: 'verified' }, { trust: 'verified' }],
    ['peers.accept-key', { peer: 'bob', queue: 'send' }, { held: 2 }],
    ['peers.block', { peer: 'bob', blocked: false }, { trust: 'known' }]
  ]

  it.each(SAME)('%s answers', async (method, params, result) => {
    const answer = await client.call(method, params)
    expect(answer).toMatchObject({ jsonrpc: '2.0', result })
  })

  it('node.health tells of each component', async () => {
    rig.health.report('store', { state: 'down', code: 'STORE_UNAVAILABLE', action: 'Look at the disk.' })
    const { result } = await client.call('node.health')
    expect(result).toMatchObject({ ready: false, components: { store: { state: 'down', code: 'STORE_UNAVAILABLE' } } })
  })

  it('node.shutdown starts a stop', async () => {
    expect((await client.call('node.shutdown')).result).toEqual({})
    expect(rig.isShutDown()).toBe(true)
  })

  it('peers.remove forgets the contact', async () => {
    expect((await client.call('peers.remove', { peer: 'bob' })).result).toEqual({})
    expect(errorOf(await client.call('peers.get', { peer: 'bob' }))).toBe('NO_SUCH_PEER')
  })

  it('an error has its number, code, what to do, whether to try again, and its own members', async () => {
    const { error } = await client.call('peers.get', { peer: 'nobody' })
    expect(error).toMatchObject({
      code: -32000,
      data: { code: 'NO_SUCH_PEER', retryable: false, action: ERRORS.NO_SUCH_PEER.action, peer: 'nobody' }
    })
  })

  it('messages.send hands a run over, with its options', async () => {
    const params = {
      peer: 'bob',
      channel: 'chat',
      bodies: [body('one'), body(''), body('three')],
      durable: false,
      timeoutMs: 5
    }
    const { result } = await client.call('messages.send', params)
    expect(result).toEqual({ ids: [{ first: 'e.1.1', count: 3 }] })
    const bodies = ['one', '', 'three'].map(text => new TextEncoder().encode(text))
    expect(rig.peers.sent).toEqual([{ peer: 'bob', channel: 'chat', bodies, timeoutMs: 5 }])
  })

  it('messages.send has a default channel and time', async () => {
    await client.call('messages.send', { peer: 'bob', bodies: [body('x')], durable: false })
    expect(rig.peers.sent[0]).toMatchObject({ channel: 'default', timeoutMs: 10_000 })
  })

  it('messages.send is durable unless told otherwise: on the disk here, to be asked for and taken back', async () => {
    const { result } = await client.call('messages.send', { peer: 'bob', bodies: [body('one'), body('two')] })
    const { ids, expiresAt } = result as { ids: { first: string; count: number }[]; expiresAt: number }
    const [{ first, count } = { first: '', count: 0 }] = ids
    expect([first, count]).toEqual([expect.stringMatching(/^[0-9a-f]{32}\.1025\.1$/), 2])
    expect(expiresAt).toBeGreaterThan(0)
    expect(rig.peers.sent).toEqual([])
    expect((await client.call('messages.get', { id: first, count: 2 })).result).toEqual({
      ...{ contact: 'contact-bob', channel: 'default' },
      ranges: [{ first, count: 2, state: 'accepted' }]
    })
    expect((await client.call('node.why', { subject: first })).result).toMatchObject({
      ...{ subject: 'message', state: 'accepted' },
      cause: expect.stringContaining('bob')
    })
    expect((await client.call('messages.cancel', { id: first, count: 2 })).result).toEqual({})
    const { result: cancelled } = await client.call('messages.get', { id: first })
    expect(cancelled).toMatchObject({ ranges: [{ first, count: 1, state: 'cancelled' }] })
    expect(errorOf(await client.call('messages.get', { id: `${'0'.repeat(32)}.1025.1` }))).toBe('NO_SUCH_MESSAGE')
  })

  it('messages.send under an idempotencyKey is accepted once', async () => {
    const params = { peer: 'bob', bodies: [body('one')], idempotencyKey: 'k' }
    const idsOf = async () => (await client.call('messages.send', params)).result?.['ids']
    const first = await idsOf()
    expect(first).toBeDefined()
    expect(await idsOf()).toEqual(first)
    expect(errorOf(await client.call('messages.send', { ...params, channel: 'other' }))).toBe('IDEMPOTENCY_CONFLICT')
  })

  it('node.why tells of a peer', async () => {
    expect((await client.call('node.why', { subject: 'bob' })).result).toEqual({
      ...{ subject: 'peer', state: 'offline', since: 1 },
      cause: 'bob has not been reached since this daemon started',
      action: 'Check its addresses: `parley peer show bob`.'
    })
    expect(errorOf(await client.call('node.why', { subject: 'nobody' }))).toBe('NO_SUCH_PEER')
    expect(errorOf(await client.call('node.why', { subject: `${'0'.repeat(32)}.1025.1` }))).toBe('NO_SUCH_MESSAGE')
  })

  it('node.why names the store here first while that is lost', async () => {
    rig.health.report('store', { state: 'down', code: 'STORE_UNAVAILABLE' })
    for (const subject of ['bob', `${'0'.repeat(32)}.1025.1`]) {
      const { result } = await client.call('node.why', { subject })
      expect(result?.['cause']).toMatch(/^the store here cannot be used \(STORE_UNAVAILABLE\)/)
      expect(result?.['action']).toMatch(/disk/)
    }
  })

  it('requests.send tells why there is no answer, and whether it may have been done', async () => {
    const ask = (params: object) => client.call('requests.send', { name: 'sum', body: body('1 2'), ...params })
    const failureOf = async (params: object) => {
      const { code, executed } = (await ask(params)).error?.data ?? {}
      return [code, executed]
    }
    expect(await failureOf({ peer: 'bob' })).toEqual(['NO_RESPONDER', 'no'])
    expect(await failureOf({ peer: 'alice' })).toEqual(['PEER_OFFLINE', 'no'])
    expect(await failureOf({ peer: 'nobody' })).toEqual(['NO_SUCH_PEER', 'no'])
    expect(errorOf(await ask({ peer: 'bob', timeoutMs: 3_600_001 }))).toBe('INVALID_PARAMS')
    const large = new Uint8Array(MiB + 1)
    const tooLarge = encoding === 'json' ? Buffer.from(large).toString('base64') : large
    expect(await failureOf({ peer: 'bob', body: tooLarge })).toEqual(['TOO_LARGE', 'no'])
    expect(errorOf(await client.call('requests.cancel', { id: 'none' }))).toBe('NO_SUCH_REQUEST')
  })

  it('messages.send takes a body of the largest size and not one byte more', async () => {
    const send = (size: number) => {
      const bytes = new Uint8Array(size)
      const bodies = [encoding === 'json' ? Buffer.from(bytes).toString('base64') : bytes]
      return client.call('messages.send', { peer: 'bob', bodies, durable: false })
    }
    expect((await send(MiB)).result).toBeDefined()
    expect((await send(MiB + 1)).error?.data).toMatchObject({ code: 'TOO_LARGE', messageBytesMax: MiB, index: 0 })
  })

  const WRONG: readonly (readonly [string, string, object, string])[] = [
    ['a parameter that is missing', 'peers.get', {}, 'peer'],
    ['a parameter that is unknown', 'peers.get', { peer: 'bob', verbose: true }, 'verbose'],
    ['an unknown parameter inside', 'messages.fetch', { consumer: null, filter: { peer: ['bob'] } }, 'filter.peer'],
    ['a parameter called __proto__', 'node.status', JSON.parse('{"__proto__":1}'), '__proto__'],
    ['text for a number', 'messages.ack', { consumer: 'a', index: '1' }, 'index'],
    ['a negative index', 'messages.ack', { consumer: 'a', index: -1 }, 'index'],
    ['a number for text', 'peers.get', { peer: 1 }, 'peer'],
    ['an empty text', 'peers.get', { peer: '' }, 'peer'],
    ['a text that is too long', 'peers.get', { peer: 'x'.repeat(257) }, 'peer'],
    ['no bodies', 'messages.send', { peer: 'bob', bodies: [], durable: false }, 'bodies'],
    ['null where nothing may be', 'peers.add', { card: 'parley:card:x', name: null }, 'name'],
    ['bodies that are no list', 'messages.send', { peer: 'bob', bodies: 'x', durable: false }, 'bodies'],
    ['a body that is a number', 'messages.send', { peer: 'bob', bodies: [1], durable: false }, 'bodies'],
    [
      'a channel that is too long',
      'messages.send',
      { peer: 'bob', channel: 'é'.repeat(33), bodies: ['AA=='], durable: false },
      'channel'
    ],
    [
      'a channel of control characters',
      'messages.send',
      { peer: 'bob', channel: 'a\nb', bodies: ['AA=='], durable: false },
      'channel'
    ],
    ['an empty channel', 'messages.fetch', { consumer: null, filter: { channels: [''] } }, 'filter.channels'],
    ['a place to begin that is none', 'messages.fetch', { consumer: null, from: 'end' }, 'from'],
    ['an index to begin at that is none', 'messages.fetch', { consumer: null, from: { after: -1 } }, 'from'],
    ['a body that is no bytes', 'requests.send', { peer: 'bob', name: 'sum', body: 5 }, 'body'],
    ['a request name of control characters', 'requests.send', { peer: 'bob', name: 'a\n', body: 'AA==' }, 'name'],
    ['a filter of nobody', 'messages.fetch', { consumer: null, filter: { peers: [] } }, 'filter.peers'],
    ['a cursor that is none', 'events.fetch', { after: 'yesterday' }, 'after']
  ]

  it.each(WRONG)('%s is refused by name', async (_case, method, params, name) => {
    const { error } = await client.call(method, params)
    expect(error).toMatchObject({ code: -32602, data: { code: 'INVALID_PARAMS' } })
    expect(error?.message).toContain(name)
  })

  it('a body of the other encoding is refused', async () => {
    const bodies = [encoding === 'json' ? 'not base64' : 'AA==']
    const { error } = await client.call('messages.send', { peer: 'bob', bodies, durable: false })
    expect(error?.data['code']).toBe('INVALID_PARAMS')
  })

  it('messages.fetch waits, gives runs, and goes on behind them; messages.ack lets them go', async () => {
    const lane = rig.openLane()
    const fetched = client.call('messages.fetch', {
      consumer: 'curl',
      waitMs: 60_000,
      filter: { peers: ['alice'], channels: ['chat'] }
    })
    await lane.granted
    lane.deliver('one', 'two')
    const { result } = await fetched
    expect(result).toEqual({
      next: 3,
      runs: [
        {
          ...{
            first: 1,
            contact: 'contact-alice',
            from: 'alice@host',
            fromName: 'alice',
            channel: 'chat',
            id: 'e.1.1'
          },
          ...{ sentAt: 1_700_000_000_000, redelivered: false, maybeDuplicate: false },
          bodies: [body('one'), body('two')]
        }
      ]
    })
    expect((await client.call('messages.ack', { consumer: 'curl', index: 2 })).result).toEqual({})
    expect(rig.inbox.stats().messages).toBe(0)
    expect(errorOf(await client.call('messages.ack', { consumer: 'curl', index: 3 }))).toBe('INVALID_PARAMS')
    expect(errorOf(await client.call('messages.ack', { consumer: 'nobody', index: 3 }))).toBe('NO_SUCH_CONSUMER')
    expect(errorOf(await client.call('messages.fetch', { consumer: 'curl' }))).toBe('CONSUMER_MISMATCH')
    expect(errorOf(await client.call('messages.fetch', { consumer: 'x', from: { after: 9 } }))).toBe('CURSOR_GONE')
    expect(errorOf(await client.call('messages.fetch', { consumer: 'x', filter: { peers: ['eve'] } }))).toBe(
      'NO_SUCH_PEER'
    )
  })

  it('messages.fetch answers at most 1 MiB, unless one message is longer', async () => {
    await client.call('messages.fetch', { consumer: 'curl' })
    const lane = rig.openLane()
    for (let n = 0; n < 3; n++) lane.deliver('x'.repeat(700_000))
    for (const next of [2, 3, 4]) {
      expect((await client.call('messages.fetch', { consumer: 'curl' })).result?.['next']).toBe(next)
      await client.call('messages.ack', { consumer: 'curl', index: next - 1 })
    }
  })

  it('events.fetch reads on from a cursor and waits for the next', async () => {
    rig.events.emit({ kind: 'consumer.stalled', consumer: 'a' })
    const first = await client.call('events.fetch', { after: 'start', max: 1 })
    expect(first.result).toMatchObject({ events: [{ kind: 'consumer.stalled', cursor: 'boot:1' }], cursor: 'boot:1' })
    const waiting = client.call('events.fetch', { after: 'boot:1', waitMs: 60_000 })
    rig.events.emit({ kind: 'consumer.stalled', consumer: 'b' })
    expect((await waiting).result).toMatchObject({ events: [{ consumer: 'b' }], cursor: 'boot:2' })
    expect((await client.call('events.fetch', { after: 'now' })).result).toEqual({ events: [], cursor: 'boot:2' })
    expect(errorOf(await client.call('events.fetch', { after: 'other:1' }))).toBe('CURSOR_GONE')
  })

  const MALFORMED: readonly (readonly [string, unknown, ErrorCode, RpcAnswer['id']])[] = [
    ['a batch', [{ jsonrpc: '2.0', id: 1, method: 'node.status' }], 'INVALID_REQUEST', null],
    ['a notification', { jsonrpc: '2.0', method: 'node.status' }, 'INVALID_REQUEST', null],
    ['an ID that is null', { jsonrpc: '2.0', id: null, method: 'node.status' }, 'INVALID_REQUEST', null],
    ['an ID that is a list', { jsonrpc: '2.0', id: [1], method: 'node.status' }, 'INVALID_REQUEST', null],
    ['another version', { jsonrpc: '1.0', id: 'a', method: 'node.status' }, 'INVALID_REQUEST', 'a'],
    ['no version', { id: 'a', method: 'node.status' }, 'INVALID_REQUEST', 'a'],
    ['no method', { jsonrpc: '2.0', id: 'a' }, 'INVALID_REQUEST', 'a'],
    [
      'parameters by position',
      { jsonrpc: '2.0', id: 'a', method: 'peers.get', params: ['bob'] },
      'INVALID_REQUEST',
      'a'
    ],
    ['members that no call has', { jsonrpc: '2.0', id: 'a', method: 'node.status', extra: 1 }, 'INVALID_REQUEST', 'a'],
    ['a method that is not there', { jsonrpc: '2.0', id: 'a', method: 'node.selfDestruct' }, 'METHOD_NOT_FOUND', 'a'],
    ['a method of every object', { jsonrpc: '2.0', id: 'a', method: 'constructor' }, 'METHOD_NOT_FOUND', 'a'],
    ['just a text', 'node.status', 'INVALID_REQUEST', null]
  ]

  it.each(MALFORMED)('%s is answered as an error, and the next call as ever', async (_case, message, code, id) => {
    const answer = await client.raw(message)
    expect([errorOf(answer), answer.id]).toEqual([code, id])
    expect((await client.call('identity.card')).result).toEqual({ card: 'parley:card:own' })
  })

  it('takes IDs that are text or integers, and no parameters at all', async () => {
    for (const id of ['', 'a', 0, -5, Number.MAX_SAFE_INTEGER]) {
      expect((await client.raw({ jsonrpc: '2.0', id, method: 'identity.card' })).id).toBe(id)
    }
  })

  it('an error of ours that nobody foresaw says nothing of itself, and is logged', async () => {
    rig.peers.get = () => {
      throw new TypeError('secret detail')
    }
    const { error } = await client.call('peers.get', { peer: 'bob' })
    expect(error).toMatchObject({ code: -32603, data: { code: 'INTERNAL' } })
    expect(JSON.stringify(error)).not.toContain('secret')
    expect(rig.logged.length).toBe(1)
    expect((await client.call('identity.card')).result).toBeDefined()
  })

  it('a result that no message can carry is an error of ours', async () => {
    rig.peers.list = () => [{ ...peerInfo('bob'), addedAt: 1.5 }]
    expect(errorOf(await client.call('peers.list'))).toBe('INTERNAL')
    expect((await client.call('identity.card')).result).toBeDefined()
  })

  it('subscriptions are for WebSockets', async () => {
    const credit = { messages: 1, bytes: 1 }
    const answers = [
      await client.call('messages.subscribe', { consumer: null, credit }),
      await client.call('events.subscribe'),
      await client.call('messages.credit', { subscription: 'none', ...credit }),
      await client.call('requests.serve', { name: 'sum' }),
      await client.call('requests.unserve', { subscription: 'none' })
    ]
    const codes = isPost
      ? Array(5).fill('NOT_SUPPORTED')
      : [undefined, undefined, 'NO_SUCH_SUBSCRIPTION', undefined, 'NO_SUCH_SUBSCRIPTION']
    expect(answers.map(errorOf)).toEqual(codes)
  })
})

function bodyIn(encoding: Encoding, text: string): string | Uint8Array {
  return encoding === 'json' ? Buffer.from(text).toString('base64') : new TextEncoder().encode(text)
}
