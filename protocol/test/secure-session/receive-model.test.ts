import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ProtocolError } from '../../src/errors.ts'
import { DataChannel } from '../../src/secure-session/data-channel.ts'
import type { ReceivePolicy } from '../../src/secure-session/receive-policy.ts'
import { NOW_SECONDS } from '../support/peers.ts'
import { seededBytes } from '../support/random.ts'

const secrets = { sessionId: Uint8Array.of(1, 2, 3, 4), masterKey: new Uint8Array(32).fill(0x11) }
const COUNT = 2 ** 32
const DAY = 86_400

/** Something that arrives: one of the messages that were sent, whole or damaged, when the receiver's clock shows something. */
interface Arrival {
  readonly index: number
  readonly damage: { readonly kind: 'none' | 'cut' | 'flip'; readonly at: number; readonly bit: number }
  readonly receiverAheadSeconds: number
}

/** Both policies in other words than the code's: numbers as integers without end, and what is dead said to be dead. */
class Model {
  readonly #policy: ReceivePolicy
  #position: number

  constructor(policy: ReceivePolicy, start: number) {
    this.#policy = policy
    this.#position = start
  }

  take(sequence: number, ageSeconds: number): string {
    if (this.#policy === 'ordered') {
      if (sequence !== this.#position) return 'SEQUENCE_OUT_OF_RANGE'
      this.#position = (sequence + 1) % COUNT
      return 'taken'
    }
    const isDead = this.#position < 8 || this.#position > COUNT - 9
    if (isDead || Math.abs(sequence - this.#position) > 8) return 'SEQUENCE_OUT_OF_RANGE'
    if (Math.abs(ageSeconds) > DAY) return 'TIME_OUT_OF_RANGE'
    this.#position = sequence
    return 'taken'
  }
}

const start = fc.oneof(
  fc.integer({ min: 0, max: COUNT - 1 }),
  fc.integer({ min: 0, max: 24 }),
  fc.integer({ min: COUNT - 40, max: COUNT - 1 })
)
const aroundADay = fc.constantFrom(0, 0, 0, 0, 1, -DAY, DAY, -DAY - 1, DAY + 1)
const damage = fc.record({
  kind: fc.constantFrom('none', 'none', 'none', 'none', 'none', 'cut', 'flip'),
  at: fc.nat(59),
  bit: fc.nat(7)
})
/** Mostly the next ones; now and then any: lost, repeated, late. */
const arrivals = fc.array(
  fc.record({
    step: fc.constantFrom(1, 1, 1, 1, 1, 2, 3, 0, -1, -3, 8, 9, -8, -9),
    damage,
    receiverAheadSeconds: aroundADay
  }),
  { minLength: 1, maxLength: 60 }
)

describe.each<ReceivePolicy>(['themis', 'ordered'])('receive policy %s', policy => {
  test('takes and refuses exactly what its model does, under loss, repetition, reordering, cuts and changes', () => {
    const seen = new Map<string, number>()
    fc.assert(
      fc.property(start, arrivals, (first, steps) => {
        const options = { secrets, receivePolicy: policy, randomBytes: seededBytes('model') }
        const sequenceNumbers = { outgoing: first, incoming: first }
        const sender = new DataChannel({ ...options, role: 'client', sequenceNumbers })
        const receiver = new DataChannel({ ...options, role: 'server', sequenceNumbers })
        const sent = Array.from({ length: 80 }, (_, i) =>
          sender.wrap(Uint8Array.of(i, 1, 2, 3, 4, 5, 6, 7), NOW_SECONDS)
        )
        const model = new Model(policy, first)
        let index = -1
        for (const { step, ...rest } of steps) {
          index = Math.min(Math.max(index + step, 0), sent.length - 1)
          const arrival: Arrival = { index, ...rest }
          const outcome = deliver(receiver, sent[index] as Uint8Array, arrival)
          const expected = expectedOf(model, arrival, (first + index) % COUNT)
          expect(outcome).toBe(expected)
          seen.set(outcome, (seen.get(outcome) ?? 0) + 1)
        }
      }),
      { numRuns: 200 }
    )
    const outcomes = ['taken', 'SEQUENCE_OUT_OF_RANGE', 'AUTHENTICATION_FAILED', 'INVALID_MESSAGE']
    expect([...seen.keys()].toSorted()).toEqual(
      [...outcomes, ...(policy === 'themis' ? ['TIME_OUT_OF_RANGE'] : [])].toSorted()
    )
  })
})

function deliver(receiver: DataChannel, wrapped: Uint8Array, arrival: Arrival): string {
  const { kind, at, bit } = arrival.damage
  let arrived = wrapped
  if (kind === 'cut') arrived = wrapped.subarray(0, at)
  if (kind === 'flip') arrived = wrapped.with(at, (wrapped[at] as number) ^ (1 << bit))
  const before = receiver.sequenceNumbers
  try {
    const { message, sentAtSeconds } = receiver.unwrap(arrived, NOW_SECONDS + arrival.receiverAheadSeconds)
    expect(message[0]).toBe(arrival.index)
    expect(sentAtSeconds).toBe(NOW_SECONDS)
    return 'taken'
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    expect(receiver.sequenceNumbers).toEqual(before)
    return error.code
  }
}

function expectedOf(model: Model, { damage: { kind, at }, receiverAheadSeconds }: Arrival, sequence: number): string {
  if (kind === 'cut') return at <= 52 ? 'INVALID_MESSAGE' : 'AUTHENTICATION_FAILED'
  if (kind === 'flip' && at < 4) return 'INVALID_MESSAGE'
  if (kind === 'flip' && (at < 16 || at >= 20)) return 'AUTHENTICATION_FAILED'
  return model.take(sequence, receiverAheadSeconds)
}
