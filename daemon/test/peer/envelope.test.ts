import { describe, expect, it } from 'vitest'
import { decodeBatch, type Envelope, encodeBatch } from '../../src/peer/envelope.ts'
import { PeerFault } from '../../src/peer/fault.ts'
import { seededRandomBytes } from '../../src/random.ts'

const random = seededRandomBytes('envelopes')
const [epoch, tag, id, body] = [random(16), random(8), random(16), random(100)]

function codeOf(envelope: Envelope): string | undefined {
  try {
    decodeBatch(encodeBatch([envelope]))
    return undefined
  } catch (error) {
    if (error instanceof PeerFault) return error.code
    throw error
  }
}

/** Buffers and byte arrays alike, as hexadecimal text. */
const plain = (envelope: Envelope): unknown =>
  JSON.parse(
    JSON.stringify(envelope, (_key, value: unknown) => {
      if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
      return isBufferJson(value) ? Buffer.from(value.data).toString('hex') : value
    })
  )

function isBufferJson(value: unknown): value is { readonly data: number[] } {
  return typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer'
}

const receipt = (change: object = {}): Envelope => ({
  receipt: { epoch, lane: 1_025, state: 1, from: 1, to: 7, reason: '', ...change } as never
})
const run = (change: object = {}): Envelope => ({
  run: {
    ...{ lane: 1_025, first: 3, acceptedAt: 5, ttlLeftMs: 7, tag, maybeDuplicate: true, bodies: [body] },
    ...change
  }
})
const request = (change: object = {}): Envelope => ({
  request: { id, name: 'sum', timeLeftMs: 1_000, body, ...change }
})

describe('an envelope', () => {
  it.each<[string, Envelope]>([
    ['a durable lane_open', { laneOpen: { lane: 1_025, channel: 'c', durable: true, epoch } }],
    ['a lane_open that is not durable', { laneOpen: { lane: 1, channel: 'c', durable: false } }],
    ['a durable run', run()],
    ['a run that is not durable', { run: { lane: 1, first: 1, acceptedAt: 5, bodies: [body, body] } }],
    ['a skip', { skip: { lane: 1_025, from: 3, to: 9 } }],
    ['a receipt', receipt()],
    ['a receipt with a reason', receipt({ state: 3, reason: 'x'.repeat(200) })],
    ['credit for requests', { credit: { lane: 0, messages: 16, bytes: 1_000 } }],
    ['a request', request()],
    ['a response', { response: { id, body } }],
    ['a refusal of a request', { reject: { request: id, code: 'NO_RESPONDER', text: 'nobody' } }],
    ['the close of a lane', { reject: { lane: 1_025, code: 'LANE_CLOSED', text: '' } }]
  ])('says the same after the wire: %s', (_what, envelope) => {
    const [decoded] = decodeBatch(encodeBatch([envelope]))
    expect(plain(decoded as Envelope)).toEqual(plain(envelope))
  })

  it('has one subject where two were written, the last, as protobuf has it', () => {
    const both = { reject: { request: id, lane: 1_025, code: 'LANE_CLOSED', text: '' } }
    expect(decodeBatch(encodeBatch([both]))).toEqual([{ reject: { lane: 1_025, code: 'LANE_CLOSED', text: '' } }])
  })

  it('has empty bytes where none were written', () => {
    const [decoded] = decodeBatch(encodeBatch([{ response: { id, body: new Uint8Array(0) } }]))
    expect(decoded !== undefined && 'response' in decoded && decoded.response.body).toBeInstanceOf(Uint8Array)
  })

  it('does not keep its frame by its epoch', () => {
    const frame = encodeBatch([receipt()])
    const [decoded] = decodeBatch(frame)
    expect(decoded !== undefined && 'receipt' in decoded && decoded.receipt.epoch.buffer).not.toBe(frame.buffer)
  })

  it.each<[string, Envelope]>([
    ['an epoch of 15 bytes', { laneOpen: { lane: 1_025, channel: 'c', durable: true, epoch: random(15) } }],
    ['a durable lane without an epoch', { laneOpen: { lane: 1_025, channel: 'c', durable: true } }],
    ['a tag of 7 bytes', run({ tag: random(7) })],
    ['a durable run without a tag', run({ tag: new Uint8Array(0) })],
    ['a durable run from 0', run({ first: 0 })],
    ['a run whose time is beyond all numbers', run({ acceptedAt: 2 ** 60 })],
    ['a skip of nothing', { skip: { lane: 1_025, from: 3, to: 2 } }],
    ['a skip from 0', { skip: { lane: 1_025, from: 0, to: 2 } }],
    ['a skip beyond all numbers', { skip: { lane: 1_025, from: 1, to: 2 ** 60 } }],
    ['a receipt of state 4', receipt({ state: 4 })],
    ['a receipt of no state', receipt({ state: 0 })],
    ['a receipt of an epoch of 17 bytes', receipt({ epoch: random(17) })],
    ['a receipt of nothing', receipt({ from: 9, to: 8 })],
    ['a receipt with a long reason', receipt({ state: 3, reason: 'x'.repeat(201) })],
    ['credit beyond all numbers', { credit: { lane: 1_025, messages: 2 ** 60, bytes: 1 } }],
    ['a request with an ID of 8 bytes', request({ id: random(8) })],
    ['a request without a name', request({ name: '' })],
    ['a request with a long name', request({ name: 'n'.repeat(65) })],
    ['a request with a control character for a name', request({ name: '\u0007' })],
    ['a request whose time is beyond all numbers', request({ timeLeftMs: 2 ** 60 })],
    ['a response with an ID of 17 bytes', { response: { id: random(17), body } }],
    ['a reject without a subject', { reject: { code: 'X', text: '' } }],
    ['a reject with a long text', { reject: { request: id, code: 'X', text: 'x'.repeat(201) } }]
  ])('is refused: %s', (_what, envelope) => {
    expect(codeOf(envelope)).toBe('PROTOCOL_VIOLATION')
  })

  it('is refused as a hello with marks that are none, or with more than there are lanes', () => {
    const mark = { epoch, lane: 1_025, stored: 7, tag }
    const hello = (lanes: readonly object[]): Envelope => ({
      hello: {
        ...{ protocol: 'p', minor: 0, features: [], requiredFeatures: [] },
        limits: { messageBytes: 1, frameBytes: 1, lanes: 1 },
        ...{ ownNodeId: id, peerNodeId: id, ownFingerprint: id, peerFingerprint: id, transcript: id, bootId: id },
        ...{ rekey: false, generation: 0, cardSerial: 1, heldCardSerial: 1, lanes: lanes as never }
      }
    })
    const marks = [{ tag: random(9) }, { epoch: random(3) }, { lane: 1_024 }, { stored: 2 ** 60 }]
    const codes = marks.map(change => codeOf(hello([{ ...mark, ...change }])))
    expect(codes).toEqual(marks.map(() => 'PROTOCOL_VIOLATION'))
    expect(codeOf(hello(Array.from({ length: 1_026 }, () => mark)))).toBe('PROTOCOL_VIOLATION')
    expect(codeOf(hello([mark, { ...mark, lane: 1_026, tag: new Uint8Array(0) }]))).toBeUndefined()
  })
})
