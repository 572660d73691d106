import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { DaemonError } from '../../src/errors.ts'
import { ClientClaims, NumberedSends } from '../../src/ipc/numbered-sends.ts'
import { HELLO, makeRig, postClient, type Rig, type RpcAnswer, type RpcClient, webSocketClient } from './rig.ts'

const codeOf = (run: () => void): string => {
  try {
    run()
  } catch (error) {
    return (error as DaemonError).code
  }
  return 'OK'
}

describe('numbered sends of a connection', () => {
  it('are refused behind one that was, and behind those, until it is accepted', () => {
    const sends = new NumberedSends('c')
    sends.refuse(1)
    expect(codeOf(() => sends.begin(2, 1, 0))).toBe('QUEUE_FULL')
    expect(codeOf(() => sends.begin(3, 2, 0))).toBe('QUEUE_FULL')
    expect(codeOf(() => sends.begin(4, undefined, 0))).toBe('OK')
    sends.accept(1)
    expect(codeOf(() => sends.begin(2, 1, 0))).toBe('OK')
  })

  it('are forgotten once their client has called them answered', () => {
    const sends = new NumberedSends('c')
    for (const number of [3, 1, 2]) sends.refuse(number)
    expect(codeOf(() => sends.begin(4, undefined, 2))).toBe('OK')
    expect(codeOf(() => sends.begin(5, 2, 2))).toBe('OK')
    expect(codeOf(() => sends.begin(6, 3, 2))).toBe('QUEUE_FULL')
  })

  it('are bounded where a client never calls any answered', () => {
    const sends = new NumberedSends('c')
    for (let number = 1; number <= 20_000; number++) sends.refuse(number)
    expect(codeOf(() => sends.begin(30_000, 1, 0))).toBe('OK')
    expect(codeOf(() => sends.begin(30_001, 20_000, 0))).toBe('QUEUE_FULL')
  })
})

describe('clients', () => {
  it('are one connection each, the one that said so last', () => {
    const claims = new ClientClaims()
    const first = claims.claim('c')
    const other = claims.claim('d')
    const second = claims.claim('c')
    expect(codeOf(() => first.begin(1, undefined, 0))).toBe('INVALID_REQUEST')
    expect(codeOf(() => second.begin(1, undefined, 0))).toBe('OK')
    expect(codeOf(() => other.begin(1, undefined, 0))).toBe('OK')
    claims.release(first)
    claims.claim('c')
    expect(codeOf(() => second.begin(2, undefined, 0))).toBe('INVALID_REQUEST')
  })
})

describe('over the socket, numbered sends', () => {
  const clientId = 'a'.repeat(32)
  let rig: Rig
  let client: RpcClient

  beforeEach(async () => {
    rig = await makeRig()
    client = await hello()
  })

  afterEach(() => rig[Symbol.asyncDispose]())

  async function hello(): Promise<RpcClient & { readonly accepted: unknown }> {
    const made = await webSocketClient(rig, 'cbor', false)
    const { result } = await made.call('node.hello', { ...HELLO, clientId })
    expect(result?.['clientId']).toBe(clientId)
    return { ...made, accepted: result?.['accepted'] }
  }

  const send = (by: RpcClient, number: number, more: object = {}): Promise<RpcAnswer> =>
    by.call('messages.send', { peer: 'bob', bodies: [new Uint8Array([number])], number, ...more })

  it('are accepted once, whatever connection brings them, and told to the next one', async () => {
    const first = (await send(client, 1)).result
    await send(client, 2, { previous: 1 })
    expect((await send(client, 1)).result).toEqual({ ...first, expiresAt: expect.any(Number) })
    const later = await hello()
    expect(later.accepted).toEqual([
      { number: 1, ids: first?.['ids'] },
      { number: 2, ids: expect.anything() }
    ])
    expect((await send(later, 1)).result?.['ids']).toEqual(first?.['ids'])
    expect((await send(client, 3)).error?.data['code']).toBe('INVALID_REQUEST')
    await send(later, 3, { answeredThrough: 2 })
    expect((await hello()).accepted).toEqual([{ number: 3, ids: expect.anything() }])
    expect(rig.outbox.queue().messages).toBe(3)
  })

  it('keep their order where the store was lost in between', async () => {
    rig.outbox.storeLost()
    expect((await send(client, 1)).error?.data).toMatchObject({ code: 'STORE_UNAVAILABLE', accepted: 'no' })
    expect((await hello()).accepted).toBe(null)
    client = await hello()
    expect((await send(client, 1)).error?.data['code']).toBe('STORE_UNAVAILABLE')
    await rig.outbox.reload()
    expect((await send(client, 2, { previous: 1 })).error?.data).toMatchObject({ code: 'QUEUE_FULL', previous: 1 })
    const [one, two] = [await send(client, 1), await send(client, 2, { previous: 1 })]
    expect([one, two].map(({ result }) => result?.['ids'])).toEqual([
      [{ first: expect.stringMatching(/\.1$/), count: 1 }],
      [{ first: expect.stringMatching(/\.2$/), count: 1 }]
    ])
  })

  it('are for a WebSocket, and a client has 32 hexadecimal digits', async () => {
    const post = await postClient(rig, 'cbor')
    expect((await send(post, 1)).error?.data['code']).toBe('INVALID_PARAMS')
    const made = await webSocketClient(rig, 'cbor', false)
    const named = await made.call('node.hello', { ...HELLO, clientId: 'mine' })
    expect(named.error?.data['code']).toBe('INVALID_PARAMS')
    const { result } = await made.call('node.hello', { ...HELLO, requires: ['durable', 'requests', 'transfers'] })
    expect(result).toMatchObject({ accepted: [], features: ['durable', 'requests', 'transfers'] })
  })
})
