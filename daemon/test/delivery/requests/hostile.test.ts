import { describe, expect, test } from 'vitest'
import { VirtualClock } from '../../../src/actor/virtual-clock.ts'
import type { Credit, RequestEnvelope } from '../../../src/delivery/port.ts'
import { ask, bytes, failureOf, faultOf, KiB, MiB, makeSide, requestOf, serve } from './support.ts'

/** A side whose contact `mallory` is played by the test. */
function withMallory(limits: Parameters<typeof makeSide>[2] = {}) {
  const clock = new VirtualClock()
  const side = makeSide(clock, 'alice', limits)
  const credits: Credit[] = []
  const attachment = side.requests.attach('mallory', {
    messageBytesMax: MiB,
    wake: () => undefined,
    credit: credit => credits.push(credit)
  })
  const receive = (envelope: RequestEnvelope) => side.requests.received('mallory', envelope)
  const written = () => attachment.take(64 * KiB, true)?.envelope
  return { clock, side, credits, attachment, receive, written }
}

describe('a peer of no scruples', () => {
  test.each<[string, RequestEnvelope]>([
    ['an ID that is too short', requestOf(1, { id: new Uint8Array(15) })],
    ['an empty name', requestOf(1, { name: '' })],
    ['a name with control characters', requestOf(1, { name: 'a\nb' })],
    ['a name that is too long', requestOf(1, { name: 'x'.repeat(65) })],
    ['a time beyond all numbers', requestOf(1, { timeLeftMs: 2 ** 63 })],
    ['a body over the limit', requestOf(1, { body: new Uint8Array(MiB + 1) })],
    ['an answer over the limit', { response: { id: new Uint8Array(16), body: new Uint8Array(MiB + 1) } }],
    ['an answer to an ID that is none', { response: { id: new Uint8Array(3), body: bytes('') } }],
    ['a refusal of an ID that is none', { reject: { request: new Uint8Array(0), code: 'REFUSED', text: '' } }]
  ])('ends its session with %s', (_name, envelope) => {
    const { receive } = withMallory()
    expect(faultOf(() => receive(envelope))).toBe('PROTOCOL_VIOLATION')
  })

  test('that answers what was never asked, or of another contact, is not heard', async () => {
    const { clock, side, receive, written } = withMallory()
    side.requests.attach('bob', { messageBytesMax: MiB, wake: () => undefined, credit: () => undefined })
    const failure = failureOf(ask(side, 'bob'))
    receive({ response: { id: new Uint8Array(16), body: bytes('x') } })
    receive({ reject: { request: new Uint8Array(16), code: 'NO_RESPONDER', text: '' } })
    expect(written()).toBeUndefined()
    await clock.advance(1_000)
    expect(await failure).toEqual({ code: 'DEADLINE', executed: 'no' })
  })

  test('that repeats an ID has it executed once', () => {
    const { side, receive, written } = withMallory()
    const app = serve(side, 'sum')
    receive(requestOf(1))
    receive(requestOf(1))
    app.serving.respond('r1', { body: bytes('y') })
    expect(written()).toMatchObject({ response: { body: bytes('y') } })
    receive(requestOf(1))
    expect(app.given.length).toBe(1)
    expect(written()).toBeUndefined()
  })

  test('is believed an hour at most, and a request without time is dropped', async () => {
    const { clock, side, receive } = withMallory()
    const app = serve(side, 'sum')
    receive(requestOf(1, { timeLeftMs: Number.MAX_SAFE_INTEGER }))
    receive(requestOf(2, { timeLeftMs: 0 }))
    expect(app.given.map(({ timeLeftMs }) => timeLeftMs)).toEqual([3_600_000])
    await clock.advance(3_600_000)
    expect(clock.timerCount).toBe(0)
  })

  test('that does not mind its credit is cut off, by count and by bytes', () => {
    const { side, receive, credits } = withMallory({ requestContactCountMax: 16 })
    serve(side, 'sum')
    expect(credits).toEqual([{ lane: 0, messages: 16, bytes: 4 * MiB }])
    const flood = (body: Uint8Array) => {
      for (let id = 1; ; id++) {
        const fault = faultOf(() => receive(requestOf(id, { body })))
        if (fault !== 'no fault') return { id, fault }
      }
    }
    expect(flood(bytes(''))).toEqual({ id: 33, fault: 'CREDIT_EXCEEDED' })
    const other = withMallory()
    serve(other.side, 'sum')
    for (let id = 1; id <= 8; id++) other.receive(requestOf(id, { body: new Uint8Array(MiB) }))
    expect(faultOf(() => other.receive(requestOf(9, { body: new Uint8Array(1) })))).toBe('CREDIT_EXCEEDED')
  })

  test('that reads no answers is granted no more', () => {
    const { receive, credits } = withMallory({ requestContactCountMax: 16 })
    for (let id = 1; id <= 16; id++) receive(requestOf(id))
    expect(credits.length).toBe(1)
  })

  test.each<[string, Credit]>([
    ['falls', { lane: 0, messages: 1, bytes: 5 }],
    ['falls in bytes', { lane: 0, messages: 5, bytes: 1 }],
    ['is beyond all numbers', { lane: 0, messages: 2 ** 60, bytes: 2 ** 60 }]
  ])('whose credit %s ends its session', (_name, credit) => {
    const { attachment } = withMallory()
    attachment.credit({ lane: 0, messages: 5, bytes: 5 })
    expect(faultOf(() => attachment.credit(credit))).toBe('PROTOCOL_VIOLATION')
  })

  test('does not choose what programs are told: an unknown code is a refusal', async () => {
    const { clock, side, attachment, receive, written } = withMallory()
    attachment.credit({ lane: 0, messages: 5, bytes: MiB })
    const failure = ask(side, 'mallory')
    const envelope = written()
    if (envelope === undefined || !('request' in envelope)) throw new Error('no request was written')
    const { id: request } = envelope.request as { id: Uint8Array }
    receive({ reject: { request, code: 'STORE_DAMAGED', text: '\u001b[31mred\ud800' } })
    await expect(failure).rejects.toMatchObject({
      code: 'REQUEST_REFUSED',
      message: expect.stringMatching(/^\[31mred/),
      data: { executed: 'unknown' }
    })
    expect(clock.timerCount).toBe(0)
  })
})
