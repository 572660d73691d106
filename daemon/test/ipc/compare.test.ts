import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Call } from '../../src/ipc/call.ts'
import type { Encoding } from '../../src/ipc/codec.ts'
import { compareAnswer } from '../../src/ipc/methods/compare-answer.ts'
import { compareStart } from '../../src/ipc/methods/compare-start.ts'
import { memorySide, unixSide } from './app-ends.ts'
import { makeRig, postClient, type Rig, type RpcAnswer, type RpcClient, webSocketClient } from './rig.ts'

const WAYS = [
  ['cbor in memory', { encoding: 'cbor', makeSide: memorySide }],
  ['json on a Unix socket', { encoding: 'json', makeSide: unixSide }]
] as const
const NEVER = new AbortController().signal
const utf8 = (text: string) => new TextEncoder().encode(text)

describe.each(WAYS)('comparisons as %s', (_name, { encoding, makeSide }) => {
  let rig: Rig
  let client: RpcClient

  beforeEach(async () => {
    rig = await makeRig(makeSide)
    client = await webSocketClient(rig, encoding)
  })

  afterEach(() => rig[Symbol.asyncDispose]())

  const secret = (text: string) => secretIn(encoding, text)
  const errorOf = (answer: RpcAnswer) => answer.error?.data['code']
  const bob = {
    start: (text: string, question = '') =>
      rig.bobCompares.start(
        { contact: 'contact-near', secret: utf8(text), question, purpose: 'compare', timeoutMs: 60_000, id: undefined },
        NEVER
      ),
    async waiting(): Promise<string> {
      for (;;) {
        const [waiting] = rig.bobCompares.waiting()
        if (waiting !== undefined) return waiting.compare
        await new Promise(resolve => setImmediate(resolve))
      }
    },
    answer: (compare: string, text: string) =>
      rig.bobCompares.answer({ compare, secret: utf8(text), purpose: 'compare', id: undefined }, NEVER)
  }

  it('are started, also by POST, and end with the verdict', async () => {
    for (const each of [client, await postClient(rig, encoding)]) {
      const started = each.call('compare.start', { peer: 'bob', secret: secret('s'), question: 'which?' })
      const compare = await bob.waiting()
      expect(await bob.answer(compare, 's')).toMatchObject({ verdict: 'match' })
      expect((await started).result).toEqual({ compare, verdict: 'match', verified: false })
    }
  })

  it('are announced, and answered once', async () => {
    await client.call('events.subscribe', { after: 'now' })
    const started = bob.start('s', 'which?')
    const { params } = await client.notified()
    const [event] = params['events'] as { kind: string; compare: string; question: string }[]
    expect(event).toMatchObject({ kind: 'compare.waiting', contact: 'contact-bob', name: 'bob', question: 'which?' })
    const compare = event?.compare
    expect((await client.call('compare.answer', { compare, secret: secret('t') })).result).toEqual({
      ...{ compare, verdict: 'no-match', verified: false }
    })
    expect((await started).verdict).toBe('no-match')
    expect(errorOf(await client.call('compare.answer', { compare, secret: secret('t') }))).toBe('NO_SUCH_COMPARISON')
  })

  it('are cancelled by peer, and by the name of their call', async () => {
    const started = client.call('compare.start', { peer: 'bob', secret: secret('s'), id: 'mine' })
    await bob.waiting()
    const other = await webSocketClient(rig, encoding)
    expect(errorOf(await other.call('compare.cancel', { peer: 'bob', id: 'other' }))).toBe('NO_SUCH_COMPARISON')
    expect((await other.call('compare.cancel', { peer: 'bob', id: 'mine' })).result).toEqual({})
    expect(errorOf(await started)).toBe('STOPPED')
    expect(errorOf(await other.call('compare.cancel', { peer: 'bob' }))).toBe('NO_SUCH_COMPARISON')
  })

  it('refuse what is no secret, no question, no comparison and no purpose', async () => {
    const refused = async (method: string, params: object) =>
      expect(errorOf(await client.call(method, params)), JSON.stringify(params)).toBe('INVALID_PARAMS')
    await refused('compare.start', { peer: 'bob' })
    await refused('compare.start', { peer: 'bob', secret: secret('') })
    await refused('compare.start', { peer: 'bob', secret: secret('s'.repeat(4_097)) })
    await refused('compare.start', { peer: 'bob', secret: secret('s'), question: 'q'.repeat(201) })
    await refused('compare.start', { peer: 'bob', secret: secret('s'), purpose: 'trust' })
    await refused('compare.start', { peer: 'bob', secret: secret('s'), timeoutMs: 0 })
    await refused('compare.answer', { compare: 'x', secret: secret('s') })
    expect(errorOf(await client.call('compare.start', { peer: 'nobody', secret: secret('s') }))).toBe('NO_SUCH_PEER')
  })

  it('verify nobody for a caller that may not change trust', () => {
    const call = { caller: { owner: 'app', name: 'app', access: 'send' }, signal: NEVER } as Call
    const given = { secret: utf8('s'), purpose: 'verify' }
    for (const [method, params] of [
      [compareStart, { peer: 'bob', ...given }],
      [compareAnswer, { compare: 'a'.repeat(32), ...given }]
    ] as const)
      expect(() => method.call(params, call)).toThrow(expect.objectContaining({ code: 'FORBIDDEN' }))
  })
})

function secretIn(encoding: Encoding, text: string): unknown {
  return encoding === 'cbor' ? utf8(text) : Buffer.from(text).toString('base64')
}
