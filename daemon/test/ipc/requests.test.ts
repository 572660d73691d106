import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Encoding } from '../../src/ipc/codec.ts'
import { memorySide, unixSide } from './app-ends.ts'
import { makeRig, type Notified, postClient, type Rig, type RpcAnswer, type RpcClient, webSocketClient } from './rig.ts'

const WAYS = [
  ['cbor in memory', { encoding: 'cbor', makeSide: memorySide }],
  ['json on a Unix socket', { encoding: 'json', makeSide: unixSide }]
] as const

describe.each(WAYS)('requests as %s', (_name, { encoding, makeSide }) => {
  let rig: Rig
  let server: RpcClient
  let asker: RpcClient

  beforeEach(async () => {
    rig = await makeRig(makeSide)
    server = await webSocketClient(rig, encoding)
    asker = await webSocketClient(rig, encoding)
  })

  afterEach(() => rig[Symbol.asyncDispose]())

  const body = (text: string) => bodyIn(encoding, text)
  const errorOf = (answer: RpcAnswer) => answer.error?.data['code']
  const ask = (client: RpcClient, more: object = {}) =>
    client.call('requests.send', { peer: 'bob', name: 'sum', body: body('1 2'), ...more })
  const serve = async (client: RpcClient, more: object = {}) =>
    (await client.call('requests.serve', { name: 'sum', ...more })).result?.['subscription']
  const given = async (): Promise<Notified['params']> => {
    const { method, params } = await server.notified()
    expect(method).toBe('requests.request')
    return params
  }

  it('go to the program that serves their name, and its answer to the one that asked', async () => {
    const subscription = await serve(server)
    for (const client of [asker, await postClient(rig, encoding)]) {
      const asked = ask(client, { timeoutMs: 60_000 })
      const params = await given()
      const { request, timeLeftMs, ...rest } = params
      expect(rest).toEqual({
        ...{ subscription, contact: 'contact-bob', from: 'bob@host', fromName: 'bob', name: 'sum', body: body('1 2') }
      })
      expect(timeLeftMs).toBeGreaterThan(50_000)
      const respond = (more: object) => server.call('requests.respond', { subscription, request, ...more })
      expect(errorOf(await respond({}))).toBe('INVALID_PARAMS')
      expect(errorOf(await respond({ body: body('3'), error: { text: 'x' } }))).toBe('INVALID_PARAMS')
      expect(errorOf(await respond({ error: { text: 'x', code: 'lower' } }))).toBe('INVALID_PARAMS')
      expect((await respond({ body: body('3') })).result).toEqual({})
      expect((await asked).result).toEqual({ body: body('3') })
      expect(errorOf(await respond({ body: body('3') }))).toBe('NO_SUCH_REQUEST')
    }
  })

  it('are refused with the words of the program', async () => {
    const subscription = await serve(server)
    const asked = ask(asker)
    const { request } = await given()
    await server.call('requests.respond', { subscription, request, error: { code: 'NOT_MINE', text: 'not mine' } })
    expect((await asked).error).toMatchObject({
      message: 'not mine',
      data: { code: 'REQUEST_REFUSED', refusal: 'NOT_MINE', executed: 'unknown' }
    })
  })

  it('are served by one program, until another takes over', async () => {
    const subscription = await serve(server)
    const { error } = await asker.call('requests.serve', { name: 'sum' })
    expect(error?.data).toMatchObject({ code: 'RESPONDER_BUSY', by: 'tester' })
    expect(await serve(asker, { takeover: true })).toBeDefined()
    expect(await server.notified()).toEqual({
      ...{ jsonrpc: '2.0', method: 'requests.ended' },
      params: { subscription, code: 'TAKEN_OVER' }
    })
    expect(errorOf(await server.call('requests.unserve', { subscription }))).toBe('NO_SUCH_SUBSCRIPTION')
  })

  it('end with RESPONDER_GONE when the program hangs up, and its name is free', async () => {
    await serve(server)
    const asked = ask(asker)
    await given()
    server.end?.close()
    expect((await asked).error?.data).toMatchObject({ code: 'RESPONDER_GONE', executed: 'unknown' })
    expect(await serve(asker)).toBeDefined()
  })

  it('are cancelled by their ID', async () => {
    await serve(server)
    const asked = ask(asker, { id: 'mine' })
    await given()
    expect((await asker.call('requests.cancel', { id: 'mine' })).result).toEqual({})
    expect((await asked).error?.data).toMatchObject({ code: 'STOPPED', executed: 'unknown' })
  })

  it('and those who serve hear SHUTTING_DOWN when the daemon stops', async () => {
    const subscription = await serve(server)
    rig.requests.stop()
    expect((await server.notified()).params).toEqual({ subscription, code: 'SHUTTING_DOWN' })
    expect(errorOf(await ask(asker))).toBe('SHUTTING_DOWN')
  })
})

function bodyIn(encoding: Encoding, text: string): string | Uint8Array {
  return encoding === 'json' ? Buffer.from(text).toString('base64') : new TextEncoder().encode(text)
}
